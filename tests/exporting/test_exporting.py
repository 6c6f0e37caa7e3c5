"""A whole grove out of its stores, and into others."""

import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grove_sm import (
    Agent,
    ClaimConflict,
    Corrupt,
    Exported,
    Grove,
    Restored,
    StateConflict,
    ValidationError,
)
from grove_sm.calls import exporting
from grove_sm.operations.exported import export_lines, read_export
from grove_sm.operations.layout import COLLECTIONS, CREDITS
from grove_sm.operations.plan import Stored
from tests.groves import CODER, REVIEWER, SPONSOR, Clock, Names, build, open_files
from tests.kinds.params import each
from tests.kinds.placement import LAYOUTS, Layout
from tests.transactions.outside import Outside, took_its_place

from .full import everything, fill


@pytest.fixture
def make(tmp_path: Path, clock: Clock) -> Iterator[Callable[[str], Grove]]:
    """Makes an empty grove over files, of a name, or opens it again."""
    opened: list[Grove] = []

    def make_or_open(name: str) -> Grove:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        opened.append(open_files(folder, clock, Names(), patience=30.0))
        return opened[-1]

    yield make_or_open
    for grove in opened:
        grove.close()


def export(grove: Grove) -> bytes:
    file = io.BytesIO()
    exported = grove.export(file)
    text = file.getvalue()
    assert exported.size == len(text)
    assert json.loads(text.splitlines()[-1])["sha256"] == exported.sha256
    return text


@contextmanager
def unchanged(grove: Grove) -> Iterator[None]:
    """Nothing that the grove holds is changed by the block, nor by what comes after it."""
    before = everything(grove)
    yield
    assert everything(grove) == before
    assert grove.recover().in_doubt == []
    assert everything(grove) == before


