"""Where a contribution leads and where it comes from, along the relations between contributions.

Relations name what was there before, so that there are no circles; but a chain of hundreds is
usual, and nothing here goes deeper into the program for it.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from grove_sm.commit.contract import Snapshot
from grove_sm.domain import Contribution, Handoff
from grove_sm.operations.documents import decode
from grove_sm.operations.layout import CONTRIBUTIONS, HANDOFFS
from grove_sm.operations.query import Query, all_pages

_PAGE = 100

Step = tuple[Contribution, str]
"""A contribution, and the type of the relation that leads to it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A contribution of a thread.

    Attributes:
        contribution: the record.
        depth: how many relations it is away from where the thread begins.
        via_cid: the contribution next to it towards that beginning; None for the beginning.
        relation_type: the relation between these two.
        handoffs: what it was handed over as, and what became of that; only where they were read.
    """

    contribution: Contribution
    depth: int = 0
    via_cid: str | None = None
    relation_type: str | None = None
    handoffs: tuple[Handoff, ...] = ()


@dataclass(frozen=True, slots=True)
class Thread:
    """Contributions that relations connect, each once, where it is nearest to the beginning.

    `is_complete` is False if there are more than were asked for; the farthest are left out.
    """

    nodes: tuple[Node, ...]
    is_complete: bool


def walk(
    begin: Contribution, lead: Callable[[Contribution], Iterable[Step]], limit: int | None
) -> Thread:
    """What relations lead to from a contribution, which is the first, nearest first."""
    nodes = [Node(begin)]
    known = {begin.cid}
    queue = deque(nodes)
    while queue:
        node = queue.popleft()
        for found, relation_type in lead(node.contribution):
            if found.cid in known:
                continue
            if limit is not None and len(nodes) >= limit:
                return Thread(tuple(nodes), is_complete=False)
            known.add(found.cid)
            reached = Node(found, node.depth + 1, node.contribution.cid, relation_type)
            nodes.append(reached)
            queue.append(reached)
    return Thread(tuple(nodes), is_complete=True)


def children_in(
    view: Snapshot, where: str, relation_type: str | None
) -> Callable[[Contribution], Iterator[Step]]:
    """What leads from a contribution to those that relate to it, oldest first.

    `where` is the store's name, as errors tell it.
    """

    def lead(parent: Contribution) -> Iterator[Step]:
        query = Query(CONTRIBUTIONS, (("targetCid", parent.cid),))
        for stored in all_pages(view.page, query, _PAGE):
            child = decode(Contribution, stored, where)
            for relation in relations_to(child, parent.cid, relation_type)[:1]:
                yield child, relation

    return lead


def relations_to(child: Contribution, cid: str, relation_type: str | None) -> list[str]:
    """The types of a contribution's relations to another; of this type, if one is given."""
    return [
        relation.relation_type
        for relation in child.relations
        if relation.target_cid == cid and relation_type in (None, relation.relation_type)
    ]


def with_handoffs(thread: Thread, view: Snapshot, where: str) -> Thread:
    """A thread whose nodes have their handoffs, oldest first."""
    nodes = []
    for node in thread.nodes:
        query = Query(HANDOFFS, (("sourceCid", node.contribution.cid),))
        found = (decode(Handoff, stored, where) for stored in view.page(query, None))
        nodes.append(replace(node, handoffs=tuple(found)))
    return replace(thread, nodes=tuple(nodes))


def as_tree(thread: Thread) -> Thread:
    """A thread in the order in which a tree is written down: each node before what follows it."""
    branches: defaultdict[str | None, list[Node]] = defaultdict(list)
    for node in thread.nodes:
        branches[node.via_cid].append(node)
    ordered: list[Node] = []
    stack = [iter(branches[None])]
    while stack:
        for node in stack[-1]:
            ordered.append(node)
            stack.append(iter(branches[node.contribution.cid]))
            break
        else:
            stack.pop()
    return replace(thread, nodes=tuple(ordered))
