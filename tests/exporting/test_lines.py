"""The lines of an export: what they hold, and that each change of them is told."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from grove_sm import Corrupt, Grove, ValidationError
from grove_sm.domain import canonical_json
from grove_sm.operations import exported
from grove_sm.operations.exported import Export, export_lines, is_export, read_export
from grove_sm.operations.layout import COLLECTIONS
from tests.groves import TOPOLOGY, Clock, Names

from .full import everything, fill, kinds_and_states


@pytest.fixture(scope="module")
def full() -> Iterator[Grove]:
    """A grove that holds records of every kind, which nobody changes."""
    clock = Clock()
    stores = dict.fromkeys(COLLECTIONS, "memory://")
    with Grove.open(
        journal="memory://", stores=stores, topology=TOPOLOGY, clock=clock, random=Names()
    ) as grove:
        fill(grove, clock)
        yield grove


@pytest.fixture(scope="module")
def exported_once(full: Grove) -> bytes:
    """Its export."""
    file = io.BytesIO()
    full.export(file)
    return file.getvalue()


@pytest.fixture
def lines(exported_once: bytes) -> list[bytes]:
    """The lines of its export."""
    return exported_once.splitlines(keepends=True)


def read(lines: Sequence[bytes]) -> Export:
    return read_export(lines, "the file")


def sealed(line: dict[str, Any]) -> bytes:
    """A record's line, as somebody writes it who knows how."""
    rest = canonical_json({name: value for name, value in line.items() if name != "checksum"})
    checksum = hashlib.sha256(rest.removeprefix(b"{")).hexdigest()[:16]
    return canonical_json({**line, "checksum": checksum}) + b"\n"


def last(lines: Sequence[bytes], **more: Any) -> bytes:
    """The last line that goes with others."""
    there = [json.loads(line) for line in lines[1:]]
    counts = {
        name: sum(each["collection"] == name and "document" in each for each in there)
        for name in COLLECTIONS
    }
    deleted = sum("document" not in each for each in there)
    sha256 = hashlib.sha256(b"".join(lines)).hexdigest()
    return canonical_json({"records": counts, "deleted": deleted, "sha256": sha256, **more}) + b"\n"


def test_lines_are_canonical_sorted_and_counted(full: Grove, lines: list[bytes]) -> None:
    documents = [json.loads(line) for line in lines]
    assert [canonical_json(document) + b"\n" for document in documents] == lines
    assert documents[0] == {"export": "grove-sm", "format": 1}
    places = [(COLLECTIONS.index(d["collection"]), d["id"]) for d in documents[1:-1]]
    assert all(before < after for before, after in pairwise(places))
    held = everything(full)
    assert len(places) == sum(map(len, held.values()))
    assert lines[-1] == last(lines[:-1])
    assert documents[-1]["deleted"] > 0
    assert lines[1:-1] == [sealed(document) for document in documents[1:-1]]


def test_the_records_that_are_exported_here_are_of_every_kind(full: Grove) -> None:
    found = kinds_and_states(full)
    assert {kind for kind, _ in found} == {
        "Contribution", "Handoff", "Claim", "Bounty", "Account", "Grant", "Reservation", "Transfer",
    }  # fmt: skip
    assert len(found) >= 18


def test_what_is_read_makes_the_same_lines(lines: list[bytes]) -> None:
    export = read(lines)
    assert list(export_lines(export.records)) == lines
    assert export.sha256 == hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    assert is_export(lines[0])
    nothing = list(export_lines({}))
    assert len(nothing) == 2
    assert list(export_lines(read(nothing).records)) == nothing


def test_a_file_that_is_cut_off_anywhere_is_refused(lines: list[bytes]) -> None:
    for number, line in enumerate(lines, 1):
        before = lines[: number - 1]
        for size in {0, len(line) // 2, len(line) - 1}:
            with pytest.raises(Corrupt) as refused:
                read([*before, line[:size]] if size else before)
            assert refused.value.what == f"line {number}"
            assert refused.value.where == "the file"
            assert "cut off" in refused.value.reason


def test_any_changed_byte_is_told_by_its_line(lines: list[bytes]) -> None:
    random = Random(7)
    for number, line in enumerate(lines, 1):
        for _ in range(4):
            place = random.randrange(len(line))
            changed = bytearray(line)
            changed[place] = random.choice([b for b in range(256) if b != line[place]])
            with pytest.raises(Corrupt, match=rf"^line {number} in the file is corrupt: "):
                read([*lines[: number - 1], bytes(changed)])


def _without_second(lines: list[bytes]) -> list[bytes]:
    return [lines[0], *lines[2:]]


def _first_twice(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], *lines[1:]]


