"""What a user is told when an operation is refused, word for word; and nothing has changed."""

import shlex
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest

from tests.cli.prepared import Prepared, prepare
from tests.cli.running import Commands

CID: Final = "blake3:" + "a" * 64


class Case(NamedTuple):
    """A command, the status it ends with, and what it says; `{...}` are values of `prepare`."""

    command: str
    status: int
    told: str


NEEDS_AGENT: Final = (
    "agent is required with an idempotency key, which is the agent's own (got nothing)"
)
HELD: Final = "target file:held is held by agent coder-1 with claim {held} until {held_until}"
CLAIMED: Final = (
    "target bounty:{claimed} is held by agent coder-1 with claim {claim} until {claim_until}"
)
DELIVERED: Final = (
    "target handoff:{delivered} is held by agent reviewer-1 "
    "with claim {delivered_claim} until {delivered_until}"
)
STALLED: Final = "claim {stalled_claim}: its lease ran out at {stalled_until}"
LATE: Final = "bounty {late}: its deadline, {deadline}, has passed"
FROM_OPEN: Final = "from 'open'; from there it has claim, expire, cancel"
UNFIT: Final = (
    "bounty {claimed}: contribution {work} does not meet its criteria: "
    "it lacks the required tag 'fast'"
)

CLAIMS: Final = (
    *(
        case
        for command in ("heartbeat", "release", "complete")
        for case in (
            Case(f"{command} none", 3, "claim none was not found"),
            Case(f"{command} {{lapsed}}", 4, "claim {lapsed}: its lease ran out at {lapsed_until}"),
            Case(f"{command} {{released}}", 4, "claim {released}: it is released, which is final"),
            Case(f"{command} {{held}} --agent b", 4, HELD),
            Case(
                f"{command} {{held}} --role coder", 2, "--role must come with --agent (got 'coder')"
            ),
            Case(f"{command} {{held}} --key k", 2, NEEDS_AGENT),
            Case(
                f"{command} {{held}} --agent ''",
                2,
                "agentId must have at least 1 character (got '')",
            ),
        )
    ),
    Case("heartbeat {held} --lease 0", 2, "leaseSeconds must be greater than 0.0 (got 0.0)"),
    Case(
        "heartbeat {held} --lease 1e9",
        2,
        "leaseSeconds must be at most 31536000.0 (got 1000000000.0)",
    ),
    Case(
        "heartbeat {held} --agent coder-1 --role coder --key used",
        4,
        "idempotency key 'used': it was used for another request, which differs in leaseSeconds",
    ),
    Case(
        "complete {claim}",
        2,
        "claimId must not be the claim on a bounty, which is completed with it by complete_bounty "
        "or settle_bounty (got '{claim}')",
    ),
    Case(
        "complete {delivered_claim}",
        2,
        "claimId must not be the claim on a handoff, which is processed with it by acknowledge "
        "(got '{delivered_claim}')",
    ),
    Case("release {stalled_claim}", 4, STALLED),
)

BOUNTIES: Final = (
    *(
        Case(f"bounty {command}", 3, "bounty none was not found")
        for command in (
            "open none --agent a",
            "release none",
            "complete none --by {work}",
            "settle none --by {work}",
            "cancel none --agent a",
        )
    ),
    Case(
        "bounty open {draft} --agent b",
        4,
        "bounty {draft}: only its creator, agent sponsor-1, may open it",
    ),
    Case(
        "bounty open {late_draft} --agent sponsor-1",
        4,
        "bounty {late_draft}: its deadline, {deadline}, has passed",
    ),
    Case(
        "bounty open {rich} --agent sponsor-1",
        4,
        "account of agent sponsor-1: 1000 credits needed, 40 available",
    ),
    Case(
        "bounty open {open} --agent sponsor-1",
        4,
        f"bounty {{open}}: the bounty lifecycle has no move 'open' {FROM_OPEN}",
    ),
    Case(
        "bounty claim {draft} --agent a",
        4,
        "bounty {draft}: the bounty lifecycle has no move 'claim' from 'draft'; "
        "from there it has open, cancel",
    ),
    Case(
        "bounty release {open}",
        4,
        f"bounty {{open}}: the bounty lifecycle has no move 'release' {FROM_OPEN}",
    ),
    Case("bounty release {claimed} --agent b", 4, CLAIMED),
    Case("bounty release {stalled}", 4, STALLED),
    *(
        case
        for command in ("complete", "settle")
        for case in (
            Case(
                f"bounty {command} {{open}} --by {{work}}",
                4,
                f"bounty {{open}}: the bounty lifecycle has no move '{command}' {FROM_OPEN}",
            ),
            Case(f"bounty {command} {{claimed}} --by {{work}}", 4, UNFIT),
            Case(
                f"bounty {command} {{claimed}} --by {CID}",
                3,
                f"contribution {CID} was not found: bounty {{claimed}} is to be completed by it",
            ),
            Case(f"bounty {command} {{late}} --by {{work}}", 4, LATE),
            Case(f"bounty {command} {{stalled}} --by {{work}}", 4, STALLED),
            Case(f"bounty {command} {{claimed}} --by {{work}} --key k", 2, NEEDS_AGENT),
        )
    ),
    Case("bounty complete {claimed} --by {work} --agent b", 4, CLAIMED),
    Case(
        "bounty settle {claimed}",
        2,
        "cid is required: no contribution has completed bounty {claimed} yet (got nothing)",
    ),
    Case(
        "bounty settle {completed} --by {other}",
        4,
        "bounty {completed}: it was completed by another contribution, {work}",
    ),
    Case(
        "bounty settle {settled}",
        4,
        "bounty {settled}: the bounty lifecycle has no move 'settle' from 'settled'; "
        "that state is final",
    ),
    Case(
        "bounty cancel {claimed} --agent b",
        4,
        "bounty {claimed}: only its creator, agent sponsor-1, may cancel it",
    ),
    Case(
        "bounty cancel {settled} --agent sponsor-1",
        4,
        "bounty {settled}: the bounty lifecycle has no move 'cancel' from 'settled'; "
        "that state is final",
    ),
)

