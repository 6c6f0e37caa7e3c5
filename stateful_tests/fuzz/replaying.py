"""Takes a failure's steps again, in a process that may have a planted defect, and may hang."""

import faulthandler
import multiprocessing
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Final, NamedTuple

from stateful_tests.fuzz.failures import Failure, Signature, signature_of
from stateful_tests.fuzz.playing import PLACES, play

_CONTEXT: Final = multiprocessing.get_context("spawn")
_STDERR: Final = 2


class Replayed(NamedTuple):
    """How it went: how it failed, if it did, and what happened in words."""

    signature: Signature | None
    message: str | None
    story: Sequence[str]


def replay(failure: Failure, limit: float, tell: Callable[[str], object]) -> Replayed | None:
    """Take the steps; `tell` is told each line as it happens.

    None if they did not come to an end within `limit` seconds: the process has then told where it
    was, on standard error.
    """
    mine, its = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_play, args=(failure, limit, its), daemon=True)
    process.start()
    its.close()
    try:
        while not isinstance(heard := mine.recv(), Replayed):
            tell(heard)
        return heard
    except EOFError:
        return None
    finally:
        process.kill()
        process.join()


def _play(failure: Failure, limit: float, connection: Connection) -> None:
    # Who is at the keyboard interrupts the command, which then ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.dump_traceback_later(limit, exit=True, file=_STDERR)
    played = play(PLACES[failure.placement], failure.parsed(), connection.send)
    faulthandler.cancel_dump_traceback_later()
    signature = None if played.error is None else signature_of(played.error)
    message = None if played.error is None else str(played.error)
    connection.send(Replayed(signature, message, played.story))
