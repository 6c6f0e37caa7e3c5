"""Each sentence of the protocol that refuses something, with what a user is then told.

Word for word, and nothing has changed: those in `tests.cli.test_refusals` by their commands, the
others here.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from grove_sm import Grove, InDoubt, OutcomeUnknown
from grove_sm.commit.txid import make_txid
from grove_sm.settings import FILE_NAME
from tests.cli.prepared import Prepared, prepare
from tests.cli.running import Commands, everything
from tests.cli.test_refusals import CASES, CID, HELD, Case, check
from tests.conformance.places import entry
from tests.groves import CODER, REVIEWER


class Sentence(NamedTuple):
    """What the protocol says, in which section, and the cases that show it.

    A text is the command of a case elsewhere.
    """

    section: int
    says: str
    cases: tuple[Case | str, ...]


def publish(arguments: str, told: str) -> Case:
    """A contribution that breaks a rule."""
    return Case(f"contribute --kind work --summary s --agent a {arguments}", 2, told)


def offer(arguments: str, status: int, told: str) -> Case:
    """A bounty that cannot be."""
    return Case(f"bounty create --criteria c --agent sponsor-1 {arguments}", status, told)


SENTENCES: Final = (
    Sentence(
        1,
        "A time without a zone is a validation error",
        (
            publish(
                "--created-at 2026-01-01T00:00:00",
                "createdAt must be a time with a zone, such as Z or +05:30 "
                "(got '2026-01-01T00:00:00')",
            ),
        ),
    ),
    Sentence(
        1,
        "NaN, infinities, lone surrogates are validation errors",
        (
            publish("""--context '{{"a":NaN}}'""", "context.a must be a finite number (got nan)"),
            publish(
                """--context '{{"a":-Infinity}}'""", "context.a must be a finite number (got -inf)"
            ),
            publish(
                r"""--context '{{"a":"\ud800"}}'""",
                r"context.a must not hold a lone surrogate (got '\ud800')",
            ),
        ),
    ),
    Sentence(
        1,
        "an agent has an id of 1 to 256 characters, and an optional role of at most 128",
        (
            Case(
                "claim t --intent i --agent ''",
                2,
                "agentId must have at least 1 character (got '')",
            ),
            publish(
                f"--role {'r' * 129}", f"role must have at most 128 characters (got '{'r' * 76}...)"
            ),
        ),
    ),
    Sentence(
        1,
        "a score is a finite number, with a direction",
        (publish("--score p=inf:minimize", "scores.p.value must be a finite number (got inf)"),),
    ),
    Sentence(
        1,
        "Unknown fields are errors everywhere",
        (publish("--agent-field colour=red", "colour is not a field of this record (got 'red')"),),
    ),
    Sentence(
        2,
        "the limits of a contribution's fields",
        (
            "review {work} --summary '' --agent a",
            publish(
                f"--artifact ../a={CID}",
                'artifacts["../a"] must be a name of 1 to 256 characters that begins with a letter '
                "or digit and holds only letters, digits, '.', '_', '/', '-' and space "
                "(got '../a')",
            ),
            publish("--tag a --tag a", "tags[1] must not repeat an earlier item (got 'a')"),
        ),
    ),
    Sentence(
        3,
        "a move that is not in the table of handoffs is an error",
        ("acknowledge {pending}", "acknowledge {processed}", "dead-letter {dead}"),
    ),
    Sentence(
        4,
        "another agent holds it: ClaimConflict, naming target, holder and claim",
        (
            Case("claim file:held --agent b --intent i", 4, HELD),
            "bounty release {claimed} --agent b",
            "acknowledge {delivered} --agent b",
        ),
    ),
    Sentence(
        4,
        "Heartbeat, release and complete are errors on a claim that is not active or has run out",
        tuple(
            f"{command} {{{claim}}}"
            for command in ("heartbeat", "release", "complete")
            for claim in ("released", "lapsed")
        ),
    ),
    Sentence(
        4,
        "where the caller names its agent, it must be the holder",
        tuple(f"{command} {{held}} --agent b" for command in ("heartbeat", "release", "complete")),
    ),
    Sentence(
        4,
        "a target has 1 to 1024 characters",
        (
            Case(
                "claim '' --agent a --intent i",
                2,
                "targetRef must have at least 1 character (got '')",
            ),
        ),
    ),
    Sentence(
        5,
        "a bounty's title is not blank, its amount a positive integer",
        (
            offer("--title ' ' --amount 1", 2, "title must not be blank (got ' ')"),
            offer("--title t --amount 0", 2, "amount must be at least 1 (got 0)"),
        ),
    ),
    Sentence(
        5,
        "a move that is not in the table of bounties is an error",
        ("bounty settle {settled}", "bounty release {open}", "bounty claim {draft} --agent a"),
    ),
    Sentence(
        5,
        "a contribution has to meet the criteria",
        ("bounty complete {claimed} --by {work}", "bounty settle {claimed} --by {work}"),
    ),
    Sentence(
        6,
        "too little available is InsufficientCredits",
        (
            offer(
                "--title t --amount 1000",
                4,
                "account of agent sponsor-1: 1000 credits needed, 40 available",
            ),
            "credits transfer sponsor-1 a 1000",
        ),
    ),
    Sentence(
        6,
        "All amounts are positive integers",
        (
            Case("credits grant a 0", 2, "amount must be at least 1 (got 0)"),
            "credits transfer sponsor-1 a 0",
        ),
    ),
    Sentence(
        7,
        "Every relation's target must exist",
        (f"review {CID} --summary s --agent a",),
    ),
    Sentence(
        7,
        "a bounty is cancelled by its creator",
        ("bounty cancel {claimed} --agent b",),
    ),
    Sentence(
        7,
        "a key with a different request is a StateConflict that says so",
        (
            "heartbeat {held} --agent coder-1 --role coder --key used",
            "pick-up --agent a --role reviewer --key used",
        ),
    ),
    Sentence(
        8,
        "NotFound",
        ("bounty settle none --by {work}", "acknowledge none", "heartbeat none"),
    ),
)

ELSEWHERE: Final = {case.command for case in CASES}
HERE: Final = [case for sentence in SENTENCES for case in sentence.cases if isinstance(case, Case)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """The grove that the cases are tried on; whole when they are done."""
    commands = Commands(tmp_path_factory.mktemp("refusals") / "grove")
    commands.run("init", str(commands.folder), grove=False)
    yield Prepared(commands, prepare(commands.folder))
    assert commands.json("audit")["ok"]


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence.says)
def test_each_sentence_is_shown(sentence: Sentence) -> None:
    assert sentence.cases
    assert {case for case in sentence.cases if isinstance(case, str)} <= ELSEWHERE


@pytest.mark.parametrize("case", HERE, ids=lambda case: case.command)
def test_a_refusal_is_told_and_changes_nothing(prepared: Prepared, case: Case) -> None:
    check(prepared, case)


def test_the_same_credits_twice_with_another_amount_are_refused(commands: Commands) -> None:
    commands.run("credits", "grant", "a", "5", "--key", "k")
    assert commands.json("credits", "grant", "a", "5", "--key", "k")["available"] == 5
    refused = commands.run("credits", "grant", "a", "6", "--key", "k", status=4)
    assert refused.stderr == (
        "grove-sm: idempotency key 'k': it was used for another request, which differs in amount\n"
    )
    assert commands.json("credits", "balance", "a")["available"] == 5


# Section 8: what the world around it refuses.


def test_a_store_that_cannot_be_used_is_told_and_nothing_was_written(commands: Commands) -> None:
    settings = commands.folder / FILE_NAME
    text = settings.read_text()
    commands.contribute("a")
    before = everything(commands)
    settings.write_text(
        text.replace('claims = "sqlite:///stores', 'claims = "sqlite:///gone/stores')
    )
    refused = commands.run("claim", "t", "--agent", "a", "--intent", "i", status=5)
    assert refused.stderr == (
        "grove-sm: sqlite:///gone/stores.db is unavailable: the folder "
        f"{commands.folder / 'gone'} does not exist; nothing was written\n"
    )
    settings.write_text(text)
    assert everything(commands) == before


def test_a_record_that_an_undecided_transaction_holds_is_told_and_left(tmp_path: Path) -> None:
    folder = tmp_path / "grove"
    with Grove.open(folder) as holding, Grove.open(folder, patience=0.05) as asking:
        journal = holding.coordinator.journal
        txid = make_txid(datetime.now(UTC), journal.coordinator, "slow")
        made = entry(journal, "slow", keys=("target:t",))._replace(txid=txid)
        with journal.hold(made, one_append=False):
            with pytest.raises(InDoubt) as refused:
                asking.claim("t", agent=CODER, intent_summary="i")
            assert refused.value.message == (
                f"target:t is held by the undecided transaction {txid} of coordinator "
                f"{journal.coordinator}"
            )
            assert asking.claims.list() == []


def test_a_decision_that_cannot_be_confirmed_is_told_and_can_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands(tmp_path / "grove")
    commands.run("init", str(commands.folder), grove=False)
    with Grove.open(commands.folder) as grove:
        execute = grove.coordinator.execute

        def lose(*arguments: object, **options: object) -> object:
            done = execute(*arguments, **options)  # type: ignore[arg-type]
            raise OutcomeUnknown(txid=str(done.txid), reason="no answer came")

        monkeypatch.setattr(grove.coordinator, "execute", lose)
        with pytest.raises(OutcomeUnknown) as lost:
            grove.claim("t", agent=CODER, intent_summary="i")
    txid = lost.value.txid
    assert lost.value.message == (
        f"the outcome of transaction {txid} is unknown: no answer came; ask for it later by this id"
    )
    assert commands.run("outcome", txid).stdout == "committed\n"
    held = commands.run("claim", "t", "--agent", REVIEWER.agent_id, "--intent", "i", status=4)
    assert held.stderr.startswith("grove-sm: target t is held by agent coder-1 with claim claim-")


def test_what_is_damaged_is_told_and_never_returned(commands: Commands) -> None:
    cid = commands.contribute("a")["cid"]
    with closing(sqlite3.connect(commands.folder / "stores.db")) as stores, stores:
        stores.execute("UPDATE contributions SET document = replace(document, '\"a\"', '\"b\"')")
    before = (commands.folder / "stores.db").read_bytes()
    refused = commands.run("contributions", status=7)
    assert refused.stdout == ""
    assert refused.stderr == (
        f"grove-sm: contributions record {cid} in sqlite:///{commands.folder}/stores.db, table "
        "contributions is corrupt: its checksum does not match\n"
    )
    assert (commands.folder / "stores.db").read_bytes() == before
