"""All that TLC checks: what has to hold in which world, and what fails without which rule."""

from dataclasses import replace
from typing import Final

from models.tla.configuration import Configuration

_SAFETY: Final = ("NoHeuristics", "RedoKept", "PhasesOfTheTable", "ReadersSeeEverything")
_ENDS: Final = ("EveryTransactionEnds", "EveryReaderIsAnswered")

_PROTOCOL: Final = Configuration(
    name="protocol",
    about="transactions that write the same records",
    module="MCProtocol",
    values=("s1", "s2", "k1", "k2", "t1"),
    definitions={
        "StoreOf": "OneRecordEach",
        "Plans": "WritesAll",
        "Wants": "Everything",
        "InitialDocument": "Initially",
    },
    transactions=("t1", "t2"),
    keys=("k1", "k2"),
    invariants=_SAFETY,
    properties=("Refinement", "OnlyTheDeadAreAborted"),
    symmetry=True,
)
_ONE: Final = replace(_PROTOCOL, transactions=("t1",), reads=True)
_RACE: Final = replace(_PROTOCOL, keys=("k1",))
_FAIR: Final = replace(
    _ONE, fair=True, symmetry=False, invariants=(), properties=_ENDS, keys=("k1",)
)
_CUT: Final = replace(
    _RACE, coordinators=("c1",), paths=("one append",), faults=("PowerCut", "Unreachable")
)

_CLAIMS: Final = Configuration(
    name="claims",
    about="two agents want one bounty",
    module="Claims",
    values=("bounty", "a", "b", "t1", "t2", "t3", "claims", "bounties"),
    definitions={
        "StoreOf": "TwoStores",
        "Plans": "ClaimPlans",
        "InitialDocument": "Untouched",
        "Asked": "RaceAndRelease",
    },
    transactions=("t1", "t2"),
    keys=("bounty", "a", "b"),
    paths=("one append",),
    faults=("Crash",),
    finishes=False,
    invariants=("OneLiveClaim", "ClaimAndBountyAgree", "ReadersSeeEverything"),
    properties=("Refinement", "StatusesMoveAlongTheTables"),
)
_CONTRIBUTIONS: Final = Configuration(
    name="contributions",
    about="a contribution is handed off and reviewed",
    module="Contributions",
    values=(
        *("work", "review", "handoff", "delivery"),
        *("t1", "t2", "t3", "contributions", "handoffs"),
    ),
    definitions={
        "StoreOf": "TwoStores",
        "Plans": "ContributePlans",
        "InitialDocument": "Untouched",
        "Asked": "PickUp",
    },
    transactions=("t1", "t2"),
    keys=("work", "review", "handoff", "delivery"),
    paths=("one append",),
    faults=("Crash",),
    finishes=False,
    invariants=(
        "NoContributionWithoutItsHandoffs",
        "EveryReplyHasItsReview",
        "DeliveriesHaveTheirClaim",
        "ReadersSeeEverything",
    ),
    properties=("Refinement", "StatusesMoveAlongTheTables", "CallsMoveAlongTheTable"),
)

_QUICK: Final = (
    replace(_ONE, name="one-transaction", about="one transaction over two stores, and a reader"),
    replace(_RACE, name="race", about="two transactions for one record"),
    replace(
        _CUT,
        name="cut-and-down",
        about="two on one record; the power is cut, and a store is down in recovery",
        max_faults=2,
    ),
    replace(_FAIR, name="ends", about="one transaction and a reader: both come to an end"),
    _CLAIMS,
    _CONTRIBUTIONS,
)
_NIGHTLY: Final = tuple(
    replace(configuration, size="nightly")
    for configuration in (
        replace(
            _PROTOCOL,
            name="two-transactions",
            about="two transactions over two stores",
        ),
        replace(
            _ONE,
            name="one-transaction-twice",
            about="one transaction over two stores, a reader, two faults",
            max_faults=2,
        ),
        replace(
            _FAIR,
            name="ends-apart",
            about="one transaction over two stores and a reader: both come to an end",
            keys=("k1", "k2"),
        ),
    )
)

BROKEN: Final = (
    _ONE.without_rule(
        "force the decision", "unforced-decision", "Refinement", faults=("PowerCut",)
    ),
    _RACE.without_rule(
        "hold keys", "no-held-keys", "Refinement", paths=("two steps",), max_faults=0
    ),
    _RACE.without_rule("compare and set", "no-compare-and-set", "Refinement", faults=("LoseLock",)),
    _RACE.without_rule(
        "judge each write", "blind-apply", "ReadersSeeEverything", faults=("LateApply",)
    ),
    _ONE.without_rule("settle before reading", "unsettled-read", "Refinement", max_faults=0),
    _ONE.without_rule("release when all have applied", "early-release", "Refinement", max_faults=0),
    _ONE.without_rule(
        "keep the redo until forced", "early-drop", "Refinement", faults=("PowerCut",)
    ),
    _CUT.without_rule(
        "take marks back", "trusted-mark", "Refinement", reads=True, transactions=("t1",)
    ),
    _CUT.without_rule("apply in order", "out-of-order", "NoHeuristics", max_faults=2),
    _FAIR.without_rule(
        "abort what is given up",
        "kept-for-ever",
        "EveryTransactionEnds",
        faults=("JournalDown",),
        reads=False,
    ),
    _RACE.without_rule(
        "liveness by lock", "liveness-guessed", "OnlyTheDeadAreAborted", max_faults=0
    ),
    _CLAIMS.without_rule("hold keys", "two-live-claims", "OneLiveClaim", max_faults=0),
    _CLAIMS.without_rule(
        "claim with its bounty", "claim-alone", "ClaimAndBountyAgree", max_faults=0
    ),
    _CONTRIBUTIONS.without_rule(
        "contribution with its handoffs",
        "nobody-told",
        "NoContributionWithoutItsHandoffs",
        max_faults=0,
    ),
)

HOLDING: Final = (*_QUICK, *_NIGHTLY)
ALL: Final = (*HOLDING, *BROKEN)
