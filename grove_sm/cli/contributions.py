"""Commands that publish contributions and show them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from grove_sm.cli.listing import (
    Before,
    Count,
    Cursor,
    Limit,
    NewestFirst,
    Since,
    Tags,
    require_alone,
    write_counts,
    write_list,
    write_page,
)
from grove_sm.cli.options import (
    HERE,
    AgentFields,
    AgentId,
    AsJson,
    ContextJson,
    GroveFolder,
    Key,
    Role,
    make_agent,
    named_value,
    named_values,
    open_grove,
    parse_context,
)
from grove_sm.cli.output import Column, write_result

if TYPE_CHECKING:
    from grove_sm.results import Contributed
    from grove_sm.views.contributions import ContributionFilters

COLUMNS: Final = (
    Column("cid", lambda c: c.cid),
    Column("kind", lambda c: c.kind),
    Column("summary", lambda c: c.summary),
    Column("agent", lambda c: c.agent.agent_id, may_be_cut=True),
    Column("created", lambda c: c.created_at, may_be_cut=True),
)

_Summary = Annotated[str, typer.Option("--summary", metavar="TEXT", help="What it is.")]
_Mode = Annotated[str, typer.Option("--mode", metavar="MODE", help="evaluation or exploration.")]
_Description = Annotated[
    str | None, typer.Option("--description", metavar="TEXT", help="More about it.")
]
_Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; repeatable.")]
_Artifacts = Annotated[
    list[str] | None,
    typer.Option("--artifact", metavar="NAME=CID", help="An artifact; repeatable."),
]
_Relations = Annotated[
    list[str] | None,
    typer.Option(
        "--relation",
        metavar="TYPE=CID",
        help="An earlier contribution that this derives_from, responds_to, reviews, "
        "reproduces or adopts; repeatable.",
    ),
]
_Scores = Annotated[
    list[str] | None,
    typer.Option(
        "--score",
        metavar="NAME=VALUE:DIRECTION[:UNIT]",
        help="A measured number, and whether to minimize or maximize it; repeatable.",
    ),
]
_CreatedAt = Annotated[
    str | None, typer.Option("--created-at", metavar="TIME", help="When it was made, if not now.")
]


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
    summary: _Summary,
    agent: AgentId,
    role: Role = None,
    agent_fields: AgentFields = None,
    mode: _Mode = "evaluation",
    description: _Description = None,
    tags: _Tags = None,
    artifacts: _Artifacts = None,
    relations: _Relations = None,
    scores: _Scores = None,
    context: ContextJson = None,
    created_at: _CreatedAt = None,
    key: Key = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Publish a contribution, its handoffs and the replies it makes, as one."""
    author = make_agent(agent, role, agent_fields)
    fields = _fields(artifacts, relations, scores, tags, context)
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
    _write_contributed(done, as_json=as_json)


def _answering(name: str, told: str) -> Callable[..., None]:
    """The command for one of contribute's family, which sets the kind and the first relation."""

    def answer(
        target: Annotated[
            str, typer.Argument(metavar="CID", help="The contribution that it answers.")
        ],
        *,
        summary: _Summary,
        agent: AgentId,
        role: Role = None,
        agent_fields: AgentFields = None,
        mode: _Mode = "evaluation",
        description: _Description = None,
        tags: _Tags = None,
        artifacts: _Artifacts = None,
        relations: _Relations = None,
        scores: _Scores = None,
        context: ContextJson = None,
        created_at: _CreatedAt = None,
        key: Key = None,
        grove: GroveFolder = HERE,
        as_json: AsJson = False,
    ) -> None:
        author = make_agent(agent, role, agent_fields)
        fields = _fields(artifacts, relations, scores, tags, context)
        with open_grove(grove) as opened:
            done = getattr(opened, name)(
                target,
                mode=mode,
                summary=summary,
                description=description,
                agent=author,
                created_at=created_at,
                idempotency_key=key,
                **fields,
            )
        _write_contributed(done, as_json=as_json)

    answer.__doc__ = told
    return answer


_REPLIES: Final = "\n\nIt replies to the handoffs of it to the agent's role, in the same step."
review = _answering("review", "Publish a review of a contribution." + _REPLIES)
reproduce = _answering(
    "reproduce", "Publish a reproduction of a contribution.\n\nThis replies to no handoff."
)
discuss = _answering("discuss", "Publish a response to a contribution." + _REPLIES)
adopt = _answering("adopt", "Publish that a contribution is adopted." + _REPLIES)


