"""Commands that publish contributions and show them and their handoffs."""

from typing import Annotated, Any, Final

import typer

from grove_sm.cli.options import (
    HERE,
    AgentFields,
    AgentId,
    AsJson,
    ContextJson,
    GroveFolder,
    Key,
    Limit,
    Role,
    make_agent,
    named_value,
    named_values,
    open_grove,
    parse_context,
)
from grove_sm.cli.output import Column, write_facts, write_json, write_records

_CONTRIBUTION_COLUMNS: Final = (
    Column("cid", lambda c: c.cid),
    Column("kind", lambda c: c.kind),
    Column("summary", lambda c: c.summary),
    Column("agent", lambda c: c.agent.agent_id, may_be_cut=True),
    Column("created", lambda c: c.created_at, may_be_cut=True),
)
_HANDOFF_COLUMNS: Final = (
    Column("handoff", lambda h: h.handoff_id),
    Column("from", lambda h: h.from_role),
    Column("to", lambda h: h.to_role),
    Column("status", lambda h: h.status),
    Column("of", lambda h: h.source_cid, may_be_cut=True),
    Column("answered by", lambda h: h.resolved_by_cid, may_be_cut=True),
)


def contribute(
    *,
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="work, review, discussion, adoption, reproduction, plan, ask_user or response.",
        ),
    ],
    summary: Annotated[str, typer.Option("--summary", metavar="TEXT", help="What it is.")],
    agent: AgentId,
    role: Role = None,
    agent_fields: AgentFields = None,
    mode: Annotated[
        str, typer.Option("--mode", metavar="MODE", help="evaluation or exploration.")
    ] = "evaluation",
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="More about it.")
    ] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; repeatable.")
    ] = None,
    artifacts: Annotated[
        list[str] | None,
        typer.Option("--artifact", metavar="NAME=CID", help="An artifact; repeatable."),
    ] = None,
    relations: Annotated[
        list[str] | None,
        typer.Option(
            "--relation",
            metavar="TYPE=CID",
            help="An earlier contribution that this derives_from, responds_to, reviews, "
            "reproduces or adopts; repeatable.",
        ),
    ] = None,
    scores: Annotated[
        list[str] | None,
        typer.Option(
            "--score",
            metavar="NAME=VALUE:DIRECTION[:UNIT]",
            help="A measured number, and whether to minimize or maximize it; repeatable.",
        ),
    ] = None,
    context: ContextJson = None,
    created_at: Annotated[
        str | None,
        typer.Option("--created-at", metavar="TIME", help="When it was made, if not now."),
    ] = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Publish a contribution, its handoffs and the replies it makes, as one."""
    author = make_agent(agent, role, agent_fields)
    fields = {
        "artifacts": named_values("--artifact", artifacts),
        "relations": [_relation(text) for text in relations or ()],
        "scores": _scores(scores),
        "context": parse_context(context),
        "tags": tags or (),
    }
    with open_grove(grove) as opened:
        done = opened.contribute(
            kind=kind,  # type: ignore[arg-type] # checked with the other fields
            mode=mode,  # type: ignore[arg-type]
            summary=summary,
            description=description,
            agent=author,
            created_at=created_at,
            idempotency_key=key,
            **fields,
        )
    if as_json:
        write_json(done)
        return
    handed_to = zip(done.routed_to, done.handoff_ids, strict=True)
    write_facts(
        [
            ("already there" if done.duplicate else "published", done.cid),
            *(("handed to", f"{role} ({handoff_id})") for role, handoff_id in handed_to),
            *(("answers", handoff_id) for handoff_id in done.replied_ids),
            ("transaction", done.txid),
        ]
    )


def contributions(
    *,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="Only of this kind.")
    ] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="ID", help="Only by this agent.")
    ] = None,
    limit: Limit = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List contributions."""

    with open_grove(grove) as opened:
        found = opened.contributions.list(kind=kind, agent_id=agent, limit=limit)
    write_records(found, _CONTRIBUTION_COLUMNS, as_json=as_json, none="no contributions")


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
    limit: Limit = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List handoffs: work that contributions passed on to roles."""

    with open_grove(grove) as opened:
        found = opened.handoffs.list(to_role=to_role, source_cid=source, status=status, limit=limit)
    write_records(found, _HANDOFF_COLUMNS, as_json=as_json, none="no handoffs")


def _relation(text: str) -> dict[str, str]:
    relation_type, target_cid = named_value("--relation", text)
    return {"relationType": relation_type, "targetCid": target_cid}


def _scores(texts: list[str] | None) -> dict[str, Any] | None:
    named = named_values("--score", texts)
    return {name: _score(text) for name, text in named.items()} or None


def _score(text: str) -> dict[str, Any]:
    from grove_sm.domain.errors import ValidationError

    number, _, rest = text.partition(":")
    direction, separator, unit = rest.partition(":")
    try:
        value = float(number)
    except ValueError:
        rule = "must have the form NAME=VALUE:DIRECTION or NAME=VALUE:DIRECTION:UNIT"
        raise ValidationError(field="--score", rule=rule, value=text) from None
    score = {"value": value, "direction": direction}
    return score | {"unit": unit} if separator else score
