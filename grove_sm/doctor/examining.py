"""Examining a grove: all of it that can be reached, and none of it changed."""

import logging
import platform
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from grove_sm.commit.record import Entry
from grove_sm.commit.txid import made_at
from grove_sm.doctor import advice
from grove_sm.doctor.journal_view import JournalView, Position
from grove_sm.doctor.looking import Found, free_bytes, view_journal, view_store
from grove_sm.doctor.report import (
    Examination,
    Finding,
    LiveCoordinator,
    Place,
    Unfinished,
    Versions,
)
from grove_sm.doctor.shown import shown_to_readers
from grove_sm.domain import format_time
from grove_sm.domain.errors import Corrupt, GroveError
from grove_sm.operations.audit import AuditReport, audit
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.plan import Heuristic, Scanned
from grove_sm.settings import Settings, load_settings
from grove_sm.transactions.story import accounted_for
from grove_sm.urls import hide_secrets

log = logging.getLogger("grove_sm")

_ATTEMPTS: Final = 5
_AUDITED_TRANSACTIONS: Final = 100_000
_JOURNAL: Final = "journal"


def examine(
    folder: str | Path,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    patience: float = 5.0,
) -> Examination:
    """Examine the grove of a folder, whatever state it is in. Changes nothing, raises nothing.

    It is not opened: nobody is entered as a coordinator, nothing is recovered, and no file is made
    or brought up to date. Where other processes are at work, what is audited is a moment between
    two of their transactions.

    Args:
        folder: the grove's.
        clock: the time now, with a zone.
        patience: seconds to wait for each place to answer.
    """
    return _Examiner(Path(folder), clock(), patience).examine()


