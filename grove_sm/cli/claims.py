"""Commands that claim targets and show claims."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from grove_sm.cli.options import (
    HERE,
    AgentFields,
    AgentId,
    AsJson,
    ContextJson,
    GroveFolder,
    Key,
    Lease,
    Limit,
    Role,
    make_agent,
    open_grove,
    parse_context,
)
from grove_sm.cli.output import Column, write_facts, write_json, write_records

if TYPE_CHECKING:
    from grove_sm.results import BountyClaimed, Claimed

_COLUMNS: Final = (
    Column("claim", lambda c: c.claim_id),
    Column("target", lambda c: c.target_ref),
    Column("agent", lambda c: c.agent.agent_id),
    Column("status", lambda c: c.status),
    Column("lease expires", lambda c: c.lease_expires_at, may_be_cut=True),
    Column("intent", lambda c: c.intent_summary),
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
    if as_json:
        write_json(claimed)
        return
    write_facts(
        [
            ("renewed" if claimed.renewed else "claimed", what),
            ("claim", claimed.claim.claim_id),
            ("lease expires", claimed.claim.lease_expires_at),
            ("transaction", claimed.txid),
        ]
    )


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
    limit: Limit = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List claims. One whose lease ran out is active until it is taken over."""

    with open_grove(grove) as opened:
        found = opened.claims.list(target_ref=target, agent_id=agent, status=status, limit=limit)
    write_records(found, _COLUMNS, as_json=as_json, none="no claims")
