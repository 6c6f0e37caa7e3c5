"""Contributing: the contribution, its handoffs, and the handoffs it answers.

Grove protocol, section 7.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from blake3 import blake3

from grove_sm.domain import Contribution, Handoff, Route
from grove_sm.domain.errors import NotFound
from grove_sm.lifecycles import HANDOFF, advance
from grove_sm.operations.claims import later
from grove_sm.operations.documents import create, decode, update
from grove_sm.operations.handoffs import end_deliveries, is_overdue
from grove_sm.operations.layout import CONTRIBUTIONS, HANDOFFS, contribution_family
from grove_sm.operations.plan import Facts, Find, Get, Plan, Read, Stored, make_plan

OPERATION: Final = "contribute"

_ANSWERS: Final = frozenset({"reviews", "responds_to", "adopts"})


class ContributeRequest(NamedTuple):
    """A contribution to publish, where each role's work is handed to, and the time."""

    contribution: Contribution
    topology: Mapping[str, Sequence[Route]]
    now: str


def plan_contribute(request: ContributeRequest, facts: Facts) -> Plan:
    """What to write for a contribution; nothing, if it is there already.

    Raises NotFound if the target of a relation does not exist.
    """
    contribution = request.contribution
    cid = contribution.cid
    targets = tuple(dict.fromkeys([r.target_cid for r in contribution.relations]))
    answered = tuple(
        dict.fromkeys([r.target_cid for r in contribution.relations if r.relation_type in _ANSWERS])
    )
    if not facts.hopeful:
        facts.need(Get(CONTRIBUTIONS, cid), *_reads(targets, answered))
        published = facts.get(CONTRIBUTIONS, cid)
        if published is not None:
            return _as_published(published, request, facts)
    elif targets:
        facts.need(*_reads(targets, answered))
    for target in targets:
        if facts.get(CONTRIBUTIONS, target) is None:
            index = [relation.target_cid for relation in contribution.relations].index(target)
            raise NotFound(
                record=f"contribution {target}", reason=f"relations[{index}].targetCid names it"
            )

    resolved = [
        found
        for target in answered
        for found in _open_to(request, facts.find(HANDOFFS, sourceCid=target))
    ]
    replies = [update(HANDOFFS, stored, _reply(handoff, cid)) for stored, handoff in resolved]
    ended, deliveries = end_deliveries(
        [handoff for _, handoff in resolved], "complete", request.now, facts
    )
    handoffs = _handoffs(request)
    writes = [create(CONTRIBUTIONS, cid, contribution)]
    writes += [create(HANDOFFS, handoff.handoff_id, handoff) for handoff in handoffs]
    writes += replies
    writes += ended
    return make_plan(
        OPERATION,
        facts,
        writes=writes,
        keys=[*(contribution_family(held) for held in (cid, *answered)), *deliveries],
        result=_result(
            cid,
            {handoff.handoff_id: handoff.to_role for handoff in handoffs},
            [write.record_id for write in replies],
        ),
    )


def _reads(targets: Sequence[str], answered: Sequence[str]) -> list[Read]:
    """What a contribution's relations depend on."""
    return [
        *(Get(CONTRIBUTIONS, target) for target in targets),
        *(Find(HANDOFFS, (("sourceCid", target),)) for target in answered),
    ]


def _handoffs(request: ContributeRequest) -> list[Handoff]:
    cid, from_role = request.contribution.cid, request.contribution.agent.role
    if from_role is None:
        return []
    return [
        Handoff(
            handoff_id=handoff_id(cid, route.to),
            source_cid=cid,
            from_role=from_role,
            to_role=route.to,
            status=HANDOFF.initial,
            requires_reply=route.requires_reply,
            reply_due_at=(
                None if route.reply_seconds is None else later(request.now, route.reply_seconds)
            ),
            created_at=request.now,
        )
        for route in {r.to: r for r in request.topology.get(from_role, ())}.values()
    ]


def handoff_id(source_cid: str, to_role: str) -> str:
    """The id of the one handoff of a contribution to a role: its name in both, digested."""
    return "handoff-" + blake3(f"{source_cid} {to_role}".encode()).hexdigest()[:32]


def _open_to(
    request: ContributeRequest, found: Sequence[Stored]
) -> Iterator[tuple[Stored, Handoff]]:
    """The handoffs among these that the contributing agent's answer resolves."""
    role = request.contribution.agent.role
    for stored in found:
        handoff = decode(Handoff, stored)
        is_for_role = role is None or handoff.to_role == role
        is_open = handoff.status not in HANDOFF.final and not is_overdue(handoff, request.now)
        if is_for_role and is_open:
            yield stored, handoff


def _reply(handoff: Handoff, cid: str) -> Handoff:
    status = advance(HANDOFF, handoff.status, "reply", record=f"handoff {handoff.handoff_id}")
    return handoff.replace(status=status, resolved_by_cid=cid)


def _as_published(published: Stored, request: ContributeRequest, facts: Facts) -> Plan:
    cid = published.record_id
    caused = {
        stored.record_id: decode(Handoff, stored).to_role
        for stored in facts.find(HANDOFFS, sourceCid=cid)
    }
    # Of those that have been forgotten, the topology tells the roles.
    routes = request.topology.get(request.contribution.agent.role or "", ())
    roles = {handoff_id(cid, route.to): route.to for route in routes} | caused
    # What its transaction wrote, in that order; one made by other software may not say.
    wrote = [(m[1], m[2]) for m in json.loads(published.members) if m[0] == HANDOFFS]
    routed = {made: roles[made] for made, revision in wrote if revision == 1 and made in roles}
    replied = [changed for changed, revision in wrote if revision > 1]
    result = _result(cid, routed or caused, replied)
    result |= {"duplicate": True, "txid": published.txid}
    return make_plan(OPERATION, facts, writes=(), keys=(), result=result)


def _result(cid: str, routed: Mapping[str, str], replied: Sequence[str]) -> dict[str, object]:
    """The result of a contribution: `routed` are its handoffs' ids and roles, in order."""
    return {
        "cid": cid,
        "routedTo": list(routed.values()),
        "handoffIds": list(routed),
        "repliedIds": list(replied),
        "duplicate": False,
    }