class _Examiner:
    def __init__(self, folder: Path, now: datetime, patience: float) -> None:
        self._folder = folder
        self._now = now
        self._patience = patience
        self._findings: list[Finding] = []
        self._journal: Place | None = None
        self._stores: dict[str, Place] = {}
        self._coordinators: tuple[LiveCoordinator, ...] = ()
        self._unfinished: tuple[Unfinished, ...] = ()
        self._heuristics: tuple[Heuristic, ...] = ()
        self._audit: AuditReport | None = None

    def examine(self) -> Examination:
        settings = None
        try:
            settings = load_settings(self._folder, create=False)
        except GroveError as error:
            self._findings.append(Finding(error.message, advice.SETTINGS))
        if settings is not None:
            try:
                self._look(settings)
            except Exception as error:
                # What was seen before is told all the same.
                log.exception("an examination failed")
                self._findings.append(Finding(f"looking failed: {error!r}", advice.DEFECT))
        findings = sorted(self._findings, key=lambda finding: not finding.is_problem)
        return Examination(
            folder=str(self._folder),
            examined_at=format_time(self._now),
            versions=_versions(),
            settings=None if settings is None else _shown(settings),
            journal=self._journal,
            stores=tuple(self._stores.values()),
            coordinators=self._coordinators,
            unfinished=self._unfinished,
            heuristics=len(self._heuristics),
            audit=self._audit,
            findings=tuple(dict.fromkeys(findings)),
        )

    def _look(self, settings: Settings) -> None:
        """Look at everything; again, if somebody has written meanwhile."""
        before = list(self._findings)
        for _ in range(_ATTEMPTS):
            self._findings = list(before)
            if self._look_once(settings):
                break
        else:
            self._findings.append(Finding(advice.BUSY, advice.AUDIT_LATER, is_problem=False))
        for place in (self._journal, *self._stores.values()):
            self._findings += advice.about_place(place)

    def _look_once(self, settings: Settings) -> bool:
        """Whether all that was seen was there at one moment, as far as it could be seen."""
        with ExitStack() as stack:
            looks: list[Found] = []
            journal = self._open_journal(stack, settings, looks)
            scans = self._scan_stores(stack, settings, looks)
            if journal is None or scans is None:
                self._findings += advice.about_no_audit(self._journal, self._stores.values())
                if journal is not None:
                    self._tell_of_journal(journal)
                return True
            entries, unreadable = self._tell_of_journal(journal)
            position = journal.position()
            self._audit = self._audited(settings, journal, scans, entries, unreadable)
            return self._position(settings) == position and not any(f.is_stale() for f in looks)

    def _open_journal(
        self, stack: ExitStack, settings: Settings, looks: list[Found]
    ) -> JournalView | None:
        url = settings.journal
        began = time.perf_counter()
        try:
            found, view = stack.enter_context(view_journal(url, self._folder, self._patience))
            if view is not None:
                view.position()
        except GroveError as error:
            self._journal = self._unreachable(_JOURNAL, url, error)
            return None
        looks.append(found)
        self._journal = self._reached(_JOURNAL, url, found, time.perf_counter() - began)
        return view

    def _scan_stores(
        self, stack: ExitStack, settings: Settings, looks: list[Found]
    ) -> dict[str, Sequence[Scanned]] | None:
        """What each collection holds; None if one of them cannot be read."""
        scans: dict[str, Sequence[Scanned]] = {}
        for url in dict.fromkeys(settings.stores.values()):
            collections = [name for name, place in settings.stores.items() if place == url]
            role = ", ".join(collections)
            began = time.perf_counter()
            try:
                found, scan = stack.enter_context(
                    view_store(collections[0], url, self._folder, self._patience)
                )
                seconds = time.perf_counter() - began
                if scan is not None:
                    scans |= {name: scan(name) for name in collections}
            except GroveError as error:
                self._stores[url] = self._unreachable(role, url, error)
                continue
            looks.append(found)
            self._stores[url] = self._reached(role, url, found, seconds)
        return scans if set(scans) == set(settings.stores) else None

    def _tell_of_journal(self, journal: JournalView) -> tuple[Sequence[Entry], set[str]]:
        """Note what the journal tells; its committed entries, and those that cannot be read."""
        unreadable: dict[str, Exception] = {}
        damaged: list[Corrupt] = []
        try:
            openers = journal.openers()
            holders = journal.unfinished()
            alive = set(journal.alive({*openers, *(holder.coordinator for holder in holders)}))
            entries = journal.entries(unreadable.__setitem__)
            self._heuristics = journal.heuristics(damaged.append)
        except GroveError as error:
            self._findings.append(Finding(error.message, advice.next_about(error)))
            return (), set()
        self._coordinators = tuple(
            LiveCoordinator(number, *opener)
            for number, opener in openers.items()
            if number in alive
        )
        self._unfinished = tuple(
            Unfinished(
                txid=holder.txid,
                state=holder.state,
                age=max((self._now - made_at(holder.txid, self._now)).total_seconds(), 0.0),
                is_in_doubt=holder.state != "applied",
                coordinator=holder.coordinator,
                coordinator_lives=holder.coordinator in alive,
                host=openers[holder.coordinator].host if holder.coordinator in openers else None,
                process=(
                    openers[holder.coordinator].process if holder.coordinator in openers else None
                ),
            )
            for holder in holders
        )
        self._findings += advice.about_unfinished(self._unfinished, unreadable)
        self._findings += advice.about_heuristics(self._heuristics, damaged)
        return entries, set(unreadable)

    def _audited(
        self,
        settings: Settings,
        journal: JournalView,
        scans: Mapping[str, Sequence[Scanned]],
        entries: Iterable[Entry],
        unreadable: set[str],
    ) -> AuditReport:
        interventions = journal.interventions(_ignore)
        accounted = accounted_for(self._heuristics, interventions)
        report = audit(
            {**dict.fromkeys(COLLECTIONS, ()), **shown_to_readers(scans, entries)},
            {role: [to.to for to in targets] for role, targets in settings.topology.items()},
            accounted=lambda txid, *place: txid in unreadable or accounted(txid, *place),
            committed={
                txid: entry.members
                for txid, state, entry in journal.history(_AUDITED_TRANSACTIONS)
                if entry is not None and state not in ("planned", "aborted")
            },
        )
        self._findings += advice.about_audit(report)
        return report

    def _position(self, settings: Settings) -> Position | None:
        try:
            with view_journal(settings.journal, self._folder, self._patience) as (_, view):
                return None if view is None else view.position()
        except GroveError:
            return None

    def _reached(self, role: str, url: str, found: Found, seconds: float) -> Place:
        return Place(
            role=role,
            url=hide_secrets(url),
            is_reachable=True,
            seconds=seconds,
            format=found.format,
            newest_format=found.newest_format,
            free_bytes=free_bytes(url, self._folder),
            trouble=None,
        )

    def _unreachable(self, role: str, url: str, error: GroveError) -> Place:
        self._findings.append(Finding(error.message, advice.next_about(error)))
        return Place(
            role=role,
            url=hide_secrets(url),
            is_reachable=False,
            seconds=None,
            format=None,
            newest_format=None,
            free_bytes=free_bytes(url, self._folder),
            trouble=error.message,
        )


def _versions() -> Versions:
    try:
        psycopg = version("psycopg")
    except PackageNotFoundError:
        psycopg = None
    return Versions(version("grove-sm"), platform.python_version(), sqlite3.sqlite_version, psycopg)


def _shown(settings: Settings) -> Mapping[str, Any]:
    """The settings as a document, without secrets."""
    document = settings.to_document()
    document["journal"] = hide_secrets(settings.journal)
    document["stores"] = {name: hide_secrets(url) for name, url in settings.stores.items()}
    return document


def _ignore(_: Corrupt) -> None:
    """It is told where heuristic outcomes are."""
