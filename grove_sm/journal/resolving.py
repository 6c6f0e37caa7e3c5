"""Heuristic outcomes in a SQLite journal, and what operators did about them and about damage."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from grove_sm.commit.contract import OnDamage
from grove_sm.commit.intervention import Intervention, require_unresolved
from grove_sm.commit.record import seal, unseal
from grove_sm.domain.errors import Corrupt
from grove_sm.operations.plan import Heuristic, Write

T = TypeVar("T")

_SELECT: Final = "SELECT txid, {} FROM {} ORDER BY id"


class Resolving:
    """The tables of both, on whatever connection it is given.

    Args:
        name: the journal's URL, as errors name it.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def note(self, connection: sqlite3.Connection, heuristics: Sequence[Heuristic]) -> None:
        """Record outcomes that have neither been recorded nor resolved."""
        if not heuristics:
            return
        known = set(self._all(connection, _ignore))
        done = self.interventions(connection, _ignore)
        for outcome in heuristics:
            if outcome not in known and not any(each.resolves(outcome) for each in done):
                connection.execute(
                    "INSERT INTO heuristics (txid, store, heuristic) VALUES (?, ?, ?)",
                    (outcome.txid, outcome.store, seal(outcome)),
                )

    def heuristics(
        self, connection: sqlite3.Connection, on_damage: OnDamage | None
    ) -> tuple[Heuristic, ...]:
        """Every outcome that nobody has resolved."""
        done = self.interventions(connection, _ignore)
        return tuple(
            outcome
            for outcome in self._all(connection, on_damage)
            if not any(each.resolves(outcome) for each in done)
        )

    def intervene(self, connection: sqlite3.Connection, intervention: Intervention) -> None:
        """Record what an operator did. Raises StateConflict if it was done before."""
        outcome = intervention.outcome
        if outcome is not None:
            require_unresolved(outcome, self.interventions(connection, _ignore))
        connection.execute(
            "INSERT INTO interventions (txid, intervention) VALUES (?, ?)",
            (intervention.txid, seal(intervention)),
        )

    def interventions(
        self, connection: sqlite3.Connection, on_damage: OnDamage | None
    ) -> tuple[Intervention, ...]:
        """Everything that operators did, in order."""
        query = _SELECT.format("intervention", "interventions")
        return tuple(
            self._read(connection, query, "interventions", _intervention, on_damage=on_damage)
        )

    def _all(
        self, connection: sqlite3.Connection, on_damage: OnDamage | None
    ) -> Iterator[Heuristic]:
        query = _SELECT.format("heuristic", "heuristics")
        return self._read(connection, query, "heuristics", _heuristic, on_damage=on_damage)

    def _read(
        self,
        connection: sqlite3.Connection,
        query: str,
        table: str,
        decode: Callable[[Sequence[object]], T],
        *,
        on_damage: OnDamage | None,
    ) -> Iterator[T]:
        where = f"{self._name}, table {table}"
        for txid, sealed in connection.execute(query).fetchall():
            what = f"{'heuristic outcome' if table == 'heuristics' else 'intervention'} of {txid}"
            try:
                parts = unseal(sealed, what=what, where=where)
            except Corrupt as error:
                if on_damage is None:
                    raise
                on_damage(error)
            else:
                yield decode(parts)


def _heuristic(parts: Sequence[object]) -> Heuristic:
    # The first format had no write.
    *words, write = (*parts, None)[:7]
    return Heuristic(*words, write and Write(*write))  # type: ignore[call-arg, arg-type, misc]


def _intervention(parts: Sequence[object]) -> Intervention:
    intervention = Intervention(*parts)  # type: ignore[arg-type]
    outcome = intervention.outcome
    return intervention._replace(outcome=None if outcome is None else _heuristic(outcome))


def _ignore(_: Corrupt) -> None:
    """Whoever audits is told."""
