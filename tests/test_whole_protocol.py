"""Every operation of the protocol is in the library, on the command line, in the reference model,
in the crash enumeration and in the stateful suite: asked of what each of these is made of.
"""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Final, NamedTuple, get_args

import pytest
import typer

from grove_sm import Grove
from grove_sm.cli.app import app
from models import requests
from models.records import Records
from models.reference import Reference
from models.requests import Request
from stateful_tests.process import ask
from stateful_tests.sketches import ASKS, Sketch
from tests.crash.life import Life
from tests.crash.scenarios import PREPARED_AT, SCENARIOS
from tests.kinds.placement import IN_MEMORY


class Row(NamedTuple):
    """A row of the protocol's table of operations, or what its sections on records add.

    `methods` are the library's operations that it takes, with what they are called on the command
    line; `requests` is how the reference model knows them.
    """

    operation: str
    methods: dict[str, str]
    requests: tuple[type[Request], ...]


_ANSWERS: Final = ("review", "reproduce", "discuss", "adopt")

ROWS: Final = (
    Row(
        "contribute (and review, reproduce, discuss, adopt)",
        {name: name for name in ("contribute", *_ANSWERS)},
        (requests.Contribute,),
    ),
    Row(
        "create bounty",
        {"create_bounty": "bounty create", "open_bounty": "bounty open"},
        (requests.CreateBounty, requests.OpenBounty),
    ),
    Row("claim a target", {"claim": "claim"}, (requests.ClaimTarget,)),
    Row("claim a bounty", {"claim_bounty": "bounty claim"}, (requests.ClaimBounty,)),
    Row(
        "release a bounty's claim",
        {"release_bounty": "bounty release", "release": "release"},
        (requests.ReleaseBounty, requests.Release),
    ),
    Row(
        "settle a bounty by a contribution",
        {"settle_bounty": "bounty settle", "complete_bounty": "bounty complete"},
        (requests.SettleBounty, requests.CompleteBounty),
    ),
    Row("cancel a bounty", {"cancel_bounty": "bounty cancel"}, (requests.CancelBounty,)),
    Row("sweep", {"sweep": "sweep"}, (requests.Sweep,)),
    Row(
        "section 3: handoffs as an inbox",
        {"pick_up": "pick-up", "acknowledge": "acknowledge", "dead_letter": "dead-letter"},
        (requests.PickUp, requests.Acknowledge, requests.DeadLetter),
    ),
    Row(
        "section 4: heartbeat and complete",
        {"heartbeat": "heartbeat", "complete": "complete"},
        (requests.Heartbeat, requests.Complete),
    ),
    Row(
        "section 6: credits",
        {"grant_credits": "credits grant", "transfer_credits": "credits transfer"},
        (requests.Grant, requests.Transfer),
    ),
)
METHODS: Final = {name: command for row in ROWS for name, command in row.methods.items()}
REQUESTS: Final = {request for row in ROWS for request in row.requests}
WITHOUT_KEY: Final = {"sweep"}
"""What is level-triggered: repeated, it finds nothing more to do."""

OTHER_CALLS: Final = {
    "publish",  # contribute, of a contribution that is made already
    "picking_up",  # pick_up, for who waits in another way
    "restore",
    "restore_lines",
    "stalled",
    "audit",
    "export",
    "counts",
    "outcome",
    "recover",
    "flush",
    "close",
    "abandon",
    "open",
}
"""Calls that are no operations on records, or one of those above in another form."""

STEPS_OF_A_SWEEP: Final = {requests.Expire, requests.Forget, requests.AllSwept}


def test_each_row_is_whole() -> None:
    """No operation of the library, and no request of the model, is in no row."""
    calls = {name for name, _ in inspect.getmembers(Grove, callable) if not name.startswith("_")}
    assert calls - OTHER_CALLS == set(METHODS)
    assert isinstance(Request, UnionType)
    assert set(get_args(Request)) - STEPS_OF_A_SWEEP == REQUESTS


@pytest.mark.parametrize("name", METHODS)
def test_the_library_has_it_with_a_key(name: str) -> None:
    parameters = inspect.signature(getattr(Grove, name)).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    has_key = "idempotency_key" in parameters or takes_any
    assert has_key == (name not in WITHOUT_KEY)


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each command's name, with its options."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", {option for each in command.params for option in each.opts}


COMMANDS: Final = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", METHODS)
def test_the_command_line_has_it_with_a_key_and_json(name: str) -> None:
    options = COMMANDS[METHODS[name]]
    assert "--json" in options
    assert ("--key" in options) == (name not in WITHOUT_KEY)


def test_the_reference_model_has_a_rule_for_each_request() -> None:
    assert set(Reference({}, "{} {}".format)._rules) == (
        REQUESTS | STEPS_OF_A_SWEEP
    ) - {requests.Sweep}  # fmt: skip


class Called:
    """Notes which of a grove's operations are called."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """From now on."""
        for name in METHODS:
            patch.setattr(Grove, name, self._noted(name, getattr(Grove, name)))

    def _noted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.names.add(name)
            return method(*args, **options)

        return call


def test_each_is_crashed_at_every_effect(tmp_path: Path) -> None:
    """By a scenario that calls it, in whatever way, where it is crashed."""
    called = Called()
    for number, scenario in enumerate(SCENARIOS):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        placement = IN_MEMORY.place(folder)
        before = Life(placement, PREPARED_AT, names="before")
        scenario.prepare(before.open())
        after = Life(placement, PREPARED_AT + scenario.after)
        grove = after.open()
        with pytest.MonkeyPatch.context() as patch:
            called.watch(patch)
            for operation in scenario.operations:
                operation(grove)
        after.kill()
        before.kill()
    assert called.names == set(METHODS)


class AskedOf:
    """Stands in for a grove, and is only asked."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def __getattr__(self, name: str) -> Callable[..., None]:
        self._names.add(name)
        return lambda *_, **__: None


def test_the_stateful_suite_asks_for_each() -> None:
    asked: set[str] = set()
    drawn = set()
    relations = ("reviews", "reproduces", "responds_to", "adopts")
    for asks in ASKS:
        for relation in (*relations, None):
            sketch = Sketch(asks, relations=((relation, 0),) if relation else ())  # type: ignore[arg-type]
            request = sketch.fit(Records())
            drawn.add(type(request))
            ask(AskedOf(asked), request, None)  # type: ignore[arg-type]
    assert drawn == REQUESTS
    assert asked == set(METHODS)
