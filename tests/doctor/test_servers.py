"""An examination of groves on servers: it changes nothing there, and tells no secret."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from grove_sm import Grove
from grove_sm.doctor import examine
from grove_sm.settings import FILE_NAME, TEMPLATE
from tests.cli.prepared import prepare
from tests.cli.running import Commands
from tests.groves import CODER
from tests.kinds.nexus import NEXUS
from tests.kinds.postgres import POSTGRES
from tests.servers.nexus_standin import NexusStandIn
from tests.servers.postgres import new_schema

from .looks import look, problem, set_stores

KEY = "sk-zone-s3cret"


def _shown(commands: Commands) -> tuple[str, str]:
    """What is told of a grove that is not well, to people and to scripts."""
    told = commands.run("doctor", status=8).output, commands.json("doctor", status=8)
    return told[0], json.dumps(told[1])


@pytest.mark.skipif(bool(POSTGRES.missing()), reason=POSTGRES.missing())
def test_a_grove_in_postgresql_is_looked_at_and_left_alone(tmp_path: Path) -> None:
    url = new_schema()
    folder = tmp_path / "grove"
    folder.mkdir()
    text = TEMPLATE.replace("sqlite:///journal.db", url).replace("sqlite:///stores.db", url)
    (folder / FILE_NAME).write_text(text)
    nothing = look(folder)
    assert "there is no journal of a grove in it" in nothing.findings[0].what
    assert "there is no stores of a grove in it" in nothing.findings[1].what
    with Grove.open(folder) as grove:
        grove.grant_credits("a", 5)
        grove.contribute(kind="work", summary="s", agent=CODER)
        found = examine(folder)
        assert found.ok, found.findings
        (coordinator,) = found.coordinators
        assert coordinator.process == os.getpid()
    closed = look(folder)
    assert closed.coordinators == ()
    assert closed.audit is not None
    assert closed.audit.checked == 4
    assert closed.journal is not None
    assert closed.journal.format == closed.journal.newest_format


def test_a_server_that_is_not_there_is_told_without_its_password(commands: Commands) -> None:
    url = "postgresql://somebody:s3cret@127.0.0.1:1/nowhere"
    set_stores(commands.folder, claims=url)
    found = look(commands.folder)
    assert "no server listens there; is it running?" in problem(found).what
    assert problem(found).next.startswith("mend the cause that is named")
    for text in (*_shown(commands), repr(found)):
        assert "s3cret" not in text
        assert "somebody:***@127.0.0.1" in text


@pytest.fixture
def server() -> Iterator[NexusStandIn]:
    """A Nexus server that wants a key."""
    if NEXUS.missing():
        pytest.skip(NEXUS.missing())
    with closing(NexusStandIn(key=KEY)) as server:
        yield server


def in_zone(tmp_path: Path, url: str) -> Path:
    """A folder whose grove has its journal in a file and its records on a server."""
    folder = tmp_path / "grove"
    folder.mkdir()
    (folder / FILE_NAME).write_text(TEMPLATE.replace("sqlite:///stores.db", url))
    return folder


def test_a_grove_on_nexus_is_looked_at_and_left_alone(
    tmp_path: Path, server: NexusStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXUS_API_KEY", KEY)
    folder = in_zone(tmp_path, server.url("acme"))
    with Grove.open(folder) as grove:
        grove.grant_credits("a", 5)
        made = grove.contribute(kind="work", summary="s", agent=CODER)
    files = dict(server.zones["acme"])
    found = look(folder)
    assert found.ok, found.findings
    assert found.audit is not None
    assert found.audit.checked == 4
    (place,) = found.stores
    assert (place.is_reachable, place.format, place.free_bytes) == (True, None, None)
    assert server.zones["acme"] == files

    # Damage there is told as it is anywhere.
    (path,) = [path for path in files if made.cid.removeprefix("blake3:") in path]
    server.zones["acme"][path] = files[path].replace(b"summary", b"Summary")
    damaged = problem(look(folder))
    assert made.cid in damaged.what
    assert "its checksum does not match" in damaged.what


@pytest.mark.parametrize("is_there", [True, False])
def test_a_zone_that_cannot_be_read_is_told_without_the_key(
    tmp_path: Path, server: NexusStandIn, is_there: bool
) -> None:
    commands = Commands(tmp_path / "grove")
    prepare(commands.folder)
    url = f"{server.url('acme')}?key=sk-wrong-s3cret"
    set_stores(commands.folder, claims=url)
    if not is_there:
        server.close()
    found = look(commands.folder, patience=1.0)
    reason = "access was refused; check the key" if is_there else "it cannot be reached"
    assert reason in problem(found).what
    assert problem(found).next.startswith("mend the cause that is named")
    for text in (*_shown(commands), repr(found)):
        assert "s3cret" not in text
        assert "nexus+http://127.0.0.1" in text
