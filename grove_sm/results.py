"""What operations return: frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grove_sm.domain import Bounty, Claim, Contribution, Handoff
from grove_sm.domain.errors import GroveError


@dataclass(frozen=True, slots=True)
class Contributed:
    """A contribution as it was published.

    Attributes:
        cid: its content id.
        contribution: the record.
        routed_to: the roles it was handed off to; `handoff_ids` are those handoffs, in the same
            order.
        replied_ids: the earlier handoffs that it answered.
        duplicate: it was there already; nothing was added.
        txid: the transaction that published it.
    """

    cid: str
    contribution: Contribution
    routed_to: tuple[str, ...]
    handoff_ids: tuple[str, ...]
    replied_ids: tuple[str, ...]
    duplicate: bool
    txid: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim that its agent holds; `renewed` if it held it before."""

    claim: Claim
    renewed: bool
    txid: str


@dataclass(frozen=True, slots=True)
class BountyClaimed:
    """A claim on a bounty, and the bounty; `renewed` if the agent held it before."""

    claim: Claim
    bounty: Bounty
    renewed: bool
    txid: str


@dataclass(frozen=True, slots=True)
class PickedUp:
    """A handoff as it was delivered, with the contribution it hands over.

    `claim` is the delivery: until its lease ends, nobody else is given the handoff.
    """

    handoff: Handoff
    contribution: Contribution
    claim: Claim
    txid: str


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported.

    Attributes:
        records: how many, by collection.
        deleted: of how many deleted records it tells, so that nothing late brings them back.
        sha256: of all lines but the last, which has it too.
        size: how many bytes were written.
    """

    records: Mapping[str, int]
    deleted: int
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What was taken over from an export; its fields are as in `Exported`.

    `already_there` tells that the grove held just that, and nothing was done; otherwise `txid` is
    the transaction that wrote it.
    """

    records: Mapping[str, int]
    deleted: int
    sha256: str
    already_there: bool
    txid: str | None = None


@dataclass(frozen=True, slots=True)
class NotSwept:
    """A record that a sweep could not bring to its end, and why; the next sweep tries again.

    Or a collection, of which it could not be read what has run out.
    """

    record: str
    error: GroveError


@dataclass(slots=True)
class SweepReport:
    """What a sweep did, by the ids of the records.

    Attributes:
        claims_expired: claims that ran out, or stalled; without those of expired bounties.
        bounties_reopened: bounties that were held by one of these.
        bounties_expired: bounties past their deadline, with their claim and reservation.
        handoffs_expired: handoffs that nobody replied to in time.
        claims_forgotten: claims that ended long ago; without those of forgotten handoffs.
        handoffs_forgotten: handoffs that ended long ago, with their deliveries.
        failures: what could not be done now.
        is_complete: whether everything was looked at; not, if it had to stop before, or a
            collection could not be read.
    """

    claims_expired: list[str] = field(default_factory=list)
    bounties_reopened: list[str] = field(default_factory=list)
    bounties_expired: list[str] = field(default_factory=list)
    handoffs_expired: list[str] = field(default_factory=list)
    claims_forgotten: list[str] = field(default_factory=list)
    handoffs_forgotten: list[str] = field(default_factory=list)
    failures: list[NotSwept] = field(default_factory=list)
    is_complete: bool = True

    @property
    def swept(self) -> int:
        """How many steps it took: records that were brought to their end, or forgotten."""
        done: Sequence[Sequence[str]] = (
            self.claims_expired,
            self.bounties_expired,
            self.handoffs_expired,
            self.claims_forgotten,
            self.handoffs_forgotten,
        )
        return sum(map(len, done))
