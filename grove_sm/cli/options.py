"""Options that commands share, and what is read from them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from grove_sm.domain import Agent
    from grove_sm.grove import Grove

GroveFolder = Annotated[
    Path,
    typer.Option(
        "--grove",
        envvar="GROVE_FOLDER",
        metavar="FOLDER",
        help="The grove's folder.",
        rich_help_panel="Grove",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document.", rich_help_panel="Grove")
]
AgentId = Annotated[str, typer.Option("--agent", metavar="ID", help="Who does it.")]
Role = Annotated[
    str | None,
    typer.Option("--role", metavar="ROLE", help="The agent's role, which routes its work."),
]
HolderId = Annotated[
    str | None,
    typer.Option("--agent", metavar="ID", help="Who does it; refused unless it is the holder."),
]
AskerRole = Annotated[
    str | None,
    typer.Option(
        "--role", metavar="ROLE", help="The agent's role, if it has one; keys belong to it then."
    ),
]
AgentFields = Annotated[
    list[str] | None,
    typer.Option(
        "--agent-field",
        metavar="NAME=VALUE",
        help="Another field of the agent, such as agentName, model or platform; repeatable.",
    ),
]
Intent = Annotated[str, typer.Option("--intent", metavar="TEXT", help="What the claim is for.")]
Lease = Annotated[
    float | None,
    typer.Option("--lease", metavar="SECONDS", help="How long to hold it without a heartbeat."),
]
ContextJson = Annotated[
    str | None, typer.Option("--context", metavar="JSON", help="A JSON object to keep with it.")
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="KEY", help="An idempotency key: a retry with it has one effect."
    ),
]

HERE = Path()


def open_grove(folder: Path) -> "Grove":
    """The grove of a folder; one that is no grove is an error, never made into one."""
    from grove_sm.grove import Grove

    return Grove.open(folder, create=False)


def make_agent(agent_id: str, role: str | None, more: Sequence[str] | None) -> "Agent":
    """The agent that the options name. Raises ValidationError."""
    from grove_sm.domain import Agent

    document = named_values("--agent-field", more)
    for name, value in (("agentId", agent_id), ("role", role)):
        if value is not None:
            document[name] = value
    return Agent.from_document(document)


def make_optional_agent(agent_id: str | None, role: str | None) -> "Agent | None":
    """The agent that the options name, if they name one. Raises ValidationError."""
    from grove_sm.domain.errors import ValidationError

    if agent_id is not None:
        return make_agent(agent_id, role, None)
    if role is not None:
        raise ValidationError(field="--role", rule="must come with --agent", value=role)
    return None


def named_value(option: str, text: str) -> tuple[str, str]:
    """The two sides of NAME=VALUE. Raises ValidationError."""
    from grove_sm.domain.errors import ValidationError

    name, separator, value = text.partition("=")
    if not separator:
        raise ValidationError(field=option, rule="must have the form NAME=VALUE", value=text)
    return name, value


def named_values(option: str, texts: Iterable[str] | None) -> dict[str, str]:
    """An option's NAME=VALUEs, each name once. Raises ValidationError."""
    from grove_sm.domain.errors import ValidationError

    values: dict[str, str] = {}
    for text in texts or ():
        name, value = named_value(option, text)
        if name in values:
            raise ValidationError(field=option, rule="must not give a name twice", value=text)
        values[name] = value
    return values


def parse_context(text: str | None) -> Any:
    """The JSON value of `--context`, if it was given. Raises ValidationError."""
    from grove_sm.importing import parse_json

    return None if text is None else parse_json(text, "context")
