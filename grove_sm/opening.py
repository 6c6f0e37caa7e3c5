"""From what `Grove.open` is given to a coordinator over opened parts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from grove_sm.commit.contract import Journal, Participant
from grove_sm.commit.coordinator import Coordinator
from grove_sm.connect import check_urls, open_journal, open_stores
from grove_sm.domain import Route, format_time
from grove_sm.domain.errors import ValidationError
from grove_sm.settings import Keep, Leases, Settings, load_settings, routes
from grove_sm.tracing import trace_to_file

Parts = tuple[Journal, Mapping[str, Participant]]
"""A journal, and the store of each collection."""


def settle_settings(
    folder: Path | None,
    *,
    journal: str | None,
    stores: Mapping[str, str] | None,
    topology: Mapping[str, Sequence[str | Route]] | None,
    leases: Leases | None,
    keep: Keep | None,
    create: bool,
) -> Settings:
    """The settings of a folder, or those given in its place; see `Grove.open` for each.

    Raises ValidationError; StoreUnavailable if the folder cannot be read or written.
    """
    if folder is not None:
        if any(given is not None for given in (journal, stores, topology, leases, keep)):
            raise ValidationError(
                field="folder",
                rule="must not be given together with journal, stores, topology, leases or keep",
            )
        return load_settings(folder, create=create)
    if journal is None or stores is None:
        raise ValidationError(
            field="journal" if journal is None else "stores",
            rule="is required where no folder is given",
        )
    return Settings(
        journal=journal,
        stores=dict(stores),
        topology=routes(topology or {}),
        leases=leases or Leases(),
        keep=keep or Keep(),
    )


def open_coordinator(
    settings: Settings,
    base: Path,
    *,
    clock: Callable[[], datetime],
    random: Callable[[], str],
    patience: float,
    trace: Path | None = None,
    made_ready: Callable[[Journal, Mapping[str, Participant]], Parts],
) -> Coordinator:
    """A coordinator over the journal and the stores that the settings name.

    Relative files are relative to `base`. If anything cannot be opened, nothing is left open.
    What it does is added to the file `trace`, if there is to be one. What is used is what
    `made_ready` makes of the parts. Raises ValidationError, StoreUnavailable or Corrupt.
    """
    check_urls(settings.journal, settings.stores, base)
    stores = open_stores(settings.stores, base, busy_timeout=patience)
    try:
        journal = open_journal(
            settings.journal,
            base,
            opened_at=format_time(clock()),
            busy_timeout=patience,
            clock=lambda: format_time(clock()),
        )
        if trace is not None:
            try:
                journal, stores = trace_to_file(trace, journal, stores)
            except BaseException:
                journal.close()
                raise
    except BaseException:
        close_all(stores.values())
        raise
    journal, participants = made_ready(journal, stores)
    return Coordinator(journal, participants, clock=clock, random=random, patience=patience)


def close(coordinator: Coordinator) -> None:
    """Close a coordinator's journal and stores; finishes nothing."""
    coordinator.journal.close()
    close_all(coordinator.stores.values())


def close_all(stores: Iterable[Participant]) -> None:
    """Close stores, each once."""
    for store in dict.fromkeys(stores):
        store.close()
