"""A lifecycle's diagram, in the colours of how often each of its transitions ran."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from grove_sm.lifecycles import Lifecycle
from stateful_tests.fuzz.coverage import visits
from stateful_tests.fuzz.layered import Edge, Layout, Point, lay_out
from stateful_tests.fuzz.svg import (
    element,
    heat,
    heat_colour,
    picture,
    text,
    width_of,
)
from stateful_tests.tally import Tally

_BOX: Final = (124.0, 42.0)
_COLUMN: Final = 132.0
_ROW: Final = 52.0
_MARGIN: Final = 24.0
_LOOP: Final = 46.0
_DOCK: Final = 9.0

Move = tuple[str, str]
"""A transition within its lifecycle: source and trigger."""

Standing = Literal["ran", "missed"]


def draw(lifecycle: Lifecycle[str], tally: Tally) -> str:
    """The diagram as SVG."""
    edges = [Edge((source, trigger), source, to) for trigger, source, to in lifecycle.moves]
    counts = {
        (source, trigger): tally.transitions[lifecycle.name, source, trigger]
        for trigger, source, _ in lifecycle.moves
    }
    most = max(counts.values(), default=0)
    layout = lay_out(lifecycle.states, edges)
    has_loop = any(edge.source == edge.to for edge in edges)
    top = _MARGIN + (_LOOP if has_loop else 0.0) + _BOX[1] / 2

    def at(point: Point) -> tuple[float, float]:
        return _MARGIN + _BOX[0] / 2 + point.column * _COLUMN, top + point.row * _ROW

    docks = _docks(edges, layout)
    lines, labels = [], []
    for edge in edges:
        source, trigger = edge.name
        count = counts[source, trigger]
        standing = _standing(count)
        points = [at(point) for point in layout.paths[edge.name]]
        for end in (0, -1):
            x, y = points[end]
            points[end] = x, y + docks.get((edge.name, end), 0.0)
        lines.append(_line(points, standing, heat(count, most) if count else 0.0))
        x, y = at(layout.labels[edge.name])
        if edge.source == edge.to:
            y -= _BOX[1] / 2 + _LOOP - 8
        labels.append(_label(trigger, count, standing, x, y))
    states = _states(lifecycle, visits(lifecycle, tally), layout, at)
    width = 2 * _MARGIN + _BOX[0] + (layout.columns - 1) * _COLUMN
    height = top + (layout.rows - 1) * _ROW + _BOX[1] / 2 + _MARGIN
    return picture((*lines, *states, *labels), width, height, f"lifecycle {lifecycle.name}")


def _standing(count: int) -> Standing:
    return "ran" if count else "missed"


def _docks(edges: Sequence[Edge[Move]], layout: Layout[Move]) -> Mapping[tuple[Move, int], float]:
    """How far from the middle of its box's side an edge begins (0) or ends (-1).

    Edges that share a side are spread over it in the order in which they come.
    """
    sides: dict[tuple[str, bool], list[tuple[float, Move, int]]] = {}
    for edge in edges:
        path = layout.paths[edge.name]
        if len(path) > 1:
            for end, node, near in ((0, edge.source, path[1]), (-1, edge.to, path[-2])):
                is_right = near.column > layout.nodes[node].column
                sides.setdefault((node, is_right), []).append((near.row, edge.name, end))
    return {
        (name, end): _DOCK * (index - (len(found) - 1) / 2)
        for found in sides.values()
        for index, (_, name, end) in enumerate(sorted(found))
    }


def _line(points: Sequence[tuple[float, float]], standing: Standing, share: float) -> str:
    colour = heat_colour(share) if standing == "ran" else None
    style: dict[str, Any] = {"class_": f"edge {standing}", "fill": "none"}
    if colour is not None:
        style |= {"stroke": colour, "stroke_width": round(1.4 + 2.6 * share, 2)}
    if len(points) == 1:
        ((x, y),) = points
        y -= _BOX[1] / 2
        curve = f"M {x - 26} {y} C {x - 40} {y - _LOOP} {x + 40} {y - _LOOP} {x + 26} {y - 4}"
        direction = (0.35, -1.0)
        tip = (x + 26, y)
    else:
        curve, tip, direction = _curve(points)
    head = _head(tip, direction)
    fill: dict[str, Any] = {"class_": f"head {standing}"}
    if colour is not None:
        fill["fill"] = colour
    return element("path", d=curve, **style) + element("path", d=head, **fill)


def _curve(
    points: Sequence[tuple[float, float]],
) -> tuple[str, tuple[float, float], tuple[float, float]]:
    """A path through these places that leaves and comes in sideways; its tip, and whence."""
    towards = 1 if points[-1][0] > points[0][0] else -1
    (x, y), (end_x, end_y) = points[0], points[-1]
    x += towards * _BOX[0] / 2
    end_x -= towards * (_BOX[0] / 2)
    middle = points[1:-1]
    parts = [f"M {x:.1f} {y:.1f}"]
    for next_x, next_y in (*middle, (end_x - towards * 7, end_y)):
        # Straight through the labels, and bent between them.
        flat = 0.0 if (next_x, next_y) not in middle else towards * _COLUMN * 0.24
        bend = (next_x - flat - x) / 2
        parts.append(
            f"C {x + bend:.1f} {y:.1f} {next_x - flat - bend:.1f} {next_y:.1f}"
            f" {next_x - flat:.1f} {next_y:.1f}"
        )
        if flat:
            parts.append(f"L {next_x + flat:.1f} {next_y:.1f}")
        x, y = next_x + flat, next_y
    return " ".join(parts), (end_x, end_y), (-towards, 0.0)


def _head(tip: tuple[float, float], back: tuple[float, float]) -> str:
    """An arrow's head at a place; `back` is where its shaft comes from."""
    (x, y), (dx, dy) = tip, back
    length, half = 9.0, 4.0
    left = (x + dx * length - dy * half, y + dy * length + dx * half)
    right = (x + dx * length + dy * half, y + dy * length - dx * half)
    return f"M {x:.1f} {y:.1f} L {left[0]:.1f} {left[1]:.1f} L {right[0]:.1f} {right[1]:.1f} Z"


