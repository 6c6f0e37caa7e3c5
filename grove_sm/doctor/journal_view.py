"""A journal as it is, for whoever only looks: nobody is entered, nothing is brought to an end."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

from grove_sm.commit.contract import Holder, OnDamage, Opener
from grove_sm.commit.intervention import Intervention
from grove_sm.commit.record import Entry
from grove_sm.journal.resolving import Connection, Resolving
from grove_sm.journal.rows import Row, Rows
from grove_sm.journal.schema import UNFINISHED
from grove_sm.operations.plan import Heuristic

_NEWEST: Final = "SELECT max(seq) FROM transactions"
_UNFINISHED: Final = (
    f"SELECT txid, coordinator, state, head, redo FROM transactions WHERE {UNFINISHED} ORDER BY seq"
)
_COORDINATORS: Final = "SELECT id, host, pid, opened_at FROM coordinators ORDER BY id"


class Position(NamedTuple):
    """How far a journal is: two that are equal have nothing decided or finished between them."""

    newest: int | None
    unfinished: tuple[tuple[str, str], ...]


class JournalView:
    """What tables of either kind of database hold.

    Args:
        name: the journal's URL, as errors name it.
        connection: for reading.
        errors: turns the database's errors inside a `with` block into this library's.
        alive: which of these coordinators live.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        errors: AbstractContextManager[object],
        alive: Callable[[Collection[int]], Collection[int]],
    ) -> None:
        self.name = name
        self._connection = connection
        self._errors = errors
        self._alive = alive
        self._rows = Rows(name)
        self._resolving = Resolving(name)

    def position(self) -> Position:
        """How far the journal is."""
        ((newest,),) = self._select(_NEWEST)
        return Position(newest, tuple((row[0], row[2]) for row in self._unfinished_rows()))

    def unfinished(self) -> tuple[Holder, ...]:
        """As `Journal.unfinished`."""
        return tuple(map(self._rows.holder, self._unfinished_rows()))

    def entries(self, on_damage: Callable[[str, Exception], object]) -> Sequence[Entry]:
        """The unfinished transactions that are committed, in commit order.

        One whose record is damaged is left out, and given to `on_damage` with what is wrong.
        """
        found = []
        for row in self._unfinished_rows():
            if row[2] != "planned":
                try:
                    found.append(self._rows.entry(row))
                except Exception as error:
                    on_damage(row[0], error)
        return found

    def openers(self) -> dict[int, Opener]:
        """Who opened the journal as which coordinator, as far as that is kept."""
        rows = self._select(_COORDINATORS)
        return {number: Opener(host, pid, at) for number, host, pid, at in rows}

    def alive(self, coordinators: Collection[int]) -> Collection[int]:
        """Which of these live."""
        with self._errors:
            return self._alive(coordinators)

    def heuristics(self, on_damage: OnDamage) -> tuple[Heuristic, ...]:
        """As `Journal.heuristics`."""
        with self._errors:
            return self._resolving.heuristics(self._connection, on_damage)

    def interventions(self, on_damage: OnDamage) -> tuple[Intervention, ...]:
        """As `Journal.interventions`."""
        with self._errors:
            return self._resolving.interventions(self._connection, on_damage)

    def history(self, limit: int) -> Sequence[tuple[str, str, Entry | None]]:
        """As `Journal.history`."""
        rows = self._select(
            f"SELECT txid, state, head FROM transactions ORDER BY seq DESC LIMIT {limit:d}"
        )
        return [(txid, state, self._rows.head(txid, head)) for txid, state, head in rows]

    def _unfinished_rows(self) -> list[Row]:
        return self._select(_UNFINISHED)

    def _select(self, query: str) -> list[Any]:
        with self._errors:
            return self._connection.execute(query).fetchall()
