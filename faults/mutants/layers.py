"""The layers of tests that mutants are given to, from the cheapest on."""

from typing import Final, NamedTuple


class Layer(NamedTuple):
    """A layer of tests.

    Attributes:
        name: as the table calls it.
        runs: what is counted until the first failure. A test counts as what it records as the
            property `runs`, or as one.
        quick: what pytest is to be given, options too; every mutant is given to this.
        slow: what it is to run besides, for mutants that no layer's quick part has noticed.
    """

    name: str
    runs: str
    quick: tuple[str, ...]
    slow: tuple[str, ...] = ()


_TRANSCRIPTS: Final = "tests/transcripts/test_transcripts.py"
_UNSEEN_COMMIT: Final = "tests/processes/test_unseen_commit.py"
_HISTORY: Final = "stateful_tests/test_history.py"
_INTERLEAVINGS: Final = "tests/crash/test_interleavings.py"
_DAMAGE: Final = "tests/power/test_damage.py"
_CONTRACTS: Final = "tests/models/test_contracts.py"
_TRACES: Final = "tests/models/test_traces.py"
_CUTS: Final = "tests/power/test_power_cuts.py"

_NOT_LONG: Final = ("-m", "not long")
_NO_SERVER: Final = ("-k", "not postgres and not nexus")

LAYERS: Final = (
    Layer("transcripts", "tests", (f"{_TRANSCRIPTS}::test_transcript",)),
    Layer(
        "conformance",
        "tests",
        (*_NO_SERVER, "tests/commit", _UNSEEN_COMMIT, "tests/conformance"),
        (
            "tests/conformance",
            "tests/postgres/test_server_crashes.py",
            "tests/postgres/test_journal.py",
            "tests/nexus/test_store.py",
        ),
    ),
    Layer(
        "power",
        "disks",
        (f"{_CUTS}::test_cuts_of_a_session[opening]", f"{_DAMAGE}::test_damage"),
        (f"{_CUTS}::test_cuts_of_a_session", f"{_CUTS}::test_cuts_of_recoveries"),
    ),
    Layer(
        "stateful",
        "histories",
        (
            *_NOT_LONG,
            f"{_HISTORY}::test_told_histories_make_every_move",
            f"{_HISTORY}::test_every_history_is_one_of_whole_operations",
        ),
        (
            f"{_HISTORY}::test_every_fault_and_race_at_every_effect",
            f"{_HISTORY}::test_every_history_is_one_of_whole_operations",
        ),
    ),
    Layer(
        "enumeration",
        "executions",
        (*_NOT_LONG, "tests/crash/test_zombies.py", "tests/crash/test_enumeration.py"),
        (
            f"{_INTERLEAVINGS}::test_every_interleaving_is_some_serial_order",
            "tests/crash/test_zombies.py",
            "tests/crash/test_enumeration.py",
        ),
    ),
    Layer("contracts", "contracts", (f"{_CONTRACTS}::test_a_contract_is_confirmed",)),
    Layer("model", "traces", (f"{_TRACES}::test_every_recorded_run_is_allowed",)),
)
"""In the order in which they are asked; another layer is one more line."""
