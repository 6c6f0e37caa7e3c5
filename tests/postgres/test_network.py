"""What the network does to a journal in PostgreSQL: connections that end, or are silent, in the
middle of a decision."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import pytest
from psycopg.pq import TransactionStatus

from faults.proxy import MOMENTS, Moment, TcpProxy
from grove_sm.commit.machine import Decision
from grove_sm.commit.record import make_entry
from grove_sm.commit.txid import make_txid
from grove_sm.domain.errors import OutcomeUnknown, StoreUnavailable
from grove_sm.journal.postgres import PostgresJournal
from grove_sm.operations.plan import Plan
from grove_sm.postgres.session import Session
from grove_sm.postgres.url import PostgresUrl
from tests.conformance.places import entry, finish, idempotency_key, txids, write
from tests.groves import NOW, START
from tests.servers.postgres import VERSION, Address, new_schema, shared_server

from .journals import LONG, open_at

DECIDES = {True: b"INSERT INTO transactions", False: b"SET state = 'committed', redo"}
"""What is sent to decide, in one append or in two steps."""

LATER = "2026-01-02T12:00:00.000Z"


@pytest.fixture
def url() -> str:
    """Where the journal is."""
    return new_schema()


@pytest.fixture
def journal(url: str) -> Iterator[PostgresJournal]:
    """The journal, of a coordinator that nothing happens to."""
    with closing(open_at(url)) as journal:
        yield journal


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    """In front of the server."""
    with TcpProxy(shared_server().port) as proxy:
        yield proxy


@pytest.fixture
def far(url: str, proxy: TcpProxy, journal: PostgresJournal) -> Iterator[PostgresJournal]:
    """A coordinator that reaches the journal by the proxy."""
    schema = PostgresUrl.parse(url, setting="journal").schema
    with closing(open_at(Address(proxy.port).url(schema), timeout=0.5)) as far:
        yield far


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("one_append", DECIDES)
def test_a_decision_whose_answer_is_lost_is_asked_for_again(
    far: PostgresJournal,
    journal: PostgresJournal,
    proxy: TcpProxy,
    moment: Moment,
    one_append: bool,
) -> None:
    """What is told is what stands, and nothing stays held."""
    made = entry(far, "a", keys=("k",))
    cut = proxy.cut(moment, matching=DECIDES[one_append])
    told = Decision.ABORT
    with suppress(StoreUnavailable):
        with far.hold(made, one_append=one_append) as hold:
            hold.decide(Decision.COMMIT)
        told = hold.decision
    assert cut.wait(LONG)
    assert journal.outcome(made.txid) is told
    is_seen = moment in ("after request", "in answer", "after answer")
    assert told is (Decision.COMMIT if is_seen else Decision.ABORT)
    assert txids(journal.unapplied()) == ([made.txid] if is_seen else [])


def test_a_decision_that_cannot_be_asked_for_is_unknown(
    far: PostgresJournal, journal: PostgresJournal, proxy: TcpProxy
) -> None:
    made = entry(far, "a", keys=("k",))
    with pytest.raises(OutcomeUnknown) as caught:  # noqa: PT012, SIM117
        with far.hold(made, one_append=False) as hold:
            hold.decide(Decision.COMMIT)
            proxy.delay(60)
    assert caught.value.txid == made.txid
    # It may arrive yet, before or after what it gave up is aborted.
    proxy.heal()
    assert journal.abort(made.txid) is journal.outcome(made.txid)


def test_more_threads_than_connections_decide_and_read_meanwhile(journal: PostgresJournal) -> None:
    """Nobody who decides waits for a connection that is held by others who decide."""

    def work(number: int) -> None:
        made = entry(journal, f"{number:02}")
        with journal.hold(made, one_append=number % 2 == 0) as hold:
            journal.unapplied()
            hold.decide(Decision.COMMIT)
        assert hold.decision is Decision.COMMIT

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(work, range(48)))
    assert len(journal.unapplied()) == 48


def test_who_falls_silent_keeps_nobody_waiting(
    journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What locks anything is sent whole, and not kept open until its process has heard of it."""
    left: set[TransactionStatus] = set()
    waits = Session.wait

    def wait(session: Session, *args: Any, **kwargs: Any) -> Any:
        try:
            return waits(session, *args, **kwargs)
        finally:
            left.add(session.info.transaction_status)

    made = entry(journal, "a", keys=("k",), idempotency=idempotency_key("i", expires_at=LATER))
    aborted = entry(journal, "b", keys=("l",))
    monkeypatch.setattr(Session, "wait", wait)
    with journal.hold(made, one_append=False) as hold:
        hold.decide(Decision.COMMIT)
    assert hold.decision is Decision.COMMIT
    with journal.hold(aborted, one_append=False):
        pass
    assert journal.abort(aborted.txid) is Decision.ABORT
    finish(journal, made)
    assert journal.unfinished() == ()
    assert TransactionStatus.INTRANS not in left


@pytest.mark.skipif(int(VERSION) < 17, reason="the server has no limit for that")
def test_half_of_a_decision_keeps_nobody_for_ever(
    far: PostgresJournal, journal: PostgresJournal, proxy: TcpProxy
) -> None:
    """The rest of it will never arrive, and neither end hears of that."""
    long = write("a", text="x" * 200_000)
    made = entry(far, "a", writes=(long,))
    done = proxy.cut("in request", matching=b"state = 'committed', redo", manner="silence")
    with pytest.raises(StoreUnavailable):  # noqa: SIM117
        with far.hold(made, one_append=False) as hold:
            hold.decide(Decision.COMMIT)
    assert done.is_set()
    nothing = make_entry(
        Plan("audit", (), (), (), {}),
        txid=make_txid(START, journal.coordinator, "audit"),
        coordinator=journal.coordinator,
        created_at=NOW,
    )
    # Nobody is to decide meanwhile, and that one still may, for all that the server knows.
    with journal.hold(nothing, one_append=True) as hold:
        assert hold.refused_by == ()
    assert journal.outcome(made.txid) is Decision.ABORT
