"""Every transcript is what happens, word for word; and a wrong one is found out."""

from pathlib import Path
from typing import Final

import pytest

from grove_sm.commit.coordinator import Coordinator
from tests.transcripts.replay import replay
from tests.transcripts.transcript import difference

SCENARIO_FOLDER: Final = Path(__file__).parent / "scenarios"
SCENARIOS: Final = sorted(SCENARIO_FOLDER.glob("*.txt"))

HINT: Final = "If it should be so: pytest --rewrite-transcripts tests/transcripts"

SHORT: Final = """\
# One claim.

stores in memory
quietly A opens
A: coder-1 claims file:kernel.py
show journal
----
A  hold keys for T1: target:file:kernel.py
A  prepare claims: yes
A  decide T1: commit
A  apply T1 to claims: claim-1 r1
A  release keys of T1
A  => claim-1 on file:kernel.py taken by T1 until +5m
T1 applied: claim by A; redo claim-1 r1
"""


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_transcript(path: Path, tmp_path: Path, is_rewriting: bool) -> None:
    written = path.read_text(encoding="utf-8")
    replayed = replay(written, tmp_path)
    if is_rewriting:
        path.write_text(replayed, encoding="utf-8")
        return
    unlike = difference(written, replayed, path.name)
    if unlike:
        pytest.fail(
            f"{unlike}\n\nIf this is how it should be: --rewrite-transcripts", pytrace=False
        )


def test_there_are_transcripts() -> None:
    assert len(SCENARIOS) >= 20


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("A  prepare claims: yes\n", ""),
        ("decide T1: commit", "decide T1: abort"),
        ("until +5m", "until +6m"),
        ("T1 applied", "T1 finished"),
        ("A  release", "A  force claims\nA  release"),
        ("redo claim-1 r1\n", "redo claim-1 r1\nT2 aborted: claim by A\n"),
    ],
)
def test_a_wrong_transcript_fails_until_it_is_rewritten(
    right: str, wrong: str, tmp_path: Path
) -> None:
    path = tmp_path / "short.txt"
    path.write_text(SHORT.replace(right, wrong), encoding="utf-8")
    with pytest.raises(pytest.fail.Exception, match=r"short\.txt as written"):
        test_transcript(path, tmp_path, is_rewriting=False)
    test_transcript(path, tmp_path, is_rewriting=True)
    assert path.read_text(encoding="utf-8") == SHORT
    test_transcript(path, tmp_path, is_rewriting=False)


def test_a_changed_protocol_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers do not bring to its end what is committed."""
    monkeypatch.setattr(Coordinator, "_settle_committed", lambda *_: None)
    path = SCENARIO_FOLDER / "handoff-creation-fails.txt"
    with pytest.raises(pytest.fail.Exception, match=r"\+B  => handoffs: empty"):
        test_transcript(path, tmp_path, is_rewriting=False)


def test_what_is_no_command_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no command has this form: A opens twice") as raised:
        replay(SHORT.replace("show journal", "A opens twice"), tmp_path)
    assert raised.value.__notes__ == ["line 6: A opens twice"]


def test_commands_without_a_rule_are_told_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 3: no ---- after the commands"):
        replay(SHORT.replace("----\n", ""), tmp_path)


@pytest.mark.parametrize("fault", ["A dies before drop redo", "A loses the answer to apply claims"])
def test_a_fault_that_never_happens_fails(fault: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=f"this never happened: {fault}"):
        replay(SHORT.replace("show journal", fault), tmp_path)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("B thaws", "B is not frozen"),
        ("A opens", "A has lived"),
        ("B audits", "B is not open"),
        ("stores in memory", "have their place already"),
    ],
)
def test_a_command_out_of_place_fails(command: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=reason):
        replay(SHORT.replace("show journal", command), tmp_path)
