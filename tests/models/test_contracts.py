"""The contracts hold, cover every pure function, and are refuted by a defect."""

import importlib
import inspect
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import grove_sm
from grove_sm.commit import machine as commit_machine
from grove_sm.commit.machine import Decision, DecisionRecorded, RecordDecision, Voted
from grove_sm.commit.redo import Verdict, judge
from grove_sm.lifecycles import advance
from grove_sm.operations import bounty_ends, claim_ends, claims, contribute, handoffs
from grove_sm.operations.audit import AuditReport
from grove_sm.operations.credits import Movement
from grove_sm.operations.plan import make_plan
from models.contracts import (
    of_audit,
    of_credits,
    of_documents,
    of_journal,
    of_lifecycles,
    of_machine,
)
from models.contracts.checking import CONFIRMED, NOT_REFUTED, REFUTED, check
from models.contracts.registry import Contract, every_contract
from tests.test_rooms import PURE_MODULES, ROOT

CONTRACTS: Final = {contract.name: contract for contract in every_contract()}
DAILY: Final = [name for name, contract in CONTRACTS.items() if not contract.nightly]

WITHOUT_CONTRACT: Final[dict[str, str]] = {}
"""Public pure functions that have none, each with the reason."""


@pytest.mark.slow
@pytest.mark.parametrize("name", DAILY)
def test_a_contract_is_confirmed(name: str) -> None:
    checked = check(CONTRACTS[name], 60)
    assert checked.outcome == CONFIRMED, checked.told


def public_functions(path: Path) -> Iterator[Callable[..., Any]]:
    """The public functions and methods that a module defines, properties too."""
    dotted = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    module = importlib.import_module(dotted.removesuffix(".__init__"))
    for name, found in vars(module).items():
        if name.startswith("_") or getattr(found, "__module__", "") != module.__name__:
            continue
        if inspect.isfunction(found):
            yield found
        elif inspect.isclass(found) and not getattr(found, "_is_protocol", False):
            for part, member in vars(found).items():
                function = member.fget if isinstance(member, property) else member
                if not part.startswith("_") and inspect.isfunction(function):
                    yield function


def named(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


CHECKED_ROOMS: Final = [
    path for path in PURE_MODULES if path.relative_to(ROOT).parts[0] != "domain"
]
PUBLIC: Final = {named(f): f for path in CHECKED_ROOMS for f in public_functions(path)}


def test_every_pure_function_has_a_contract() -> None:
    about = {function for contract in CONTRACTS.values() for function in contract.about}
    missing = {name for name, function in PUBLIC.items() if function not in about}
    assert len(PUBLIC) > 80
    assert missing == set(WITHOUT_CONTRACT), (
        "state a contract in models/contracts/, or the reason for none in WITHOUT_CONTRACT"
    )


def test_contracts_are_about_pure_functions_and_say_something() -> None:
    for contract in CONTRACTS.values():
        assert contract.about, contract.name
        for function in contract.about:
            assert named(function) in PUBLIC, f"{contract.name}: {named(function)}"
        assert contract.says.endswith("."), contract.name
        assert "post: _" in (contract.function.__doc__ or ""), contract.name


# Each breaks one thing, where the library looks it up or where the contract does.
Break = Callable[[pytest.MonkeyPatch], None]


def undo_decisions(patch: pytest.MonkeyPatch) -> None:
    def lax(table: Any, state: str, trigger: str) -> str:
        is_undone = (state, trigger) == ("committed", "abort")
        return "aborted" if is_undone else advance(table, state, trigger)

    patch.setattr(of_lifecycles, "advance", lax)


def handle(patch: pytest.MonkeyPatch, phase: str, round_: str, kind: type, handler: Any) -> None:
    """Have the machine handle an event in another way."""
    handlers: Any = commit_machine._HANDLERS
    patch.setitem(handlers, (phase, round_, kind), handler)


def commit_at_the_first_yes(patch: pytest.MonkeyPatch) -> None:
    handle(patch, "planned", "vote", Voted, lambda seen, _: commit_machine._prepared(seen))


def believe_oneself(patch: pytest.MonkeyPatch) -> None:
    commit = DecisionRecorded(Decision.COMMIT)
    decided = commit_machine._decided
    handle(patch, "prepared", "decide", DecisionRecorded, lambda seen, _: decided(seen, commit))


def recover_by_committing(patch: pytest.MonkeyPatch) -> None:
    def resume(state: str, writers: tuple[str, ...]) -> Any:
        transaction, effects = commit_machine.resume(state, writers)
        return transaction, ((RecordDecision(Decision.COMMIT),) if state == "planned" else effects)

    patch.setattr(of_machine, "resume", resume)


def apply_over_later(patch: pytest.MonkeyPatch) -> None:
    def lax(write: Any, txid: str, found: Any) -> Verdict:
        is_later = found is not None and found.revision > write.base + 1
        return Verdict.APPLY if is_later else judge(write, txid, found)

    patch.setattr(of_journal, "judge", lax)


def expect_nothing(patch: pytest.MonkeyPatch) -> None:
    def plan(*args: Any, **kwargs: Any) -> Any:
        return make_plan(*args, **kwargs)._replace(expectations=())

    patch.setattr(claims, "make_plan", plan)


def hold_nothing(patch: pytest.MonkeyPatch) -> None:
    def plan(*args: Any, **kwargs: Any) -> Any:
        return make_plan(*args, **kwargs)._replace(keys=())

    patch.setattr(claim_ends, "make_plan", plan)


def leases_never_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims, "is_live", lambda claim, _: claim.status == "active")


