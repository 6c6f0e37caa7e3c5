"""Commands about handoffs: listing them, and taking them as an inbox."""

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
    GroveFolder,
    HolderId,
    Key,
    make_agent,
    make_optional_agent,
    open_grove,
)
from grove_sm.cli.output import (
    Column,
    write_facts,
    write_json,
    write_line,
    write_result,
)

if TYPE_CHECKING:
    from grove_sm.domain import Handoff

_COLUMNS: Final = (
    Column("handoff", lambda h: h.handoff_id),
    Column("from", lambda h: h.from_role),
    Column("to", lambda h: h.to_role),
    Column("status", lambda h: h.status),
    Column("of", lambda h: h.source_cid, may_be_cut=True),
    Column("answered by", lambda h: h.resolved_by_cid, may_be_cut=True),
)
_HandoffId = Annotated[str, typer.Argument(metavar="HANDOFF", help="The handoff's id.")]


def handoffs(
    *,
    to_role: Annotated[
        str | None, typer.Option("--to-role", metavar="ROLE", help="Only to this role.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="CID", help="Only of this contribution.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="pending_pickup, delivered, processed, replied, expired or dead_lettered.",
        ),
    ] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only those that nobody replied to in time.")
    ] = False,
    since: Since = None,
    before: Before = None,
    newest_first: NewestFirst = False,
    limit: Limit = None,
    cursor: Cursor = None,
    count: Count = False,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List handoffs, work that contributions passed on to roles, or count them."""
    filters = {
        "to_role": to_role,
        "source_cid": source,
        "status": status,
        "overdue": overdue,
        "since": since,
        "before": before,
    }
    with open_grove(grove) as opened:
        write_list(
            opened.handoffs,
            filters,
            newest_first=newest_first,
            limit=limit,
            cursor=cursor,
            count=count,
            columns=_COLUMNS,
            none="no handoffs",
            as_json=as_json,
        )


def pick_up(
    *,
    agent: AgentId,
    role: Annotated[
        str, typer.Option("--role", metavar="ROLE", help="The agent's role: whose inbox it is.")
    ],
    agent_fields: AgentFields = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="How long to wait for one to come.")
    ] = 0.0,
    visibility: Annotated[
        float | None,
        typer.Option(
            "--visibility",
            metavar="SECONDS",
            help="How long the agent has to process it, before it waits again.",
        ),
    ] = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Take the oldest handoff that waits for a role; nobody else is given it meanwhile.

    Its delivery is a claim: grove-sm heartbeat gains time, grove-sm release gives it back. End it
    with acknowledge, with a reply such as review, or with dead-letter. Where nothing waits, that
    is said, null is printed as JSON, and the exit status is 0.
    """
    taker = make_agent(agent, role, agent_fields)
    with open_grove(grove) as opened:
        found = opened.pick_up(
            agent=taker, wait=wait, visibility_seconds=visibility, idempotency_key=key
        )
    if as_json:
        write_json(found)
    elif found is None:
        write_line(f"nothing waits for role {role}")
    else:
        write_facts(
            [
                ("picked up", found.handoff.handoff_id),
                ("from", found.handoff.from_role),
                ("contribution", found.contribution.cid),
                ("kind", found.contribution.kind),
                ("summary", found.contribution.summary),
                ("reply due", found.handoff.reply_due_at),
                ("claim", found.claim.claim_id),
                ("lease expires", found.claim.lease_expires_at),
                ("transaction", found.txid),
            ]
        )


def acknowledge(
    handoff_id: _HandoffId,
    *,
    agent: HolderId = None,
    role: AskerRole = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Say that a handoff that was picked up is processed; its delivery is completed, as one."""
    holder = make_optional_agent(agent, role)
    with open_grove(grove) as opened:
        handoff = opened.acknowledge(handoff_id, agent=holder, idempotency_key=key)
    _write("processed", handoff, as_json=as_json)


def dead_letter(
    handoff_id: _HandoffId,
    *,
    agent: HolderId = None,
    role: AskerRole = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Give up on a handoff that cannot be processed: it is never delivered again.

    grove-sm handoffs --status dead_lettered lists those.
    """
    holder = make_optional_agent(agent, role)
    with open_grove(grove) as opened:
        handoff = opened.dead_letter(handoff_id, agent=holder, idempotency_key=key)
    _write("dead-lettered", handoff, as_json=as_json)


def _write(done: str, handoff: "Handoff", *, as_json: bool) -> None:
    write_result(
        handoff,
        [
            (done, handoff.handoff_id),
            ("from", handoff.from_role),
            ("to", handoff.to_role),
            ("of", handoff.source_cid),
        ],
        as_json=as_json,
    )
