"""Every error this library raises on purpose (Grove protocol, section 8).

Each class has a stable `code`, a message that names the record and the reason, and its facts as
attributes. All can be pickled, and written as a JSON object with `to_document`.
"""

# ruff: noqa: N818 - the protocol names these classes

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from pydantic.alias_generators import to_camel

_SHOWN_CHARACTERS: Final = 80
_SHOWN_BITS: Final = 256


class _Absent:
    """Stands for a value that was not given at all."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = _Absent()


def shorten(value: object) -> str:
    """How a value is shown in a message: its repr, cut to a line, at no cost for a huge one."""
    match value:
        case str() | bytes():
            shown = repr(value[: _SHOWN_CHARACTERS + 1])
        case int() if value.bit_length() > _SHOWN_BITS:
            return f"an integer of {value.bit_length()} bits"
        case list() | tuple() | set() | frozenset() | dict() if value:
            return f"{type(value).__name__} of {len(value)}"
        case int() | float() | None | _Absent() | list() | tuple() | set() | frozenset() | dict():
            shown = repr(value)
        case _:
            return f"an object of type {type(value).__name__}"
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[: _SHOWN_CHARACTERS - 3] + "..."


def _restore(kind: type["GroveError"], args: tuple[Any, ...], facts: Mapping[str, Any]) -> Any:
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


class GroveError(Exception):
    """Base of every error here. `code` is stable, `message` is for people."""

    code: ClassVar[str] = "GROVE_ERROR"

    def __init__(self, message: str) -> None:
        super().__init__(message)

    @property
    def message(self) -> str:
        """What happened, to which record, and why."""
        return str(self.args[0])

    def to_document(self) -> dict[str, Any]:
        """The error as a JSON object: `code`, `message`, and `facts` under camelCase names."""
        facts = {to_camel(k): v for k, v in vars(self).items() if not k.startswith("_")}
        return {"code": self.code, "message": self.message, "facts": facts}

    # Exception rebuilds itself from its positional arguments; these classes take keywords.
    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, dict(vars(self)))


class ValidationError(GroveError):
    """An input breaks a rule.

    `field` is its path in wire names (`relations[0].targetCid`), `rule` says in words what must
    hold, `value` is what came, shortened for display.
    """

    code = "VALIDATION_ERROR"

    def __init__(self, *, field: str, rule: str, value: object = ABSENT) -> None:
        self.field = field
        self.rule = rule
        self.value = shorten(value)
        super().__init__(f"{field} {rule} (got {self.value})")


class NotFound(GroveError):
    """A record that was asked for, or that another must refer to, does not exist."""

    code = "NOT_FOUND"

    def __init__(self, *, record: str, reason: str = "") -> None:
        self.record = record
        self.reason = reason
        super().__init__(f"{record} was not found" + (f": {reason}" if reason else ""))


class StateConflict(GroveError):
    """A record's state does not allow what was asked."""

    code = "STATE_CONFLICT"

    def __init__(self, *, record: str, reason: str) -> None:
        self.record = record
        self.reason = reason
        super().__init__(f"{record}: {reason}")


class ClaimConflict(GroveError):
    """Another agent holds a live claim on the target."""

    code = "CLAIM_CONFLICT"

    def __init__(
        self, *, target_ref: str, holder: str, claim_id: str, lease_expires_at: str
    ) -> None:
        self.target_ref = target_ref
        self.holder = holder
        self.claim_id = claim_id
        self.lease_expires_at = lease_expires_at
        super().__init__(
            f"target {target_ref} is held by agent {holder} "
            f"with claim {claim_id} until {lease_expires_at}"
        )


class InsufficientCredits(GroveError):
    """An agent has too little available for a reservation or a transfer."""

    code = "INSUFFICIENT_CREDITS"

    def __init__(self, *, agent_id: str, needed: int, available: int) -> None:
        self.agent_id = agent_id
        self.needed = needed
        self.available = available
        super().__init__(
            f"account of agent {agent_id}: {needed} credits needed, {available} available"
        )


class StoreUnavailable(GroveError):
    """A store or the journal cannot be used. Nothing was written."""

    code = "STORE_UNAVAILABLE"

    def __init__(self, *, store: str, reason: str) -> None:
        self.store = store
        self.reason = reason
        super().__init__(f"{store} is unavailable: {reason}; nothing was written")


class InDoubt(GroveError):
    """A record is held by another transaction that is still undecided."""

    code = "IN_DOUBT"

    def __init__(self, *, record: str, txid: str, coordinator: int | str) -> None:
        self.record = record
        self.txid = txid
        self.coordinator = coordinator
        super().__init__(
            f"{record} is held by the undecided transaction {txid} of coordinator {coordinator}"
        )


class OutcomeUnknown(GroveError):
    """A decision could not be confirmed; ask for the transaction's outcome later by its id."""

    code = "OUTCOME_UNKNOWN"

    def __init__(self, *, txid: str, reason: str) -> None:
        self.txid = txid
        self.reason = reason
        super().__init__(
            f"the outcome of transaction {txid} is unknown: {reason}; ask for it later by this id"
        )


class Corrupt(GroveError):
    """Stored bytes are not what was written."""

    code = "CORRUPT"

    def __init__(self, *, what: str, where: str, reason: str) -> None:
        self.what = what
        self.where = where
        self.reason = reason
        super().__init__(f"{what} in {where} is corrupt: {reason}")
