"""The released Nexus server for tests, in a virtual environment of its own that is made once.

    python -m tests.servers.nexus            make the environment, and tell where it is
    python -m tests.servers.nexus serve      run a server until Ctrl-C, and tell its URL

It is kept in the user's cache folder ($XDG_CACHE_HOME, or ~/.cache), or where
$GROVE_NEXUS_ENVIRONMENT says.
Making it takes some minutes: about 160 packages from the package index, a gigabyte.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.servers.process import die_with_parent, free_port

VERSION: Final = "0.5.6"
NEEDS_NEXUS: Final = pytest.mark.skipif(
    "GROVE_NEXUS" not in os.environ,
    reason="a Nexus server to be installed: make test-remote, or set GROVE_NEXUS",
)

_CONSTRAINTS: Final = Path(__file__).with_name("nexus-constraints.txt")
"""The packages with which it has been seen to start."""

_PLACE: Final = "GROVE_NEXUS_ENVIRONMENT"
_LONGEST_START: Final = 180.0


def environment() -> Path:
    """The folder of the virtual environment, made if there is none yet."""
    place = _place()
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        ready = place / "ready"
        if not ready.exists():
            shutil.rmtree(place, ignore_errors=True)
            _make(place)
            ready.touch()
    return place


def _place() -> Path:
    if given := os.environ.get(_PLACE):
        return Path(given).absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Path(caches) / "grove-sm" / f"nexus-{VERSION}-python{python}"


def _make(place: Path) -> None:
    print(f"making {place}: some minutes, once", file=sys.stderr, flush=True)  # noqa: T201
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    install = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    install += ["--disable-pip-version-check", "--constraint", str(_CONSTRAINTS)]
    subprocess.run([*install, f"nexus-ai-fs=={VERSION}"], check=True)


class NexusServer:
    """A server of its own, which may be killed and started again.

    Args:
        folder: what it keeps is in there.

    Attributes:
        port: where it listens, on 127.0.0.1.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def url(self, zone: str) -> str:
        """The URL of a store in a zone."""
        return f"nexus+http://127.0.0.1:{self.port}/{zone}"

    def start(self, *options: str) -> None:
        """Start it, and wait until it answers."""
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        command = [str(environment() / "bin" / "nexus"), "serve", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--data-dir", str(data), *options]
        # Where it finds lsof, it kills whoever has a connection to its port: this process.
        programs = str(environment() / "bin")
        names = {"HOME": str(self._folder), "NO_COLOR": "1", "PATH": programs}
        kept = {key: value for key, value in os.environ.items() if not key.startswith("NEXUS_")}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**kept, **names},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=partial(die_with_parent, signal.SIGKILL),  # noqa: PLW1509 - it calls nothing but the system
            )
        self._wait()

    def kill(self) -> None:
        """End it by SIGKILL, in whatever it is at."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """Remove all of it."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + _LONGEST_START
        health = f"http://127.0.0.1:{self.port}/health"
        while self._process is not None and self._process.poll() is None:
            try:
                with urllib.request.urlopen(health, timeout=5):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
        self.kill()
        raise RuntimeError((self._folder / "log").read_text()[-4000:])


@contextmanager
def own_server(*options: str) -> Iterator[NexusServer]:
    """A server for as long as the block lasts, which may do with it what it likes."""
    server = NexusServer(Path(tempfile.mkdtemp(prefix="grove-nexus-")))
    try:
        server.start(*options)
        yield server
    finally:
        server.remove()


def _main() -> None:
    print(environment())  # noqa: T201
    if sys.argv[1:] == ["serve"]:
        with own_server() as server:
            print(server.url("main"), flush=True)  # noqa: T201
            signal.pause()


if __name__ == "__main__":
    _main()
