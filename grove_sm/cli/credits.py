"""Commands about credits."""

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
    write_page,
)
from grove_sm.cli.options import HERE, AsJson, GroveFolder, Key, open_grove
from grove_sm.cli.output import Column, write_result

if TYPE_CHECKING:
    from grove_sm.domain import Account

app = typer.Typer(no_args_is_help=True)

_Agent = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's id.")]
_OnlyAgent = Annotated[
    str | None, typer.Option("--agent", metavar="ID", help="Only of this agent.")
]
_Amount = Annotated[int, typer.Argument(metavar="AMOUNT", help="How many credits.")]

_ACCOUNT_COLUMNS: Final = (
    Column("agent", lambda account: account.agent_id),
    Column("available", lambda account: account.available),
    Column("reserved", lambda account: account.reserved),
    Column("total", lambda account: account.total),
)
_CREATED: Final = Column("created", lambda record: record.created_at, may_be_cut=True)
_GRANT_COLUMNS: Final = (
    Column("grant", lambda grant: grant.grant_id),
    Column("agent", lambda grant: grant.agent_id),
    Column("amount", lambda grant: grant.amount),
    _CREATED,
)
_RESERVATION_COLUMNS: Final = (
    Column("reservation", lambda held: held.reservation_id),
    Column("agent", lambda held: held.agent_id),
    Column("amount", lambda held: held.amount),
    Column("status", lambda held: held.status),
    Column("paid to", lambda held: held.captured_to),
    _CREATED,
)
_TRANSFER_COLUMNS: Final = (
    Column("transfer", lambda transfer: transfer.transfer_id),
    Column("from", lambda transfer: transfer.from_agent_id),
    Column("to", lambda transfer: transfer.to_agent_id),
    Column("amount", lambda transfer: transfer.amount),
    _CREATED,
)


@app.command()
def grant(
    agent: _Agent,
    amount: _Amount,
    *,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Give an agent credits, and show its account afterwards."""
    with open_grove(grove) as opened:
        account = opened.grant_credits(agent, amount, idempotency_key=key)
    _write(account, as_json=as_json)


@app.command()
def transfer(
    giver: Annotated[str, typer.Argument(metavar="FROM", help="Who gives; it owns the key.")],
    receiver: Annotated[str, typer.Argument(metavar="TO", help="Who receives.")],
    amount: _Amount,
    *,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Move credits from one agent to another, and show the giver's account afterwards.

    Only what is available can be given; what a bounty has reserved cannot.
    """
    with open_grove(grove) as opened:
        account = opened.transfer_credits(giver, receiver, amount, idempotency_key=key)
    _write(account, as_json=as_json)


@app.command()
def accounts(
    *,
    limit: Limit = None,
    cursor: Cursor = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List accounts, by their agents' ids."""
    with open_grove(grove) as opened:
        page = opened.credits.accounts.list(limit=limit, cursor=cursor)
    write_page(page, _ACCOUNT_COLUMNS, none="no accounts", as_json=as_json)


@app.command()
def grants(
    *,
    agent: _OnlyAgent = None,
    since: Since = None,
    before: Before = None,
    newest_first: NewestFirst = False,
    limit: Limit = None,
    cursor: Cursor = None,
    count: Count = False,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List how credits entered, or count it by agent."""
    with open_grove(grove) as opened:
        write_list(
            opened.credits.grants,
            {"agent_id": agent, "since": since, "before": before},
            newest_first=newest_first,
            limit=limit,
            cursor=cursor,
            count=count,
            columns=_GRANT_COLUMNS,
            none="no grants",
            as_json=as_json,
        )


@app.command()
def reservations(
    *,
    agent: _OnlyAgent = None,
    status: Annotated[
        str | None,
        typer.Option("--status", metavar="STATUS", help="held, captured or voided."),
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
    """List what was set aside for bounties and what became of it, or count it by status."""
    with open_grove(grove) as opened:
        write_list(
            opened.credits.reservations,
            {"agent_id": agent, "status": status, "since": since, "before": before},
            newest_first=newest_first,
            limit=limit,
            cursor=cursor,
            count=count,
            columns=_RESERVATION_COLUMNS,
            none="no reservations",
            as_json=as_json,
        )


@app.command()
def transfers(
    *,
    giver: Annotated[
        str | None, typer.Option("--from", metavar="ID", help="Only from this agent.")
    ] = None,
    receiver: Annotated[
        str | None, typer.Option("--to", metavar="ID", help="Only to this agent.")
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
    """List what agents gave to each other, or count it by giver."""
    with open_grove(grove) as opened:
        write_list(
            opened.credits.transfers,
            {
                "from_agent_id": giver,
                "to_agent_id": receiver,
                "since": since,
                "before": before,
            },
            newest_first=newest_first,
            limit=limit,
            cursor=cursor,
            count=count,
            columns=_TRANSFER_COLUMNS,
            none="no transfers",
            as_json=as_json,
        )


@app.command()
def balance(agent: _Agent, *, grove: GroveFolder = HERE, as_json: AsJson = False) -> None:
    """Show an agent's account; one that never had credits has none."""
    with open_grove(grove) as opened:
        account = opened.credits.balance(agent)
    _write(account, as_json=as_json)


def _write(account: "Account", *, as_json: bool) -> None:
    write_result(
        {**account.to_document(), "total": account.total},
        [
            ("agent", account.agent_id),
            ("available", account.available),
            ("reserved", account.reserved),
            ("total", account.total),
        ],
        as_json=as_json,
    )
