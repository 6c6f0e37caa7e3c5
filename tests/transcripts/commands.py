"""The commands of a transcript: each a sentence, and what it has the world do."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from faults.schedule import When
from grove_sm import Agent, Grove
from grove_sm.domain import Bounty, Claim, Contribution, Handoff, Record
from grove_sm.operations.documents import decode
from grove_sm.operations.layout import BOUNTIES, CLAIMS, COLLECTIONS, CONTRIBUTIONS, HANDOFFS
from grove_sm.operations.query import Query
from tests.transcripts import telling
from tests.transcripts.labels import seconds_of
from tests.transcripts.links import Lost
from tests.transcripts.process import Process, Trap
from tests.transcripts.sentences import Words, call, of_process, sentence
from tests.transcripts.world import World

_KINDS: Final[Mapping[str, type[Record]]] = {
    CONTRIBUTIONS: Contribution,
    HANDOFFS: Handoff,
    CLAIMS: Claim,
    BOUNTIES: Bounty,
}
"""What a reader makes of what is stored, where the collection tells that."""


@sentence("stores in <where><remote>")
def _begin(world: World, words: Words) -> None:
    world.begin(words["where"], is_remote="remote" in words)


@sentence("clock <span>")
def _clock(world: World, words: Words) -> None:
    world.clock.advance(seconds_of(words["span"]))


@sentence("<place> is down")
def _down(world: World, words: Words) -> None:
    world.network.down.add(words["place"])


@sentence("<place> is up")
def _up(world: World, words: Words) -> None:
    world.network.down.remove(words["place"])


@sentence("<place> is read-only")
def _read_only(world: World, words: Words) -> None:
    world.network.read_only.add(words["place"])


@sentence("<place> is writable")
def _writable(world: World, words: Words) -> None:
    world.network.read_only.remove(words["place"])


@sentence("the power is cut, and <stores> lose what was not forced")
def _cut_power(world: World, words: Words) -> None:
    world.cut_power(words["stores"].split())


@sentence("deliver apply <store> of <txid> again")
def _deliver(world: World, words: Words) -> None:
    world.tell(world.outside.deliver(words["store"], world.labels.expand(words["txid"])))


@sentence("another program sets <field> of <record> to <text>")
def _change(world: World, words: Words) -> None:
    record_id = world.labels.expand(words["record"])
    world.outside.change(record_id, words["field"], words["text"])


@sentence("another program puts <copied> in the place of <record>")
def _put_in_place(world: World, words: Words) -> None:
    copied, record_id = (world.labels.expand(words[name]) for name in ("copied", "record"))
    world.outside.put_in_place(copied, record_id)


@sentence("damage <part> of <txid>")
def _damage_journal(world: World, words: Words) -> None:
    world.outside.damage_journal(words["part"], world.labels.expand(words["txid"]))


@sentence("damage <record>")
def _damage(world: World, words: Words) -> None:
    world.outside.damage(world.labels.expand(words["record"]))


@sentence("show journal")
def _show_journal(world: World, _: Words) -> None:
    for line in world.outside.journal():
        world.tell(line)


@sentence("show <stores>")
def _show_stores(world: World, words: Words) -> None:
    for line in world.outside.stores(_collections(words)):
        world.tell(line)


@sentence("<process> takes <other> for dead")
def _believe_dead(world: World, words: Words) -> None:
    coordinator = world.process(words["other"]).coordinator
    assert coordinator is not None, f"{words['other']} was never opened"
    world.process(words["process"]).believed_dead.add(coordinator)


@of_process("<process> opens")
def _open(process: Process, _: Words) -> None:
    process.open()


@of_process("<process> is killed")
def _kill(process: Process, _: Words) -> None:
    process.kill()


@of_process("<process> thaws")
def _thaw(process: Process, _: Words) -> None:
    process.thaw()


@of_process("<process> <does> <when> <effect>")
def _set_trap(process: Process, words: Words) -> None:
    process.set_trap(Trap(words["does"], cast("When", words["when"]), words["effect"]))


@of_process("<process> loses the <lost> to <loses>")
def _lose(process: Process, words: Words) -> None:
    process.line.losses[words["loses"]] = cast("Lost", words["lost"])


@call("<process>: <agent> contributes <text><key>")
def _contribute(grove: Grove, words: Words) -> Iterator[str]:
    yield telling.contributed(
        grove.contribute(
            kind="work",
            summary=words["text"],
            agent=_agent(words),
            idempotency_key=words.get("key"),
        )
    )


@call("<process>: <agent> reviews <cid>: <text><key>")
def _review(grove: Grove, words: Words) -> Iterator[str]:
    yield telling.contributed(
        grove.contribute(
            kind="review",
            summary=words["text"],
            agent=_agent(words),
            relations=[{"targetCid": words["cid"], "relationType": "reviews"}],
            idempotency_key=words.get("key"),
        )
    )


@call("<process>: <agent> is granted <amount><key>")
def _grant(grove: Grove, words: Words) -> Iterator[str]:
    yield telling.account(
        grove.grant_credits(words["agent"], int(words["amount"]), idempotency_key=words.get("key"))
    )


@call("<process>: <agent> offers <amount> for <text><key>")
def _offer(grove: Grove, words: Words) -> Iterator[str]:
    yield telling.bounty(
        grove.create_bounty(
            title=words["text"],
            amount=int(words["amount"]),
            criteria={"description": words["text"]},
            agent=_agent(words),
            idempotency_key=words.get("key"),
        )
    )


@call("<process>: <agent> claims <bounty><key>")
def _claim_bounty(grove: Grove, words: Words) -> Iterator[str]:
    yield telling.claimed(
        grove.claim_bounty(words["bounty"], agent=_agent(words), idempotency_key=words.get("key"))
    )


@call("<process>: <agent> claims <target><lease><key>")
def _claim(grove: Grove, words: Words) -> Iterator[str]:
    yield telling.claimed(
        grove.claim(
            words["target"],
            agent=_agent(words),
            intent_summary="work on it",
            lease_seconds=seconds_of(words["lease"]) if "lease" in words else None,
            idempotency_key=words.get("key"),
        )
    )


@call("<process> reads <stores>")
def _read(grove: Grove, words: Words) -> Iterator[str]:
    for collection in _collections(words):
        found = grove.coordinator.page(Query(collection), None)
        for stored in found if collection in _KINDS else ():
            decode(_KINDS[collection], stored, collection)
        yield from telling.collection(collection, found)


@call("<process> recovers")
def _recover(grove: Grove, _: Words) -> Iterable[str]:
    return telling.recovery(grove.recover())


@call("<process> audits")
def _audit(grove: Grove, _: Words) -> Iterable[str]:
    return telling.audit(grove.audit())


@call("<process> flushes")
def _flush(grove: Grove, _: Words) -> Iterable[str]:
    grove.flush()
    return ()


@call("<process> closes")
def _close(grove: Grove, _: Words) -> Iterable[str]:
    grove.close()
    return ()


@call("<process> asks what became of <txid>")
def _outcome(grove: Grove, words: Words) -> Iterator[str]:
    yield f"{words['txid']} is {grove.outcome(words['txid'])}"


@call("<process> lets <lag> gather")
def _gather(grove: Grove, words: Words) -> Iterable[str]:
    grove.coordinator.applier.lag = int(words["lag"])
    return ()


def _agent(words: Words) -> Agent:
    """An agent whose role is in its name: coder-1, reviewer-2."""
    return Agent(agent_id=words["agent"], role=words["agent"].partition("-")[0])


def _collections(words: Words) -> list[str]:
    named = words["stores"].split()
    return list(COLLECTIONS) if named == ["stores"] else named
