"""What wrappers of a journal have in common: what is for operators is passed on as it is."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from grove_sm.commit.contract import Journal, OnDamage, Opener, Recounted, Watch
from grove_sm.commit.intervention import Intervention
from grove_sm.operations.plan import Heuristic


class PassesOn:
    """A part of the `Journal` contract, around the journal that `_reached` is."""

    @property
    def _reached(self) -> Journal:
        raise NotImplementedError

    def heuristics(self, on_damage: OnDamage | None = None) -> tuple[Heuristic, ...]:
        return self._reached.heuristics(on_damage)

    def interventions(self, on_damage: OnDamage | None = None) -> tuple[Intervention, ...]:
        return self._reached.interventions(on_damage)

    def intervene(self, intervention: Intervention) -> None:
        self._reached.intervene(intervention)

    def discard(
        self, intervention: Intervention, heuristics: Sequence[Heuristic], *, has_effect: bool
    ) -> None:
        self._reached.discard(intervention, heuristics, has_effect=has_effect)

    def recount(self, txid: str) -> Recounted | None:
        return self._reached.recount(txid)

    def opener(self, coordinator: int) -> Opener | None:
        return self._reached.opener(coordinator)

    def watch(self) -> AbstractContextManager[Watch | None]:
        return self._reached.watch()
