"""Heuristic outcomes in a journal, and what operators did about them and about damage."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar

from grove_sm.commit.contract import OnDamage
from grove_sm.commit.intervention import Intervention, require_unresolved
from grove_sm.commit.record import decode_write, seal, unseal
from grove_sm.domain.errors import Corrupt
from grove_sm.operations.plan import Heuristic

T = TypeVar("T")

_SELECT: Final = "SELECT txid, {} FROM {} ORDER BY id"


class Cursor(Protocol):
    """What a statement has found."""

    def fetchall(self) -> list[Any]:
        """All of it."""


class Connection(Protocol):
    """A connection of whatever kind of database, in a transaction that no other one is beside."""

    def execute(self, query: str, parameters: tuple[str, ...] = (), /) -> Cursor:
        """Execute a statement."""


class Resolving:
    """The tables of both, on whatever connection it is given.

    Args:
        name: the journal's URL, as errors name it.
        mark: how its statements write a parameter.
    """

    def __init__(self, name: str, mark: str = "?") -> None:
        self._name = name
        self._mark = mark

    def note(self, connection: Connection, heuristics: Sequence[Heuristic]) -> None:
        """Record outcomes that have neither been recorded nor resolved."""
        if not heuristics:
            return
        known = set(self._all(connection, _ignore))
        done = self.interventions(connection, _ignore)
        for outcome in heuristics:
            if outcome not in known and not any(each.resolves(outcome) for each in done):
                connection.execute(
                    f"INSERT INTO heuristics (txid, store, heuristic) VALUES ({self._marks(3)})",
                    (outcome.txid, outcome.store, seal(outcome)),
                )

    def heuristics(
        self, connection: Connection, on_damage: OnDamage | None
    ) -> tuple[Heuristic, ...]:
        """Every outcome that nobody has resolved."""
        done = self.interventions(connection, _ignore)
        return tuple(
            outcome
            for outcome in self._all(connection, on_damage)
            if not any(each.resolves(outcome) for each in done)
        )

    def intervene(self, connection: Connection, intervention: Intervention) -> None:
        """Record what an operator did. Raises StateConflict if it was done before."""
        outcome = intervention.outcome
        if outcome is not None:
            require_unresolved(outcome, self.interventions(connection, _ignore))
        connection.execute(
            f"INSERT INTO interventions (txid, intervention) VALUES ({self._marks(2)})",
            (intervention.txid, seal(intervention)),
        )

    def interventions(
        self, connection: Connection, on_damage: OnDamage | None
    ) -> tuple[Intervention, ...]:
        """Everything that operators did, in order."""
        query = _SELECT.format("intervention", "interventions")
        return tuple(
            self._read(connection, query, "interventions", _intervention, on_damage=on_damage)
        )

    def _marks(self, number: int) -> str:
        return ", ".join([self._mark] * number)

    def _all(self, connection: Connection, on_damage: OnDamage | None) -> Iterator[Heuristic]:
        query = _SELECT.format("heuristic", "heuristics")
        return self._read(connection, query, "heuristics", _heuristic, on_damage=on_damage)

    def _read(
        self,
        connection: Connection,
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
    return Heuristic(*words, write and decode_write(write))  # type: ignore[call-arg, arg-type]


def _intervention(parts: Sequence[object]) -> Intervention:
    intervention = Intervention(*parts)  # type: ignore[arg-type]
    outcome = intervention.outcome
    return intervention._replace(outcome=None if outcome is None else _heuristic(outcome))


def _ignore(_: Corrupt) -> None:
    """Whoever audits is told."""
