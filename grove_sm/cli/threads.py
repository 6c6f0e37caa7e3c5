"""Commands that follow the relations between contributions."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from grove_sm.cli.contributions import COLUMNS
from grove_sm.cli.listing import Cursor, Limit, NewestFirst, write_page
from grove_sm.cli.options import HERE, AsJson, GroveFolder, open_grove
from grove_sm.cli.output import Column, write_json, write_line, write_records

if TYPE_CHECKING:
    from grove_sm.views import Node, Thread

_Cid = Annotated[str, typer.Argument(metavar="CID", help="The contribution.")]
_RelationType = Annotated[
    str | None,
    typer.Option(
        "--relation",
        metavar="TYPE",
        help="Only by derives_from, responds_to, reviews, reproduces or adopts.",
    ),
]
_MostNodes = Annotated[
    int, typer.Option("--limit", metavar="N", min=0, help="At most so many, of which the nearest.")
]


def _of_contribution(column: Column) -> Column:
    """A column of contributions, for nodes."""

    def show(node: "Node") -> object:
        return column.show(node.contribution)

    return column._replace(show=show)


_ANCESTOR_COLUMNS: Final = (
    Column("away", lambda node: node.depth),
    Column("by", lambda node: node.relation_type),
    *map(_of_contribution, COLUMNS),
)
_MORE: Final = "more follow: raise --limit"


def children(
    cid: _Cid,
    *,
    relation_type: _RelationType = None,
    newest_first: NewestFirst = False,
    limit: Limit = None,
    cursor: Cursor = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List the contributions that have a relation to this one."""
    with open_grove(grove) as opened:
        page = opened.contributions.children(
            cid,
            relation_type=relation_type,
            newest_first=newest_first,
            limit=limit,
            cursor=cursor,
        )
    write_page(page, COLUMNS, none="no children", as_json=as_json)


def ancestors(
    cid: _Cid,
    *,
    relation_type: _RelationType = None,
    limit: _MostNodes = 1000,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List what a contribution comes from, the nearest first."""
    with open_grove(grove) as opened:
        found = opened.contributions.ancestors(cid, relation_type=relation_type, limit=limit)
    if as_json:
        write_json(_to_document(found))
        return
    write_records(found.nodes, _ANCESTOR_COLUMNS, as_json=False, none="no ancestors")
    if not found.is_complete:
        write_line(_MORE)


def thread(
    cid: _Cid,
    *,
    relation_type: _RelationType = None,
    limit: _MostNodes = 1000,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show what follows from a contribution as a tree, with what became of its handoffs.

    A line is indented where there is more than one way on. All of it is as it was at one moment.
    """
    with open_grove(grove) as opened:
        found = opened.contributions.thread(cid, relation_type=relation_type, limit=limit)
    if as_json:
        write_json(_to_document(found))
        return
    for line in _tree(found):
        write_line(line)
    if not found.is_complete:
        write_line(_MORE)


def _to_document(thread: "Thread") -> dict[str, Any]:
    return {"nodes": thread.nodes, "isComplete": thread.is_complete}


def _tree(thread: "Thread") -> Iterator[str]:
    """A line for each node; branches of one node stand under it, a single one right below it."""
    branches = Counter(node.via_cid for node in thread.nodes)
    told = Counter[str | None]()
    indents: dict[str | None, str] = {None: ""}
    for node in thread.nodes:
        above = indents[node.via_cid]
        told[node.via_cid] += 1
        is_last = told[node.via_cid] == branches[node.via_cid]
        if branches[node.via_cid] == 1:
            yield above + _words(node)
            indents[node.contribution.cid] = above
        else:
            yield f"{above}{'└─ ' if is_last else '├─ '}{_words(node)}"
            indents[node.contribution.cid] = above + ("   " if is_last else "│  ")


def _words(node: "Node") -> str:
    made = node.contribution
    relation = f"{node.relation_type}: " if node.relation_type else ""
    handoffs = ", ".join(f"{handoff.to_role} {handoff.status}" for handoff in node.handoffs)
    told = f" [{handoffs}]" if handoffs else ""
    return f"{relation}{made.summary} ({made.kind} by {made.agent.agent_id}, {made.cid}){told}"