def _label(trigger: str, count: int, standing: Standing, x: float, y: float) -> str:
    shown = f"{trigger} {count:,}" if count else trigger
    width = width_of(shown) + 10
    pill = element("rect", x=x - width / 2, y=y - 9, width=width, height=18, rx=9, class_="pill")
    return pill + text(shown, x, y + 4, text_anchor="middle", class_=f"label {standing}")


def _states(
    lifecycle: Lifecycle[str],
    counts: Mapping[str, int],
    layout: Layout[Move],
    at: Callable[[Point], tuple[float, float]],
) -> list[str]:
    most = max(counts.values(), default=0)
    pieces = []
    for state in lifecycle.states:
        x, y = at(layout.nodes[state])
        count = counts[state]
        standing = _standing(count)
        border: dict[str, Any] = {}
        if count:
            border = {"stroke": heat_colour(heat(count, most))}
        for inset in (0.0, 3.5) if state in lifecycle.final else (0.0,):
            pieces.append(
                element(
                    "rect",
                    x=x - _BOX[0] / 2 + inset,
                    y=y - _BOX[1] / 2 + inset,
                    width=_BOX[0] - 2 * inset,
                    height=_BOX[1] - 2 * inset,
                    rx=8 - inset,
                    class_=f"state {standing}" if not inset else f"state inner {standing}",
                    **border,
                )
            )
        if state == lifecycle.initial:
            pieces.append(element("circle", cx=x - _BOX[0] / 2 - 10, cy=y, r=5, class_="initial"))
        pieces.append(text(state, x, y - 2, text_anchor="middle", class_="name"))
        pieces.append(text(f"{count:,}", x, y + 13, text_anchor="middle", class_="count"))
    return pieces
