"""The proof holds, rests on every conjunct and every rule, and is about something."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import z3

from models.proof.invariant import CONSEQUENCES, FINALITY, INVARIANT, Statement
from models.proof.obligations import Obligation, Result, closed, obligations, prove
from models.proof.steps import ALL_KEPT, RULES, STEPS, Rules
from models.proof.vocabulary import (
    PLANS,
    R2,
    Formula,
    K,
    R,
    State,
    T,
    U,
    V,
    any_state,
    home,
    needs,
    owner,
    relies,
    writes,
)


def refuted(of: Iterator[Obligation]) -> Result | None:
    """The first that is refuted."""
    return next(
        (result for result in prove(of, telling=False) if result.outcome == "refuted"), None
    )


def test_everything_is_proved() -> None:
    results = list(prove(obligations()))
    assert [result for result in results if result.outcome != "proved"] == []
    sentences = len(INVARIANT) + len(CONSEQUENCES)
    per_step = len(INVARIANT) + len(FINALITY)
    assert len(results) == sentences + len(STEPS) * per_step + len(CONSEQUENCES)


@pytest.mark.parametrize("conjunct", INVARIANT, ids=lambda conjunct: conjunct.name)
def test_no_conjunct_can_be_left_out(conjunct: Statement) -> None:
    kept = [other for other in INVARIANT if other is not conjunct]
    assert refuted(obligations(kept)) is not None


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_can_be_broken(rule: str) -> None:
    result = refuted(obligations(rules=Rules(**{rule: False})))
    assert result is not None


def invariant_of(now: State) -> list[Formula]:
    return [PLANS, *(closed(conjunct.holds(now)) for conjunct in INVARIANT)]


@pytest.mark.parametrize("name", STEPS)
def test_every_step_can_be_taken(name: str) -> None:
    """A guard that the invariant rules out would keep everything."""
    now = any_state()
    step = STEPS[name](now, ALL_KEPT)
    solver = z3.Solver()
    solver.add(*invariant_of(now), step.guard)
    assert str(solver.check()) == "sat"


@pytest.mark.parametrize(
    ("what", "possible"),
    [
        (
            "a transaction over two stores, visible in one only",
            lambda now: z3.And(
                home(R) != home(R2),
                writes(T, R),
                writes(T, R2),
                now.visible(R, T),
                z3.Not(now.visible(R2, T)),
            ),
        ),
        (
            "three transactions on one record, the last two lost in a power cut",
            lambda now: z3.And(
                *(z3.And(now.committed(x), now.marked(x), writes(x, R)) for x in (T, U, V)),
                z3.Distinct(T, U, V),
                now.visible(R, T),
                z3.Not(now.visible(R, U)),
                z3.Not(now.visible(R, V)),
            ),
        ),
        (
            "a zombie whose transaction others have aborted, before it asks for its decision",
            lambda now: z3.And(
                now.told_abort(T),
                now.running(owner(T)),
                z3.Not(now.alive(owner(T))),
                z3.ForAll([R], z3.Implies(relies(T, R), now.voted(T, home(R)))),
                relies(T, R2),
            ),
        ),
        (
            "an undecided transaction that a power cut has brought back beside a later commit",
            lambda now: z3.And(now.planned(T), now.committed(U), needs(T, K), needs(U, K)),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_invariant_allows(what: str, possible: object) -> None:
    now = any_state()
    solver = z3.Solver()
    solver.add(*invariant_of(now), possible(now))  # type: ignore[operator]
    assert str(solver.check()) == "sat", what


def test_a_counterexample_tells_who_what_and_when() -> None:
    tried = prove(obligations(rules=Rules(decide_once=False)))
    result = next(result for result in tried if result.outcome == "refuted")
    assert (result.part, result.name) == ("commit", "abort_is_final")
    found = result.counterexample
    assert found is not None
    assert found.case == {"t": "transaction 1", "T": "transaction 1"}
    assert "told_abort(transaction 1)" in found.before
    assert "planned(transaction 1)" not in found.before
    assert found.gained == ["committed(transaction 1)", "indelible(transaction 1)"]
    assert found.lost == []
    assert "owner(transaction 1) = coordinator 1" in found.fixed


def test_everything_is_said_in_words() -> None:
    said = [sentence.says for sentence in (*INVARIANT, *CONSEQUENCES, *FINALITY)]
    said += [step.__doc__ or "" for step in STEPS.values()]
    assert all(said)
    assert len(set(said)) == len(said)
    assert all(f"        {rule}: " in (Rules.__doc__ or "") for rule in RULES)


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "models.proof", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_the_command_tells_a_refutation_and_fails() -> None:
    ran = run("--break", "decide_once")
    assert ran.returncode == 1
    assert "It does not hold that what was told as aborted is not committed." in ran.stdout
    assert " NOT PROVED" in ran.stdout
    assert "gained    committed(transaction 1)" in ran.stdout


def test_the_command_proves_and_prints_json() -> None:
    ran = run("--json")
    assert ran.returncode == 0
    document = json.loads(ran.stdout)
    assert document["counts"] == {"proved": len(document["obligations"])}
    assert {each["outcome"] for each in document["obligations"]} == {"proved"}


def test_the_command_knows_its_names() -> None:
    ran = run("--without", "nothing_of_the_kind")
    assert ran.returncode == 2
    assert "abort_is_final" in ran.stderr
    shown = run("--show")
    assert shown.returncode == 0
    assert all(conjunct.name in shown.stdout for conjunct in INVARIANT)
