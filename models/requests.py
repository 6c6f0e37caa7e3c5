"""What can be asked of a grove, as values."""

from dataclasses import dataclass
from typing import Literal

from grove_sm.domain import Agent, Kind, RelationType


@dataclass(frozen=True)
class Contribute:
    """Publish a contribution; `relations` are (target CID, type) pairs.

    `created_at` None leaves the time to the grove.
    """

    kind: Kind
    summary: str
    agent: Agent
    relations: tuple[tuple[str, RelationType], ...] = ()
    created_at: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grant:
    """Give an agent credits."""

    agent_id: str
    amount: int


@dataclass(frozen=True)
class Transfer:
    """Move credits from one agent to another."""

    from_agent_id: str
    to_agent_id: str
    amount: int


@dataclass(frozen=True)
class ClaimTarget:
    """Claim a target; `lease_seconds` None leaves the lease to the grove."""

    target_ref: str
    agent: Agent
    intent_summary: str
    lease_seconds: float | None = None


@dataclass(frozen=True)
class Heartbeat:
    """Keep a claim; `lease_seconds` None leaves the lease to the grove."""

    claim_id: str
    agent: Agent | None
    lease_seconds: float | None = None


@dataclass(frozen=True)
class Release:
    """Give a claim up."""

    claim_id: str
    agent: Agent | None


@dataclass(frozen=True)
class Complete:
    """End a claim whose work is done."""

    claim_id: str
    agent: Agent | None


@dataclass(frozen=True)
class CreateBounty:
    """Open a bounty, or write a draft of one; `deadline` None leaves it to the grove.

    A contribution must carry `required_tag`, if there is one, to meet its criteria.
    """

    title: str
    amount: int
    agent: Agent
    deadline: str | None = None
    draft: bool = False
    required_tag: str | None = None


@dataclass(frozen=True)
class OpenBounty:
    """Open a draft."""

    bounty_id: str
    agent: Agent


@dataclass(frozen=True)
class ClaimBounty:
    """Claim a bounty; `lease_seconds` None leaves the lease to the grove."""

    bounty_id: str
    agent: Agent
    intent_summary: str
    lease_seconds: float | None = None


@dataclass(frozen=True)
class ReleaseBounty:
    """Give a claimed bounty up."""

    bounty_id: str
    agent: Agent | None


@dataclass(frozen=True)
class CompleteBounty:
    """Say that a contribution fulfils a bounty."""

    bounty_id: str
    cid: str
    agent: Agent | None


@dataclass(frozen=True)
class SettleBounty:
    """Pay a bounty; `cid` None: for the contribution that has completed it."""

    bounty_id: str
    cid: str | None
    agent: Agent | None


@dataclass(frozen=True)
class CancelBounty:
    """Take a bounty back."""

    bounty_id: str
    agent: Agent


@dataclass(frozen=True)
class PickUp:
    """Take the oldest handoff that waits for a role; None: for the agent's.

    `seconds` None leaves it to the grove how long the agent has to process it.
    """

    agent: Agent
    role: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Acknowledge:
    """Say that a handoff is processed."""

    handoff_id: str
    agent: Agent | None


@dataclass(frozen=True)
class DeadLetter:
    """Give up on a handoff."""

    handoff_id: str
    agent: Agent | None


@dataclass(frozen=True)
class Sweep:
    """Expire something that has run out, and say whether there was more.

    `stalled_after` not None: also claims without a heartbeat for so many seconds; `forget_after`
    not None: forget what ended so many seconds ago. What a sweep does and says is told by the
    steps `Expire`, `Forget` and `AllSwept`.
    """

    stalled_after: float | None = None
    forget_after: float | None = None


Swept = Literal["bounties", "claims", "handoffs"]
"""The collections whose records run out."""


@dataclass(frozen=True)
class Expire:
    """A step of a sweep: one record is brought to its end, if it has run out."""

    sweep: Sweep
    collection: Swept
    record_id: str


@dataclass(frozen=True)
class Forget:
    """A step of a sweep: one record that ended long ago is deleted."""

    sweep: Sweep
    collection: Literal["claims", "handoffs"]
    record_id: str


@dataclass(frozen=True)
class AllSwept:
    """A sweep's look around: is there nothing that has run out, or is to be forgotten?"""

    sweep: Sweep


Request = (
    Contribute
    | Grant
    | Transfer
    | ClaimTarget
    | Heartbeat
    | Release
    | Complete
    | CreateBounty
    | OpenBounty
    | ClaimBounty
    | ReleaseBounty
    | CompleteBounty
    | SettleBounty
    | CancelBounty
    | PickUp
    | Acknowledge
    | DeadLetter
    | Sweep
    | Expire
    | Forget
    | AllSwept
)


@dataclass(frozen=True)
class Call:
    """A request made at a time.

    `new_id` is what the ids of new records end in: the first random name that the call draws, and
    the second. `key` is the idempotency key.
    """

    request: Request
    now: str
    new_ids: tuple[str, str]
    key: str | None = None
