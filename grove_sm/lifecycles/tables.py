"""The five state machines, as tables, and how they meet.

Everything that happens in a grove is a move of one of five machines. Three belong to records and
are what the protocol lists (Grove protocol, sections 3 to 5):

- A **handoff** is work waiting for a role. It is picked up, worked on, and answered; or nobody
  answers in time; or it cannot be delivered at all.
- A **claim** is a lease. The only move that keeps it `active` is a heartbeat; every other one ends
  it for good, and who wants the target again makes a new claim.
- A **bounty** is a reward. It alone can step back: a claimed bounty whose claim is released or
  runs out is `open` to others again.

Two belong to what an agent does rather than to what it leaves behind:

- **contribute** is one call, as its caller lives it: the request is validated, is recognised as
  one that was made before or planned, and then published, refused, or (when the decision could
  not be confirmed) unknown until somebody asks.
- **transaction** is two-phase commit as the coordinator lives it. `prepared -> committed` is the
  only commit point; everything before it can be aborted, nothing after it can.

They meet in the transaction. A call plans moves of several records (a bounty `claim` goes with a
new active claim; a bounty `release` with a claim `release` or `expire`; a handoff `reply` with a
contribution that is published), and the transaction makes them visible together or not at all:

    contribute:   plan ------------------------> publish        (refuse, if it was aborted)
    transaction:       prepare -> commit -> finish               (or abort)
    records:                      every planned move, at once    (or none)

So each record's table can be read alone: no table mentions another, and none has a state for
"half done". A move that is not in a table does not happen; there are no exceptions.
"""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar, get_args

from grove_sm.domain.coordination import BountyStatus, ClaimStatus, HandoffStatus

S_co = TypeVar("S_co", bound=str, covariant=True)


# Compared by identity: there is one of each, and they serve as keys.
@dataclass(frozen=True, eq=False, slots=True)
class Lifecycle(Generic[S_co]):
    """A state machine. `moves` holds (trigger, source, destination), each legal move once."""

    name: str
    initial: S_co
    states: tuple[S_co, ...]
    final: tuple[S_co, ...]
    moves: tuple[tuple[str, S_co, S_co], ...]


HANDOFF: Final[Lifecycle[HandoffStatus]] = Lifecycle(
    name="handoff",
    initial="pending_pickup",
    states=get_args(HandoffStatus),
    final=("replied", "expired", "dead_lettered"),
    moves=(
        ("deliver", "pending_pickup", "delivered"),
        ("process", "delivered", "processed"),
        ("reply", "pending_pickup", "replied"),
        ("reply", "delivered", "replied"),
        ("reply", "processed", "replied"),
        ("expire", "pending_pickup", "expired"),
        ("expire", "delivered", "expired"),
        ("expire", "processed", "expired"),
        ("dead_letter", "pending_pickup", "dead_lettered"),
        ("dead_letter", "delivered", "dead_lettered"),
    ),
)

CLAIM: Final[Lifecycle[ClaimStatus]] = Lifecycle(
    name="claim",
    initial="active",
    states=get_args(ClaimStatus),
    final=("released", "completed", "expired"),
    moves=(
        ("heartbeat", "active", "active"),
        ("release", "active", "released"),
        ("complete", "active", "completed"),
        ("expire", "active", "expired"),
    ),
)

BOUNTY: Final[Lifecycle[BountyStatus]] = Lifecycle(
    name="bounty",
    initial="draft",
    states=get_args(BountyStatus),
    final=("settled", "expired", "cancelled"),
    moves=(
        ("open", "draft", "open"),
        ("claim", "open", "claimed"),
        ("release", "claimed", "open"),
        ("complete", "claimed", "completed"),
        ("settle", "completed", "settled"),
        ("expire", "open", "expired"),
        ("expire", "claimed", "expired"),
        ("expire", "completed", "expired"),
        ("cancel", "draft", "cancelled"),
        ("cancel", "open", "cancelled"),
        ("cancel", "claimed", "cancelled"),
        ("cancel", "completed", "cancelled"),
    ),
)

CONTRIBUTE: Final[Lifecycle[str]] = Lifecycle(
    name="contribute",
    initial="requested",
    states=(
        "requested",
        "validated",
        "planned",
        "published",
        "duplicate",
        "refused",
        "unknown",
    ),
    final=("published", "duplicate", "refused"),
    moves=(
        ("validate", "requested", "validated"),
        ("recognise", "validated", "duplicate"),
        ("plan", "validated", "planned"),
        ("publish", "planned", "published"),
        ("lose", "planned", "unknown"),
        ("publish", "unknown", "published"),
        ("refuse", "requested", "refused"),
        ("refuse", "validated", "refused"),
        ("refuse", "planned", "refused"),
        ("refuse", "unknown", "refused"),
    ),
)

TRANSACTION: Final[Lifecycle[str]] = Lifecycle(
    name="transaction",
    initial="planned",
    states=("planned", "prepared", "committed", "aborted", "finished"),
    final=("aborted", "finished"),
    moves=(
        ("prepare", "planned", "prepared"),
        ("commit", "prepared", "committed"),
        ("finish", "committed", "finished"),
        ("abort", "planned", "aborted"),
        ("abort", "prepared", "aborted"),
    ),
)

LIFECYCLES: Final[tuple[Lifecycle[str], ...]] = (CONTRIBUTE, CLAIM, BOUNTY, HANDOFF, TRANSACTION)