def reserve_and_keep(patch: pytest.MonkeyPatch) -> None:
    def reserve(account: Any, amount: Any) -> Any:
        return account.replace(reserved=account.reserved + amount)

    patch.setattr(of_credits, "reserve", reserve)


def settle_without_paying(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bounty_ends, "capture", lambda *_: Movement())


def end_no_delivery(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(handoffs, "end_active", lambda *_: ())


def one_handoff_for_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(contribute, "handoff_id", lambda cid, _: f"handoff-{cid}")


def return_what_is_damaged(patch: pytest.MonkeyPatch) -> None:
    def decode(kind: Any, stored: Any, where: str = "") -> Any:
        return kind.model_construct()

    patch.setattr(of_documents, "decode", decode)


def trust_every_seal(patch: pytest.MonkeyPatch) -> None:
    def unseal(sealed: str, **_: str) -> Any:
        return json.loads(sealed.partition(" ")[2])

    patch.setattr(of_journal, "unseal", unseal)


def see_nothing_amiss(patch: pytest.MonkeyPatch) -> None:
    report = AuditReport((), 3)
    patch.setattr(of_audit, "audit", lambda *_, **__: report)


DEFECTS: Final[dict[str, Break]] = {
    "lifecycles.a_decision_is_never_undone": undo_decisions,
    "machine.a_commit_is_asked_for_with_every_vote": commit_at_the_first_yes,
    "machine.the_journal_alone_decides": believe_oneself,
    "machine.recovery_chooses_by_the_journal_alone": recover_by_committing,
    "journal.a_late_redo_changes_nothing": apply_over_later,
    "claims.only_its_holder_moves_a_live_claim": expect_nothing,
    "claims.a_claim_expires_when_it_ran_out_or_stalled": hold_nothing,
    "claims.a_target_has_one_holder": leases_never_end,
    "credits.a_reservation_moves_what_is_there": reserve_and_keep,
    "bounties.a_settled_bounty_has_paid_its_claimant": settle_without_paying,
    "handoffs.a_dead_letter_has_no_delivery": end_no_delivery,
    "contributing.a_contribution_comes_with_its_handoffs": one_handoff_for_all,
    "documents.a_damaged_record_is_never_returned": return_what_is_damaged,
    "journal.damage_to_a_sealed_value_is_noticed": trust_every_seal,
    "audit.what_is_missing_is_found": see_nothing_amiss,
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_refuted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    DEFECTS[name](monkeypatch)
    checked = check(CONTRACTS[name], 60)
    assert checked.outcome == REFUTED
    assert "when calling" in checked.told


def wrong(number: int) -> bool:
    """Every number but one is small.

    pre: number >= 0
    post: _
    """
    return number != 123_456


def impossible(number: int) -> bool:
    """There is no such number.

    pre: number > 3 and number < 2
    post: _
    """
    return True


def raising(number: int) -> bool:
    """It raises.

    post: _
    """
    return 1 // (number - 7) is not None


def without_postcondition(number: int) -> bool:
    """It says nothing."""
    return False


def too_hard(a: int, b: int, c: int) -> bool:
    """Fermat's last theorem, for cubes.

    pre: a > 0 and b > 0 and c > 0
    post: _
    """
    return a**3 + b**3 != c**3


@pytest.mark.parametrize("function", [wrong, impossible, raising, without_postcondition])
def test_a_wrong_contract_is_refuted(function: Callable[..., bool]) -> None:
    checked = check(Contract(function, (), nightly=False), 30)
    assert checked.outcome == REFUTED
    assert checked.told


def test_what_cannot_be_confirmed_in_time_is_told_apart() -> None:
    assert check(Contract(too_hard, (), nightly=False), 1).outcome == NOT_REFUTED


def run(*arguments: str, path: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """The command, with the library from another folder if one is given."""
    found = [str(path)] if path else []
    return subprocess.run(
        [sys.executable, "-P", "-m", "models.contracts", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*found, str(ROOT.parent)])},
    )


def test_the_command_checks_the_library_that_is_found_first(tmp_path: Path) -> None:
    shutil.copytree(Path(grove_sm.__file__).parent, tmp_path / "grove_sm")
    broken = tmp_path / "grove_sm" / "commit" / "redo.py"
    text = broken.read_text()
    assert text.count("revision > write.revision") == 1
    broken.write_text(text.replace("revision > write.revision", "revision >= write.revision"))
    ran = run("--only", "journal.a_foreign_change", path=tmp_path)
    assert ran.returncode == 1, ran.stderr
    assert str(tmp_path) in ran.stdout
    assert "REFUTED" in ran.stdout
    assert "when calling a_foreign_change_is_told(" in ran.stdout


def test_the_command_prints_json() -> None:
    ran = run("--only", "journal.a_foreign_change", "--json")
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert document["counts"] == {"confirmed": 1}
    (contract,) = document["contracts"]
    assert contract["about"] == ["grove_sm.commit.redo.judge"]
    assert contract["bounds"] == ["base >= 0 and revision >= 1"]


def test_the_command_knows_its_contracts() -> None:
    ran = run("--only", "nothing of the kind")
    assert ran.returncode == 2
    assert "no contract has" in ran.stderr
    shown = run("--show", "--nightly")
    assert all(name in shown.stdout for name in CONTRACTS)
