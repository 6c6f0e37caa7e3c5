"""The lifecycle tables as a TLA+ module: `Tables.tla` is written from them and never by hand."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from grove_sm.lifecycles import LIFECYCLES, Lifecycle

PATH: Final = Path(__file__).with_name("Tables.tla")

_HEAD: Final = r"""------------------------------- MODULE Tables -------------------------------
(***************************************************************************)
(* The five lifecycles, written by `python -m models tables` from          *)
(* grove_sm/lifecycles/tables.py.  Do not edit.  A move is                 *)
(* <<trigger, source, destination>>.                                       *)
(***************************************************************************)
EXTENDS Naturals

(* Whether a table has a move, and where it leads; an error where it has none. *)
IsMove(moves, trigger, source) == \E move \in moves : move[1] = trigger /\ move[2] = source
Advance(moves, source, trigger) ==
    (CHOOSE move \in moves : move[1] = trigger /\ move[2] = source)[3]
"""
_FOOT: Final = "=" * 77 + "\n"


def tables_module(lifecycles: Iterable[Lifecycle[str]] = LIFECYCLES) -> str:
    """The text of `Tables.tla`."""
    return "\n".join((_HEAD, *map(_definitions, lifecycles), _FOOT))


def _definitions(lifecycle: Lifecycle[str]) -> str:
    name = lifecycle.name.capitalize()
    moves = ",\n    ".join(f"<<{_items(move)}>>" for move in lifecycle.moves)
    return (
        f"{name}States == {{{_items(lifecycle.states)}}}\n"
        f'{name}Initial == "{lifecycle.initial}"\n'
        f"{name}Final == {{{_items(lifecycle.final)}}}\n"
        f"{name}Moves == {{\n    {moves}}}\n"
    )


def _items(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
