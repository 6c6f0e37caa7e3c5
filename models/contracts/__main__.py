"""Checks the contracts: `python -m models.contracts --help`."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Annotated, Final

import typer

import grove_sm
from models.contracts.checking import CONFIRMED, REFUTED, Checked, check_all
from models.contracts.registry import Contract, every_contract

_SECONDS: Final = 60.0
_NIGHTLY_SECONDS: Final = 900.0


def main(
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="NAME", help="Check only what has this in its name; repeatable."
        ),
    ] = None,
    nightly: Annotated[
        bool, typer.Option("--nightly", help="Also those that take too long for every day.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            metavar="N",
            min=1,
            help="How long to try each: seconds of the processor. [60, nightly 900]",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="How many processes. [one a core]"),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print what each says, and for what, and stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Put the contracts on the pure rooms to CrossHair.

    Each is confirmed over all paths, not refuted within the time, or refuted by a case that is
    told. What they call is the grove_sm that Python finds first.

    Exits with 0, or with 1 if any is refuted.
    """
    chosen = [each for each in every_contract() if nightly or not each.nightly]
    for part in only or ():
        if not any(part in each.name for each in chosen):
            raise typer.BadParameter(f"no contract has {part!r} in its name", param_hint="--only")
    if only:
        chosen = [each for each in chosen if any(part in each.name for part in only)]
    if show:
        _show(chosen, as_json=as_json)
        return
    timeout = seconds or (_NIGHTLY_SECONDS if nightly else _SECONDS)
    count = min(workers or os.cpu_count() or 1, len(chosen))
    checked = check_all(chosen, timeout, count)
    if not as_json:
        typer.echo(f"{len(chosen)} contracts on {os.path.dirname(grove_sm.__file__)}")
        typer.echo(f"each for up to {timeout:g} s of the processor, in {count} processes")
        checked = _printed(checked)
    found = list(checked)
    counts = Counter(each.outcome for each in found)
    if as_json:
        by_name = {each.name: each for each in chosen}
        typer.echo(
            json.dumps(
                {
                    "contracts": [_document(by_name[each.name]) | each._asdict() for each in found],
                    "counts": counts,
                    "secondsEach": timeout,
                },
                indent=1,
            )
        )
    else:
        told = ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common())
        typer.echo(f"{told}; {sum(each.paths for each in found)} paths")
    raise typer.Exit(1 if counts[REFUTED] else 0)


def _printed(checked: Iterator[Checked]) -> Iterator[Checked]:
    for each in checked:
        outcome = each.outcome if each.outcome == CONFIRMED else each.outcome.upper()
        typer.echo(f"{outcome:11} {each.name:70} {each.paths:5} paths {each.seconds:6.1f} s")
        if each.told:
            typer.echo(f"    {each.told}")
        yield each


def _show(contracts: Sequence[Contract], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_document(each) for each in contracts], indent=1))
        return
    for each in contracts:
        about = ", ".join(function.__qualname__ for function in each.about)
        typer.echo(f"{each.name}\n    {each.says}\n    about {about}")
        for bound in each.bounds:
            typer.echo(f"    for {bound}")


def _document(contract: Contract) -> dict[str, object]:
    return {
        "name": contract.name,
        "says": contract.says,
        "about": [f"{f.__module__}.{f.__qualname__}" for f in contract.about],
        "bounds": contract.bounds,
        "nightly": contract.nightly,
    }


if __name__ == "__main__":
    try:
        typer.run(main)
    except BrokenProcessPool:
        sys.exit("A process that was checking contracts has been killed; try again.")
