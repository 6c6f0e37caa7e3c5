"""Exit statuses, for scripts: one table, which `grove-sm --help` prints."""

from collections.abc import Mapping
from typing import Final, NamedTuple

USAGE_ERROR: Final = "USAGE_ERROR"
FOUND_WRONG: Final = "FOUND_WRONG"
UNDECIDED: Final = "UNDECIDED"


class ExitStatus(NamedTuple):
    """A status, what it tells a script, and the error codes that end in it."""

    status: int
    meaning: str
    codes: tuple[str, ...] = ()


EXIT_STATUSES: Final = (
    ExitStatus(0, "done"),
    ExitStatus(1, "unexpected: a defect, or an output that cannot be written"),
    ExitStatus(2, "wrong usage, or input that breaks a rule", (USAGE_ERROR, "VALIDATION_ERROR")),
    ExitStatus(3, "a record does not exist", ("NOT_FOUND",)),
    ExitStatus(
        4,
        "refused: a record's state, a claim or a balance does not allow it",
        ("STATE_CONFLICT", "CLAIM_CONFLICT", "INSUFFICIENT_CREDITS"),
    ),
    ExitStatus(5, "a store cannot be used; nothing was written", ("STORE_UNAVAILABLE",)),
    ExitStatus(
        6,
        "undecided, or the outcome is unknown; ask again with grove-sm outcome",
        ("IN_DOUBT", "OUTCOME_UNKNOWN", UNDECIDED),
    ),
    ExitStatus(7, "stored data is damaged", ("CORRUPT",)),
    ExitStatus(
        8,
        "audit or doctor found something wrong, or recover left something in doubt",
        (FOUND_WRONG,),
    ),
)

_STATUS_OF: Final[Mapping[str, int]] = {
    code: exit_status.status for exit_status in EXIT_STATUSES for code in exit_status.codes
}


def status_of(code: str) -> int:
    """The exit status for an error's code."""
    return _STATUS_OF.get(code, 1)


def describe_statuses() -> str:
    """The table for people."""
    rows = (f"{row.status}  {row.meaning}" for row in EXIT_STATUSES)
    return "\n".join(("Exit status:", *rows))
