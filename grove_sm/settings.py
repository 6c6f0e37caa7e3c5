"""A deployment's settings: where its journal and stores are, and who hands work to whom.

A folder keeps them in `grove.toml`. Paths in it are relative to the folder, so that it can be
moved as a whole.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from grove_sm.domain import Record, Route
from grove_sm.domain.errors import ABSENT, StoreUnavailable, ValidationError
from grove_sm.domain.fields import Maybe, Seconds
from grove_sm.domain.frozen import FrozenDict
from grove_sm.domain.values import Flaw
from grove_sm.operations.layout import BOUNTY_TARGET, COLLECTIONS, CREDITS, HANDOFF_TARGET
from grove_sm.sqlite_file import sync_folder
from grove_sm.urls import hide_secrets

FILE_NAME: Final = "grove.toml"
FORMAT: Final = 1
_DRAFT: Final = f".{FILE_NAME}."

TEMPLATE: Final = """\
# A grove: where its records live, and who hands work to whom.

format = 1

# Where transactions are decided. sqlite:///FILE is relative to this folder, sqlite:////FILE is
# absolute, memory:// keeps nothing when the process ends. For processes on several machines:
# postgresql://USER@HOST:PORT/DATABASE?schema=NAME, with the password in PGPASSWORD or ~/.pgpass.
journal = "sqlite:///journal.db"

# Each collection's store, by such a URL too, or one of a zone of a Nexus server:
# nexus+https://HOST:PORT/ZONE, with the key in NEXUS_API_KEY. Stores that share a file, a schema
# or a zone are written in one go; others, of whatever kinds, are kept together by the journal.
# Leave out credits to have bounties without reservations.
[stores]
contributions = "sqlite:///stores.db"
handoffs = "sqlite:///stores.db"
claims = "sqlite:///stores.db"
bounties = "sqlite:///stores.db"
credits = "sqlite:///stores.db"

# A contribution by an agent of the role on the left is handed off to each role on the right:
# a name, or { to = "reviewer", requiresReply = true, replySeconds = 86400 }; a handoff that was
# not replied to within that time expires.
[topology]
coder = ["reviewer"]
reviewer = ["coder"]

# How long a claim is held without a heartbeat, in seconds; for a handoff: how long an agent that
# picked it up has to process it, before it is delivered again.
[leases]
claim = 300
bounty = 1800
handoff = 300

# For how many seconds claims and handoffs are kept once they have ended, before a sweep deletes
# them; without a line, for ever. 30 days are 2592000.
[keep]
# claims = 2592000
# handoffs = 2592000
"""

Role = Annotated[str, Field(min_length=1, max_length=128)]


def _as_route(value: object) -> object:
    return {"to": value} if isinstance(value, str) else value


Target = Annotated[Route, BeforeValidator(_as_route)]


class Leases(Record):
    """How long a claim is held without a heartbeat, in seconds."""

    claim: Seconds = 300.0
    bounty: Seconds = 1800.0
    handoff: Seconds = 300.0

    def of(self, target_ref: str) -> float:
        """The seconds for which a claim on this target is held, unless its agent says otherwise."""
        if target_ref.startswith(BOUNTY_TARGET):
            return self.bounty
        return self.handoff if target_ref.startswith(HANDOFF_TARGET) else self.claim


class Keep(Record):
    """How long records are kept once they have ended, in seconds; None: for ever."""

    claims: Maybe[Seconds] = None
    handoffs: Maybe[Seconds] = None


class Settings(Record):
    """A deployment's settings; see the template for what each means.

    Raises ValidationError for an unknown, missing or malformed setting.
    """

    format: int = FORMAT
    journal: str
    stores: Mapping[str, str]
    topology: Mapping[Role, Sequence[Target]] = FrozenDict()
    leases: Leases = Leases()
    keep: Keep = Keep()

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """As any record's, but for the secrets in its URLs."""
        shown = {
            "journal": hide_secrets(self.journal),
            "stores": {name: hide_secrets(url) for name, url in self.stores.items()},
        }
        return [(name, shown.get(name or "", value)) for name, value in super().__repr_args__()]

    @model_validator(mode="after")
    def _stores_are_the_collections(self) -> Self:
        for name in self.stores:
            if name not in COLLECTIONS:
                raise Flaw(f"must name only {', '.join(COLLECTIONS)}", name, "stores")
        for name in COLLECTIONS:
            if name not in self.stores and name != CREDITS:
                raise Flaw("is required", ABSENT, "stores", name)
        return self


def routes(topology: Mapping[str, Iterable[str | Route]]) -> dict[str, list[Route]]:
    """A topology with a route for each role that is named alone.

    Raises ValidationError for a name that is no role.
    """
    return {
        role: [to if isinstance(to, Route) else Route(to=to) for to in targets]
        for role, targets in topology.items()
    }


def lease_of(seconds: float, field: str = "leaseSeconds") -> float:
    """A lease given to an operation, held to the same rule as those of the settings.

    Raises ValidationError, on `field`.
    """
    try:
        return Leases(claim=seconds).claim
    except ValidationError as error:
        raise ValidationError(field=field, rule=error.rule, value=seconds) from None


def load_settings(folder: Path, *, create: bool) -> Settings:
    """The settings of a folder.

    Args:
        folder: the grove's folder.
        create: write the template first, if the folder does not exist or is empty.

    Raises ValidationError for a folder that is not a grove, a newer format or bad settings;
    StoreUnavailable if the folder cannot be read or written.
    """
    path = folder / FILE_NAME
    try:
        if not path.exists():
            if not (create and _is_free(folder)):
                raise ValidationError(
                    field="folder",
                    rule=f"must be a grove, with a {FILE_NAME} in it; make one with "
                    "'grove-sm init FOLDER'",
                    value=str(folder),
                )
            with suppress(FileExistsError):
                write_template(folder)
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StoreUnavailable(store=str(folder), reason=str(error)) from error
    except UnicodeDecodeError as error:
        raise ValidationError(field=str(path), rule="must be UTF-8 text") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValidationError(field=str(path), rule=f"must be TOML: {error}") from error
    found = document.get("format")
    if not isinstance(found, int) or not 1 <= found <= FORMAT:
        raise ValidationError(
            field=f"{path}: format",
            rule=f"must be at most {FORMAT}, the newest that this version of grove-sm can read; "
            "install a newer grove-sm",
            value=found,
        )
    return Settings.from_document(document)


def write_template(folder: Path) -> None:
    """Make a folder a grove with the default settings.

    Raises OSError; FileExistsError if it is one already. Nobody ever sees half a file, and it is
    durable on return: records are worth nothing without the settings that tell where they are.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{_DRAFT}{os.getpid()}"
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(TEMPLATE)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, folder / FILE_NAME)
    finally:
        draft.unlink(missing_ok=True)
    for place in (folder, *(place.parent for place in made)):
        sync_folder(place)


def _is_free(folder: Path) -> bool:
    """Whether there is nothing there but what another process is about to make a grove of."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(
        path.name == FILE_NAME or path.name.startswith(_DRAFT) for path in folder.iterdir()
    )
