"""The documents tell the truth where a machine can check it."""

import multiprocessing
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grove_sm import Agent
from grove_sm.cli.exits import EXIT_STATUSES
from grove_sm.lifecycles import LIFECYCLES, Lifecycle, mermaid
from tests.groves import TOPOLOGY, five_files, journal_url

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]*)(?:#([^)]*))?\)")
TEST_FILE = re.compile(r"`((?:tests|stateful_tests|faults|models|benchmarks|grove_sm)/[\w./]*)`")


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text()) if found == language]


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda lifecycle: lifecycle.name)
def test_diagrams_are_drawn_from_the_tables(lifecycle: Lifecycle[str]) -> None:
    drawn = blocks(DOCS / "architecture.md", "mermaid")
    assert mermaid(lifecycle) in drawn
    assert len(drawn) == len(LIFECYCLES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    missing = [name for name in TEST_FILE.findall(page.read_text()) if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize(
    "name", ["README.md", "docs/api.md", "docs/new-store.md", "docs/traces.md"]
)
def test_python_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = "\n".join(blocks(ROOT / name, "python"))
    assert script
    exec(compile(script, name, "exec"), {})  # noqa: S102 - our own example


def test_command_line_example_runs(tmp_path: Path) -> None:
    (script,) = blocks(ROOT / "README.md", "sh")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-ec", script],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "no violations" in done.stdout


def test_exit_statuses_are_the_command_lines() -> None:
    rows = [f"| {row.status} | {row.meaning} |" for row in EXIT_STATUSES]
    header = "| exit status | meaning |\n| --- | --- |\n"
    assert header + "\n".join(rows) + "\n\n" in (DOCS / "api.md").read_text()


def work_on(folder: Path) -> None:
    from grove_sm import Grove

    grove = Grove.open(journal=journal_url(folder), stores=five_files(folder), topology=TOPOLOGY)
    agent = Agent(agent_id="coder-1", role="coder")
    number = 0
    while os.getppid() == multiprocessing.parent_process().pid:  # type: ignore[union-attr]
        grove.contribute(kind="work", summary=f"number {number}", agent=agent)
        number += 1


def findings(folder: Path) -> tuple[int, list[str]]:
    """How many records a restored backup has, and what is broken there."""
    from grove_sm import Grove

    with Grove.open(
        journal=journal_url(folder), stores=five_files(folder), topology=TOPOLOGY
    ) as grove:
        report = grove.audit()
        return report.checked, [f"{violation}" for violation in report.violations]


def test_backup_of_a_live_grove_is_whole(tmp_path: Path) -> None:
    page: dict[str, Any] = {}
    (script,) = blocks(DOCS / "operations.md", "python")
    exec(compile(script, "docs/operations.md", "exec"), page)  # noqa: S102 - our own example
    live = tmp_path / "live"
    live.mkdir()
    assert findings(live) == (0, [])
    journal, *stores = (live / f"{name}.db" for name in ("journal", *five_files(live)))
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work_on, args=(live,), daemon=True) for _ in range(2)]
    try:
        for worker in workers:
            worker.start()
        before = 0
        for number in range(5):
            await_records(live / "contributions.db", more_than=before)
            target = tmp_path / f"backup-{number}"
            target.mkdir()
            page["back_up"](journal, stores, target)
            records, broken = findings(target)
            assert broken == []
            assert records > before
            before = records
            assert all(worker.is_alive() for worker in workers)
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def await_records(file: Path, *, more_than: int) -> None:
    """Wait until more contributions are there than a backup had records."""
    connection = sqlite3.connect(file)
    try:
        while connection.execute("SELECT count(*) FROM contributions").fetchone()[0] <= more_than:
            pass
    finally:
        connection.close()
