"""The command that sweeps, once or for as long as it runs."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from grove_sm.cli.exits import status_of
from grove_sm.cli.going_on import ending_signals, go_on, parse_duration, parse_pause
from grove_sm.cli.options import HERE, AsJson, GroveFolder, open_grove
from grove_sm.cli.output import (
    Column,
    write_json,
    write_json_line,
    write_line,
    write_records,
)

if TYPE_CHECKING:
    from grove_sm.results import SweepReport

_ENDS: Final[Sequence[tuple[str, Callable[["SweepReport"], Sequence[str]]]]] = (
    ("bounty expired", lambda report: report.bounties_expired),
    ("claim expired", lambda report: report.claims_expired),
    ("bounty open again", lambda report: report.bounties_reopened),
    ("handoff expired", lambda report: report.handoffs_expired),
    ("handoff forgotten", lambda report: report.handoffs_forgotten),
    ("claim forgotten", lambda report: report.claims_forgotten),
)
_COLUMNS: Final = (
    Column("what became of it", lambda row: row[0]),
    Column("record", lambda row: row[1]),
)


def sweep(
    *,
    every: Annotated[
        str | None,
        typer.Option(
            "--every",
            metavar="TIME",
            help="Go on until Ctrl-C or SIGTERM, with so long a pause after each sweep: 30s, 5m, "
            "1h; at most a day.",
        ),
    ] = None,
    stalled_after: Annotated[
        float | None,
        typer.Option(
            "--stalled-after",
            metavar="SECONDS",
            help="Expire claims without a heartbeat for so long too, whatever their lease.",
        ),
    ] = None,
    forget_after: Annotated[
        str | None,
        typer.Option(
            "--forget-after",
            metavar="TIME",
            help="Delete claims and handoffs that ended so long ago: 12h, 30d; by default what "
            "the settings say, which is to keep them.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", help="End at most so many records in a sweep."),
    ] = None,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Expire what has run out: bounties past their deadline, claims, handoffs without a reply.

    A bounty whose claim ran out is open again; one past its deadline gives back what it reserved.
    With --forget-after, claims and handoffs that have ended long ago are deleted for good.
    Each record is one step with all that hangs on it: any number of sweeps may run at once, and
    Ctrl-C ends one after its step.

    Without --every, the exit status is that of the first record that could not be swept. With it,
    each sweep that did something is told in a line, which is a JSON document with --json;
    failures are told, and the next sweep tries again.
    """
    pause = None if every is None else parse_pause(every)
    kept = None if forget_after is None else parse_duration("--forget-after", forget_after)
    with ending_signals() as signals, open_grove(grove) as opened:

        def once() -> "SweepReport":
            return opened.sweep(
                stalled_after=stalled_after,
                forget_after=kept,
                limit=limit,
                should_stop=lambda: not signals.empty(),
            )

        if pause is not None:
            go_on(lambda: _write_line(once(), as_json=as_json), pause, signals)
            return
        report = once()
    if as_json:
        write_json(report)
    else:
        _write(report)
    if report.failures:
        raise typer.Exit(status_of(report.failures[0].error.code))


def _write(report: "SweepReport") -> None:
    _write_failures(report)
    rows = [(end, record_id) for end, found in _ENDS for record_id in found(report)]
    is_all = report.is_complete and not report.failures
    none = "nothing has run out" if is_all else "nothing was swept"
    write_records(rows, _COLUMNS, as_json=False, none=none)
    if not report.is_complete:
        write_line("not all was looked at; more may have run out")


def _write_line(report: "SweepReport", *, as_json: bool) -> None:
    if as_json:
        if report.swept or report.failures:
            write_json_line(report)
        return
    _write_failures(report)
    if report.swept:
        counts = ((end, len(found(report))) for end, found in _ENDS)
        write_line(", ".join(f"{end}: {count}" for end, count in counts if count))


def _write_failures(report: "SweepReport") -> None:
    for failure in report.failures:
        told = f"grove-sm: not swept: {failure.record}: {failure.error.message}"
        write_line(told, to_stderr=True)
