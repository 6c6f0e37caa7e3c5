"""SIGKILL at random moments: acknowledged operations stay, and nobody ever sees a part of one."""

import random
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import pytest

from grove_sm.journal.liveness import Liveness
from grove_sm.operations.layout import COLLECTIONS
from tests.groves import SPONSOR

from .sight import look
from .work import Glance, Manner, glance, open_grove, read_log, watch, work_until_killed
from .zygote import Worker

KILLS_EACH = 25
KILLED_OPENING = 0.2

# A life's longest, in the time that one operation takes on this machine now.
LONGEST_WORK = 8
LONGEST_OPENING = 25
MEASURED = 10

MANNERS = [
    (Manner(background, one_append), is_long_lived)
    for background, one_append, is_long_lived in product([True, False], repeat=3)
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "kills", [pytest.param(200, marks=pytest.mark.slow), pytest.param(500, marks=pytest.mark.long)]
)
def test_killed_at_random_moments(
    kills: int, tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    counts = Counter[str]()
    rng = random.Random(seed)
    for number in range(kills // KILLS_EACH):
        folder = tmp_path / f"{number}"
        manner, is_long_lived = MANNERS[number % len(MANNERS)]
        _kill_again_and_again(folder, manner, is_long_lived, rng, counts)
    told = ", ".join(f"{count} {what}" for what, count in counts.items())
    record_property("counted", f"seed {seed}: {told}")
    assert counts["kills at work"] == kills
    assert counts["kills inside an operation"] > kills / 2
    assert counts["rolled forward"] > 0
    assert counts["rolled back"] > 0


def _kill_again_and_again(
    folder: Path, manner: Manner, is_long_lived: bool, rng: random.Random, counts: Counter[str]
) -> None:
    live, copy = folder / "live", folder / "copy"
    live.mkdir(parents=True)
    copy.mkdir()
    pace = _prepare(live)
    with Worker(watch, live, is_long_lived) as reader:
        assert reader.receive() == "ready"
        kills = 0
        kept: Mapping[str, frozenset[str]] = {}
        while kills < KILLS_EACH:
            is_opening = rng.random() < KILLED_OPENING
            with Worker(work_until_killed, live, manner, f"{rng.random()}") as worker:
                if not is_opening:
                    assert worker.receive() == "ready"
                time.sleep(rng.uniform(0, LONGEST_OPENING if is_opening else LONGEST_WORK) * pace)
            kills += not is_opening
            counts["kills while opening" if is_opening else "kills at work"] += 1
            _copy(live, copy)
            reader.send(rng.choice(COLLECTIONS))
            seen = reader.receive()
            assert seen.missing == (), "before recovery"
            _check_kept(kept, seen.ids)
            _check_kept(_acknowledged(live), seen.ids)
            _check_recovered(copy, seen, counts)
            kept = seen.ids
    lines = read_log(live)
    counts["operations acknowledged"] += sum(line["event"] == "acknowledged" for line in lines)
    counts["kills inside an operation"] += sum(
        line["event"] == "began"
        and (number + 1 == len(lines) or lines[number + 1]["event"] == "began")
        for number, line in enumerate(lines)
    )


def _prepare(live: Path) -> float:
    """Give the sponsor credits; answers how many seconds that takes a time."""
    with open_grove(live) as grove:
        start = time.perf_counter()
        for _ in range(MEASURED):
            grove.grant_credits(SPONSOR.agent_id, 10**9)
        return (time.perf_counter() - start) / MEASURED


def _copy(live: Path, copy: Path) -> None:
    """Make the copy what the live folder is, for a recovery of its own."""
    # The lock file stays: this process keeps it open.
    for path in copy.iterdir():
        if not path.name.endswith(Liveness.SUFFIX):
            path.unlink()
    for path in live.iterdir():
        if not path.name.endswith((Liveness.SUFFIX, "-shm")):
            shutil.copyfile(path, copy / path.name)


def _check_recovered(folder: Path, seen: Glance, counts: Counter[str]) -> None:
    with open_grove(folder, Manner(background=False, one_append=True)) as grove:
        report = grove.recovery
        assert report.in_doubt == report.corrupt == []
        counts["rolled forward"] += len(report.rolled_forward)
        counts["rolled back"] += len(report.rolled_back)
        ids, missing = glance(look(grove.coordinator, COLLECTIONS[0]))
        assert missing == (), "after recovery"
        # A commit that was killed within may be found by a recovery after all.
        _check_kept(seen.ids, ids)
        assert grove.audit().violations == ()
        assert grove.coordinator.journal.unfinished() == ()
    _check_kept(_acknowledged(folder), ids)


def _acknowledged(folder: Path) -> Mapping[str, frozenset[str]]:
    """Collection -> ids of the records that acknowledged operations wrote."""
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for line in read_log(folder):
        for collection, record_id in line.get("records", {}).items():
            ids[collection].add(record_id)
    return {collection: frozenset(found) for collection, found in ids.items()}


def _check_kept(before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]) -> None:
    lost = {name: before[name] - after[name] for name in before}
    assert not any(lost.values()), f"what was acknowledged or seen is gone: {lost}"