def _swapped(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1], *lines[3:]]


def _more(lines: list[bytes]) -> list[bytes]:
    return [*lines, lines[1]]


def _headless(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


def _empty_line(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b"\n", *lines[1:]]


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (_without_second, -1, "not the last line of what stands before it, which would be {"),
        (_first_twice, 3, "it is not behind the line before it, in the order of an export"),
        (_swapped, 3, "it is not behind the line before it"),
        (_more, None, "it comes after the last line"),
        (_headless, 1, 'an export begins with {"export":"grove-sm","format":1}'),
        (_empty_line, 2, "it is no record"),
    ],
)
def test_lines_that_are_lost_doubled_or_moved_are_told(
    lines: list[bytes],
    change: Callable[[list[bytes]], list[bytes]],
    line: int | None,
    reason: str,
) -> None:
    changed = change(lines)
    with pytest.raises(Corrupt) as refused:
        read(changed)
    assert reason in refused.value.reason
    expected = len(changed) if line in (None, -1) else line
    assert refused.value.what == f"line {expected}"


def _claim(lines: list[bytes]) -> dict[str, Any]:
    found = next(json.loads(each) for each in lines if b'"claimId"' in each)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"colour": "red"}, "colour is not a field of this record"),
        ({"collection": "colours"}, "collection must be one of"),
        ({"revision": 0}, "revision must be at least 1"),
        ({"revision": True}, "revision must be an integer"),
        (
            {"members": [["claims", "a", 0]]},
            "members[0] must be a collection, an id and a revision",
        ),
        ({"members": [["claims", "a", True]]}, "members[0] must be a collection"),
        ({"members": {}}, "members must be a list"),
        ({"id": "claim-other"}, "id must be the document's own"),
        ({"collection": "credits"}, "id must begin with one of account, grant"),
        ({"document": {"status": "asleep"}}, "is required"),
        ({"document": None}, "document must be an object, never null"),
        ({"txid": ""}, "txid must have at least 1 character"),
    ],
)
def test_a_record_that_breaks_a_rule_is_told_by_its_line(
    lines: list[bytes], changes: dict[str, Any], reason: str
) -> None:
    line = sealed(_claim(lines) | changes)
    whole = [lines[0], line, last([lines[0], line]) if "collection" not in changes else b"{}\n"]
    with pytest.raises(Corrupt) as refused:
        read(whole)
    assert refused.value.what == "line 2"
    assert reason in refused.value.reason


def test_a_time_that_is_written_in_another_way_is_not_as_an_export_writes_it(
    lines: list[bytes],
) -> None:
    claim = _claim(lines)
    claim["document"]["createdAt"] = claim["document"]["createdAt"].replace("Z", "+00:00")
    line = sealed(claim)
    with pytest.raises(Corrupt, match="must be as an export writes it"):
        read([lines[0], line, last([lines[0], line])])


def test_text_that_has_no_utf8_form_is_told(lines: list[bytes]) -> None:
    line = sealed(_claim(lines) | {"members": [["claims", "odd", 1]]})
    for bad in (line.replace(b"odd", rb"\ud800"), line.replace(b"odd", b"\xff")):
        with pytest.raises(Corrupt, match=r"^line 2 in the file is corrupt: "):
            read([lines[0], bad])


def test_a_newer_format_asks_for_a_newer_version(lines: list[bytes]) -> None:
    with pytest.raises(ValidationError, match=r"must be at most 1, .* install a newer grove-sm"):
        read([b'{"export":"grove-sm","format":2}\n', *lines[1:]])


def test_an_export_that_is_too_long_is_refused(
    full: Grove, lines: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported, "MAX_BYTES", sum(map(len, lines)) - 1)
    with pytest.raises(ValidationError, match=r"the file must have at most [0-9,]+ bytes"):
        read(lines)
