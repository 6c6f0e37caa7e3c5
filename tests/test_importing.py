"""Reading JSON lines strictly, and importing them in whatever order they come."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grove_sm import (
    Contribution,
    Grove,
    NotFound,
    StoreUnavailable,
    ValidationError,
    compute_cid,
)
from grove_sm.importing import (
    ImportReport,
    import_lines,
    parse_json,
    read_contribution,
)
from grove_sm.lines import MAX_LINE_BYTES, Line, read_lines
from grove_sm.results import Contributed
from tests.groves import Clock, Names

GOOD = (
    '{"kind":"work","summary":"a","agent":{"agentId":"a"},"createdAt":"2026-01-01T00:00:00.000Z"%s}'
)
UNREADABLE: dict[str, tuple[bytes, str, str]] = {
    "not UTF-8": (b'{"kind":"\xff"}', "document", "must be UTF-8 text: invalid start byte after"),
    "UTF-16": (GOOD.replace("%s", "").encode("utf-16"), "document", "must be UTF-8 text"),
    "not JSON": (b'{"kind":}', "document", "must be JSON: Expecting value (character 9)"),
    "cut short": (
        b'{"kind":"wor',
        "document",
        "must be JSON: Unterminated string starting at (character 9)",
    ),
    "two documents": (b"{} {}", "document", "must be JSON: Extra data"),
    "NUL bytes": (b"\0\0\0", "document", "must be JSON"),
    "no object": (b"[]", "document", "must be an object"),
    "a field twice": ((GOOD % ',"kind":"work"').encode(), "kind", "must not stand twice"),
    "a nested field twice": (
        (GOOD % ',"context":{"a":[{"b":1,"b":2}]}').encode(),
        "b",
        "must not stand twice in one object",
    ),
    "NaN": ((GOOD % ',"context":{"a":NaN}').encode(), "context.a", "must be a finite number"),
    "infinity": ((GOOD % ',"context":{"a":-Infinity}').encode(), "context.a", "must be a finite"),
    "a float beyond the doubles": (
        (GOOD % ',"context":{"a":1e999}').encode(),
        "context.a",
        "must be a finite number",
    ),
    "an integer of 5,000 digits": (
        (GOOD % f',"context":{{"a":{"9" * 5000}}}').encode(),
        "context.a",
        "must be a finite number",
    ),
    "too deep": (b"[" * 200_000, "document", "must not be nested deeper than 128 levels"),
    "too long": (b" " * 2_001, "document", "must be a line of at most 2000 bytes"),
    "another CID": (
        (GOOD % f',"cid":"blake3:{"0" * 64}"').encode(),
        "cid",
        "must be the CID of the other fields",
    ),
}


def do_import(
    grove: Grove, text: bytes, max_line_bytes: int = MAX_LINE_BYTES, **options: Any
) -> ImportReport:
    return import_lines(grove, read_lines(io.BytesIO(text), max_line_bytes), **options)


@pytest.mark.parametrize(("text", "field", "rule"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_line_is_told_and_skipped(
    memory_grove: Grove, text: bytes, field: str, rule: str
) -> None:
    # In UTF-16 the line's end is two bytes.
    limit = 2_000 if len(text) == 2_001 else 1_000_000
    before, after = (GOOD % "").encode(), (GOOD % ',"tags":["t"]').encode()
    lines = b"\n".join((before, text.replace(b"\n", b""), after))
    report = do_import(memory_grove, lines, max_line_bytes=limit)
    assert report.imported == 2
    (failure,) = report.failures
    assert failure.line == 2
    error = failure.error
    assert isinstance(error, ValidationError)
    assert error.field == field
    assert error.rule.startswith(rule)
    assert report.error is error
    assert report.stopped_by is None


def test_numbers_that_any_double_holds_are_read(memory_grove: Grove) -> None:
    largest = "1" + "0" * 308
    report = do_import(memory_grove, (GOOD % f',"context":{{"a":-{largest}}}').encode())
    assert report.imported == 1
    (contribution,) = memory_grove.contributions.list()
    assert contribution.context == {"a": -1e308}


def test_empty_lines_windows_line_ends_and_a_byte_order_mark_do_no_harm(
    memory_grove: Grove,
) -> None:
    text = "\ufeff" + GOOD % "" + "\r\n\r\n   \n" + GOOD % ',"tags":["t"]'
    report = do_import(memory_grove, text.encode())
    assert (report.imported, report.failures) == (2, [])


def test_lines_are_numbered_and_measured_even_when_they_are_too_long() -> None:
    text = b"ab\n" + b"x" * 100 + b"\n\nabcd\nabcde"
    assert list(read_lines(io.BytesIO(text), 4)) == [
        Line(1, b"ab", True, 3),
        Line(2, b"xxxxx", False, 104),
        Line(3, b"", True, 105),
        Line(4, b"abcd", True, 110),
        Line(5, b"abcde", False, 115),
    ]


def test_strict_json_names_the_field_that_it_was_given_for() -> None:
    with pytest.raises(ValidationError, match=r"^context\.a must not stand twice"):
        parse_json('{"a":1,"a":1}', "context")
    with pytest.raises(ValidationError, match=r"^context must be JSON: Expecting value"):
        parse_json("", "context")
    assert parse_json('{"a":{"a":1},"b":{"a":1}}') == {"a": {"a": 1}, "b": {"a": 1}}


class Broken(io.BytesIO):
    """A file whose second read fails."""

    def readline(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError(5, "Input/output error")
        return super().readline(size)


def test_a_file_that_breaks_off_keeps_what_was_imported(memory_grove: Grove) -> None:
    report = import_lines(memory_grove, read_lines(Broken((GOOD % "").encode() + b"\nmore")))
    assert report.imported == 1
    (failure,) = report.failures
    assert failure.line == 2
    assert str(failure.error).startswith("file must be readable to its end: Input/output error")
    assert report.stopped_by is failure.error


def test_a_store_that_is_down_stops_the_import(
    memory_grove: Grove, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = StoreUnavailable(store="sqlite:///a.db", reason="it is gone")
    publish = memory_grove.publish

    def publish_but_b(contribution: Contribution) -> Contributed:
        if contribution.summary == "b":
            raise down
        return publish(contribution)

    monkeypatch.setattr(memory_grove, "publish", publish_but_b)
    waits = GOOD % f',"relations":[{{"targetCid":"blake3:{"0" * 64}","relationType":"adopts"}}]'
    lines = [waits, GOOD % "", (GOOD % "").replace('"a"', '"b"'), GOOD % ',"tags":["t"]']
    report = do_import(memory_grove, "\n".join(lines).encode())
    assert (report.imported, report.held_back) == (1, 1)
    assert [failure.line for failure in report.failures] == [3]
    assert report.error is report.stopped_by is down


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Contribution], list[int], set[int]]:
    """Contributions that name earlier ones, an order to write them in, and which to spoil."""
    made: list[Contribution] = []
    for number in range(draw(st.integers(1, 7))):
        targets = draw(st.lists(st.sampled_from(made), unique=True, max_size=3)) if made else []
        made.append(
            Contribution.from_document(
                json.loads(GOOD % "")
                | {
                    "tags": [f"{number}"],
                    "relations": [
                        {"targetCid": target.cid, "relationType": "derives_from"}
                        for target in targets
                    ],
                }
            )
        )
    order = draw(st.permutations(range(len(made))))
    return made, order, draw(st.sets(st.sampled_from(range(len(made)))))


@settings(max_examples=60)
@given(graphs())
def test_in_any_order_exactly_that_is_imported_which_depends_on_nothing_bad(
    graph: tuple[list[Contribution], list[int], set[int]],
) -> None:
    made, order, spoilt = graph
    lost: set[str] = set()
    for number, contribution in enumerate(made):
        if number in spoilt or any(r.target_cid in lost for r in contribution.relations):
            lost.add(contribution.cid)
    lines = [
        "{" if number in spoilt else json.dumps(made[number].to_document()) for number in order
    ]
    stores = dict.fromkeys(("contributions", "handoffs", "claims", "bounties"), "memory://")
    with Grove.open(
        journal="memory://", stores=stores, clock=Clock(), random=Names(), background=False
    ) as grove:
        report = do_import(grove, "\n".join(lines).encode())
        found = {contribution.cid for contribution in grove.contributions.list()}
    assert found == {contribution.cid for contribution in made} - lost
    assert report.imported == len(found)
    numbers = [failure.line for failure in report.failures]
    assert numbers == sorted(numbers)
    failed = {order[failure.line - 1]: failure.error for failure in report.failures}
    assert {made[number].cid for number in failed} == lost
    for number, error in failed.items():
        kind = ValidationError if number in spoilt else NotFound
        assert isinstance(error, kind)
        if isinstance(error, NotFound):
            assert error.record.removeprefix("contribution ") in lost


def test_a_time_is_normalised_unless_the_line_states_its_cid() -> None:
    document = json.loads(GOOD % "") | {"createdAt": "2026-01-01T05:30:00+05:30"}
    stated = {**document, "cid": compute_cid(document)}
    made, kept = (
        read_contribution(Line(1, json.dumps(d).encode(), is_whole=True, end=0))
        for d in (document, stated)
    )
    assert made.created_at == "2026-01-01T00:00:00.000Z"
    assert kept.created_at == "2026-01-01T05:30:00+05:30"
    assert kept.cid == stated["cid"] != made.cid
