"""What every plan keeps, whatever the operation.

The inductive proof (`models.proof`) takes the first three for granted.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from grove_sm.domain.errors import GroveError
from grove_sm.lifecycles import BOUNTY, CLAIM, HANDOFF, Lifecycle
from grove_sm.operations.handoffs import NotWaiting
from grove_sm.operations.layout import (
    BOUNTIES,
    CLAIMS,
    CONTRIBUTIONS,
    CREDITS,
    HANDOFFS,
    account_family,
    bounty_family,
    contribution_family,
    target_family,
)
from grove_sm.operations.plan import Expectation, Facts, Find, Get, Plan, Stored, Write
from models.contracts.worlds import Planned, World

_LIFECYCLES: Final[Mapping[str, Lifecycle[Any]]] = {
    BOUNTIES: BOUNTY,
    CLAIMS: CLAIM,
    HANDOFFS: HANDOFF,
}
_AT_ONCE: Final = {("claimed", "claimed"), ("claimed", "settled")}
"""Two moves of a bounty in one step: it passes from a claim that ran out to the next, through
`open`; and it is settled by what completes it."""

_STARTS: Final[Mapping[str, tuple[str, ...]]] = {
    BOUNTIES: ("draft", "open"),
    CLAIMS: ("active",),
    HANDOFFS: ("pending_pickup",),
}


def lawful(planned: Planned, world: World, *, granted: int = 0) -> bool:
    """Whether a plan that was made in a world keeps every law; raises AssertionError if not.

    `granted` are the credits that it lets enter.
    """
    plan = planned.plan
    assert plan.keys == tuple(sorted(set(plan.keys))), "its keys are not in the one order"
    _preconditions_cover_what_was_read(planned)
    if plan.writes:
        _keys_cover_what_is_read(planned)
    _writes_replace_what_is_there(plan, world)
    _moves_are_legal(plan, world)
    then = world.after(plan)
    before, after = _credits(world), _credits(then)
    assert after == before + granted, f"{before} credits have become {after}"
    broken = set(then.violations()) - set(world.violations())
    assert not broken, f"it breaks: {broken}"
    return True


Told = type[Exception] | dict[str, str]


def told(world: World, operation: Callable[[Facts], Plan], *, granted: int = 0) -> Told:
    """What becomes of an operation in a world: the kind of its refusal, or what it leaves of each
    record that it writes (its status, its balances, or that it is deleted), once that is lawful."""
    try:
        planned = world.plan(operation)
    except (GroveError, NotWaiting) as refusal:
        return type(refusal)
    assert lawful(planned, world, granted=granted)
    return {write.record_id: _left_by(write) for write in planned.plan.writes}


def _left_by(write: Write) -> str:
    if write.document is None:
        return "deleted"
    document = json.loads(write.document)
    if "available" in document:
        return f"{document['available']}+{document['reserved']}"
    return str(document.get("status", "there"))


def _preconditions_cover_what_was_read(planned: Planned) -> None:
    """What was read, and what is written, is a precondition as it was found."""
    expected = dict(planned.plan.expectations)
    for read, rows in planned.known.items():
        found = tuple((row.record_id, row.revision) for row in rows)
        assert expected.get(read) == found, f"{read} is no precondition as it was found"
    named = {(read.collection, *row) for read, rows in expected.items() for row in rows} | {
        (read.collection, read.record_id, 0) for read in expected if isinstance(read, Get)
    }
    for write in planned.plan.writes:
        place = (write.collection, write.record_id, write.base)
        assert place in named, f"that {place} stands there is no precondition"


def _keys_cover_what_is_read(planned: Planned) -> None:
    """Whatever is a precondition and can change is held."""
    held = set(planned.plan.keys)
    for expectation in planned.plan.expectations:
        rows = planned.known.get(expectation.read, ())
        missing = set(_families(expectation, rows)) - held
        assert not missing, f"{expectation.read} is not covered: {missing} is not held"
    for write in planned.plan.writes:
        if write.document is not None:
            missing = set(_family(write.collection, json.loads(write.document))) - held
            assert not missing, f"{write.record_id} is not covered: {missing} is not held"


def _families(expectation: Expectation, rows: tuple[Stored, ...]) -> Iterator[str]:
    """The families that have to be held so that a read goes on finding the same."""
    read = expectation.read
    if isinstance(read, Find):
        yield _family_of_find(read)
    elif read.collection == BOUNTIES:
        yield bounty_family(read.record_id)
    elif read.collection == CONTRIBUTIONS:
        # One that is there never changes.
        if not expectation.found:
            yield contribution_family(read.record_id)
    else:
        for row in rows:
            yield from _family(read.collection, json.loads(row.document))


def _family_of_find(read: Find) -> str:
    where = dict(read.where)
    if read.collection == CLAIMS:
        return target_family(where["targetRef"])
    assert read.collection == HANDOFFS, f"nothing covers {read}"
    return contribution_family(where["sourceCid"])


def _family(collection: str, document: Mapping[str, Any]) -> Iterator[str]:
    """The families that have to be held to change a record."""
    if collection == CONTRIBUTIONS:
        yield contribution_family(document["cid"])
    elif collection == HANDOFFS:
        yield contribution_family(document["sourceCid"])
    elif collection == CLAIMS:
        yield target_family(document["targetRef"])
    elif collection == BOUNTIES:
        yield bounty_family(document["bountyId"])
    else:
        for name in ("agentId", "fromAgentId", "toAgentId"):
            if name in document:
                yield account_family(document[name])


def _writes_replace_what_is_there(plan: Plan, world: World) -> None:
    """Each write is of another record, and at the revision that stands there."""
    places = [(write.collection, write.record_id) for write in plan.writes]
    assert len(set(places)) == len(places), "it writes a record twice"
    for write in plan.writes:
        found = world.found(write.collection, write.record_id)
        assert write.base == (found.revision if found else 0), f"{write} is not of what is there"


def _moves_are_legal(plan: Plan, world: World) -> None:
    """Each record changes by a move of its lifecycle, and what is final does not change."""
    for write in plan.writes:
        found = world.found(write.collection, write.record_id)
        old = None if found is None else json.loads(found.document)
        new = None if write.document is None else json.loads(write.document)
        if write.collection == CONTRIBUTIONS:
            assert old is None, "a contribution never changes"
        elif write.collection == CREDITS:
            _credit_move_is_legal(old, new)
        elif new is None:
            final = _LIFECYCLES[write.collection].final
            assert (old or {}).get("status") in final, "it deletes what has not ended"
        elif old is None:
            assert new["status"] in _STARTS[write.collection], f"it begins as {new['status']}"
        else:
            _move_is_legal(_LIFECYCLES[write.collection], old, new)


def _move_is_legal(
    lifecycle: Lifecycle[Any], old: Mapping[str, Any], new: Mapping[str, Any]
) -> None:
    moves = {(source, to) for _, source, to in lifecycle.moves}
    moves |= _AT_ONCE if lifecycle is BOUNTY else set()
    assert (old["status"], new["status"]) in moves, f"{old['status']} to {new['status']} is no move"
    assert old["createdAt"] == new["createdAt"], "it changes when a record was created"
    if lifecycle is CLAIM:
        assert new["revision"] == old["revision"] + 1, "a claim's revision counts its changes"
        fixed = ("claimId", "targetRef", "agent", "attemptCount", "intentSummary")
        assert all(old[name] == new[name] for name in fixed), "it makes another claim of it"


def _credit_move_is_legal(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
    assert new is not None, "credits are never deleted"
    if old is not None and "available" not in old:
        assert old.get("status") == "held", "what has moved credits never changes"
        assert new["status"] in ("captured", "voided")
        fixed = ("reservationId", "agentId", "amount", "createdAt")
        assert all(old[name] == new[name] for name in fixed), "it makes another reservation of it"


def _credits(world: World) -> int:
    """All there are."""
    found = world.tables[CREDITS].values()
    documents = [json.loads(row.document) for row in found if isinstance(row, Stored)]
    return sum(d["available"] + d["reserved"] for d in documents if "available" in d)
