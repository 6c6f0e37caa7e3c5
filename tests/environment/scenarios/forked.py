"""A process that forks while it has a grove open."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grove_sm import Contributed, Grove, StoreUnavailable
from tests.groves import CODER, START, Names, open_files


def contribute(grove: Grove, summary: str) -> Contributed:
    return grove.contribute(kind="work", summary=summary, agent=CODER)


def in_child(work: Callable[[], None], *, leave: Callable[[int], None] = os._exit) -> None:
    """Do something in a forked child, and wait for its end."""
    pid = os.fork()
    if not pid:
        try:
            work()
        except BaseException as error:
            sys.stderr.write(f"in the child: {error!r}\n")
            os._exit(1)
        leave(0)
    finish_child(pid)


def finish_child(pid: int) -> None:
    """Wait for a child's end, which must be a good one."""
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def outlive(folder: Path) -> None:
    """A child that lives on does not take its parent's dead coordinator for a live one."""
    brief = open_files(folder, lambda: START, Names())
    number = brief.coordinator.journal.coordinator
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(writing)
        os.read(reading, 1)
        numbers = Names()
        with open_files(folder, lambda: START, lambda: f"e{numbers()}") as own:
            os._exit(int(own.coordinator.journal.is_alive(number)))
    brief.abandon()
    os.close(reading)
    os.close(writing)
    finish_child(pid)


def refused_everything(grove: Grove, cid: str) -> None:
    """A child is refused, whatever it asks of its parent's grove."""
    for use in (
        lambda: contribute(grove, "in the child"),
        lambda: grove.contributions.get(cid),
        grove.contributions.list,
        lambda: grove.claim("file:a", agent=CODER, intent_summary="i"),
        grove.recover,
        grove.audit,
    ):
        with pytest.raises(StoreUnavailable) as caught:
            use()
        assert "fork" in caught.value.reason, caught.value


def main(folder: Path) -> None:
    """The child is refused the parent's grove and may open its own; the parent's is unharmed."""
    grove = open_files(folder, lambda: START, Names(), background=True)
    neighbour = open_files(folder, lambda: START, Names())
    done = [contribute(grove, "before")]

    def use_the_parents() -> None:
        refused_everything(grove, done[0].cid)
        grove.close()

    def open_another() -> None:
        numbers = Names()
        with open_files(folder, lambda: START, lambda: f"c{numbers()}") as own:
            assert own.recovery.rolled_back == []
            done.append(contribute(own, "by the child"))
            assert own.audit().ok

    in_child(use_the_parents)
    in_child(use_the_parents, leave=sys.exit)
    in_child(open_another)
    in_child(open_another, leave=sys.exit)
    done.append(contribute(grove, "afterwards"))
    for coordinator in (grove, neighbour):
        number = coordinator.coordinator.journal.coordinator
        assert neighbour.coordinator.journal.is_alive(number)
    outlive(folder)
    in_child(lambda: check_alive(folder, grove.coordinator.journal.coordinator))
    assert {c.summary for c in grove.contributions.list()} == {
        "before",
        "by the child",
        "afterwards",
    }
    assert grove.audit().ok
    neighbour.close()
    grove.close()
    with open_files(folder, lambda: START, Names()) as again:
        assert len(again.contributions.list()) == 3
        assert again.audit().ok


def check_alive(folder: Path, coordinator: int) -> None:
    """Another process still sees the parent live."""
    numbers = Names()
    with open_files(folder, lambda: START, lambda: f"d{numbers()}") as own:
        assert own.coordinator.journal.is_alive(coordinator)
        assert not own.coordinator.journal.is_alive(coordinator + 1000)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
