"""Proves the protocol's invariant: `python -m models.proof --help`."""

import json
import textwrap
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Annotated, Any, Final

import typer

from models.proof.invariant import CONSEQUENCES, FINALITY, INVARIANT
from models.proof.obligations import Result, obligations, prove
from models.proof.steps import RULES, STEPS, Rules

_CONJUNCTS: Final = tuple(conjunct.name for conjunct in INVARIANT)
_WIDTH: Final = 100


def main(
    *,
    every: Annotated[
        bool, typer.Option("--every", help="Print every obligation, not a line for each step.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Print invariant, steps and rules in words, and stop.")
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="CONJUNCT", help="Leave a conjunct out; repeatable."),
    ] = None,
    broken: Annotated[
        list[str] | None,
        typer.Option("--break", metavar="RULE", help="Have a rule not kept; repeatable."),
    ] = None,
    needed: Annotated[
        bool,
        typer.Option(
            "--needed", help="Leave out each conjunct and break each rule, and say what fails then."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Prove with z3 that the protocol keeps its promises, for any number of everything.

    The invariant is a list of conjuncts. It holds in the first state, each step that can happen
    keeps it, and the promises follow from it; all of these are obligations, and z3 finds a
    counterexample to each, or that there is none.

    Exits with 0 if all are proved, and 1 if any is refuted, whose counterexample is told, or not
    decided in time.
    """
    left_out, off = without or [], broken or []
    _require_known("--without", left_out, _CONJUNCTS)
    _require_known("--break", off, RULES)
    if show:
        _show()
    elif needed:
        raise typer.Exit(_print_needed(as_json=as_json))
    else:
        raise typer.Exit(_print_proof(left_out, off, every=every, as_json=as_json))


def _require_known(option: str, named: Sequence[str], known: Sequence[str]) -> None:
    for name in named:
        if name not in known:
            raise typer.BadParameter(
                f"there is no {name!r}; there are {', '.join(known)}", param_hint=option
            )


def _show() -> None:
    parts = (
        ("The invariant", [(c.name, c.says) for c in INVARIANT]),
        ("Follows from it", [(c.name, c.says) for c in CONSEQUENCES]),
        ("Holds of every step", [(c.name, c.says) for c in FINALITY]),
        ("The steps", [(name, step.__doc__ or "") for name, step in STEPS.items()]),
    )
    for title, lines in parts:
        typer.echo(f"{title}:")
        for name, says in lines:
            _echo_wrapped(f"  {name:24}", " ".join(says.split()))
        typer.echo()
    typer.echo(f"The rules, each of which --break can switch off: {', '.join(RULES)}.")


def _print_proof(
    without: Sequence[str], broken: Sequence[str], *, every: bool, as_json: bool
) -> int:
    invariant = [conjunct for conjunct in INVARIANT if conjunct.name not in without]
    began = time.perf_counter()
    found: list[Result] = []
    proved = prove(obligations(invariant, Rules(**dict.fromkeys(broken, False))))
    for part, results in groupby(proved, lambda result: result.part):
        kept = []
        for result in results:
            kept.append(result)
            if not as_json and (every or result.outcome != "proved"):
                _echo_result(result)
        found += kept
        if not (as_json or every):
            _echo_part(part, kept)
    counts = Counter(result.outcome for result in found)
    seconds = round(time.perf_counter() - began, 1)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "obligations": [_document(result) for result in found],
                    "counts": counts,
                    "seconds": seconds,
                },
                indent=1,
            )
        )
    else:
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        typer.echo(f"{len(found)} obligations of {len(invariant)} conjuncts: {told}; {seconds} s")
    return 0 if counts["proved"] == len(found) else 1


def _print_needed(*, as_json: bool) -> int:
    """What fails without each conjunct and each rule; every one has to be needed."""
    trials: list[tuple[str, str, Iterable[Any]]] = [
        ("without", c.name, obligations([d for d in INVARIANT if d is not c])) for c in INVARIANT
    ]
    trials += [("broken", name, obligations(rules=Rules(**{name: False}))) for name in RULES]
    found = []
    for kind, name, tried in trials:
        failed = next((r for r in prove(tried, telling=False) if r.outcome == "refuted"), None)
        found.append({kind: name, "refuted": failed and _document(failed)})
        if not as_json:
            told = f"{failed.part}: {failed.name}" if failed else "NOTHING FAILS"
            typer.echo(f"{kind:8} {name:24} {told}")
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    return 0 if all(trial["refuted"] for trial in found) else 1


def _echo_part(part: str, results: Sequence[Result]) -> None:
    proved = sum(result.outcome == "proved" for result in results)
    seconds = sum(result.seconds for result in results)
    told = "proved" if proved == len(results) else f"{len(results) - proved} NOT PROVED"
    typer.echo(f"{part:16} {len(results):3} obligations  {seconds:5.2f} s  {told}")


def _echo_result(result: Result) -> None:
    typer.echo(f"{result.part:16} {result.name:24} {result.seconds:5.2f} s  {result.outcome}")
    found = result.counterexample
    if found is None:
        return
    case = ", ".join(f"{variable} is {name}" for variable, name in found.case.items())
    _echo_wrapped("    ", f"It does not hold that {result.says}.")
    for label, told in (
        ("about", case),
        ("there are", ", ".join(found.there)),
        ("for good", ", ".join(found.fixed)),
        ("before", ", ".join(found.before)),
        ("gained", ", ".join(found.gained)),
        ("lost", ", ".join(found.lost)),
    ):
        if told:
            _echo_wrapped(f"    {label:10}", told)


def _echo_wrapped(indent: str, text: str) -> None:
    typer.echo(
        textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent))
    )


def _document(result: Result) -> dict[str, Any]:
    document = result._asdict()
    if result.counterexample is not None:
        document["counterexample"] = result.counterexample._asdict()
    return document


if __name__ == "__main__":
    typer.run(main)
