"""Where to draw the nodes and edges of a small directed graph, from left to right.

The layered method of Sugiyama, Tagawa and Toda (1981): edges that lead back are turned around,
each node gets the column after its farthest predecessor's, edges pass through a slot of every
column between their ends, and the slots of each column are sorted by where their neighbours are.
Between two columns of nodes there is one of labels, so that every label has room of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

_SWEEPS: Final = 12


N = TypeVar("N")


class Edge(NamedTuple, Generic[N]):
    """From a node to another, or itself; `name` tells it from others between the same ones."""

    name: N
    source: str
    to: str


class Point(NamedTuple):
    """A place; both coordinates in slots."""

    column: float
    row: float


@dataclass(frozen=True)
class Layout(Generic[N]):
    """Where everything is.

    Attributes:
        nodes: each node's place.
        paths: by an edge's name the places that it leads through, from its source to its end. An
            edge from a node to itself has just that place.
        labels: by an edge's name the place for its label; for one that leads back to where it
            came from, the node's.
        columns: how many columns there are, those of labels included.
        rows: how many rows, at most.
    """

    nodes: Mapping[str, Point]
    paths: Mapping[N, Sequence[Point]]
    labels: Mapping[N, Point]
    columns: int
    rows: float


@dataclass(eq=False)
class _Slot:
    """A place in a column that a node, a label or a passing edge takes."""

    column: int
    before: list["_Slot"]
    after: list["_Slot"]
    row: float = 0.0


def lay_out(nodes: Sequence[str], edges: Sequence[Edge[N]]) -> Layout[N]:
    """Find a place for everything; `nodes` has where to begin first."""
    turned = _turned(nodes, edges)
    forward = [
        edge._replace(source=edge.to, to=edge.source) if edge.name in turned else edge
        for edge in edges
        if edge.source != edge.to
    ]
    columns = _columns(nodes, forward)
    slots = {node: _Slot(2 * columns[node], [], []) for node in nodes}
    table: list[list[_Slot]] = [[] for _ in range(2 * max(columns.values()) + 1)]
    for node in nodes:
        table[slots[node].column].append(slots[node])
    chains: dict[N, list[_Slot]] = {}
    for edge in forward:
        chain = [slots[edge.source]]
        for column in range(chain[0].column + 1, slots[edge.to].column):
            slot = _Slot(column, [chain[-1]], [])
            chain[-1].after.append(slot)
            table[column].append(slot)
            chain.append(slot)
        chain[-1].after.append(slots[edge.to])
        slots[edge.to].before.append(chain[-1])
        chains[edge.name] = [*chain, slots[edge.to]]
    _sort(table)
    _settle(table)
    return _laid_out(slots, chains, table, edges, turned)


def _turned(nodes: Sequence[str], edges: Sequence[Edge[N]]) -> set[N]:
    """The edges that close a circle, found depth first."""
    found: set[N] = set()
    done: set[str] = set()

    def visit(node: str, path: tuple[str, ...]) -> None:
        done.add(node)
        for edge in edges:
            if edge.source == node != edge.to:
                if edge.to in (*path, node):
                    found.add(edge.name)
                elif edge.to not in done:
                    visit(edge.to, (*path, node))

    for node in nodes:
        if node not in done:
            visit(node, ())
    return found


def _columns(nodes: Sequence[str], edges: Sequence[Edge[N]]) -> dict[str, int]:
    columns = dict.fromkeys(nodes, 0)
    for _ in nodes:
        for edge in edges:
            columns[edge.to] = max(columns[edge.to], columns[edge.source] + 1)
    return columns


def _sort(table: Sequence[list[_Slot]]) -> None:
    """Put the slots of each column in the order of their neighbours, to and fro."""
    for column in table:
        _number(column)
    for sweep in range(_SWEEPS):
        columns = table if sweep % 2 == 0 else table[::-1]
        for column in columns:
            column.sort(
                key=lambda slot: _middle(slot.before if sweep % 2 == 0 else slot.after, slot.row)
            )
            _number(column)


def _number(column: Sequence[_Slot]) -> None:
    for row, slot in enumerate(column):
        slot.row = row - (len(column) - 1) / 2


def _middle(slots: Sequence[_Slot], otherwise: float) -> float:
    return sum(slot.row for slot in slots) / len(slots) if slots else otherwise


def _settle(table: Sequence[list[_Slot]]) -> None:
    """Move slots towards their neighbours, in their order, a row apart at least."""
    for _ in range(_SWEEPS):
        for column in table:
            wanted = [_middle((*slot.before, *slot.after), slot.row) for slot in column]
            for slot, row in zip(column, _apart(wanted), strict=True):
                slot.row = row


def _apart(wanted: Sequence[float]) -> list[float]:
    """The rows nearest to the wanted ones that rise by one at least (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for index, row in enumerate(wanted):
        total, count = row - index, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, size = pools.pop()
            total, count = total + before, count + size
        pools.append((total, count))
    level = [total / count for total, count in pools for _ in range(count)]
    return [row + index for index, row in enumerate(level)]


def _laid_out(
    slots: Mapping[str, _Slot],
    chains: Mapping[N, Sequence[_Slot]],
    table: Sequence[Sequence[_Slot]],
    edges: Sequence[Edge[N]],
    turned: set[N],
) -> Layout[N]:
    rows = [slot.row for column in table for slot in column]
    top = min(rows)

    def place(slot: _Slot) -> Point:
        return Point(slot.column, slot.row - top)

    paths: dict[N, Sequence[Point]] = {}
    labels: dict[N, Point] = {}
    for edge in edges:
        if edge.source == edge.to:
            paths[edge.name] = [place(slots[edge.source])]
            labels[edge.name] = place(slots[edge.source])
            continue
        points = [place(slot) for slot in chains[edge.name]]
        labels[edge.name] = points[1]
        paths[edge.name] = points[::-1] if edge.name in turned else points
    return Layout(
        nodes={node: place(slot) for node, slot in slots.items()},
        paths=paths,
        labels=labels,
        columns=len(table),
        rows=max(rows) - top + 1,
    )
