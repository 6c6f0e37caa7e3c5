"""One life of a worker process: it works until it is killed, and logs what it does.

A log line is written with one system call, so what was logged before a SIGKILL is in the file.
"""

import json
import os
import random
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from grove_sm.demo.deployment import open_safe, open_unsafe
from grove_sm.demo.work import Hand, Operation, choose, perform, sponsor_of
from grove_sm.domain.errors import GroveError, OutcomeUnknown
from grove_sm.grove import Grove

LOG_NAME: Final = "worker-{worker}-life-{life}.log"

OPENED: Final = "opened"
STARTED: Final = "started"
DONE: Final = "done"
REFUSED: Final = "refused"
FAILED: Final = "failed"


class Life(NamedTuple):
    """Which worker this is, how often it was started before, and where it works.

    `bases` are CIDs that its contributions build upon.
    """

    worker: int
    life: int
    folder: Path
    is_safe: bool
    seed: int
    bases: Sequence[str]

    @property
    def log(self) -> Path:
        """Where it logs."""
        return self.folder / LOG_NAME.format(worker=self.worker, life=self.life)


def open_grove(folder: Path, *, is_safe: bool) -> Grove:
    """The grove of one side of the demo."""
    return open_safe(folder) if is_safe else open_unsafe(folder)


def live(life: Life) -> None:
    """Work until killed, or until the process that started this one is gone."""
    parent = os.getppid()
    log = os.open(life.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def note(event: str, **facts: Any) -> None:
        os.write(log, json.dumps({"event": event, **facts}).encode() + b"\n")

    try:
        grove = open_grove(life.folder, is_safe=life.is_safe)
        recovery = grove.recovery
        note(OPENED, forward=recovery.rolled_forward, back=recovery.rolled_back)
        hand = Hand(
            agent_id=f"agent-{life.worker}-{life.life}",
            sponsor_id=sponsor_of(life.worker),
            rng=random.Random(f"{life.seed} {life.worker} {life.life}"),
        )
        number = 0
        while os.getppid() == parent:
            operation = choose(hand, number, grove, life.bases)
            note(STARTED, operation=operation._asdict())
            try:
                perform(grove, operation)
            except OutcomeUnknown:
                pass
            except GroveError as error:
                note(REFUSED, key=operation.key, code=error.code)
            else:
                note(DONE, key=operation.key)
            number += 1
    except Exception:
        note(FAILED, reason=traceback.format_exc())


class Logged(NamedTuple):
    """What the logs of one side tell: operations by key, and what recoveries at opening did."""

    started: dict[str, Operation]
    done: frozenset[str]
    refused: dict[str, str]
    recovered: tuple[str, ...]

    @property
    def cut_off(self) -> list[str]:
        """The keys of the operations of which no worker learned what became of them."""
        return [key for key in self.started if key not in self.done | self.refused.keys()]


def read_logs(folder: Path) -> Logged:
    """What all lives of all workers of a folder logged."""
    started: dict[str, Operation] = {}
    done: set[str] = set()
    refused: dict[str, str] = {}
    recovered: list[str] = []
    for path in sorted(folder.glob(LOG_NAME.format(worker="*", life="*"))):
        for line in read_log(path):
            match line["event"]:
                case "opened":
                    recovered += line["forward"] + line["back"]
                case "started":
                    operation = Operation(**line["operation"])
                    started[operation.key] = operation
                case "done":
                    done.add(line["key"])
                case "refused":
                    refused[line["key"]] = line["code"]
    return Logged(started, frozenset(done), refused, tuple(recovered))


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of one log, but for one that was cut short."""
    if path.exists():
        whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
        yield from (json.loads(line) for line in whole.splitlines())
