"""What to do next about what an examination finds: one sentence each, with the command."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from grove_sm.commit.contract import AppliesLost
from grove_sm.doctor.report import Finding, Place, Unfinished
from grove_sm.domain.errors import Corrupt, GroveError, StoreUnavailable, ValidationError
from grove_sm.operations.audit import AuditReport
from grove_sm.operations.plan import Heuristic

SETTINGS: Final = "correct the settings, or make a new grove with: grove-sm init FOLDER"
DEFECT: Final = "this is a defect of grove-sm: report it, and check with: grove-sm audit"
BUSY: Final = "the audit was not made, since others kept changing what is there"
AUDIT_LATER: Final = "for a moment between their transactions, run: grove-sm audit"

_LITTLE_SPACE: Final = 100_000_000
_LONG: Final = 60.0
_RECOVER: Final = "finish what they left with: grove-sm recover"
_RESTORE: Final = (
    "copy all files as they are, then restore all files of one backup together (docs/operations.md)"
    " and run: grove-sm audit"
)
_NEXT: Final[tuple[tuple[type[GroveError], str, str], ...]] = (
    (AppliesLost, "", "have what was lost applied again with: grove-sm recover"),
    (StoreUnavailable, "there is no such file", _RESTORE),
    (StoreUnavailable, "of a grove in it", _RESTORE),
    (StoreUnavailable, "", "mend the cause that is named, then look again with: grove-sm doctor"),
    (ValidationError, "install a newer", "upgrade with: pip install --upgrade grove-sm"),
    (ValidationError, "install it with", "install what is named, then run: grove-sm doctor"),
    (ValidationError, "", "correct the setting in grove.toml, then run: grove-sm doctor"),
    (Corrupt, "", _RESTORE),
)
"""What to do about an error, by its class and words in its message; the first that fits."""


def next_about(error: GroveError) -> str:
    """What to do about a place that cannot be used."""
    return next(
        advice
        for kind, words, advice in _NEXT
        if isinstance(error, kind) and words in error.message
    )


def about_place(place: Place | None) -> Iterator[Finding]:
    """What is worth knowing of a place that was looked at."""
    if place is None:
        return
    if place.format != place.newest_format:
        yield Finding(
            f"the format of {place.url} is {place.format}, and this version writes "
            f"{place.newest_format}",
            "back up all files, then have it brought up to date by any command, such as: "
            "grove-sm recover",
            is_problem=False,
        )
    if place.free_bytes is not None and place.free_bytes < _LITTLE_SPACE:
        yield Finding(
            f"the disk of {place.url} has {place.free_bytes / 1e6:.1f} MB left",
            "free some space there, then look again with: grove-sm doctor",
        )


def about_no_audit(journal: Place | None, stores: Iterable[Place]) -> Iterator[Finding]:
    """Why there was no audit."""
    places = [place for place in (journal, *stores) if place is not None]
    away = [place.url for place in places if not place.is_reachable]
    old = [place.url for place in places if place.format != place.newest_format]
    why = f"{', '.join(away or old)} cannot be read" if away or old else "nothing is kept there"
    yield Finding(
        f"the audit was not made, since {why}",
        "once that is mended, run: grove-sm audit",
        is_problem=False,
    )


def about_unfinished(
    found: Sequence[Unfinished], unreadable: Mapping[str, Exception]
) -> Iterator[Finding]:
    """What somebody has to do about transactions that are not finished."""
    for txid, error in unreadable.items():
        yield Finding(
            str(error),
            "restore a backup; if there is none, copy all files, and let go of it with: "
            f"grove-sm journal discard {txid}",
        )
    left = [each for each in found if not each.coordinator_lives and each.txid not in unreadable]
    if left:
        yield Finding(
            f"{len(left)} transactions were left unfinished by processes that are gone, the oldest "
            f"{told_age(max(each.age for each in left))} ago",
            _RECOVER,
        )
    for each in found:
        if each.is_in_doubt and each.coordinator_lives and each.age >= _LONG:
            process = f"process {each.process} on {each.host}" if each.host else "a process"
            if each.state == "planned":
                advice = f"see what it holds with: grove-sm journal show {each.txid} - and end that"
                advice += " process if it hangs"
                state = "undecided"
            else:
                advice = "mend the store that cannot be reached, then run: grove-sm recover"
                state = "committed and not applied everywhere"
            yield Finding(
                f"transaction {each.txid} has been {state} for {told_age(each.age)}, by {process}, "
                "which lives",
                advice,
            )


def about_heuristics(found: Sequence[Heuristic], damaged: Iterable[Corrupt]) -> Iterator[Finding]:
    """What waits for an operator."""
    for error in damaged:
        yield Finding(error.message, _RESTORE)
    for txid in dict.fromkeys(outcome.txid for outcome in found):
        records = ", ".join(outcome.record for outcome in found if outcome.txid == txid)
        yield Finding(
            f"transaction {txid} met what other software had written, at {records}",
            f"decide what is to stand there with: grove-sm journal resolve {txid}",
        )


def about_audit(report: AuditReport) -> Iterator[Finding]:
    """The rules that are broken."""
    if not report.ok:
        first = report.violations[0]
        yield Finding(
            f"the audit finds {len(report.violations)} violations, first: {first.rule}: "
            f"{first.found}",
            "list all of them with: grove-sm audit",
        )


def told_age(seconds: float) -> str:
    """A time in words, roughly."""
    for size, unit in ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
