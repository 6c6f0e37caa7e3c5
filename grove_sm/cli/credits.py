"""Commands about credits."""

from typing import TYPE_CHECKING, Annotated

import typer

from grove_sm.cli.options import HERE, AsJson, GroveFolder, Key, open_grove
from grove_sm.cli.output import write_result

if TYPE_CHECKING:
    from grove_sm.domain import Account

app = typer.Typer(no_args_is_help=True)

_Agent = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's id.")]
_Amount = Annotated[int, typer.Argument(metavar="AMOUNT", help="How many credits.")]


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
