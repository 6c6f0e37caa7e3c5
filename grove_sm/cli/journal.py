"""Commands that show transactions, and by which operators deal with what these left.

Those that only show open the journal and the stores as they are and recover nothing, so that an
operator sees it as it was left.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from grove_sm.cli.options import HERE, AsJson, GroveFolder, open_grove
from grove_sm.cli.output import Column, write_facts, write_json, write_line, write_records

if TYPE_CHECKING:
    from grove_sm.commit.contract import Journal
    from grove_sm.grove import Grove
    from grove_sm.transactions import HeuristicOutcome, Intervened, Part, Story, Transaction
    from grove_sm.transactions.standing import Places

app = typer.Typer(no_args_is_help=True)

Txid = Annotated[str, typer.Argument(metavar="TXID", help="The transaction's id.")]
By = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="NAME", help="Who decides so; by default the user of this system."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def _owner(transaction: "Transaction | Story") -> str:
    lives = "lives" if transaction.coordinator_lives else "gone"
    return f"{transaction.coordinator} ({lives})"


def _yes_or_no(part: "Part") -> str:
    return {True: "yes", False: "no", None: "(unknown)"}[part.shows]


_COLUMNS: Final = (
    Column("transaction", lambda t: t.txid),
    Column("state", lambda t: t.state),
    Column("operation", lambda t: t.operation or "(damaged)"),
    Column("created", lambda t: t.created_at),
    Column("coordinator", _owner),
)
_PART_COLUMNS: Final = (
    Column("collection", lambda part: part.collection),
    Column("record", lambda part: part.record_id),
    Column("revision", lambda part: part.revision),
    Column("store", lambda part: part.store or "(not in the settings)"),
    Column("there", _yes_or_no),
    Column("found", lambda part: part.found),
)
_HEURISTIC_COLUMNS: Final = (
    Column("transaction", lambda outcome: outcome.txid),
    Column("record", lambda outcome: outcome.record),
    Column("store", lambda outcome: outcome.store),
    Column("expected", lambda outcome: outcome.expected),
    Column("found", lambda outcome: outcome.found),
    Column("stands now", lambda outcome: outcome.stands),
    Column("resolved", lambda outcome: outcome.resolved and _said(outcome.resolved)),
)
_PATIENCE: Final = 5.0
_LEAVE: Final = "leave"
_QUESTIONS: Final = {
    "keep": "Keep what stands there?",
    "write": "Write what was meant, over what stands there?",
}
_WHICH: Final = "keep what stands, write what was meant, or leave it for now"


class _Opened(NamedTuple):
    journal: "Journal"
    places: "Places"


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
    from grove_sm.transactions.story import list_transactions

    with _open_as_left(grove) as (journal, _):
        found = list_transactions(journal, limit)
    write_records(found, _COLUMNS, as_json=as_json, none="no transactions")


@app.command()
def show(txid: Txid, *, grove: GroveFolder = HERE, as_json: AsJson = False) -> None:
    """Tell a transaction's story: states, keys, its part in each store, what operators did."""
    from grove_sm.transactions.story import tell

    with _open_as_left(grove) as (journal, places):
        story = tell(journal, places, txid)
    if as_json:
        write_json(story)
    else:
        _write_story(story)


@app.command()
def heuristics(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Show also those that somebody has resolved.")
    ] = False,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """List writes that met what other software had written, and wait for somebody to resolve them.

    Of a transaction that somebody has let go of, also writes that were never done.
    """
    from grove_sm.transactions.story import list_heuristics

    with _open_as_left(grove) as (journal, places):
        found = [
            outcome
            for outcome in list_heuristics(journal, places)
            if everything or outcome.resolved is None
        ]
    none = "no heuristic outcomes" if everything else "no heuristic outcomes wait"
    write_records(found, _HEURISTIC_COLUMNS, as_json=as_json, none=none)


@app.command()
def resolve(
    txid: Txid,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Take what stands there.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Write what the transaction had meant to write.")
    ] = False,
    record: Annotated[
        str | None,
        typer.Option(
            "--record", metavar="RECORD", help="Which one, by its id; by default each in turn."
        ),
    ] = None,
    by: By = None,
    yes: Yes = False,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Resolve a transaction's heuristic outcomes: keep what stands, or write what was meant.

    Shows what was expected, found and meant, and what stands there now, and asks before it does
    anything. Who did what, and when, stays in the journal.
    """
    if keep and write:
        raise _refused("--write", "must not come with --keep")
    if yes and not (keep or write):
        raise _refused("--yes", "must come with --keep or --write")
    _require_yes_for_json(yes=yes, as_json=as_json)
    by = by or _user()
    done = []
    with open_grove(grove) as opened:
        for outcome in _waiting(opened, txid, record):
            if not as_json:
                _write_outcome(outcome)
            choice = "keep" if keep else "write" if write else _ask_which()
            if choice == _LEAVE or not (yes or _ask(_QUESTIONS[choice])):
                write_line("left as it is")
                continue
            done.append(opened.transactions.resolve(outcome, choice, by=by))
            if not as_json:
                write_line(f"resolved: {_said(done[-1].resolved)}")
    if as_json:
        write_json(done)


@app.command()
def discard(
    txid: Txid,
    *,
    by: By = None,
    yes: Yes = False,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Let go of an unfinished transaction whose record in the journal is damaged.

    The records that it holds are free after that. What it has not written yet it never will, and
    is left to be resolved; see `grove-sm journal resolve`. Asks before; copy all files first.
    """
    _require_yes_for_json(yes=yes, as_json=as_json)
    by = by or _user()
    with open_grove(grove) as opened:
        if not yes:
            _write_story(opened.transactions.get(txid))
            if not _ask("Let go of it for good?"):
                write_line("left as it is")
                return
        story = opened.transactions.discard(txid, by=by)
    if as_json:
        write_json(story)
    else:
        _write_story(story)


