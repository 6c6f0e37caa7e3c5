"""The view of contributions: lists, searches, and where one leads and comes from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Final, TypedDict, Unpack, get_args

from grove_sm.domain import Contribution, Kind, Mode, RelationType
from grove_sm.domain.arguments import limit_argument, text_argument
from grove_sm.domain.errors import Corrupt, NotFound, ValidationError
from grove_sm.operations.layout import CONTRIBUTIONS, HANDOFFS
from grove_sm.operations.plan import Get
from grove_sm.operations.words import parse_search
from grove_sm.views.asking import Asked
from grove_sm.views.pages import Page
from grove_sm.views.threads import (
    Step,
    Thread,
    as_tree,
    children_in,
    relations_to,
    walk,
    with_handoffs,
)
from grove_sm.views.view import View

MOST_NODES: Final = 1000
"""How many contributions of a thread are given, where nobody says."""


class ContributionFilters(TypedDict, total=False):
    """Which contributions; all must hold, and None is no filter.

    `tag` is one, or a list of which it must carry all; `target_cid` is what it relates to; times
    are `created_at`, the first included.
    """

    kind: str | None
    mode: str | None
    agent_id: str | None
    role: str | None
    tag: str | Sequence[str] | None
    target_cid: str | None
    since: str | datetime | None
    before: str | datetime | None


class Contributions(View[Contribution]):
    """The contributions. Each is checked against its CID when it is read."""

    _collection = CONTRIBUTIONS
    _kind = Contribution
    _filters = ContributionFilters.__optional_keys__
    _counted: ClassVar[Mapping[str, str]] = {
        "kind": "kind",
        "mode": "mode",
        "agent_id": "agentId",
        "role": "role",
    }

    def list(
        self,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[ContributionFilters],
    ) -> Page[Contribution]:
        """Those that filters ask for, oldest first, at most `limit`; behind a cursor, if any.

        Raises ValidationError; Corrupt if one of them is damaged; StoreUnavailable.
        """
        return self._list(filters, newest_first=newest_first, limit=limit, cursor=cursor)

    def search(
        self,
        text: str,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[ContributionFilters],
    ) -> Page[Contribution]:
        """As `list`, of those that have words in their summary or description.

        `fused kernel` asks for both words, `"fused kernel"` for one behind the other, `kern*` for
        a word that begins so. Case, accents and punctuation make no difference.
        """
        return self._list(
            filters,
            newest_first=newest_first,
            limit=limit,
            cursor=cursor,
            terms=parse_search(text),
        )

    def counts(
        self,
        by: str = "kind",
        *,
        text: str | None = None,
        **filters: Unpack[ContributionFilters],
    ) -> dict[str, int]:
        """How many there are of each kind (or mode, agent_id, role: `by`), under these filters.

        Those without a role count under the empty string. With `text`, of what `search` finds.
        Raises as `list`.
        """
        return self._counts(by, filters, () if text is None else parse_search(text))

    def children(
        self,
        cid: str,
        /,
        *,
        relation_type: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[Contribution]:
        """Those that have a relation to a contribution; of this type, if one is given.

        Raises NotFound if there is no such contribution; otherwise as `list`.
        """
        self.get(cid)
        query = self._query({"target_cid": cid}, newest_first=newest_first)
        asked = ("children", cid, relation_type, newest_first)
        also = _of_type(relation_type, cid)
        return self._page(query, asked, limit=limit, cursor=cursor, also=also)

    def ancestors(
        self, cid: str, /, *, relation_type: str | None = None, limit: int | None = MOST_NODES
    ) -> Thread:
        """What a contribution comes from: what it relates to, what that relates to, and so on.

        Nearest first, without the contribution itself; by relations of this type, if one is given;
        at most `limit`. Contributions never change, so it does not matter when each is read.
        Raises ValidationError; NotFound; Corrupt; StoreUnavailable.
        """
        _check_type(relation_type)
        limit_argument(limit)

        def lead(child: Contribution) -> Iterator[Step]:
            for relation in child.relations:
                if relation_type in (None, relation.relation_type):
                    yield self._target(child, relation.target_cid), relation.relation_type

        walked = walk(self.get(cid), lead, None if limit is None else limit + 1)
        return replace(walked, nodes=walked.nodes[1:])

    def thread(
        self, cid: str, /, *, relation_type: str | None = None, limit: int | None = MOST_NODES
    ) -> Thread:
        """What follows from a contribution: it, what relates to it, what relates to that...

        With the handoffs of each, all as they are at one moment. In the order of a tree: each
        contribution before what follows from it, branches by their creation; by relations of this
        type, if one is given; at most `limit`, of which the nearest. Raises as `ancestors`.
        """
        _check_type(relation_type)
        limit_argument(limit)
        participants = self._coordinator.participants
        with self._coordinator.snapshots() as views:
            begin = None
            for stored in views[CONTRIBUTIONS].read(Get(CONTRIBUTIONS, text_argument("id", cid))):
                begin = self._decode(stored)
            if begin is None:
                raise NotFound(record=f"contribution {cid}")
            lead = children_in(
                views[CONTRIBUTIONS], participants[CONTRIBUTIONS].name, relation_type
            )
            found = walk(begin, lead, limit)
            return as_tree(with_handoffs(found, views[HANDOFFS], participants[HANDOFFS].name))

    def _target(self, child: Contribution, cid: str) -> Contribution:
        try:
            return self.get(cid)
        except NotFound as error:
            raise Corrupt(
                what=f"contribution {cid}",
                where=self._coordinator.participants[CONTRIBUTIONS].name,
                reason=f"contribution {child.cid} relates to it, but it is not there",
            ) from error

    def _asked(self, filters: Mapping[str, Any]) -> Asked:
        asked = Asked(CONTRIBUTIONS)
        asked.equal("kind", filters.get("kind"), get_args(Kind))
        asked.equal("mode", filters.get("mode"), get_args(Mode))
        asked.equal("agentId", filters.get("agent_id"))
        asked.equal("role", filters.get("role"))
        asked.holds("tag", filters.get("tag"))
        asked.equal("targetCid", filters.get("target_cid"))
        asked.between("createdAt", filters.get("since"), filters.get("before"))
        return asked


def _check_type(relation_type: object) -> None:
    choices = get_args(RelationType)
    if relation_type is not None and relation_type not in choices:
        rule = f"must be one of {', '.join(choices)}"
        raise ValidationError(field="relationType", rule=rule, value=relation_type)


def _of_type(relation_type: str | None, cid: str) -> Callable[[Contribution], bool] | None:
    """Whether a contribution relates to another by this type; None if any type will do."""
    _check_type(relation_type)
    if relation_type is None:
        return None
    return lambda child: bool(relations_to(child, cid, relation_type))