HANDOFFS: Final = (
    Case("acknowledge none", 3, "handoff none was not found"),
    Case(
        "acknowledge {pending}",
        4,
        "handoff {pending}: the handoff lifecycle has no move 'process' from 'pending_pickup'; "
        "from there it has deliver, reply, expire, dead_letter",
    ),
    Case(
        "acknowledge {processed}",
        4,
        "handoff {processed}: the handoff lifecycle has no move 'process' from 'processed'; "
        "from there it has reply, expire",
    ),
    Case("acknowledge {lost}", 4, "claim {lost_claim}: its lease ran out at {lost_until}"),
    Case(
        "acknowledge {given_back}",
        4,
        "handoff {given_back}: its delivery was given back; pick it up again",
    ),
    Case("acknowledge {delivered} --agent b", 4, DELIVERED),
    Case("acknowledge {delivered} --key k", 2, NEEDS_AGENT),
    Case("dead-letter none", 3, "handoff none was not found"),
    Case(
        "dead-letter {processed}",
        4,
        "handoff {processed}: the handoff lifecycle has no move 'dead_letter' from 'processed'; "
        "from there it has reply, expire",
    ),
    Case(
        "dead-letter {dead}",
        4,
        "handoff {dead}: the handoff lifecycle has no move 'dead_letter' from 'dead_lettered'; "
        "that state is final",
    ),
    Case("dead-letter {delivered} --agent b", 4, DELIVERED),
    Case(
        "pick-up --agent a --role ''", 2, "role is required where the agent has none (got nothing)"
    ),
    *(
        Case(
            f"pick-up --agent a --role coder --wait={wait}",
            2,
            f"wait must be a number of seconds (got {shown})",
        )
        for wait, shown in (("nan", "nan"), ("-1", "-1.0"))
    ),
    Case(
        "pick-up --agent a --role coder --visibility 0",
        2,
        "visibilitySeconds must be greater than 0.0 (got 0.0)",
    ),
    Case(
        "pick-up --agent a --role reviewer --key used",
        4,
        "idempotency key 'used': it was used for another request, which differs in agent",
    ),
)

ANSWERS: Final = tuple(
    case
    for command in ("review", "reproduce", "discuss", "adopt")
    for case in (
        Case(
            f"{command} {CID} --summary s --agent a",
            3,
            f"contribution {CID} was not found: relations[0].targetCid names it",
        ),
        Case(
            f"{command} none --summary s --agent a",
            2,
            "relations[0].targetCid must be a CID: 'blake3:' and 64 lowercase hex digits "
            "(got 'none')",
        ),
        Case(
            f"{command} {{work}} --summary '' --agent a",
            2,
            "summary must have at least 1 character (got '')",
        ),
        Case(
            f"{command} {{work}} --summary s --agent a --score p=x",
            2,
            "--score must have the form NAME=VALUE:DIRECTION or NAME=VALUE:DIRECTION:UNIT "
            "(got 'x')",
        ),
    )
)

CREDITS: Final = (
    Case(
        "credits transfer sponsor-1 a 1000",
        4,
        "account of agent sponsor-1: 1000 credits needed, 40 available",
    ),
    Case(
        "credits transfer nobody a 1", 4, "account of agent nobody: 1 credits needed, 0 available"
    ),
    Case("credits transfer a a 1", 2, "toAgentId must be another agent than fromAgentId (got 'a')"),
    Case("credits transfer sponsor-1 a 0", 2, "amount must be at least 1 (got 0)"),
    Case("credits transfer a '' 1", 2, "toAgentId must have at least 1 character (got '')"),
)

CASES: Final = (*CLAIMS, *BOUNTIES, *HANDOFFS, *ANSWERS, *CREDITS)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """The grove that the cases are tried on; whole when they are done."""
    commands = Commands(tmp_path_factory.mktemp("refusals") / "grove")
    commands.run("init", str(commands.folder), grove=False)
    yield Prepared(commands, prepare(commands.folder))
    assert commands.json("audit")["ok"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.command)
def test_a_refusal_is_told_and_changes_nothing(prepared: Prepared, case: Case) -> None:
    check(prepared, case)


def check(prepared: Prepared, case: Case) -> None:
    """A command is refused as it should be, and nothing has changed."""
    before = prepared.contents()
    arguments = shlex.split(case.command.format(**prepared.records))
    refused = prepared.commands.run(*arguments, status=case.status)
    assert refused.stdout == ""
    assert refused.stderr == f"grove-sm: {case.told.format(**prepared.records)}\n"
    assert prepared.contents() == before


def test_a_change_would_be_seen(commands: Commands) -> None:
    watched = Prepared(commands, {})
    before = watched.contents()
    commands.run("claims")
    assert watched.contents() == before
    commands.json("claim", "t", "--agent", "a", "--intent", "i", "--key", "k")
    for part, earlier in zip(watched.contents(), before, strict=True):
        assert part != earlier
