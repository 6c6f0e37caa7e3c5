"""A grove with stores in Nexus: what an operation asks of the server, and what is done while it is
away."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from faults.proxy import TcpProxy
from grove_sm import Grove
from grove_sm.domain.errors import GroveError, StoreUnavailable
from grove_sm.operations.layout import COLLECTIONS
from tests.groves import CODER, REVIEWER, SPONSOR
from tests.servers.nexus_standin import NexusStandIn, Refusal

LONG: Final = 60.0
SECRET: Final = "sk-pr1vate"  # noqa: S105 - of a server that lives as long as a test
TOPOLOGY: Final = {"coder": ["reviewer"]}
PATIENCE: Final = 1.0


@pytest.fixture
def proxy(server: NexusStandIn) -> Iterator[TcpProxy]:
    """A network in front of the server."""
    with TcpProxy(server.port) as proxy:
        yield proxy


def open_grove(
    folder: Path, nexus: str, *collections: str, background: bool = False, patience: float = 5.0
) -> Grove:
    """A grove with these collections in Nexus, and the others in a file."""
    places = {name: nexus if name in collections else "sqlite:///rest.db" for name in COLLECTIONS}
    return Grove.open(
        journal=f"sqlite:///{folder}/journal.db",
        stores={
            name: place.replace("///", f"///{folder}/") if "sqlite" in place else place
            for name, place in places.items()
        },
        topology=TOPOLOGY,
        background=background,
        patience=patience,
    )


def contribute(grove: Grove, summary: str = "kernel") -> str:
    return grove.contribute(kind="work", summary=summary, agent=CODER).cid


def test_a_contribution_with_a_handoff_is_two_writes_at_once(
    server: NexusStandIn, tmp_path: Path
) -> None:
    """Each waits until the other is there too: one after the other they would never come through,
    and so there is one round trip from the decision to the answer."""
    both = threading.Barrier(2, timeout=LONG)
    events: list[str] = []

    def meet(method: str, params: Mapping[str, Any]) -> None:
        events.append(method)
        if method == "write":
            both.wait()

    with open_grove(tmp_path, server.url("z"), "contributions", "handoffs") as grove:
        contribute(grove, "by which the server is known")
        contribute(grove, "and is asked what it makes of patterns")
        server.before = meet
        cid = contribute(grove)
        assert Counter(events) == {"list": 2, "write": 2}
        assert events[-2:] == ["write", "write"]
        server.before = lambda *_: None
        grove.flush()
        assert Counter(events) == {"list": 2, "write": 2}
        assert grove.contributions.get(cid).summary == "kernel"
        assert [handoff.source_cid for handoff in grove.handoffs.list()][-1] == cid


@pytest.mark.parametrize("fault", ["refuse", "black_hole"])
def test_who_does_not_need_a_store_that_is_down_goes_on(
    server: NexusStandIn, proxy: TcpProxy, tmp_path: Path, fault: str
) -> None:
    url = f"nexus+http://127.0.0.1:{proxy.port}/z"
    with open_grove(
        tmp_path, url, "contributions", "handoffs", background=True, patience=PATIENCE
    ) as grove:
        cid = contribute(grove)
        grove.flush()
        files = dict(server.zones["z"])
        getattr(proxy, fault)()
        claim = grove.claim("file:a", intent_summary="edit", agent=CODER).claim
        grove.heartbeat(claim.claim_id)
        grove.release(claim.claim_id)
        grove.grant_credits(SPONSOR.agent_id, 5)
        for number in range(3):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable) as caught:
                contribute(grove, f"another {number}")
            assert time.monotonic() - began < LONG / 2
            assert caught.value.store == url
            with pytest.raises(StoreUnavailable):
                grove.contributions.get(cid)
        assert server.zones["z"] == files
        proxy.heal()
        assert [each.cid for each in grove.contributions.list()] == [cid]
        assert grove.audit().violations == ()
        contribute(grove, "another 0")


def test_what_was_decided_is_applied_when_the_store_is_back_by_itself(
    server: NexusStandIn, proxy: TcpProxy, tmp_path: Path
) -> None:
    url = f"nexus+http://127.0.0.1:{proxy.port}/z"
    with open_grove(
        tmp_path, url, "contributions", "handoffs", background=True, patience=PATIENCE
    ) as grove:
        contribute(grove)
        grove.flush()
        held = proxy.hold(b"/api/nfs/write")
        cid = contribute(grove, "decided")
        with pytest.raises(StoreUnavailable, match="committed but cannot be applied"):
            grove.contributions.get(cid)
        assert held.number
        proxy.refuse()
        assert f"/zones/z/contributions/{cid}.json" not in server.zones["z"]
        proxy.heal()
        deadline = time.monotonic() + LONG
        while f"/zones/z/contributions/{cid}.json" not in server.zones["z"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert grove.contributions.get(cid).summary == "decided"
        assert grove.audit().violations == ()


def test_a_grove_opens_while_its_store_is_away(proxy: TcpProxy, tmp_path: Path) -> None:
    proxy.refuse()
    url = f"nexus+http://127.0.0.1:{proxy.port}/z"
    with open_grove(tmp_path, url, "contributions", "handoffs", patience=PATIENCE) as grove:
        grove.claim("file:a", intent_summary="edit", agent=CODER)
        with pytest.raises(StoreUnavailable):
            contribute(grove)
        proxy.heal()
        contribute(grove)


def test_what_an_audit_finds_in_a_zone(server: NexusStandIn, tmp_path: Path) -> None:
    with open_grove(tmp_path, server.url("z"), *COLLECTIONS) as grove:
        cid = contribute(grove)
        grove.flush()
        assert grove.audit().violations == ()
        (handoff,) = grove.handoffs.list()
        files = server.zones["z"]
        files["/zones/z/handoffs/notes.txt"] = b"mine"
        path = f"/zones/z/handoffs/{handoff.handoff_id}/1"
        kept = files.pop(path)
        found = {violation.rule for violation in grove.audit().violations}
        assert found == {"every record is readable", "an operation is whole"}
        files[path] = kept[:-1]
        assert {v.rule for v in grove.audit().violations} >= {"every record is readable"}
        del files["/zones/z/handoffs/notes.txt"]
        files[path] = kept
        assert grove.audit().violations == ()
        assert grove.contributions.get(cid)


def test_a_key_is_nowhere_but_in_requests(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the log, an error, a `repr`, a report, the journal or a trace."""
    caplog.set_level(logging.DEBUG)
    server = NexusStandIn(key=SECRET)
    told: list[object] = []
    url = f"{server.url('z')}?key={SECRET}"
    stores = dict.fromkeys(COLLECTIONS, url)
    journal = f"sqlite:///{tmp_path}/journal.db"
    grove = Grove.open(
        journal=journal,
        stores=stores,
        topology=TOPOLOGY,
        trace=tmp_path / "trace",
        patience=PATIENCE,
    )
    with grove:
        cid = contribute(grove)
        grove.grant_credits(SPONSOR.agent_id, 5)
        bounty = grove.create_bounty(
            title="b", amount=1, criteria={"description": "any"}, agent=SPONSOR
        )
        told += [bounty, grove.audit(), grove.recovery, grove.settings, grove.coordinator.stores]
        server.before = _echo_the_key
        for use in (
            lambda: contribute(grove, "refused"),
            lambda: grove.contributions.get(cid),
            grove.contributions.list,
            grove.audit,
        ):
            with pytest.raises(GroveError) as caught:
                use()
            told += [caught.value, caught.value.to_document(), caught.getrepr(chain=True)]
        server.before = lambda *_: None
        server.close()
        with pytest.raises(GroveError) as caught:
            contribute(grove, "nobody there")
        told += [caught.value.to_document(), caught.getrepr(chain=True)]
    assert SECRET not in repr(told) + "".join(map(str, told))
    assert SECRET not in caplog.text
    for path in tmp_path.iterdir():
        assert SECRET.encode() not in path.read_bytes(), path


def _echo_the_key(_: str, __: object) -> None:
    raise Refusal(-32603, f"cannot do that for {SECRET}")


def test_replies_and_bounties_go_through_their_whole_life(
    server: NexusStandIn, tmp_path: Path
) -> None:
    with open_grove(tmp_path, server.url("z"), *COLLECTIONS) as grove:
        cid = contribute(grove)
        grove.grant_credits(SPONSOR.agent_id, 10)
        bounty = grove.create_bounty(
            title="faster", amount=7, criteria={"description": "any"}, agent=SPONSOR
        )
        grove.claim_bounty(bounty.bounty_id, agent=CODER)
        grove.settle_bounty(bounty.bounty_id, cid)
        review = grove.contribute(
            kind="review",
            summary="fine",
            agent=REVIEWER,
            relations=[{"targetCid": cid, "relationType": "reviews"}],
        )
        assert [h.resolved_by_cid for h in grove.handoffs.list()] == [review.cid]
        assert grove.credits.balance(CODER.agent_id).available == 7
        assert grove.audit().violations == ()
