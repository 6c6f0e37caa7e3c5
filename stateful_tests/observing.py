"""What readers see of a deployment, as the reference model has it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from grove_sm import Grove
from grove_sm.commit.coordinator import Coordinator
from grove_sm.domain import Account, Bounty, Claim, Handoff, Record
from grove_sm.results import BountyClaimed, Claimed, Contributed, PickedUp, SweepReport
from grove_sm.views import Bounties, Claims, Contributions, Credits, Handoffs
from models.reads import Read, answer, every_read
from models.records import Answer, Balance, Records
from models.requests import AllSwept, Call, Expire, Forget, Sweep, Swept
from stateful_tests.looking_up import look_up
from stateful_tests.process import Clock, Habits, Process
from stateful_tests.sketches import AGENTS
from tests.kinds.placement import Placement


def view(coordinator: Coordinator, first: int = 0) -> Records:
    """Read everything through a coordinator, beginning with this collection.

    Raises StoreUnavailable.
    """
    found: dict[str, Any] = {}

    def read_contributions() -> None:
        listed = Contributions(coordinator).list()
        found["contributions"] = {record.cid: record for record in listed}

    def read_handoffs() -> None:
        found["handoffs"] = {each.handoff_id: each for each in Handoffs(coordinator).list()}

    def read_claims() -> None:
        found["claims"] = {record.claim_id: record for record in Claims(coordinator).list()}

    def read_bounties() -> None:
        found["bounties"] = {record.bounty_id: record for record in Bounties(coordinator).list()}

    def read_credits() -> None:
        accounts = (Credits(coordinator).balance(agent.agent_id) for agent in AGENTS)
        found["accounts"] = {
            account.agent_id: Balance(account.available, account.reserved)
            for account in accounts
            if account.total
        }

    readers = (read_contributions, read_handoffs, read_claims, read_bounties, read_credits)
    for number in range(len(readers)):
        readers[(first + number) % len(readers)]()
    return Records(**found)


def answer_of(result: Any) -> Answer:
    """A result of the library as the model words it."""
    if result is None:
        return {"handoff": None}
    if isinstance(result, Contributed):
        return {
            "cid": result.cid,
            "routed": dict(zip(result.routed_to, result.handoff_ids, strict=True)),
            "replied": set(result.replied_ids),
            "duplicate": result.duplicate,
        }
    if isinstance(result, Account):
        return {"balance": Balance(result.available, result.reserved)}
    if type(result) in _RECORDS:
        return {_RECORDS[type(result)]: result}
    return {name: getattr(result, name) for name in _FACTS[type(result)]}


_READS_AT_ONCE: Final = 2

_RECORDS: Final[Mapping[type[Record], str]] = {
    Claim: "claim",
    Bounty: "bounty",
    Handoff: "handoff",
}
"""Results that are one record, and what the model calls it."""

_FACTS: Final[Mapping[type[object], Sequence[str]]] = {
    Claimed: ("claim", "renewed"),
    BountyClaimed: ("claim", "renewed", "bounty"),
    PickedUp: ("handoff", "contribution", "claim"),
}
"""Results of several facts, and those that the model tells too."""


def steps_of(report: SweepReport, sweep: Call) -> Iterator[tuple[Call, Answer]]:
    """The steps that a sweep has taken, at most one, and what it says of the rest."""
    assert isinstance(sweep.request, Sweep)
    assert report.swept <= 1, f"more than its limit: {report}"
    swept: Mapping[Swept, Sequence[str]] = {
        "bounties": report.bounties_expired,
        "claims": report.claims_expired,
        "handoffs": report.handoffs_expired,
    }
    for collection, record_ids in swept.items():
        for record_id in record_ids:
            step = Expire(sweep.request, collection, record_id)
            reopened = (*report.bounties_reopened, None)[0]
            yield replace(sweep, request=step), {"swept": step, "reopened": reopened}
    forgotten = [Forget(sweep.request, "claims", n) for n in report.claims_forgotten]
    forgotten += [Forget(sweep.request, "handoffs", n) for n in report.handoffs_forgotten]
    for forget in forgotten:
        yield replace(sweep, request=forget), {"forgotten": forget}
    if not report.failures:
        all_swept = AllSwept(sweep.request)
        yield replace(sweep, request=all_swept), {"all swept": report.is_complete}


class Mirror:
    """A copy of a placement, in which to look without changing anything of the original.

    Everybody who was alive in the original may be taken for dead here, or not.
    """

    def __init__(self, original: Placement, copy: Placement, clock: Clock) -> None:
        self._original = original
        self._copy = copy
        self._clock = clock
        self._looks = 0
        self._seen = Records()

    @contextmanager
    def look(self) -> Iterator[tuple[Records, Grove]]:
        """What a new process sees that only reads, and its grove once it has recovered.

        Its reader begins with another collection each time; first it makes some of the reads that
        the model answers, which have to tell of the same.
        """
        self._looks += 1
        self._copy.restore(self._original.save())
        process = Process(self._copy, self._clock, Habits(one_append=True, lag=1))
        process.names.restart(f"look-{self._looks:x}")
        try:
            reads = self._reads()
            found = [look_up(process.coordinator, read) for read in reads]
            looked = self._seen = view(process.coordinator, self._looks)
            for read, told in zip(reads, found, strict=True):
                assert told == answer(looked, read), f"{read} was answered with {told}"
            yield looked, process.open()
        finally:
            process.die(keep_stores=False)

    def _reads(self) -> Sequence[Read]:
        """A few of all reads that there are, others each time."""
        reads = list(every_read(self._seen))
        first = self._looks * _READS_AT_ONCE % len(reads)
        return reads[first : first + _READS_AT_ONCE]
