"""Commands about bounties."""

from typing import Annotated, Any, Final

import typer

from grove_sm.cli.claims import write_claimed
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

app = typer.Typer(no_args_is_help=True)

_COLUMNS: Final = (
    Column("bounty", lambda b: b.bounty_id),
    Column("status", lambda b: b.status),
    Column("amount", lambda b: b.amount),
    Column("title", lambda b: b.title),
    Column("creator", lambda b: b.creator.agent_id, may_be_cut=True),
    Column("claimed by", lambda b: b.claimed_by and b.claimed_by.agent_id, may_be_cut=True),
    Column("deadline", lambda b: b.deadline, may_be_cut=True),
)


@app.command()
def create(
    *,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="What is wanted.")],
    amount: Annotated[int, typer.Option("--amount", metavar="N", help="The credits it pays.")],
    criteria: Annotated[
        str, typer.Option("--criteria", metavar="TEXT", help="What fulfils it, in words.")
    ],
    agent: AgentId,
    role: Role = None,
    agent_fields: AgentFields = None,
    metric: Annotated[
        str | None,
        typer.Option("--metric", metavar="NAME", help="The score that a contribution must have."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", metavar="NUMBER", help="What it must reach.")
    ] = None,
    direction: Annotated[
        str | None,
        typer.Option(
            "--direction", metavar="DIRECTION", help="minimize (at most) or maximize (at least)."
        ),
    ] = None,
    required_tags: Annotated[
        list[str] | None,
        typer.Option("--require-tag", metavar="TAG", help="A tag it must carry; repeatable."),
    ] = None,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="More about it.")
    ] = None,
    deadline: Annotated[
        str | None,
        typer.Option("--deadline", metavar="TIME", help="When it ends; 7 days on, if not given."),
    ] = None,
    zone: Annotated[str | None, typer.Option("--zone", metavar="ID", help="Its zone.")] = None,
    context: ContextJson = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Open a bounty and reserve its amount, as one."""
    creator = make_agent(agent, role, agent_fields)
    fields: dict[str, Any] = {
        "description": criteria,
        "metricName": metric,
        "metricThreshold": threshold,
        "metricDirection": direction,
        "requiredTags": required_tags or None,
    }
    kept = parse_context(context)
    with open_grove(grove) as opened:
        bounty = opened.create_bounty(
            title=title,
            amount=amount,
            criteria={name: value for name, value in fields.items() if value is not None},
            agent=creator,
            description=description,
            deadline=deadline,
            zone_id=zone,
            context=kept,
            idempotency_key=key,
        )
    if as_json:
        write_json(bounty)
        return
    write_facts(
        [
            ("opened", bounty.bounty_id),
            ("amount", bounty.amount),
            ("deadline", bounty.deadline),
            ("reservation", bounty.reservation_id),
        ]
    )


@app.command("list")
def list_(
    *,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="draft, open, claimed, completed, settled, expired or cancelled.",
        ),
    ] = None,
    limit: Limit = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List bounties."""

    with open_grove(grove) as opened:
        found = opened.bounties.list(status=status, limit=limit)
    write_records(found, _COLUMNS, as_json=as_json, none="no bounties")


@app.command()
def claim(
    bounty_id: Annotated[str, typer.Argument(metavar="BOUNTY", help="The bounty's id.")],
    *,
    agent: AgentId,
    role: Role = None,
    agent_fields: AgentFields = None,
    intent: Annotated[
        str | None, typer.Option("--intent", metavar="TEXT", help="What the agent means to do.")
    ] = None,
    lease: Lease = None,
    context: ContextJson = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Claim a bounty for an agent, or renew the claim that it holds: claim and bounty, as one."""
    holder = make_agent(agent, role, agent_fields)
    kept = parse_context(context)
    with open_grove(grove) as opened:
        claimed = opened.claim_bounty(
            bounty_id,
            agent=holder,
            intent_summary=intent,
            lease_seconds=lease,
            context=kept,
            idempotency_key=key,
        )
    write_claimed(claimed, claimed.bounty.bounty_id, as_json=as_json)
