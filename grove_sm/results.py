"""What operations return: frozen values."""

from dataclasses import dataclass

from grove_sm.domain import Bounty, Claim, Contribution


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
