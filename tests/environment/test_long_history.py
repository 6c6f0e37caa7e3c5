"""What opening and recovering cost depends on what is unfinished, not on history."""

from pathlib import Path

from grove_sm import Grove
from grove_sm.operations.layout import COLLECTIONS
from tests.groves import CODER, Clock, Names, journal_url

from .conftest import Steps
from .long_history import make_journal

HISTORY = 1_000_000
UNFINISHED = 100


def open_on(path: Path, clock: Clock, names: Names) -> Grove:
    return Grove.open(
        journal=journal_url(path),
        stores=dict.fromkeys(COLLECTIONS, "memory://"),
        clock=clock,
        random=names,
        background=False,
    )


def test_opening_does_not_pay_for_history(
    tmp_path: Path, clock: Clock, names: Names, steps: Steps
) -> None:
    work = {}
    for history in (1, HISTORY):
        folder = tmp_path / f"{history}"
        folder.mkdir()
        make_journal(folder / "journal.db", unfinished=UNFINISHED, finished=history)
        before = steps()
        with open_on(folder, clock, names) as grove:
            assert len(grove.recovery.rolled_back) == (UNFINISHED + 2) // 3
            assert len(grove.recovery.rolled_forward) == UNFINISHED * 2 // 3
            assert grove.recovery.in_doubt == []
            assert grove.coordinator.journal.unfinished() == ()
            recovered = steps()
            grove.contribute(kind="work", summary="a", agent=CODER, idempotency_key="k")
            grove.claim("file:a", agent=CODER, intent_summary="i")
            grove.flush()
            work[history] = recovered - before, steps() - recovered
        assert (folder / "journal.db").stat().st_size > history * 100
    for short, long in zip(work[1], work[HISTORY], strict=True):
        assert short > 0
        assert long <= 2 * short
