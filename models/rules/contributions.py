"""Contributing (Grove protocol, sections 2, 3 and 7)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple

from grove_sm.domain import Contribution, Handoff, Relation, Route
from grove_sm.domain.errors import NotFound
from models.records import Records, Step, later
from models.requests import Call, Contribute
from models.rules import handoffs

_ANSWERS: Final = frozenset({"reviews", "responds_to", "adopts"})


class Contributing(NamedTuple):
    """The rules of one deployment.

    `topology`: role -> where its contributions are handed to. `handoff_id` makes the id of a
    contribution's handoff to a role, which the protocol leaves to the library.
    """

    topology: Mapping[str, Sequence[Route]]
    handoff_id: Callable[[str, str], str]

    def contribute(self, records: Records, request: Contribute, call: Call) -> Step:
        """A contribution, its handoffs, and the handoffs that it replies to."""
        made = contribution_of(request, call.now)
        cid, role = made.cid, made.agent.role
        if cid in records.contributions:
            return records, {**records.published[cid], "duplicate": True}
        for relation in made.relations:
            if relation.target_cid not in records.contributions:
                raise NotFound(record=f"contribution {relation.target_cid}")
        answered = {r.target_cid for r in made.relations if r.relation_type in _ANSWERS}
        replied = [
            handoff
            for handoff in records.handoffs.values()
            if handoff.source_cid in answered
            and role in (None, handoff.to_role)
            and handoffs.is_open(handoff)
            and not handoffs.expires(handoff, call.now)
        ]
        for handoff in replied:
            records = handoffs.reply(records, handoff, cid, call.now)
        caused = self._caused(made, call.now)
        answer = {
            "cid": cid,
            "routed": {handoff.to_role: handoff.handoff_id for handoff in caused},
            "replied": {handoff.handoff_id for handoff in replied},
            "duplicate": False,
        }
        records = replace(
            records,
            contributions={**records.contributions, cid: made},
            handoffs={**records.handoffs, **{each.handoff_id: each for each in caused}},
            published={**records.published, cid: answer},
        )
        return records, answer

    def _caused(self, made: Contribution, now: str) -> list[Handoff]:
        role = made.agent.role
        routes = () if role is None else self.topology.get(role, ())
        return [
            Handoff(
                handoff_id=self.handoff_id(made.cid, route.to),
                source_cid=made.cid,
                from_role=role or "",
                to_role=route.to,
                status="pending_pickup",
                requires_reply=route.requires_reply,
                reply_due_at=(
                    None
                    if route.reply_seconds is None
                    else later(now, timedelta(seconds=route.reply_seconds))
                ),
                created_at=now,
            )
            for route in routes
        ]


def contribution_of(request: Contribute, now: str) -> Contribution:
    """The contribution that a request publishes if it is made now."""
    return Contribution(
        kind=request.kind,
        summary=request.summary,
        agent=request.agent,
        relations=[Relation(target_cid=cid, relation_type=kind) for cid, kind in request.relations],
        tags=request.tags,
        created_at=request.created_at or now,
    )