@pytest.mark.parametrize("layout", each(LAYOUTS))
def test_whatever_a_grove_holds_comes_back_from_its_export(
    layout: Layout, tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first, second = (layout.place(tmp_path / name) for name in ("first", "second"))
    with build(first.open_journal(), first.open_stores(), clock, Names()) as grove:
        ids = fill(grove, clock)
        text, records = export(grove), everything(grove)
        assert export(grove) == text
    with build(second.open_journal(), second.open_stores(), clock, Names()) as grove:
        restored = grove.restore(io.BytesIO(text))
        assert not restored.already_there
        assert sum(restored.records.values()) + restored.deleted == sum(map(len, records.values()))
        found = everything(grove)
        for name in COLLECTIONS:
            assert [each[:4] for each in found[name]] == [each[:4] for each in records[name]]
        assert export(grove) == text
        assert grove.audit().violations == ()

        # Life goes on where it was.
        with pytest.raises(ClaimConflict):
            grove.claim("file:held", agent=REVIEWER, intent_summary="i")
        revision = grove.heartbeat(ids["held"], agent=CODER).revision
        assert revision == 1 + next(r for r in found["claims"] if r[0] == ids["held"]).revision
        grove.release(ids["claim"])
        assert grove.bounties.get(ids["claimed"]).status == "open"
    with build(second.open_journal(), second.open_stores(), clock, Names()) as grove:
        assert grove.audit().violations == ()
        assert grove.claims.get(ids["held"]).revision == revision


def test_an_empty_grove_comes_back_too(make: Callable[[str], Grove]) -> None:
    text = export(make("one"))
    assert len(text.splitlines()) == 2
    assert make("other").restore(io.BytesIO(text)) == Restored(
        dict.fromkeys(COLLECTIONS, 0), 0, json.loads(text.splitlines()[1])["sha256"], True
    )


def test_restoring_again_does_nothing(make: Callable[[str], Grove], clock: Clock) -> None:
    grove, other = make("one"), make("other")
    fill(grove, clock)
    text = export(grove)
    with unchanged(grove):
        assert grove.restore(io.BytesIO(text)).already_there
    assert other.restore(io.BytesIO(text)).txid is not None
    with unchanged(other):
        assert other.restore(io.BytesIO(text)).txid is None


def test_a_grove_that_is_not_empty_is_left_alone(
    make: Callable[[str], Grove], clock: Clock
) -> None:
    text = export(make("empty"))
    grove, other = make("one"), make("other")
    grove.grant_credits("a", 1)
    other.contribute(kind="work", summary="s", agent=CODER)
    with unchanged(other), pytest.raises(StateConflict) as refused:
        other.restore(io.BytesIO(export(grove)))
    assert refused.value.message == (
        "the grove: it must be empty to take over an export, and has 1 contributions, 2 handoffs; "
        "make a new one with 'grove-sm init FOLDER'"
    )
    with unchanged(other), pytest.raises(StateConflict, match="must be empty"):
        other.restore(io.BytesIO(text))


def test_what_is_left_of_deleted_records_is_not_empty(
    make: Callable[[str], Grove], clock: Clock
) -> None:
    grove, other = make("one"), make("other")
    grove.grant_credits("a", 1)
    claim = other.claim("t", agent=CODER, intent_summary="i").claim
    other.release(claim.claim_id)
    clock.advance(100)
    assert other.sweep(forget_after=1).claims_forgotten == [claim.claim_id]
    with unchanged(other), pytest.raises(StateConflict, match="has 1 deleted records;"):
        other.restore(io.BytesIO(export(grove)))


def test_somebody_who_comes_between_has_it_refused(make: Callable[[str], Grove]) -> None:
    grove, other = make("one"), make("other")
    grove.grant_credits("a", 1)
    execute = other.coordinator.execute

    def come_between(*args: object, **options: object) -> object:
        make("other").grant_credits("b", 1)
        return execute(*args, **options)  # type: ignore[arg-type]

    other.coordinator.execute = come_between  # type: ignore[method-assign, assignment]
    with pytest.raises(StateConflict, match="must be empty"):
        other.restore(io.BytesIO(export(grove)))
    assert [account.agent_id for account in other.credits.accounts.list()] == ["b"]


def test_credits_need_a_store(make: Callable[[str], Grove]) -> None:
    grove = make("one")
    grove.grant_credits("a", 1)
    stores = {name: "memory://" for name in COLLECTIONS if name != CREDITS}
    with Grove.open(journal="memory://", stores=stores) as without:
        with pytest.raises(StateConflict, match="its settings name no store for credits"):
            without.restore(io.BytesIO(export(grove)))
        work = without.contribute(kind="work", summary="s", agent=CODER)
        text = export(without)
    other = make("other")
    other.restore(io.BytesIO(text))
    assert other.contributions.get(work.cid) == work.contribution


@pytest.mark.parametrize(
    ("missing", "rule"),
    [
        ("contributions", "a handoff's contributions exist"),
        ("handoffs", "a contribution has its handoffs"),
        ("claims", "a claimed bounty has its claim"),
        ("bounties", "a claim has its bounty"),
        ("credits", "what a bounty reserved goes back"),
        ("", "an operation is whole"),
    ],
)
def test_records_that_would_break_a_promise_are_not_taken_over(
    make: Callable[[str], Grove], clock: Clock, missing: str, rule: str
) -> None:
    """A file that is whole as a file, and tells of a grove that is not."""
    grove, other = make("one"), make("other")
    fill(grove, clock)
    records = dict(read_export(export(grove).splitlines(keepends=True), "it").records)
    if missing:
        # What tells which records belong together is gone too.
        records = {
            name: [each._replace(members="[]") for each in found] if name != missing else []
            for name, found in records.items()
        }
    else:
        records["handoffs"] = records["handoffs"][1:]
    file = io.BytesIO(b"".join(export_lines(records)))
    with unchanged(other), pytest.raises(ValidationError) as refused:
        other.restore(file)
    assert refused.value.field == "the export"
    assert refused.value.rule.startswith(f"must keep the rules that an audit checks: {rule}: ")
    assert not any(other.counts().values())


def test_two_who_hold_one_target_are_not_taken_over(make: Callable[[str], Grove]) -> None:
    grove, other = make("one"), make("other")
    first = grove.claim("t", agent=CODER, intent_summary="i").claim
    (stored,) = everything(grove)["claims"]
    assert isinstance(stored, Stored)
    second = stored._replace(
        record_id="claim-z",
        members="[]",
        document=first.replace(claim_id="claim-z", agent=REVIEWER).to_json(),
    )
    lines = export_lines({"claims": [stored, second]})
    with pytest.raises(ValidationError, match="a target has one claim: target t has 2 active"):
        other.restore(io.BytesIO(b"".join(lines)))
    assert other.claims.list() == []


def test_a_damaged_file_changes_nothing(make: Callable[[str], Grove], clock: Clock) -> None:
    grove, other = make("one"), make("other")
    fill(grove, clock)
    text = export(grove)
    for bad in (text[:-1], text[: len(text) // 2], text.replace(b"odder", b"older"), b""):
        with unchanged(other), pytest.raises(Corrupt, match=r"^line \d+ in the export is corrupt"):
            other.restore(io.BytesIO(bad))
    with unchanged(other), pytest.raises(Corrupt, match=r"line 1 .* the file is cut off, or"):
        other.restore(io.BytesIO(text.replace(b"\n", b"\r\n")))


def test_a_grove_with_a_violation_is_not_exported(tmp_path: Path, clock: Clock) -> None:
    outside = Outside(lambda: open_files(tmp_path, clock, Names()), tmp_path)
    with outside.open() as grove:
        bounty = _bounty(grove)
        claim = grove.claim_bounty(bounty, agent=CODER).claim
        grove.flush()
    outside.remove(claim.claim_id)
    with outside.open() as grove:
        target = tmp_path / "export.jsonl"
        with pytest.raises(StateConflict) as refused:
            grove.export(target)
        assert "the grove: what it holds could not be restored: " in refused.value.message
        assert refused.value.message.endswith("; see 'grove-sm audit'")
        assert not target.exists()


def _bounty(grove: Grove) -> str:
    grove.grant_credits(SPONSOR.agent_id, 10)
    offered = grove.create_bounty(
        title="t", amount=10, criteria={"description": "c"}, agent=SPONSOR
    )
    return offered.bounty_id


def test_what_an_operator_has_decided_is_exported_as_it_stands(
    tmp_path: Path, clock: Clock, make: Callable[[str], Grove]
) -> None:
    outside = Outside(lambda: make("kept"), tmp_path / "kept")
    make("kept")
    theirs = took_its_place(outside)
    with outside.open() as grove:
        with pytest.raises(StateConflict, match="no other software writes here"):
            grove.export(io.BytesIO())
        (outcome,) = grove.transactions.heuristics()
        grove.transactions.resolve(outcome, "keep", by="ann")
        text = export(grove)
    other = make("other")
    other.restore(io.BytesIO(text))
    assert other.claims.get(theirs.claim_id).intent_summary == "theirs"
    assert export(other) == text
    assert other.audit().violations == ()


# The file


def test_a_file_stands_there_once_it_is_whole(
    make: Callable[[str], Grove], tmp_path: Path, clock: Clock
) -> None:
    grove, target = make("one"), tmp_path / "export.jsonl"
    grove.grant_credits("a", 1)
    first = grove.export(target)
    whole = target.read_bytes()
    assert isinstance(first, Exported)
    assert len(whole) == first.size
    grove.grant_credits("a", 2)

    def fail(done: int, _: int) -> None:
        if done == 3:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        grove.export(target, on_line=fail)
    assert target.read_bytes() == whole
    target.chmod(0o600)
    link = tmp_path / "link.jsonl"
    link.symlink_to(target)
    grove.export(link)
    assert target.read_bytes() != whole
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"one", "export.jsonl", "link.jsonl"}
    make("other").restore(str(target))


def test_no_other_file_is_overwritten(make: Callable[[str], Grove], tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("dear diary")
    with pytest.raises(ValidationError, match="another one is not overwritten"):
        make("one").export(notes)
    assert notes.read_text() == "dear diary"
    notes.write_text("")
    make("one").export(notes)
    assert notes.read_text().startswith('{"export":')


@pytest.mark.parametrize("name", ["no-such-folder/export.jsonl", "one", "a\0b"])
def test_a_place_where_no_file_can_be_is_refused(
    make: Callable[[str], Grove], tmp_path: Path, name: str
) -> None:
    with pytest.raises(ValidationError, match="file must be a file that can be "):
        make("one").export(tmp_path / name)
    with pytest.raises(ValidationError, match="file must be a file that can be read"):
        make("one").restore(tmp_path / name)


def test_a_pipe_gets_it_as_it_comes(make: Callable[[str], Grove], tmp_path: Path) -> None:
    grove, other, pipe = make("one"), make("other"), tmp_path / "pipe"
    grove.grant_credits("a", 1)
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: grove.export(pipe))
    writer.start()
    assert other.restore(pipe).records[CREDITS] == 2
    writer.join()


def test_a_grove_that_cannot_be_restored_as_one_is_not_exported(
    make: Callable[[str], Grove], monkeypatch: pytest.MonkeyPatch
) -> None:
    grove = make("one")
    grove.grant_credits("a", 1)
    monkeypatch.setattr(exporting, "MAX_BYTES", 300)
    with pytest.raises(StateConflict, match="and at most 300 can be restored"):
        grove.export(io.BytesIO())


# Others who are at work


def test_an_export_is_of_one_moment_whatever_others_do(
    make: Callable[[str], Grove], clock: Clock
) -> None:
    writing, exporter = make("one"), make("one")
    stop = threading.Event()

    def work() -> None:
        agent = Agent(agent_id="busy", role="coder")
        number = 0
        while not stop.is_set():
            number += 1
            work = writing.contribute(kind="work", summary=f"w{number}", agent=agent)
            writing.review(work.cid, summary=f"r{number}", agent=REVIEWER)
            writing.grant_credits("busy", number)
            bounty = writing.create_bounty(
                title="t", amount=number, criteria={"description": "c"}, agent=agent
            )
            writing.claim_bounty(bounty.bounty_id, agent=CODER)
            writing.settle_bounty(bounty.bounty_id, work.cid)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        texts = [export(exporter) for _ in range(5)]
    finally:
        stop.set()
        thread.join()
    for number, text in enumerate(texts):
        other = make(f"other-{number}")
        other.restore(io.BytesIO(text))
        assert export(other) == text
    assert len(set(texts)) > 1
