"""Contributing, and what becomes of a contribution whose outcome is unknown."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from grove_sm.calls.base import Calls
from grove_sm.domain import (
    Agent,
    Contribution,
    Kind,
    Mode,
    Relation,
    RelationType,
    Score,
    normalise_time,
)
from grove_sm.domain.errors import GroveError, OutcomeUnknown, ValidationError
from grove_sm.lifecycles import CONTRIBUTE, advance
from grove_sm.operations.contribute import OPERATION, ContributeRequest, plan_contribute
from grove_sm.operations.plan import Facts, Plan
from grove_sm.results import Contributed
from grove_sm.views import Contributions

ANSWERS: Final[Mapping[str, tuple[Kind, RelationType]]] = {
    "review": ("review", "reviews"),
    "reproduce": ("reproduction", "reproduces"),
    "discuss": ("discussion", "responds_to"),
    "adopt": ("adoption", "adopts"),
}
"""The kind and the relation that each of contribute's family sets (Grove protocol, section 7)."""


class ContributeCalls(Calls):
    """Contribute, and its family."""

    contributions: Contributions

    def __init__(self) -> None:
        self._unknown: set[str] = set()

    def contribute(
        self,
        *,
        kind: Kind,
        summary: str,
        agent: Agent,
        mode: Mode = "evaluation",
        description: str | None = None,
        artifacts: Mapping[str, str] | None = None,
        relations: Sequence[Relation | Mapping[str, Any]] = (),
        scores: Mapping[str, Score | Mapping[str, Any]] | None = None,
        tags: Sequence[str] = (),
        context: Mapping[str, Any] | None = None,
        created_at: str | datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Contributed:
        """Publish a contribution, its handoffs, and the replies it makes, as one.

        Args are the fields of a contribution (Grove protocol, section 2); `created_at` defaults
        to now. The same manifest again adds nothing and returns the first one's result.

        Raises ValidationError; NotFound if a relation's target does not exist; StateConflict if
        the idempotency key was used for another request; StoreUnavailable, InDoubt, Corrupt;
        OutcomeUnknown.
        """
        now = self.coordinator.now()

        def make() -> Contribution:
            return Contribution(
                kind=kind,
                mode=mode,
                summary=summary,
                description=description,
                artifacts=artifacts if artifacts is not None else {},
                relations=relations,  # type: ignore[arg-type] # objects are validated as documents
                scores=scores,  # type: ignore[arg-type]
                tags=tags,
                context=context,
                agent=agent,
                created_at=now if created_at is None else normalise_time(created_at, "createdAt"),
            )

        # A retry that leaves the time to us is made at another time, and the same request.
        made = ("cid", "createdAt") if created_at is None else ("cid",)
        return self._publish(make, now, idempotency_key, made)

    def publish(
        self, contribution: Contribution, *, idempotency_key: str | None = None
    ) -> Contributed:
        """Publish a contribution that was made elsewhere; otherwise as `contribute`."""
        return self._publish(
            lambda: contribution, self.coordinator.now(), idempotency_key, ("cid",)
        )

    def review(
        self, /, target_cid: str, *, summary: str, agent: Agent, **fields: Any
    ) -> Contributed:
        """Contribute a review of a contribution; it replies to its handoffs to the agent's role.

        `fields` are further arguments of `contribute`; `relations` come after the one to the
        target. Raises as `contribute`.
        """
        return self._answer("review", target_cid, summary, agent, fields)

    def reproduce(
        self, /, target_cid: str, *, summary: str, agent: Agent, **fields: Any
    ) -> Contributed:
        """Contribute a reproduction of a contribution, which answers no handoff; as `review`."""
        return self._answer("reproduce", target_cid, summary, agent, fields)

    def discuss(
        self, /, target_cid: str, *, summary: str, agent: Agent, **fields: Any
    ) -> Contributed:
        """Contribute to the discussion of a contribution; as `review`."""
        return self._answer("discuss", target_cid, summary, agent, fields)

    def adopt(
        self, /, target_cid: str, *, summary: str, agent: Agent, **fields: Any
    ) -> Contributed:
        """Contribute the adoption of a contribution; as `review`."""
        return self._answer("adopt", target_cid, summary, agent, fields)

    def _answer(
        self, name: str, target_cid: str, summary: str, agent: Agent, fields: Mapping[str, Any]
    ) -> Contributed:
        kind, relation_type = ANSWERS[name]
        relation = {"targetCid": target_cid, "relationType": relation_type}
        further = fields.get("relations", ())
        if not isinstance(further, list | tuple):
            raise ValidationError(field="relations", rule="must be a list", value=further)
        relations = [relation, *further]
        return self.contribute(
            **{**fields, "relations": relations}, kind=kind, summary=summary, agent=agent
        )

    def _publish(
        self,
        make: Callable[[], Contribution],
        now: str,
        idempotency_key: str | None,
        made: Sequence[str],
    ) -> Contributed:
        state = CONTRIBUTE.initial
        try:
            contribution = make()
        except GroveError:
            advance(CONTRIBUTE, state, "refuse")
            raise
        state = advance(CONTRIBUTE, state, "validate")
        request = ContributeRequest(contribution, self.settings.topology, now)
        is_planned = False

        def plan(facts: Facts) -> Plan:
            nonlocal is_planned
            is_planned = False
            planned = plan_contribute(request, facts)
            is_planned = bool(planned.writes)
            return planned

        fields = None
        if idempotency_key is not None:
            document = contribution.to_document()
            fields = {name: value for name, value in document.items() if name not in made}
        try:
            executed = self._execute(
                OPERATION,
                plan,
                now=now,
                agent=contribution.agent,
                idempotency_key=idempotency_key,
                fields=fields,
            )
        except OutcomeUnknown as error:
            advance(CONTRIBUTE, advance(CONTRIBUTE, state, "plan"), "lose")
            self._unknown.add(error.txid)
            raise
        except GroveError:
            # What was planned, but could not be decided, is refused as a whole.
            if is_planned:
                state = advance(CONTRIBUTE, state, "plan")
            advance(CONTRIBUTE, state, "refuse")
            raise
        result = executed.result
        if result["duplicate"] or executed.plan is None:
            advance(CONTRIBUTE, state, "recognise")
        else:
            advance(CONTRIBUTE, advance(CONTRIBUTE, state, "plan"), "publish")
        if result["cid"] != contribution.cid:
            contribution = self.contributions.get(result["cid"])
        return Contributed(
            cid=result["cid"],
            contribution=contribution,
            routed_to=tuple(result["routedTo"]),
            handoff_ids=tuple(result["handoffIds"]),
            replied_ids=tuple(result["repliedIds"]),
            duplicate=result["duplicate"],
            txid=result.get("txid") or str(executed.txid),
        )

    def _learn(self, txid: str, *, is_committed: bool) -> None:
        """Note what became of a contribution whose outcome was unknown, if this was one."""
        if txid in self._unknown:
            self._unknown.discard(txid)
            advance(CONTRIBUTE, "unknown", "publish" if is_committed else "refuse")
