"""The journal and every store in one and the same file."""

from pathlib import Path

from grove_sm import Agent, Grove
from grove_sm.operations.layout import COLLECTIONS
from tests.groves import TOPOLOGY

CODER = Agent(agent_id="coder-1", role="coder")


def open_one_file(path: Path) -> Grove:
    """A grove all in one file, which applies a transaction only when somebody has to see it."""
    url = f"sqlite:///{path}"
    stores = dict.fromkeys(COLLECTIONS, url)
    grove = Grove.open(
        journal=url, stores=stores, topology=TOPOLOGY, background=False, patience=0.5
    )
    grove.coordinator.applier.lag = 10
    return grove


def test_audit_beside_what_another_has_not_applied(tmp_path: Path) -> None:
    with open_one_file(tmp_path / "all.db") as first, open_one_file(tmp_path / "all.db") as second:
        done = first.contribute(kind="work", summary="Fused kernel", agent=CODER)
        report = second.audit()
        assert report.ok
        assert report.checked == 1 + len(done.handoff_ids) > 1
