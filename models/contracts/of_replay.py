"""Contracts on the order in which somebody who comes later applies what is committed."""

from typing import Final

from grove_sm.commit.contract import Holder
from grove_sm.commit.replay import Missed, with_what_they_build_on
from grove_sm.domain import Grant
from grove_sm.operations.plan import Write
from models.contracts.choices import chosen, settled
from models.contracts.registry import contract
from models.contracts.worlds import ADA, NOW, World

RECORDS: Final = (
    frozenset({("claims", "a")}),
    frozenset({("claims", "b")}),
    frozenset({("claims", "a"), ("claims", "b")}),
    None,
)
"""What a transaction writes; None where damage has left that unknown."""


def _meet(one: Holder, other: Holder) -> bool:
    """Whether they may write a same record."""
    if one.members is None or other.members is None:
        return True
    return not one.members.isdisjoint(other.members)


@contract(with_what_they_build_on)
def nothing_is_applied_before_what_it_builds_on(
    first: int, second: int, third: int, wanted: int, is_undecided: bool
) -> bool:
    """Of the committed transactions in the journal's order those are applied that are wanted, and
    before each all that it may build on; no other, and none that is undecided.

    pre: 0 <= first < 4 and 0 <= second < 4 and 0 <= third < 4 and 1 <= wanted < 4
    post: _
    """
    state = chosen(("committed", "planned"), is_undecided)
    asked = chosen(((), ("tx-1",), ("tx-2",), ("tx-0", "tx-2")), wanted)
    written = [chosen(RECORDS, number) for number in (first, second, third)]
    with settled():
        met = [
            Holder(f"tx-{number}", 1, state if number == 0 else "committed", frozenset(), members)
            for number, members in enumerate(written)
        ]
        needed: list[Holder] = []
        for holder in reversed(met):
            builds = any(_meet(holder, later) for later in needed)
            if holder.state == "committed" and (holder.txid in asked or builds):
                needed.insert(0, holder)
        return with_what_they_build_on(asked, met) == needed


@contract(Missed.keeps_back, Missed.note, Missed.note_unreachable, Missed.note_unknown)
def nothing_is_applied_upon_what_was_missed(missed: int, base: int, is_same: bool) -> bool:
    """A store that has missed a change of a record is given no later one of it, one that could not
    be reached none at all, and where it is not known what was missed, none that does not fit.

    pre: 0 <= missed < 6 and 0 <= base < 3
    post: _
    """
    number, at = chosen(range(6), missed), chosen(range(3), base)
    record = chosen(("grant:other", "grant:one"), is_same)
    with settled():
        grant = Grant(grant_id="one", agent_id=ADA.agent_id, amount=1, created_at=NOW)
        world = World([grant], revision=1)
        one = frozenset({("credits", "grant:one")})
        seen = Missed()
        if number == 1:
            seen.note([Write("credits", "grant:one", 0, "{}")])
        elif number == 2:
            seen.note_unreachable(world.store.name)
        elif number == 3:
            seen.note_unreachable("another store")
        elif number == 4:
            seen.note_unknown(Holder("tx", 1, "committed", None, one))
        elif number == 5:
            seen.note_unknown(Holder("tx", 1, "committed", None, None))
        is_kept = seen.keeps_back(world.store, [Write("credits", record, at, "{}")])
        stands = 1 if record == "grant:one" else 0
        expected = (
            False,
            record == "grant:one",
            True,
            False,
            record == "grant:one",
            stands < at,
        )
        return is_kept == expected[number]
