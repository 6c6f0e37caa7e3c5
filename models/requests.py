"""What can be asked of a grove, as values."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Grant:
    """Give an agent credits."""

    agent_id: str
    amount: int


@dataclass(frozen=True)
class CreateBounty:
    """Open a bounty; `deadline` None leaves it to the grove."""

    title: str
    amount: int
    agent: Agent
    deadline: str | None = None


@dataclass(frozen=True)
class ClaimTarget:
    """Claim a target; `lease_seconds` None leaves the lease to the grove."""

    target_ref: str
    agent: Agent
    intent_summary: str
    lease_seconds: float | None = None


@dataclass(frozen=True)
class ClaimBounty:
    """Claim a bounty; `lease_seconds` None leaves the lease to the grove."""

    bounty_id: str
    agent: Agent
    intent_summary: str
    lease_seconds: float | None = None


Request = Contribute | Grant | CreateBounty | ClaimTarget | ClaimBounty


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
