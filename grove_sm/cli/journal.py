"""Commands that show transactions. They open the journal alone and recover nothing, so that an
operator sees it as it was left."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from grove_sm.cli.options import HERE, AsJson, GroveFolder
from grove_sm.cli.output import Column, write_facts, write_json, write_records

if TYPE_CHECKING:
    from grove_sm.commit.contract import Journal
    from grove_sm.commit.record import Entry
    from grove_sm.settings import Settings

app = typer.Typer(no_args_is_help=True)


def _owner(summary: dict[str, Any]) -> str:
    return f"{summary['coordinator']} ({'lives' if summary['coordinatorLives'] else 'gone'})"


_COLUMNS: Final = (
    Column("transaction", lambda t: t["txid"]),
    Column("state", lambda t: t["state"]),
    Column("operation", lambda t: t.get("operation", "(damaged)")),
    Column("created", lambda t: t.get("createdAt")),
    Column("coordinator", _owner),
)
_WRITE_COLUMNS: Final = (
    Column("collection", lambda write: write["collection"]),
    Column("record", lambda write: write["recordId"]),
    Column("revision", lambda write: write["revision"]),
    Column("store", lambda write: write["store"]),
)
_OUTCOMES: Final = {"planned": "undecided", "aborted": "aborted"}
_FIRST_SEARCH: Final = 1_000


class _Opened(NamedTuple):
    journal: "Journal"
    settings: "Settings"


@app.command()
def ls(
    *,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="Show at most so many.")
    ] = 20,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List transactions, newest first, and whether the process that made each still lives."""
    with _open_journal(grove) as (journal, _):
        found = [
            _summary(journal, txid, state, entry) for txid, state, entry in journal.history(limit)
        ]
    write_records(found, _COLUMNS, as_json=as_json, none="no transactions")


@app.command()
def show(
    txid: Annotated[str, typer.Argument(metavar="TXID", help="The transaction's id.")],
    *,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Tell a transaction's story: its state, its keys, and what it writes where."""
    with _open_journal(grove) as (journal, settings):
        story = _tell(journal, settings, txid)
    if as_json:
        write_json(story)
        return
    write_facts(
        [
            ("transaction", txid),
            ("state", story["state"]),
            ("outcome", story["outcome"]),
            ("operation", story.get("operation")),
            ("created", story.get("createdAt")),
            ("coordinator", _owner(story)),
            *(("holds" if story["holdsKeys"] else "held", key) for key in story.get("keys", ())),
            ("damage", story.get("damage")),
        ]
    )
    write_records(story.get("writes", ()), _WRITE_COLUMNS, as_json=False, none="no writes known")


@contextmanager
def _open_journal(folder: Path) -> Iterator[_Opened]:
    from datetime import UTC, datetime

    from grove_sm.connect import open_journal
    from grove_sm.domain import format_time
    from grove_sm.settings import load_settings

    settings = load_settings(folder, create=False)
    now = format_time(datetime.now(UTC))
    journal = open_journal(settings.journal, folder, opened_at=now, busy_timeout=5.0)
    try:
        yield _Opened(journal, settings)
    finally:
        journal.close()


def _summary(journal: "Journal", txid: str, state: str, entry: "Entry | None") -> dict[str, Any]:
    from grove_sm.commit.txid import coordinator_of

    coordinator = coordinator_of(txid)
    summary = {
        "txid": txid,
        "state": state,
        "coordinator": coordinator,
        "coordinatorLives": journal.is_alive(coordinator),
    }
    if entry is not None:
        summary |= {"operation": entry.operation, "createdAt": entry.created_at}
    return summary


def _tell(journal: "Journal", settings: "Settings", txid: str) -> dict[str, Any]:
    """Raises ValidationError if it is no transaction's id; NotFound."""
    from grove_sm.commit.txid import coordinator_of
    from grove_sm.domain.errors import Corrupt, NotFound

    coordinator_of(txid)
    found = _find(journal, txid)
    if found is None:
        reason = "the journal has no record of it: it has not committed, or that was long ago"
        raise NotFound(record=f"transaction {txid}", reason=reason)
    state, entry = found
    story = _summary(journal, txid, state, entry)
    story |= {
        "outcome": _OUTCOMES.get(state, "committed"),
        "holdsKeys": state in ("planned", "committed"),
    }
    documents = {}
    try:
        redo = journal.load(txid)
        if redo is not None:
            documents = {
                (write.collection, write.record_id): {"document": json.loads(write.document)}
                for write in redo.writes
                if write.document is not None
            }
    except Corrupt as error:
        story["damage"] = error.message
    if entry is not None:
        story["keys"] = list(entry.keys)
        story["writes"] = [
            {
                "collection": collection,
                "recordId": record_id,
                "revision": revision,
                "store": settings.stores.get(collection, "(not in the settings)"),
                **documents.get((collection, record_id), {}),
            }
            for collection, record_id, revision in json.loads(entry.members)
        ]
    return story


def _find(journal: "Journal", txid: str) -> "tuple[str, Entry | None] | None":
    """Its state, and its entry without redo; searched for from the newest on, further each time."""
    limit = _FIRST_SEARCH
    while True:
        history = journal.history(limit)
        for found, state, entry in history:
            if found == txid:
                return state, entry
        if len(history) < limit:
            return None
        limit *= 10
