"""Asking the library what the model of reads has an answer for."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from grove_sm.commit.coordinator import Coordinator
from grove_sm.operations.query import Query
from grove_sm.views import Bounties, Claims, Contributions, Handoffs
from models.reads import (
    COLLECTIONS,
    Ancestors,
    Children,
    Collection,
    Counted,
    CountedAll,
    Found,
    Listed,
    Read,
    Threaded,
)

_PAGE: Final = 2
_VIEWS: Final[Mapping[Collection, Callable[[Coordinator], Any]]] = {
    "contributions": Contributions,
    "handoffs": Handoffs,
    "claims": Claims,
    "bounties": Bounties,
}
_ID: Final[Mapping[Collection, str]] = {
    "contributions": "cid",
    "handoffs": "handoff_id",
    "claims": "claim_id",
    "bounties": "bounty_id",
}
_COUNTED_BY: Final = {"contributions": "kind"}


def look_up(coordinator: Coordinator, read: Read) -> Any:
    """What a coordinator's views answer, as the model words it; lists are read page by page."""
    contributions = Contributions(coordinator)
    told: Any
    match read:
        case Listed(collection, filters, newest_first):
            ask = _VIEWS[collection](coordinator).list
            told = _paged(collection, ask, newest_first=newest_first, **dict(filters))
        case Found(text):
            told = _paged("contributions", contributions.search, text)
        case Counted(collection, filters):
            told = _VIEWS[collection](coordinator).counts(**dict(filters))
        case CountedAll():
            with coordinator.snapshots() as views:
                told = {
                    name: dict(views[name].counts(Query(name), _COUNTED_BY.get(name, "status")))
                    for name in COLLECTIONS
                }
        case Threaded(cid):
            told = {
                node.contribution.cid: (node.depth, {each.handoff_id for each in node.handoffs})
                for node in contributions.thread(cid).nodes
            }
        case Ancestors(cid):
            nodes = contributions.ancestors(cid).nodes
            told = {node.contribution.cid: node.depth for node in nodes}
        case Children(cid):
            told = _paged("contributions", contributions.children, cid)
    return told


def _paged(collection: Collection, ask: Callable[..., Any], *subject: str, **asked: Any) -> Any:
    ids: list[str] = []
    cursor = None
    while True:
        page = ask(*subject, limit=_PAGE, cursor=cursor, **asked)
        ids += [getattr(record, _ID[collection]) for record in page]
        cursor = page.next
        if cursor is None:
            return ids