_Kind = Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Only of this kind.")]
_OnlyMode = Annotated[str | None, typer.Option("--mode", metavar="MODE", help="Only of this mode.")]
_By = Annotated[str | None, typer.Option("--agent", metavar="ID", help="Only by this agent.")]
_ByRole = Annotated[
    str | None, typer.Option("--role", metavar="ROLE", help="Only by agents of this role.")
]
_To = Annotated[
    str | None,
    typer.Option("--target", metavar="CID", help="Only with a relation to this contribution."),
]


def contributions(
    *,
    kind: _Kind = None,
    mode: _OnlyMode = None,
    agent: _By = None,
    role: _ByRole = None,
    tags: Tags = None,
    target: _To = None,
    since: Since = None,
    before: Before = None,
    newest_first: NewestFirst = False,
    limit: Limit = None,
    cursor: Cursor = None,
    count: Count = False,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List contributions, oldest first, or count them by kind.

    With --json the document has them under "records", and under "next" what --cursor takes to go
    on, if there are more than --limit.
    """
    filters = _filters(
        kind=kind,
        mode=mode,
        agent_id=agent,
        role=role,
        tags=tags,
        target_cid=target,
        since=since,
        before=before,
    )
    with open_grove(grove) as opened:
        write_list(
            opened.contributions,
            filters,
            newest_first=newest_first,
            limit=limit,
            cursor=cursor,
            count=count,
            columns=COLUMNS,
            none="no contributions",
            as_json=as_json,
        )


def search(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help='Words, "phrases" and beginnings* of words.')
    ],
    *,
    kind: _Kind = None,
    mode: _OnlyMode = None,
    agent: _By = None,
    role: _ByRole = None,
    tags: Tags = None,
    target: _To = None,
    since: Since = None,
    before: Before = None,
    newest_first: NewestFirst = False,
    limit: Limit = None,
    cursor: Cursor = None,
    count: Count = False,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Search the summaries and descriptions of contributions.

    All words must occur. "fused kernel" in quotation marks asks for one behind the other, kern*
    for a word that begins so. Case, accents and punctuation make no difference. Mind the shell:
    put the whole text into single quotes.
    """
    filters = _filters(
        kind=kind,
        mode=mode,
        agent_id=agent,
        role=role,
        tags=tags,
        target_cid=target,
        since=since,
        before=before,
    )
    with open_grove(grove) as opened:
        view = opened.contributions
        if count:
            require_alone("--count", {"--limit": limit, "--cursor": cursor})
            counts = view.counts(text=text, **filters)
            write_counts(counts, none="nothing found", as_json=as_json)
        else:
            page = view.search(
                text, newest_first=newest_first, limit=limit, cursor=cursor, **filters
            )
            write_page(page, COLUMNS, none="nothing found", as_json=as_json)


def _filters(
    *,
    kind: str | None,
    mode: str | None,
    agent_id: str | None,
    role: str | None,
    tags: list[str] | None,
    target_cid: str | None,
    since: str | None,
    before: str | None,
) -> "ContributionFilters":
    return {
        "kind": kind,
        "mode": mode,
        "agent_id": agent_id,
        "role": role,
        "tag": tags,
        "target_cid": target_cid,
        "since": since,
        "before": before,
    }


def _write_contributed(done: "Contributed", *, as_json: bool) -> None:
    handed_to = zip(done.routed_to, done.handoff_ids, strict=True)
    write_result(
        done,
        [
            ("already there" if done.duplicate else "published", done.cid),
            *(("handed to", f"{role} ({handoff_id})") for role, handoff_id in handed_to),
            *(("answers", handoff_id) for handoff_id in done.replied_ids),
            ("transaction", done.txid),
        ],
        as_json=as_json,
    )


def _fields(
    artifacts: list[str] | None,
    relations: list[str] | None,
    scores: list[str] | None,
    tags: list[str] | None,
    context: str | None,
) -> dict[str, Any]:
    """What these options say, as arguments of `Grove.contribute`. Raises ValidationError."""
    return {
        "artifacts": named_values("--artifact", artifacts),
        "relations": [_relation(text) for text in relations or ()],
        "scores": _scores(scores),
        "context": parse_context(context),
        "tags": tags or (),
    }


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
