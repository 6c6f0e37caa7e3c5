"""Commands about bounties."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from grove_sm.cli.claims import write_claimed
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
from grove_sm.cli.output import Column, write_result

if TYPE_CHECKING:
    from grove_sm.domain import Bounty

app = typer.Typer(no_args_is_help=True)

_BountyId = Annotated[str, typer.Argument(metavar="BOUNTY", help="The bounty's id.")]
_CreatorId = Annotated[str, typer.Option("--agent", metavar="ID", help="Its creator.")]

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
    draft: Annotated[
        bool,
        typer.Option(
            "--draft", help="Do not open it yet: nobody can claim it, and nothing is reserved."
        ),
    ] = False,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Open a bounty and reserve its amount, as one; or keep it as a draft until bounty open."""
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
            draft=draft,
            idempotency_key=key,
        )
    _write_offer("drafted" if draft else "opened", bounty, as_json=as_json)


@app.command("open")
def open_(
    bounty_id: _BountyId,
    *,
    agent: _CreatorId,
    role: AskerRole = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Open a draft and reserve its amount, as one."""
    creator = make_agent(agent, role, None)
    with open_grove(grove) as opened:
        bounty = opened.open_bounty(bounty_id, agent=creator, idempotency_key=key)
    _write_offer("opened", bounty, as_json=as_json)


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
    creator: Annotated[
        str | None, typer.Option("--creator", metavar="ID", help="Only by this agent.")
    ] = None,
    claimant: Annotated[
        str | None, typer.Option("--claimant", metavar="ID", help="Only claimed by this agent.")
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG", help="Only those that require this tag; repeatable."),
    ] = None,
    deadline_since: Annotated[
        str | None,
        typer.Option("--deadline-since", metavar="TIME", help="Only those that end then or later."),
    ] = None,
    deadline_before: Annotated[
        str | None,
        typer.Option("--deadline-before", metavar="TIME", help="Only those that end before."),
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
    """List bounties, or count them."""
    filters = {
        "status": status,
        "creator_id": creator,
        "claimant_id": claimant,
        "tag": tags,
        "deadline_since": deadline_since,
        "deadline_before": deadline_before,
        "since": since,
        "before": before,
    }
    with open_grove(grove) as opened:
        write_list(
            opened.bounties,
            filters,
            newest_first=newest_first,
            limit=limit,
            cursor=cursor,
            count=count,
            columns=_COLUMNS,
            none="no bounties",
            as_json=as_json,
        )


@app.command()
def claim(
    bounty_id: _BountyId,
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


@app.command()
def release(
    bounty_id: _BountyId,
    *,
    agent: HolderId = None,
    role: AskerRole = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Give a claimed bounty up: its claim is released and it is open again, as one."""
    holder = make_optional_agent(agent, role)
    with open_grove(grove) as opened:
        bounty = opened.release_bounty(bounty_id, agent=holder, idempotency_key=key)
    _write_end("open again", bounty, as_json=as_json)


@app.command()
def complete(
    bounty_id: _BountyId,
    *,
    by: Annotated[
        str, typer.Option("--by", metavar="CID", help="The contribution that fulfils it.")
    ],
    agent: HolderId = None,
    role: AskerRole = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Say that a contribution fulfils a claimed bounty: claim and bounty are completed, as one.

    The contribution must meet the bounty's criteria. The bounty then waits for bounty settle,
    which pays.
    """
    holder = make_optional_agent(agent, role)
    with open_grove(grove) as opened:
        bounty = opened.complete_bounty(bounty_id, by, agent=holder, idempotency_key=key)
    _write_end("completed", bounty, as_json=as_json)


@app.command()
def settle(
    bounty_id: _BountyId,
    *,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="CID",
            help="The contribution that fulfils it; a completed bounty has it already.",
        ),
    ] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="ID", help="Who asks; needed with --key.")
    ] = None,
    role: AskerRole = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Pay a bounty's amount to its claimant: claim, bounty and credits, as one.

    A claimed bounty is completed by the contribution in the same step.
    """
    asker = make_optional_agent(agent, role)
    with open_grove(grove) as opened:
        bounty = opened.settle_bounty(bounty_id, by, agent=asker, idempotency_key=key)
    _write_end("settled", bounty, as_json=as_json)


@app.command()
def cancel(
    bounty_id: _BountyId,
    *,
    agent: _CreatorId,
    role: AskerRole = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Take a bounty back: its claim is released, its amount available again, as one."""
    creator = make_agent(agent, role, None)
    with open_grove(grove) as opened:
        bounty = opened.cancel_bounty(bounty_id, agent=creator, idempotency_key=key)
    _write_end("cancelled", bounty, as_json=as_json)


def _write_offer(done: str, bounty: "Bounty", *, as_json: bool) -> None:
    write_result(
        bounty,
        [
            (done, bounty.bounty_id),
            ("amount", bounty.amount),
            ("deadline", bounty.deadline),
            ("reservation", bounty.reservation_id),
        ],
        as_json=as_json,
    )


def _write_end(done: str, bounty: "Bounty", *, as_json: bool) -> None:
    claimant = bounty.claimed_by
    write_result(
        bounty,
        [
            (done, bounty.bounty_id),
            ("amount", bounty.amount),
            ("claimed by", claimant and claimant.agent_id),
            ("fulfilled by", bounty.fulfilled_by_cid),
        ],
        as_json=as_json,
    )
