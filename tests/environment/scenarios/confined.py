"""A whole session in a process that may write to nothing but the grove's folder."""

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from grove_sm import Agent, Grove, ValidationError

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_VERSION_FLAG: Final = 1
_PATH_BENEATH: Final = 1
_NO_NEW_PRIVILEGES: Final = 38

# Rights by the version of Landlock that brought them: write, remove, make of every kind; refer;
# truncate.
_WRITING: Final = ((1, sum(1 << bit for bit in (1, *range(4, 13)))), (2, 1 << 13), (3, 1 << 14))


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def confine(folder: Path) -> bool:
    """Take from this process and all it starts the right to write outside a folder.

    Returns whether the system can (Linux with Landlock).
    """
    library = ctypes.CDLL(None, use_errno=True)
    version = library.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    if version < 1:
        return False
    rights = sum(right for since, right in _WRITING if since <= version)
    handled = _Ruleset(rights)
    ruleset = _checked(library.syscall(_CREATE_RULESET, ctypes.byref(handled), 8, 0))
    beneath = _PathBeneath(rights, os.open(folder, os.O_PATH))
    _checked(library.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(beneath), 0))
    _checked(library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _checked(library.syscall(_RESTRICT_SELF, ruleset, 0))
    return True


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def watch(folder: Path) -> None:
    """End this process at once if Python opens, makes or removes a file outside a folder.

    What SQLite does by itself is not seen; the caller looks for its traces.
    """
    inside = str(folder.resolve())
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

    def stop(what: str, path: object) -> NoReturn:
        os.write(2, f"{what} outside the grove: {path}\n".encode())
        os._exit(1)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and not arguments[2] & writing:
            return
        if event in {"open", "os.mkdir", "os.remove", "os.rename", "sqlite3.connect"}:
            path = arguments[0]
            if isinstance(path, str | bytes) and not os.path.realpath(os.fsdecode(path)).startswith(
                inside
            ):
                stop(event, path)

    sys.addaudithook(hook)


def must_fail(write: Callable[[], object]) -> None:
    try:
        write()
    except OSError:
        return
    raise AssertionError("it is not confined")


def session(folder: Path) -> None:
    """Everything that a user can do, with enough of it for sorting and for the logs to be cut."""
    coder = Agent(agent_id="coder-1", role="coder")
    reviewer = Agent(agent_id="reviewer-1", role="reviewer")
    with Grove.open(folder) as grove:
        grove.grant_credits("sponsor-1", 1000)
        bounty = grove.create_bounty(
            title="t",
            amount=10,
            criteria={"description": "d"},
            agent=Agent(agent_id="sponsor-1"),
            idempotency_key="k",
        )
        grove.claim_bounty(bounty.bounty_id, agent=coder)
        grove.claim("file:a", agent=coder, intent_summary="i")
        work = grove.contribute(kind="work", summary="w", agent=coder)
        grove.contribute(
            kind="review",
            summary="r",
            agent=reviewer,
            relations=[{"targetCid": work.cid, "relationType": "reviews"}],
        )

        def contribute(thread: int) -> None:
            for number in range(60):
                grove.contribute(
                    kind="work", summary=f"{thread}-{number}", description="x" * 4000, agent=coder
                )

        threads = [threading.Thread(target=contribute, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(grove.contributions.list()) == 242
        assert len(grove.contributions.list(kind="work", limit=10)) == 10
        # Too much to sort in the memory that SQLite allows itself.
        for number in range(150):
            grove.claim(
                f"file:{number}", agent=coder, intent_summary="i", context={"a": "x" * 30_000}
            )
        assert len(grove.claims.list()) == 152
        grove.flush()
        assert grove.recover().in_doubt == []
        assert grove.audit().ok
        with contextlib.suppress(ValidationError):
            grove.grant_credits("", 1)
    left = Grove.open(folder, background=False)
    left.contribute(kind="work", summary="left", agent=coder)
    left.abandon()
    with Grove.open(folder, create=False) as grove:
        assert len(grove.contributions.list()) == 243
        assert grove.audit().ok


def main(folder: Path, outside: Path) -> None:
    """Run the session confined, from a folder that cannot be written to."""
    os.chdir(outside)
    if confine(folder):
        must_fail(lambda: (outside / "file").write_text("x"))
        must_fail((outside / "folder").mkdir)
        must_fail(lambda: os.rename(folder, outside / "moved"))
        sys.stdout.write("landlock\n")
    else:
        watch(folder)
        sys.stdout.write("watched\n")
    session(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
