"""A journal in PostgreSQL whose server crashes or is gone: what was decided stays, and what was not
forced is not decided on."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import count

import pytest

from grove_sm import Grove
from grove_sm.commit.machine import Decision
from grove_sm.domain.errors import InDoubt, OutcomeUnknown, StoreUnavailable
from grove_sm.operations.layout import COLLECTIONS
from tests.conformance.places import commit, entry, txids
from tests.groves import CODER, TOPOLOGY
from tests.servers.postgres import PostgresServer

from .journals import open_at, until, until_back

CRASHES = 4


def restart_after_crash(server: PostgresServer) -> None:
    server.crash()
    server.start()


@pytest.mark.parametrize("one_append", [True, False], ids=["one append", "two steps"])
@pytest.mark.parametrize("options", ["", "&options=-c%20synchronous_commit%3Doff"])
def test_a_decision_survives_a_crash_of_the_server(
    server: PostgresServer, options: str, one_append: bool
) -> None:
    """Whatever the server, the database or the role have as their default.

    It is the last that is written: a force of something later would have forced it too.
    """
    with closing(open_at(server.address.url("j") + options)) as journal:
        made = entry(journal, "a", keys=("k",))
        with journal.hold(made, one_append=one_append) as hold:
            hold.decide(Decision.COMMIT)
        restart_after_crash(server)
        until_back(journal)
        assert txids(journal.unapplied()) == [made.txid]
        assert journal.outcome(made.txid) is Decision.COMMIT


def test_keys_that_a_crash_has_let_go_of_cannot_be_committed_on(server: PostgresServer) -> None:
    """Their record was not forced; who validated on them finds it gone."""
    with closing(open_at(server.address.url("j"))) as journal:
        made = entry(journal, "a", keys=("k",))
        with journal.hold(made, one_append=False) as hold:
            restart_after_crash(server)
            until_back(journal)
            assert journal.unapplied() == ()
            rival = commit(journal, entry(journal, "b", keys=("k",)))
            hold.decide(Decision.COMMIT)
        assert hold.decision is Decision.ABORT
        assert txids(journal.unapplied()) == [rival.txid]
        assert journal.outcome(made.txid) is Decision.ABORT


def test_an_abort_by_another_survives_a_crash_of_the_server(server: PostgresServer) -> None:
    """Since the one whose transaction it was may live, and ask again."""
    url = server.address.url("j")
    with closing(open_at(url)) as journal, closing(open_at(url)) as other:
        made = entry(other, "a", keys=("k",))
        with other.hold(made, one_append=False) as hold:
            commit(journal, entry(journal, "forces what is before it"))
            assert journal.abort(made.txid) is Decision.ABORT
            restart_after_crash(server)
            until_back(journal)
            assert journal.outcome(made.txid) is Decision.ABORT
            hold.decide(Decision.COMMIT)
        assert hold.decision is Decision.ABORT


def test_while_the_server_is_gone_nothing_is_decided_and_it_is_said_at_once(
    server: PostgresServer,
) -> None:
    with closing(open_at(server.address.url("j"), timeout=10)) as journal:
        made = commit(journal, entry(journal, "a"))
        early = entry(journal, "b")
        server.stop()
        for use in (
            journal.unapplied,
            lambda: journal.load(made.txid),
            lambda: journal.hold(early, one_append=True).__enter__(),
            lambda: journal.hold(early, one_append=False).__enter__(),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                use()
            assert caught.value.store == journal.name
        server.start()
        until_back(journal)
        assert txids(journal.unapplied()) == [made.txid]
        commit(journal, entry(journal, "c"))


def test_an_outcome_that_cannot_be_found_out_is_unknown_and_settled_later(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_at(server.address.url("j"), timeout=0.5)) as journal:
        made = entry(journal, "a", keys=("k",))
        # It has not noticed yet.
        monkeypatch.setattr(journal._life, "is_own", lambda number: number == made.coordinator)
        with pytest.raises(OutcomeUnknown) as caught:  # noqa: PT012, SIM117
            with journal.hold(made, one_append=False) as hold:
                journal.flush()
                hold.decide(Decision.COMMIT)
                server.stop()
        assert caught.value.txid == made.txid
        monkeypatch.undo()
        server.start()
        until_back(journal)
        # It was this very process, but is another coordinator now.
        assert not journal.is_alive(made.coordinator)
        assert txids(journal.unapplied()) == [made.txid]
        assert journal.abort(made.txid) is Decision.ABORT
        commit(journal, entry(journal, "b", keys=("k",)))


def test_a_server_that_crashes_again_and_again_loses_nothing(server: PostgresServer) -> None:
    """It has the journal and the stores, and crashes while they are being written."""
    journal, stores = server.address.url("j"), server.address.url("s")
    done: set[str] = set()
    enough = threading.Event()

    def work(name: str) -> None:
        with grove_at(journal, stores) as grove:
            for number in count():
                if enough.is_set():
                    return
                with suppress(StoreUnavailable, OutcomeUnknown, InDoubt):
                    made = grove.contribute(kind="work", summary=f"{name}-{number}", agent=CODER)
                    done.add(made.cid)

    def wait_for_more() -> None:
        goal = len(done) + 10
        until(lambda: len(done) >= goal or any(worker.done() for worker in workers))

    with grove_at(journal, stores) as witness, ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(work, f"w{number}") for number in range(3)]
        try:
            for _ in range(CRASHES):
                wait_for_more()
                restart_after_crash(server)
        finally:
            enough.set()
        for worker in workers:
            worker.result()
        until_back(witness.coordinator.journal)
        witness.recover()
        assert {made.cid for made in witness.contributions.list()} >= done
        assert witness.audit().violations == ()
        assert witness.coordinator.journal.heuristics() == ()


def grove_at(journal: str, stores: str) -> Grove:
    """A grove that is all on one server."""
    return Grove.open(journal=journal, stores=dict.fromkeys(COLLECTIONS, stores), topology=TOPOLOGY)
