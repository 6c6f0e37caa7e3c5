"""What an examination tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grove_sm.operations.audit import AuditReport


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found, and what to do next about it.

    One that is no problem is worth knowing, and all is well with it.
    """

    what: str
    next: str
    is_problem: bool = True


@dataclass(frozen=True, slots=True)
class Versions:
    """What runs here. `psycopg` is None where it is not installed."""

    grove_sm: str
    python: str
    sqlite: str
    psycopg: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """The journal, or a store.

    Attributes:
        role: `journal`, or the collections that are in the store.
        url: where it is, without secrets.
        is_reachable: whether it could be opened and read.
        seconds: how long that took; None if it could not be.
        format: of what is in it, None if that is not known; `newest_format` is the one that this
            version writes.
        free_bytes: on its disk; None if that cannot be told from here.
        trouble: why it cannot be used.
    """

    role: str
    url: str
    is_reachable: bool
    seconds: float | None
    format: int | None
    newest_format: int | None
    free_bytes: int | None
    trouble: str | None


@dataclass(frozen=True, slots=True)
class LiveCoordinator:
    """A process that has the grove open."""

    coordinator: int
    host: str
    process: int
    opened_at: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A transaction that the journal keeps the redo of, or that holds keys without a decision.

    `is_in_doubt` tells that somebody may have to wait for it: it is undecided, or committed and
    not known to be applied everywhere. `age` is how many seconds ago it began; `host` and
    `process` are where its coordinator runs or ran, if the journal still knows.
    """

    txid: str
    state: str
    age: float
    is_in_doubt: bool
    coordinator: int
    coordinator_lives: bool
    host: str | None
    process: int | None


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was seen of a grove; nothing was changed by looking.

    Attributes:
        folder: the grove's.
        examined_at: the time.
        settings: those in force, without secrets; None if they cannot be read.
        journal, stores: where the records are.
        coordinators: the processes that have the grove open.
        unfinished: transactions, in commit order.
        heuristics: how many heuristic outcomes wait for an operator.
        audit: what the audit finds, over what readers would be shown; None if it could not be made.
        findings: problems first.
    """

    folder: str
    examined_at: str
    versions: Versions
    settings: Mapping[str, Any] | None
    journal: Place | None
    stores: tuple[Place, ...]
    coordinators: tuple[LiveCoordinator, ...]
    unfinished: tuple[Unfinished, ...]
    heuristics: int
    audit: AuditReport | None
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing that was found is a problem."""
        return not any(finding.is_problem for finding in self.findings)

    @property
    def in_doubt(self) -> tuple[Unfinished, ...]:
        """The transactions that somebody may have to wait for."""
        return tuple(each for each in self.unfinished if each.is_in_doubt)
