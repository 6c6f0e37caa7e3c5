"""A repository's history as contributions."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from blake3 import blake3

from grove_sm import Grove
from grove_sm.demo.history import contributions
from grove_sm.demo.run import OWN_HISTORY
from grove_sm.importing import import_lines, read_contribution
from grove_sm.lines import read_lines

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")

NOBODY = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_AUTHOR_DATE": "2025-01-01T12:00:00+02:00",
    "GIT_COMMITTER_DATE": "2025-01-01T12:00:00+02:00",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two branches, merged; one name that no artifact may have."""

    def git(*arguments: str) -> None:
        command = ["git", "-C", str(tmp_path), *arguments]
        subprocess.run(command, check=True, env={**os.environ, **NOBODY}, capture_output=True)

    def commit(message: str, **files: bytes) -> None:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        git("add", "-A")
        git("commit", "--allow-empty", "--allow-empty-message", "-m", message)

    git("init", "-b", "main")
    commit("Begin\n\nwith a body", readme=b"one")
    git("checkout", "-b", "side")
    commit("A " + "long " * 100 + "subject", **{"notes": b"\x00\xff", "ünïcode": b"x"})
    git("checkout", "main")
    commit("", readme=b"two")
    git("merge", "--no-ff", "-m", "Merge side", "side")
    return tmp_path


@needs_git
def test_commits_are_work_and_merges_are_reviews(repository: Path) -> None:
    found = list(contributions(repository, name="demo"))
    first, *branches, merge = found
    assert [c.kind for c in found] == ["work", "work", "work", "review"]
    assert [c.agent.role for c in found] == ["coder", "coder", "coder", "reviewer"]
    assert {c.agent.agent_id for c in found} == {
        f"agent-{blake3(b'a@example.org').hexdigest()[:8]}"
    }
    assert [c.tags for c in found] == [["commit"], ["commit"], ["commit"], ["merge"]]
    assert {c.created_at for c in found} == {"2025-01-01T10:00:00.000Z"}
    assert first.summary == "Begin"
    assert sorted(len(c.summary) for c in branches) == [len("no message"), 256]
    for branch in branches:
        relations = [(r.target_cid, r.relation_type) for r in branch.relations]
        assert relations == [(first.cid, "derives_from")]
    assert [r.relation_type for r in merge.relations] == ["derives_from", "reviews"]
    assert {r.target_cid for r in merge.relations} == {c.cid for c in branches}


@needs_git
def test_artifacts_are_the_changed_files(repository: Path) -> None:
    found = list(contributions(repository, name="demo"))
    artifacts = {c.summary[:5]: dict(c.artifacts) for c in found}
    assert artifacts == {
        "Begin": {"readme": f"blake3:{blake3(b'one').hexdigest()}"},
        "A lon": {"notes": f"blake3:{blake3(bytes([0, 255])).hexdigest()}"},
        "no me": {"readme": f"blake3:{blake3(b'two').hexdigest()}"},
        "Merge": {},
    }


@needs_git
def test_script_writes_what_can_be_imported(repository: Path) -> None:
    command = [sys.executable, "-m", "grove_sm.demo.history", str(repository), "--limit", "2"]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    found = [read_contribution(line) for line in read_lines(io.BytesIO(output))]
    assert found == list(contributions(repository, name=repository.name, limit=2))
    assert len(found) == 2


def test_own_history_is_whole() -> None:
    stores = dict.fromkeys(("contributions", "handoffs", "claims", "bounties"), "memory://")
    with (
        OWN_HISTORY.open("rb") as file,
        Grove.open(journal="memory://", stores=stores) as grove,
    ):
        report = import_lines(grove, read_lines(file))
        assert report.failures == []
        assert report.imported == len(grove.contributions.list()) > 0
        assert {"work"} <= {c.kind for c in grove.contributions.list()} <= {"work", "review"}
