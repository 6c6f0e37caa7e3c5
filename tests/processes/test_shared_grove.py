"""Threads of one process on one grove: none works on what another has decided but not applied."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from grove_sm.commit.machine import Decision
from grove_sm.commit.record import Entry
from grove_sm.journal.sqlite import SQLiteJournal
from tests.conformance.places import entry
from tests.groves import NOW

from .work import SHARED, Manner, open_grove

THREADS = 8
GRANTS = 15


@pytest.mark.parametrize("background", [True, False], ids=["background", "foreground"])
@pytest.mark.parametrize("one_append", [True, False], ids=["one append", "two steps"])
def test_no_change_of_one_account_is_lost(
    tmp_path: Path, background: bool, one_append: bool
) -> None:
    with (
        open_grove(tmp_path, Manner(background, one_append)) as grove,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        grants = [pool.submit(grove.grant_credits, SHARED, 1) for _ in range(THREADS * GRANTS)]
        balances = sorted(grant.result().available for grant in grants)
        assert balances == list(range(1, THREADS * GRANTS + 1))
        assert grove.credits.balance(SHARED).available == THREADS * GRANTS
        assert grove.audit().violations == ()


def test_a_decision_still_in_the_making_keeps_its_keys(tmp_path: Path) -> None:
    """Whoever loads it before its append is committed finds nothing, and may conclude nothing."""
    with (
        closing(SQLiteJournal(tmp_path / "journal.db", opened_at=NOW)) as journal,
        ThreadPoolExecutor(2) as pool,
    ):
        first, *others = (
            entry(journal, name, keys=("key:one",)) for name in ("aaaa", "bbbb", "cccc")
        )

        def follow(other: Entry) -> tuple[list[str], Entry | None]:
            with journal.hold(other, one_append=True) as hold:
                return [holder.txid for holder in hold.refused_by], journal.load(first.txid)

        with journal.hold(first, one_append=True) as hold:
            hold.decide(Decision.COMMIT)
            following = [pool.submit(follow, other) for other in others]
            while journal._appender._waiting < len(others):
                threading.Event().wait(0.001)
        assert hold.decision is Decision.COMMIT
        refused_by, loaded = zip(*(future.result() for future in following), strict=True)
        # One came while it was there but not committed, the other after that one had loaded it.
        assert None in loaded
        assert refused_by == ([first.txid],) * 2
