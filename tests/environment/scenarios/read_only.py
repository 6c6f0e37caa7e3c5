"""A disk that is read-only."""

import sys
from pathlib import Path

import pytest

from grove_sm import Grove, StoreUnavailable
from tests.environment.scenarios.disks import Disk
from tests.groves import CODER, Clock, Names, five_files, journal_url


def main(folder: Path, what: str) -> None:
    """Opening says so and changes nothing; once it can be written to, everything is there."""
    disk = Disk(folder / what, 4096)
    (folder / "journal").mkdir(exist_ok=True)
    (folder / "stores").mkdir(exist_ok=True)

    def open_grove() -> Grove:
        return Grove.open(
            journal=journal_url(folder / "journal"),
            stores=five_files(folder / "stores"),
            topology={"coder": ["reviewer"]},
            clock=Clock(),
            random=names,
            background=False,
        )

    names = Names()
    grove = open_grove()
    done = grove.contribute(kind="work", summary="a", agent=CODER)
    grove.abandon()
    before = disk.contents()
    disk.make_read_only()
    with pytest.raises(StoreUnavailable) as caught:
        open_grove()
    assert str(disk.folder) in caught.value.store, caught.value
    assert disk.contents() == before
    with pytest.raises(StoreUnavailable) as caught:
        Grove.open(disk.folder / "new")
    assert "new" in caught.value.store, caught.value
    disk.make_writable()
    with open_grove() as grove:
        assert grove.contributions.get(done.cid) == done.contribution
        grove.contribute(kind="work", summary="b", agent=CODER)
        assert grove.audit().ok


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
