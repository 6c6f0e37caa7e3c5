"""The examples run as their first lines say."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from grove_sm import Grove
from tests.servers.nexus_standin import NexusStandIn
from tests.servers.postgres import own_server

EXAMPLES: Final = Path(__file__).parents[2] / "docs" / "examples"
KEY: Final = {"Idempotency-Key": "k1"}
CODER: Final = {"agentId": "coder-1", "role": "coder"}


def test_swarm(tmp_path: Path) -> None:
    folder = tmp_path / "swarm"
    done = subprocess.run(
        [sys.executable, EXAMPLES / "swarm.py", folder, "--agents", "4", "--seconds", "3"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "coder-0 was killed; the others go on" in done.stdout
    assert "every record is whole" in done.stdout
    assert done.stdout.count("\n") == 7


def test_swarm_tells_how_it_is_called() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "swarm.py", "--help"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "--agents" in done.stdout


def test_two_machines() -> None:
    with own_server() as postgres:
        server = NexusStandIn()
        try:
            done = subprocess.run(
                [
                    *(sys.executable, EXAMPLES / "two_machines.py", "--seconds", "8"),
                    *("--postgres", postgres.address.url("machines")),
                    *("--nexus", f"nexus+http://127.0.0.1:{server.port}/machines"),
                ],
                check=False,
                capture_output=True,
                text=True,
                timeout=300,
            )
        finally:
            server.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert "machine two is lost; machine one goes on" in done.stdout
    assert "every record is whole" in done.stdout


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The service's application, on a new grove."""
    monkeypatch.setenv("GROVE_FOLDER", str(tmp_path / "grove"))
    monkeypatch.syspath_prepend(EXAMPLES)
    return __import__("service").app


def test_service(service: Any) -> None:
    async def ask() -> None:
        transport = httpx.ASGITransport(service)
        async with (
            service.router.lifespan_context(service),
            httpx.AsyncClient(transport=transport, base_url="http://grove") as client,
        ):
            work = {"summary": "a kernel", "agent": CODER}
            first = await client.post("/contributions", json=work, headers=KEY)
            assert first.status_code == 201
            again = await client.post("/contributions", json=work, headers=KEY)
            assert again.json() == first.json()
            found = await client.get(f"/contributions/{first.json()['cid']}")
            assert found.json()["summary"] == "a kernel"
            another = {"summary": "another", "agent": CODER}
            refused = await client.post("/contributions", json=another, headers=KEY)
            assert (refused.status_code, refused.json()["code"]) == (409, "STATE_CONFLICT")
            missing = await client.get("/contributions/blake3:" + "0" * 64)
            assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")

            intent = {"target": "file:a", "intent": "mine", "agent": CODER}
            assert (await client.post("/claims", json=intent)).status_code == 201
            other = {**intent, "agent": {"agentId": "coder-2", "role": "coder"}}
            refused = await client.post("/claims", json=other)
            assert (refused.status_code, refused.json()["code"]) == (409, "CLAIM_CONFLICT")

            inbox = await client.get("/inbox/coder", params={"agent_id": "coder-3", "wait": 0})
            assert (inbox.status_code, inbox.json()) == (200, None)

    asyncio.run(ask())
    with Grove.open(os.environ["GROVE_FOLDER"]) as grove:
        assert len(grove.contributions.list()) == 1
        assert grove.audit().ok
