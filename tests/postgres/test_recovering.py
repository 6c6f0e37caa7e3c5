"""`recover --watch` on a journal in PostgreSQL whose server comes and goes."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.running import Commands, abandon
from tests.servers.postgres import PostgresServer


def settings(journal: str) -> str:
    """A grove whose journal is there, and whose stores share a file."""
    names = ("contributions", "handoffs", "claims", "bounties", "credits")
    stores = "\n".join(f'{name} = "sqlite:///stores.db"' for name in names)
    return f'format = 1\njournal = "{journal}"\n[stores]\n{stores}\n'


def test_it_tells_that_it_cannot_once_and_goes_on_when_it_can(
    server: PostgresServer, tmp_path: Path
) -> None:
    (tmp_path / "grove.toml").write_text(settings(server.address.url("j")))
    program = (sys.executable, "-c", "from grove_sm.cli import main; main()")
    watching = ("recover", "--watch", "--every", "0.05s", "--json", "--grove", str(tmp_path))
    with subprocess.Popen(
        [*program, *watching], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "grove-sm: recovering postgresql://" in process.stderr.readline()
        server.stop()
        told = ""
        while "not recovered" not in told:
            told = process.stderr.readline()
        assert "is unavailable" in told
        server.start()
        while "recovering again" not in told:
            told = process.stderr.readline()
            # It may be told of the server in other words too, while that starts.
            assert told
        txid = abandon(Commands(tmp_path))
        assert json.loads(process.stdout.readline())["rolledForward"] == [txid]
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
        assert (out, process.returncode) == ("", 0)
