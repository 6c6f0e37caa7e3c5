"""The command that sweeps, once or until it is told to stop."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grove_sm import Grove, NotSwept, StoreUnavailable, SweepReport
from grove_sm.calls import sweeping
from tests.cli.running import Commands
from tests.groves import CODER, SPONSOR, Clock, Names

PROGRAM = (sys.executable, "-c", "from grove_sm.cli import main; main()")
REPLY_IN_A_MINUTE = '[{ to = "reviewer", requiresReply = true, replySeconds = 60 }]'


@pytest.fixture
def overdue(commands: Commands) -> Commands:
    """A grove in which one of everything has run out, and a claim has not."""
    settings = commands.folder / "grove.toml"
    text = settings.read_text()
    settings.write_text(text.replace('coder = ["reviewer"]', f"coder = {REPLY_IN_A_MINUTE}"))
    clock = Clock(datetime.now(UTC) - timedelta(days=2))
    with Grove.open(commands.folder, clock=clock, random=Names()) as grove:
        offer: Any = {"title": "t", "amount": 10, "criteria": {"description": "c"}}
        grove.contribute(kind="work", summary="s", agent=CODER)
        grove.grant_credits(SPONSOR.agent_id, 20)
        late = grove.create_bounty(**offer, agent=SPONSOR, deadline=clock.time + timedelta(hours=1))
        grove.claim_bounty(late.bounty_id, agent=CODER, lease_seconds=10**6)
        lost = grove.create_bounty(**offer, agent=SPONSOR)
        grove.claim_bounty(lost.bounty_id, agent=CODER)
        grove.claim("file:lost", agent=CODER, intent_summary="i")
        grove.claim("file:kept", agent=CODER, intent_summary="i", lease_seconds=10**6)
    return commands


def statuses(commands: Commands, *listing: str) -> list[str]:
    return [record["status"] for record in commands.records(*listing)]


def test_what_has_run_out_is_ended_and_told(overdue: Commands) -> None:
    bounties = {b["status"]: b["bountyId"] for b in overdue.records("bounty", "list")}
    assert list(bounties) == ["claimed"]
    report = overdue.json("sweep")
    assert report["failures"] == []
    assert report["isComplete"] is True
    counts = {name: len(ids) for name, ids in report.items() if isinstance(ids, list) and ids}
    assert counts == {
        "bountiesExpired": 1,
        "claimsExpired": 2,
        "bountiesReopened": 1,
        "handoffsExpired": 1,
    }
    after = {b["bountyId"]: b["status"] for b in overdue.records("bounty", "list")}
    assert after == {report["bountiesExpired"][0]: "expired", report["bountiesReopened"][0]: "open"}
    assert sorted(statuses(overdue, "claims")) == ["active", "expired", "expired", "expired"]
    assert statuses(overdue, "handoffs") == ["expired"]
    assert overdue.json("credits", "balance", "sponsor-1")["reserved"] == 10
    assert overdue.run("sweep").stdout == "nothing has run out\n"
    assert overdue.json("audit")["ok"]


def test_a_table_names_each_record(overdue: Commands) -> None:
    assert overdue.run("sweep", "--limit", "0").stdout.splitlines() == [
        "nothing was swept",
        "not all was looked at; more may have run out",
    ]
    limited = overdue.run("sweep", "--limit", "1").stdout.splitlines()
    (expired,) = [b for b in overdue.records("bounty", "list") if b["status"] == "expired"]
    assert re.split(" {2,}", limited[2]) == ["bounty expired", expired["bountyId"]]
    assert limited[3:] == ["not all was looked at; more may have run out"]
    lines = overdue.run("sweep").stdout.splitlines()[2:]
    rest = [re.split(" {2,}", line.rstrip()) for line in lines]
    assert [end for end, _ in rest] == [
        "claim expired",
        "claim expired",
        "bounty open again",
        "handoff expired",
    ]
    assert [record for _, record in rest[2:]] == [
        *(b["bountyId"] for b in overdue.records("bounty", "list", "--status", "open")),
        *(h["handoffId"] for h in overdue.records("handoffs")),
    ]


def test_a_claim_without_a_heartbeat_for_long_is_expired(overdue: Commands) -> None:
    overdue.json("sweep")
    assert overdue.json("sweep", "--stalled-after", "1000000")["claimsExpired"] == []
    (kept,) = overdue.records("claims", "--status", "active")
    assert overdue.json("sweep", "--stalled-after", "3600")["claimsExpired"] == [kept["claimId"]]


def test_what_ended_long_ago_is_forgotten(overdue: Commands) -> None:
    overdue.json("sweep")
    ended = {c["claimId"] for c in overdue.records("claims", "--status", "expired")}
    (handoff,) = (h["handoffId"] for h in overdue.records("handoffs"))
    assert overdue.run("sweep", "--forget-after", "1h").stdout == "nothing has run out\n"
    lines = overdue.run("sweep", "--forget-after", "0.001s").stdout.splitlines()[2:]
    rows = [tuple(re.split(" {2,}", line.rstrip())) for line in lines]
    assert rows[0] == ("handoff forgotten", handoff)
    assert set(rows[1:]) == {("claim forgotten", claim) for claim in ended}
    assert overdue.records("handoffs") == []
    assert statuses(overdue, "claims") == ["active"]
    assert overdue.json("audit")["ok"]


def test_the_settings_say_what_is_forgotten(overdue: Commands) -> None:
    overdue.json("sweep")
    settings = overdue.folder / "grove.toml"
    settings.write_text(settings.read_text().replace("# handoffs = 2592000", "handoffs = 0.001"))
    report = overdue.json("sweep")
    assert len(report["handoffsForgotten"]) == 1
    assert report["claimsForgotten"] == []


@pytest.fixture
def failing(overdue: Commands) -> Commands:
    """A grove whose settings have lost the credits store, which an overdue bounty needs."""
    settings = overdue.folder / "grove.toml"
    lines = settings.read_text().splitlines()
    settings.write_text("\n".join(line for line in lines if not line.startswith("credits =")))
    return overdue


REASON = "its amount is reserved, but this grove's settings name no credits store"


def test_what_could_not_be_swept_is_told_and_sets_the_status(failing: Commands) -> None:
    done = failing.run("sweep", status=4)
    (late,) = failing.records("bounty", "list", "--status", "claimed")
    bounty = f"bounty {late['bountyId']}"
    assert done.stderr == (
        f"grove-sm: not swept: bounties record {late['bountyId']}: {bounty}: {REASON}\n"
    )
    assert "claim expired" in done.stdout
    again = failing.run("sweep", status=4)
    assert (again.stdout, again.stderr) == ("nothing was swept\n", done.stderr)
    report = failing.json("sweep", status=4)
    assert report["failures"] == [
        {
            "record": f"bounties record {late['bountyId']}",
            "error": {
                "code": "STATE_CONFLICT",
                "message": f"{bounty}: {REASON}",
                "facts": {"record": bounty, "reason": REASON},
            },
        }
    ]


@pytest.fixture
def signalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each step of a sweep is met by a SIGINT; the handlers are as before when it is over."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    note = sweeping._note

    def note_and_interrupt(*arguments: Any) -> None:
        note(*arguments)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(sweeping, "_note", note_and_interrupt)
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.usefixtures("signalled")
@pytest.mark.parametrize("more", [(), ("--every", "1h")])
def test_a_signal_ends_it_after_the_step(overdue: Commands, more: tuple[str, ...]) -> None:
    report = json.loads(overdue.run("sweep", "--json", *more).stdout)
    assert report["isComplete"] is False
    assert len(report["bountiesExpired"]) == 1
    assert report["claimsExpired"] == report["handoffsExpired"] == []
    assert overdue.json("audit")["ok"]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_goes_on_until_a_signal(commands: Commands, end: signal.Signals) -> None:
    command = [*PROGRAM, "sweep", "--every", "0.02s", "--grove", str(commands.folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for target in "ab":
            commands.json("claim", target, "--agent", "a", "--intent", "i", "--lease", "0.001")
            assert process.stdout.readline() == "claim expired: 1\n"
        process.send_signal(end)
        rest = process.stdout.read(), process.stderr.read()
    assert (process.returncode, *rest) == (0, "", "")


def test_it_goes_on_after_a_failure(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    away = StoreUnavailable(store="store claims", reason="it is away")
    reports = [
        SweepReport(failures=[NotSwept("claims", away)], is_complete=False),
        SweepReport(),
        SweepReport(claims_expired=["1", "2"], handoffs_expired=["3"]),
    ]

    def sweep(*_: Any, **__: Any) -> SweepReport:
        if reports:
            return reports.pop(0)
        os.kill(os.getpid(), signal.SIGTERM)
        return SweepReport()

    monkeypatch.setattr(Grove, "sweep", sweep)
    done = commands.run("sweep", "--every", "0.001")
    assert done.stdout == "claim expired: 2, handoff expired: 1\n"
    assert done.stderr == (
        "grove-sm: not swept: claims: store claims is unavailable: it is away; "
        "nothing was written\n"
    )


def test_with_json_a_line_is_a_document(failing: Commands) -> None:
    command = [*PROGRAM, "sweep", "--every", "0.01", "--json", "--grove", str(failing.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert len(first["claimsExpired"]) == 2
    assert second["claimsExpired"] == []
    assert first["failures"] == second["failures"] != []


BAD = {
    "no time": ("--every", "soon", "--every"),
    "no pause": ("--every", "0s", "--every"),
    "negative": ("--every=-1s", "--limit", "1", "--every"),
    "too long": ("--every", "25h", "--every"),
    "a unit it has not": ("--every", "1w", "--every"),
    "forget after nothing": ("--forget-after", "0d", "--forget-after"),
    "forget after too long": ("--forget-after", "366d", "forgetAfter"),
    "stalled after nothing": ("--stalled-after", "0", "stalledAfter"),
    "stalled after no number": ("--every", "1s", "--stalled-after", "nan", "stalledAfter"),
    "limit": ("--every", "1s", "--limit", "-1", "limit"),
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD)
def test_bad_arguments_are_refused_at_once_and_change_nothing(
    overdue: Commands, arguments: tuple[str, ...]
) -> None:
    before = [overdue.records(*listing) for listing in (("claims",), ("bounty", "list"))]
    error = overdue.error("sweep", *arguments[:-1], status=2)
    assert (error["code"], error["facts"]["field"]) == ("VALIDATION_ERROR", arguments[-1])
    assert [overdue.records(*listing) for listing in (("claims",), ("bounty", "list"))] == before