@contextmanager
def _open_as_left(folder: Path) -> Iterator[_Opened]:
    from datetime import UTC, datetime

    from grove_sm.connect import open_journal, open_reachable
    from grove_sm.domain import format_time
    from grove_sm.domain.errors import GroveError
    from grove_sm.settings import load_settings
    from grove_sm.transactions.standing import Place
    from grove_sm.urls import hide_secrets

    settings = load_settings(folder, create=False)
    now = format_time(datetime.now(UTC))
    journal = open_journal(settings.journal, folder, opened_at=now, busy_timeout=_PATIENCE)
    try:
        stores = open_reachable(settings.stores, folder, busy_timeout=_PATIENCE)
        try:
            yield _Opened(
                journal,
                {
                    collection: Place(
                        hide_secrets(settings.stores[collection])
                        if isinstance(store, GroveError)
                        else store.name,
                        store,
                    )
                    for collection, store in stores.items()
                },
            )
        finally:
            for store in stores.values():
                if not isinstance(store, GroveError):
                    store.close()
    finally:
        journal.close()


def _waiting(opened: "Grove", txid: str, record: str | None) -> "list[HeuristicOutcome]":
    """The outcomes to resolve. Raises NotFound; StateConflict if they have been resolved."""
    from grove_sm.domain.errors import NotFound, StateConflict

    what = f"heuristic outcome of {txid}" + (f" on {record}" if record else "")
    found = [
        outcome
        for outcome in opened.transactions.heuristics(resolved=True)
        if outcome.txid == txid and record in (None, outcome.record_id, outcome.record)
    ]
    if not found:
        raise NotFound(record=what)
    waiting = [outcome for outcome in found if outcome.resolved is None]
    if not waiting:
        raise StateConflict(record=what, reason=f"it was resolved: {_said(found[-1].resolved)}")
    return waiting


def _write_story(story: "Story") -> None:
    keys = "holds" if story.holds_keys else "held"
    process = f"{story.process} on {story.host}, since {story.coordinator_since}"
    write_facts(
        [
            ("transaction", story.txid),
            ("state", story.state),
            ("outcome", story.outcome),
            ("operation", story.operation),
            *((reached.state, reached.at) for reached in story.times),
            ("coordinator", _owner(story)),
            ("process", process if story.process is not None else None),
            *((keys, key) for key in story.keys),
            ("damage", story.damage),
            *(("operator", _said(each)) for each in story.interventions),
        ]
    )
    write_records(story.writes, _PART_COLUMNS, as_json=False, none="no writes known")
    for outcome in story.heuristics:
        write_line("")
        _write_outcome(outcome)


def _write_outcome(outcome: "HeuristicOutcome") -> None:
    unknown = "delete it" if outcome.is_deletion else "(not known)"
    standing = "" if outcome.standing is None else f": {json.dumps(outcome.standing)}"
    write_facts(
        [
            ("heuristic outcome", outcome.record),
            ("of transaction", outcome.txid),
            ("in", outcome.store),
            ("expected", outcome.expected),
            ("found", outcome.found),
            ("meant", unknown if outcome.meant is None else json.dumps(outcome.meant)),
            ("stands now", outcome.stands + standing),
            ("resolved", outcome.resolved and _said(outcome.resolved)),
        ]
    )


def _said(each: "Intervened | None") -> str:
    """What an operator did, in words."""
    if each is None:
        return ""
    what = {
        "keep": f"what stood in {each.record} was kept",
        "write": f"what was meant for {each.record} was written",
        "discard": f"its damaged record was let go of ({each.reason})",
    }[each.action]
    written = f" by {each.written_by}" if each.written_by else ""
    return f"{what}{written}; {each.by} chose so at {each.at}"


def _ask_which() -> str:
    """What to do about an outcome: keep, write or leave."""
    while True:
        answer = _answer(lambda: typer.prompt(_WHICH, default=_LEAVE, err=True))
        if answer in (*_QUESTIONS, _LEAVE):
            return str(answer)


def _ask(question: str) -> bool:
    return bool(_answer(lambda: typer.confirm(question, err=True)))


def _answer(ask: Callable[[], object]) -> object:
    """What somebody answers. Raises ValidationError where nobody can be asked."""
    try:
        return ask()
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        raise _refused("--yes", "is required where nobody can be asked") from None


def _require_yes_for_json(*, yes: bool, as_json: bool) -> None:
    if as_json and not yes:
        raise _refused("--yes", "is required with --json, since nobody is asked then")


def _refused(option: str, rule: str) -> Exception:
    from grove_sm.domain.errors import ValidationError

    return ValidationError(field=option, rule=rule)


def _user() -> str:
    """The user of this system. Raises ValidationError if it has no name."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise _refused("--by", "is required, since this system's user has no name") from None
