"""A failing history as a sequence diagram: who called what, in which order, and what went wrong."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from faults.wrappers import JOURNAL
from stateful_tests.fuzz.coverage import columns
from stateful_tests.fuzz.svg import element, picture, shortened, text, width_of
from stateful_tests.fuzz.watching import Event

_FIRST: Final = 80.0
_BETWEEN: Final = 132.0
_HEAD: Final = 40.0
_NARROWEST: Final = 860.0
_LONGEST: Final = 96
_HEIGHTS: Final = {"step": 34.0, "begin": 24.0, "effect": 26.0, "end": 24.0, "note": 24.0}
_DEATH: Final = "dies"


_Id = tuple[int | None, int, int]
"""An effect: its process, which life of that, and its number."""


@dataclass
class _Board:
    """The picture as it is being drawn, from above to below.

    `faults` are the kinds that struck at an effect; `done` are the effects that came to their end.
    """

    columns: dict[str, float]
    faults: Mapping[_Id, Sequence[str]]
    done: frozenset[_Id]
    y: float = _HEAD
    front: list[str] = field(default_factory=list)
    bars: list[str] = field(default_factory=list)
    begun: dict[int | None, float] = field(default_factory=dict)

    @property
    def width(self) -> float:
        """Of the whole."""
        return max(_NARROWEST, max(self.columns.values()) + _FIRST)


def draw(events: Sequence[Event]) -> str:
    """The diagram as SVG; empty if nothing happened."""
    if not events:
        return ""
    known = list(_identified(events))
    faults: dict[_Id, list[str]] = defaultdict(list)
    for event, effect in known:
        if event.what == "fault":
            faults[effect].append(event.text)
    done = frozenset(effect for event, effect in known if event.what == "done")
    board = _Board(_columns(events), faults, done)
    for event, effect in known:
        if event.what in _HEIGHTS:
            board.y += _HEIGHTS[event.what]
            _DRAWN[event.what](board, event, effect)
    height = board.y + 30
    pieces = (*_lifelines(board, height), *board.bars, *board.front)
    return picture(pieces, board.width, height, "sequence of events")


def _identified(events: Sequence[Event]) -> Iterator[tuple[Event, _Id]]:
    """Each event with the effect that it is of. A process that starts again counts from 0 again."""
    lives: dict[int | None, int] = defaultdict(int)
    last: dict[int | None, int] = defaultdict(lambda: -1)
    for event in events:
        if event.what == "effect":
            if event.number <= last[event.slot]:
                lives[event.slot] += 1
            last[event.slot] = event.number
        yield event, (event.slot, lives[event.slot], event.number)


def _process(slot: int | None) -> str:
    return f"process {slot}"


def _columns(events: Sequence[Event]) -> dict[str, float]:
    slots = sorted({event.slot for event in events if event.slot is not None})
    places = sorted({event.place for event in events if event.place} - {JOURNAL})
    names = [*map(_process, slots), JOURNAL, *places]
    return {name: _FIRST + index * _BETWEEN for index, name in enumerate(names)}


def _lifelines(board: _Board, height: float) -> Iterator[str]:
    for name, x in board.columns.items():
        yield element("line", x1=x, y1=_HEAD - 6, x2=x, y2=height - 12, class_="lifeline")
        kind = "actor" if name.startswith("process") else "place"
        yield element("rect", x=x - 54, y=8, width=108, height=26, rx=5, class_=kind)
        yield text(name, x, 25, text_anchor="middle", class_="name")


def _draw_step(board: _Board, event: Event, _: _Id) -> None:
    y = board.y
    board.front.append(
        element("rect", x=6, y=y - 15, width=board.width - 12, height=21, rx=4, class_="step")
    )
    longest = int((board.width - 30) / width_of("m"))
    line = shortened(event.text, longest)
    board.front.append(text(line, 14, y, hint=event.text, class_="label"))


def _draw_begin(board: _Board, event: Event, _: _Id) -> None:
    x = board.columns[_process(event.slot)]
    board.begun[event.slot] = board.y
    board.front.append(_pill(event.text, x, board.y, "operation"))


def _draw_end(board: _Board, event: Event, _: _Id) -> None:
    x = board.columns[_process(event.slot)]
    since = board.begun.pop(event.slot, board.y)
    board.bars.append(
        element("rect", x=x - 4, y=since, width=8, height=board.y - since, class_="active")
    )
    outcome = event.text.rpartition(" -> ")[2]
    kind = "done" if outcome == "done" else "refused"
    if outcome.startswith("Crash("):
        kind, outcome = "crashed", "dead"
        board.front.append(_cross(x, board.y, 7))
    board.front.append(
        text(
            shortened(outcome, _LONGEST),
            x + 12,
            board.y + 4,
            hint=event.text,
            class_=f"outcome {kind}",
        )
    )


def _draw_effect(board: _Board, event: Event, effect: _Id) -> None:
    start, end = board.columns[_process(event.slot)], board.columns[event.place]
    y = board.y
    kinds = board.faults.get(effect, ())
    is_done = effect in board.done
    towards = 1 if end > start else -1
    deaths = [kind for kind in kinds if kind.startswith(_DEATH)]
    reaches = is_done or not deaths or deaths == ["dies after"]
    tip = end if reaches else start + towards * 46
    way = "call" if is_done else "call broken"
    board.front.append(
        element("line", x1=start, y1=y, x2=tip - towards * 6, y2=y, class_=way)
        + element(
            "path",
            d=f"M {tip} {y} l {-towards * 8} -4 l 0 8 Z",
            class_="arrow" if is_done else "arrow broken",
        )
    )
    label = f"{event.number} {event.text}"
    middle = start + towards * (14 + width_of(label) / 2)
    board.front.append(_pill(label, middle, y - 1, "verb"))
    if not kinds:
        return
    if deaths:
        side = start + towards * 6 if reaches else tip
        board.front.append(_cross(side, y, 6))
    struck = ", ".join(kinds)
    kind = "fault" if any(each in columns() for each in kinds) else "aside"
    width = width_of(struck) + 12
    right = max(start, end) + 10
    board.front.append(
        element("rect", x=right, y=y - 10, width=width, height=18, rx=3, class_=kind)
        + text(struck, right + 6, y + 3, class_=kind)
    )


def _draw_note(board: _Board, event: Event, _: _Id) -> None:
    board.front.append(text(event.text, 14, board.y, class_="note"))


_DRAWN: Final = {
    "step": _draw_step,
    "begin": _draw_begin,
    "end": _draw_end,
    "effect": _draw_effect,
    "note": _draw_note,
}


def _pill(label: str, x: float, y: float, kind: str) -> str:
    width = width_of(label) + 10
    rect = element("rect", x=x - width / 2, y=y - 9, width=width, height=17, rx=8, class_=kind)
    return rect + text(label, x, y + 4, text_anchor="middle", class_=kind)


def _cross(x: float, y: float, size: float) -> str:
    return element(
        "path",
        d=f"M {x - size} {y - size} l {2 * size} {2 * size}"
        f" M {x - size} {y + size} l {2 * size} {-2 * size}",
        class_="cross",
    )
