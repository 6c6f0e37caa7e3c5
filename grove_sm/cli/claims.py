"""Commands that claim targets, keep and end claims, and show them."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from grove_sm.cli.listing import (
    Before,
    Count,
    Cursor,
    Limit,
    NewestFirst,
    Since,
    write_list,
)
from grove_sm.cli.options import (
    HERE,
    AgentFields,
    AgentId,
    AsJson,
    AskerRole,
    ContextJson,
    GroveFolder,
    HolderId,
    Key,
    Lease,
    Role,
    make_agent,
    make_optional_agent,
    open_grove,
    parse_context,
)
from grove_sm.cli.output import Column, write_records, write_result

if TYPE_CHECKING:
    from grove_sm.domain import Claim
    from grove_sm.results import BountyClaimed, Claimed

_ClaimId = Annotated[
    str, typer.Argument(metavar="CLAIM", help="The claim's id, as claim and claims print it.")
]
_COLUMNS: Final = (
    Column("claim", lambda c: c.claim_id),
    Column("target", lambda c: c.target_ref),
    Column("agent", lambda c: c.agent.agent_id),
    Column("status", lambda c: c.status),
    Column("lease expires", lambda c: c.lease_expires_at, may_be_cut=True),
    Column("intent", lambda c: c.intent_summary),
)

_STALLED_COLUMNS: Final = (
    *_COLUMNS[:3],
    Column("last heartbeat", lambda c: c.heartbeat_at),
    *_COLUMNS[4:],
)


def claim(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="What to claim, by any name.")],
    *,
    agent: AgentId,
    intent: Annotated[str, typer.Option("--intent", metavar="TEXT", help="What it is for.")],
    role: Role = None,
    agent_fields: AgentFields = None,
    lease: Lease = None,
    context: ContextJson = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Claim a target for an agent, or renew the claim that it holds."""
    holder = make_agent(agent, role, agent_fields)
    kept = parse_context(context)
    with open_grove(grove) as opened:
        claimed = opened.claim(
            target,
            agent=holder,
            intent_summary=intent,
            lease_seconds=lease,
            context=kept,
            idempotency_key=key,
        )
    write_claimed(claimed, claimed.claim.target_ref, as_json=as_json)


def write_claimed(claimed: "Claimed | BountyClaimed", what: str, *, as_json: bool) -> None:
    """Print what was claimed, and how it is held."""
    write_result(
        claimed,
        [
            ("renewed" if claimed.renewed else "claimed", what),
            ("claim", claimed.claim.claim_id),
            ("lease expires", claimed.claim.lease_expires_at),
            ("transaction", claimed.txid),
        ],
        as_json=as_json,
    )


def heartbeat(
    claim_id: _ClaimId,
    *,
    agent: HolderId = None,
    role: AskerRole = None,
    lease: Lease = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Keep a claim: its lease runs anew from now, as long as a new claim's or as --lease says.

    Works for the claims of bounties and of handoffs that were picked up too. It never shortens a
    lease. A claim whose lease has run out cannot be kept: claim again.
    """
    holder = make_optional_agent(agent, role)
    with open_grove(grove) as opened:
        kept = opened.heartbeat(claim_id, agent=holder, lease_seconds=lease, idempotency_key=key)
    _write_claim("kept", kept, as_json=as_json)


def release(
    claim_id: _ClaimId,
    *,
    agent: HolderId = None,
    role: AskerRole = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Give a claim up: its target is free at once.

    A bounty that it holds is open again in the same step; a handoff waits to be picked up again.
    """
    holder = make_optional_agent(agent, role)
    with open_grove(grove) as opened:
        released = opened.release(claim_id, agent=holder, idempotency_key=key)
    _write_claim("released", released, as_json=as_json)


def complete(
    claim_id: _ClaimId,
    *,
    agent: HolderId = None,
    role: AskerRole = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """End a claim whose work is done.

    The claim on a bounty ends with it (grove-sm bounty complete, or settle), that on a handoff
    with grove-sm acknowledge.
    """
    holder = make_optional_agent(agent, role)
    with open_grove(grove) as opened:
        completed = opened.complete(claim_id, agent=holder, idempotency_key=key)
    _write_claim("completed", completed, as_json=as_json)


def _write_claim(done: str, claim: "Claim", *, as_json: bool) -> None:
    write_result(
        claim,
        [
            (done, claim.target_ref),
            ("claim", claim.claim_id),
            ("lease expires", claim.lease_expires_at if claim.status == "active" else None),
        ],
        as_json=as_json,
    )


def stalled(
    *,
    after: Annotated[
        float,
        typer.Option("--after", metavar="SECONDS", help="How long without a heartbeat."),
    ],
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", help="Show at most so many, longest without first."),
    ] = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List claims that are held by agents without a heartbeat for long, whatever their lease.

    Longest without one first. grove-sm sweep --stalled-after expires them; grove-sm release frees
    one. A claim whose lease has run out holds nothing, and any sweep expires it.
    """
    with open_grove(grove) as opened:
        found = opened.stalled(after=after, limit=limit)
    write_records(found, _STALLED_COLUMNS, as_json=as_json, none="nobody has stalled")


def claims(
    *,
    target: Annotated[
        str | None, typer.Option("--target", metavar="TARGET", help="Only on this target.")
    ] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="ID", help="Only of this agent.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option("--status", metavar="STATUS", help="active, released, completed or expired."),
    ] = None,
    stalled_after: Annotated[
        float | None,
        typer.Option(
            "--stalled-after",
            metavar="SECONDS",
            help="Only under a live lease, without a heartbeat for so long.",
        ),
    ] = None,
    since: Since = None,
    before: Before = None,
    newest_first: NewestFirst = False,
    limit: Limit = None,
    cursor: Cursor = None,
    count: Count = False,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List claims, or count them. One whose lease ran out is active until it is taken or swept."""
    filters = {
        "target_ref": target,
        "agent_id": agent,
        "status": status,
        "stalled_after": stalled_after,
        "since": since,
        "before": before,
    }
    with open_grove(grove) as opened:
        write_list(
            opened.claims,
            filters,
            newest_first=newest_first,
            limit=limit,
            cursor=cursor,
            count=count,
            columns=_COLUMNS,
            none="no claims",
            as_json=as_json,
        )
