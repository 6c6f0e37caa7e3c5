"""A trace in the steps of models/tla/Protocol.tla, and in what was observed in between."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from grove_sm.domain.errors import ValidationError
from models.traces.calls import Call, Event

OBSERVATIONS: Final = frozenset({"KeysRefused", "Unapplied", "Unfinished", "Read"})
"""Steps that are none: a coordinator was told something."""

Record = tuple[str, str]
"""A collection and an id."""


class Step(NamedTuple):
    """A step, or an observation, and the call that tells of it.

    `c` is a coordinator, by its place among those that live at once; `t` a transaction, `s` a
    store. `facts` are what else the trace says of it.
    """

    name: str
    event: Event
    c: int | None = None
    t: str | None = None
    s: str | None = None
    facts: Mapping[str, Any] = {}


@dataclass
class Intent:
    """What is known of a transaction's plan, once the whole trace has been read.

    Attributes:
        keys: those that it holds.
        writes: of each record, its base revision and the digest of its new document; None if it
            is deleted.
        fields: of each such record that is not, its fields as stores filter by them.
        relied: the revision at which it relies on each record.
        searched: where it relies on that nothing else is found: `store`, `collection`, `where`,
            `found` (ids), `newest`.
        voters: the stores that it asked, or had to ask, for their vote.
    """

    keys: frozenset[str]
    one_append: bool
    writes: dict[Record, tuple[int, str | None]]
    fields: dict[Record, Mapping[str, str]]
    relied: dict[Record, int] = field(default_factory=dict)
    searched: list[Mapping[str, Any]] = field(default_factory=list)
    voters: dict[str, None] = field(default_factory=dict)


@dataclass
class Story:
    """A trace as the specification sees it.

    Attributes:
        steps: in order.
        intents: by transaction, in the order of their first steps.
        places: the store of each collection.
        first: the revision at which each record was met first.
        created: when records were created, where that is told.
    """

    steps: list[Step] = field(default_factory=list)
    intents: dict[str, Intent] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    first: dict[Record, int] = field(default_factory=dict)
    created: dict[Record, str] = field(default_factory=dict)

    @property
    def coordinators(self) -> int:
        """How many live at once, at most."""
        return max((step.c for step in self.steps if step.c), default=0)


def story_of(events: Sequence[Event]) -> Story:
    """Word a trace. Raises ValidationError if it begins in the middle of something."""
    story = Story()
    for event in events:
        _take_facts(event.call, story)
    teller = _Teller(story)
    for event in events:
        story.steps += teller.tell(event)
    story.steps = _with_take_ups(story.steps)
    return story


def _with_take_ups(steps: Sequence[Step]) -> list[Step]:
    """With a step where each transaction was met that somebody then rolled forward.

    He need not find it so any more by the time when he applies it.
    """
    met: dict[tuple[int | None, str | None], int] = {}
    taken_up: dict[int, dict[str, None]] = {}
    for index, step in enumerate(steps):
        match step.name:
            case "Unapplied" | "Unfinished":
                met.update(((step.c, txid), index) for txid, _ in step.facts["found"])
            case "KeysRefused":
                met.update(((step.c, txid), index) for txid in step.facts["by"])
            case "Crash":
                met = {place: index for place, index in met.items() if place[0] != step.c}
            case "Applied" | "Unreachable" | "ReleaseKeys":
                meeting = met.pop((step.c, step.t), None)
                if meeting is not None:
                    taken_up.setdefault(meeting, {}).setdefault(step.t or "")
    told: list[Step] = []
    for index, step in enumerate(steps):
        told.append(step)
        for txid in taken_up.get(index, ()):
            told.append(step._replace(name="TakeUp", t=txid, s=None, facts={}))
    return told


def _take_facts(call: Call, story: Story) -> None:
    """Note what a call tells of plans, of places, and of records as they were in the beginning."""
    match call.name:
        case "hold":
            story.intents.setdefault(call["txid"], _intent(call))
            for write in call["writes"]:
                if "fields" in write:
                    record = write["collection"], write["id"]
                    story.created[record] = write["fields"]["createdAt"]
        case "validate" if call.get("txid") in story.intents:
            intent = story.intents[call["txid"]]
            intent.voters.setdefault(call["store"])
            for read in call["expected"]:
                story.places[read["collection"]] = call["store"]
                relied = _rely(intent, call["store"], read)
                if call.get("vote"):
                    _meet(story, relied)
        case "read":
            collection = call["read"]["collection"]
            story.places[collection] = call["store"]
            found = {(collection, name): revision for name, revision, _ in call.get("found") or ()}
            _meet(story, found)
            story.created.update(zip(found, call.get("created_at") or (), strict=False))
        case "apply":
            for collection, record_id, base in call["writes"]:
                story.places[collection] = call["store"]
                _meet(story, {(collection, record_id): base})


def _meet(story: Story, revisions: Mapping[Record, int]) -> None:
    """Records are known to be at these revisions; those met for the first time were so before."""
    for record, revision in revisions.items():
        story.first.setdefault(record, revision)


def _intent(call: Call) -> Intent:
    writes = {(w["collection"], w["id"]): w for w in call["writes"]}
    return Intent(
        frozenset(call["keys"]),
        call["one_append"],
        {record: (write["base"], write.get("digest")) for record, write in writes.items()},
        {record: write["fields"] for record, write in writes.items() if "fields" in write},
        {record: write["base"] for record, write in writes.items()},
    )


def _rely(intent: Intent, store: str, read: Mapping[str, Any]) -> Mapping[Record, int]:
    """Note what a transaction relies on; the revisions of records among it."""
    found = {(read["collection"], record_id): revision for record_id, revision in read["found"]}
    if "id" in read:
        found = found or {(read["collection"], read["id"]): 0}
    else:
        intent.searched.append({**read, "store": store, "found": frozenset(found)})
    intent.relied.update(found)
    return found


def grouped(steps: Sequence[Step]) -> list[Sequence[Step]]:
    """Each step by itself, but observations with nothing in between together."""
    groups: list[list[Step]] = []
    for step in steps:
        is_observation = step.name in OBSERVATIONS
        if is_observation and groups and groups[-1][0].name in OBSERVATIONS:
            groups[-1].append(step)
        else:
            groups.append([step])
    return list(groups)


class _Teller:
    """Tells events one by one; remembers what later ones have to be understood by."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._slots: dict[int, int] = {}
        self._held: set[str] = set()
        self._votes: dict[str, dict[str, bool]] = {}
        self._gathered: list[Event] = []
        self._to_see: dict[tuple[int, int], frozenset[str]] = {}

    def tell(self, event: Event) -> Iterator[Step]:
        """The steps that an event is. Raises ValidationError as `story_of`."""
        tell = _TELLERS.get(event.call.name)
        if tell is not None:
            yield from tell(self, event)

    # Processes.

    def open(self, event: Event) -> Iterator[Step]:
        if event.arrived is None:
            return
        coordinator = event.call.coordinator
        free = set(range(1, len(self._slots) + 2)) - set(self._slots.values())
        self._slots[coordinator] = min(free)
        yield Step("Restart", event, self._slots[coordinator])

    def close(self, event: Event) -> Iterator[Step]:
        if event.arrived is not None and event.call.coordinator in self._slots:
            yield Step("Crash", event, self._slots.pop(event.call.coordinator))

    def is_alive(self, event: Event) -> Iterator[Step]:
        if event.is_answered:
            alive = event.call["alive"]
            slot = self._slots.get(event.call["asked_of"], 0)
            yield self._step("Alive", event, facts={"of": slot, "alive": alive})

    # Up to the decision.

    def hold(self, event: Event) -> Iterator[Step]:
        call = event.arrived
        if call is None or not call.is_done or not (call["keys"] or call["writes"]):
            return
        txid = call["txid"]
        if call["refused_by"]:
            by = frozenset(self._known(each) for each in call["refused_by"])
            yield self._step("KeysRefused", event, txid, facts={"by": by})
        elif call["recorded"] is None:
            self._held.add(txid)
            if not call["one_append"]:
                yield self._step("Plan", event, txid)
                yield self._step("HoldKeys", event, txid)

    def validate(self, event: Event) -> Iterator[Step]:
        call = event.arrived
        if event.asked is None or call is None or not call.is_done or call.get("txid") is None:
            return
        txid, store = call["txid"], call["store"]
        if self._story.intents[txid].one_append:
            self._votes.setdefault(txid, {})[store] = call["vote"]
        else:
            yield self._step("Voted", event, txid, store, facts={"vote": call["vote"]})

    def leave(self, event: Event) -> Iterator[Step]:
        call = event.arrived
        if call is None or call["txid"] not in self._held:
            return
        txid = call["txid"]
        if self._story.intents[txid].one_append:
            yield from self._leave_one_append(event, call)
        elif call.get("broken_by") == "Crash":
            return
        elif call.get("broken_by"):
            yield self._step("JournalDown", event, txid)
            if call.error in (None, call["broken_by"]):
                yield self._step("Abort", event, txid, facts={"decision": "abort"})
        elif call.is_done:
            name = _TWO_STEPS[call["asked"], call["decision"]]
            yield self._step(name, event, txid, facts={"answered": event.is_answered})
            yield from self._may_mark(event)

    def _leave_one_append(self, event: Event, call: Call) -> Iterator[Step]:
        txid = call["txid"]
        if call.get("asked") is None or not call.is_done:
            return
        facts = {"votes": self._votes.get(txid, {}), "answered": event.is_answered}
        yield self._step("Plan", event, txid)
        name = "HoldAndDecide" if call["decision"] == "commit" else "HoldAndRefuse"
        yield self._step(name, event, txid, facts=facts)

    def abort(self, event: Event) -> Iterator[Step]:
        yield from self._asked_for("Abort", event)

    def outcome(self, event: Event) -> Iterator[Step]:
        yield from self._asked_for("Outcome", event)

    def _asked_for(self, name: str, event: Event) -> Iterator[Step]:
        call = event.arrived
        if call is not None and call.is_done and call["txid"] in self._story.intents:
            yield self._step(name, event, call["txid"], facts={"decision": call["decision"]})

    # From the decision on.

    def apply(self, event: Event) -> Iterator[Step]:
        if event.call.get("together") is not None:
            self._gathered.append(event)
        else:
            yield from self._apply(event, arrived=event.has_arrived, answered=event.is_answered)

    def together(self, event: Event) -> Iterator[Step]:
        """The end of a block: now its applies take effect, all or none."""
        begun = {call.began for call in event if call is not None}
        inside = [each for each in self._gathered if each.call["together"] in begun]
        self._gathered = [each for each in self._gathered if each not in inside]
        for each in inside:
            yield from self._apply(
                each,
                arrived=each.has_arrived and event.has_arrived,
                answered=each.is_answered and event.is_answered,
            )

    def _apply(self, event: Event, *, arrived: bool, answered: bool) -> Iterator[Step]:
        call = event.call
        txid, store = self._known(call["txid"]), call["store"]
        if event.asked is None:
            if arrived:
                yield Step("LateApply", event, None, txid, store)
        elif answered:
            facts = {"heuristics": event.asked["heuristics"]}
            yield self._step("Applied", event, txid, store, facts)
        else:
            yield self._step("Unreachable", event, txid, store, {"arrived": arrived})

    def release(self, event: Event) -> Iterator[Step]:
        if event.asked is None:
            return
        facts = {"arrived": event.has_arrived, "answered": event.is_answered}
        yield self._step("ReleaseKeys", event, self._known(event.call["txid"]), facts=facts)
        if event.has_arrived:
            yield from self._may_mark(event)

    def force(self, event: Event) -> Iterator[Step]:
        if event.has_arrived:
            yield self._step("Force", event, s=event.call["store"])

    def finish(self, event: Event) -> Iterator[Step]:
        if event.has_arrived:
            for txid in event.call["txids"]:
                yield self._step("DropRedo", event, self._known(txid))
            yield self._step("WriteMarks", event)

    def flush(self, event: Event) -> Iterator[Step]:
        if event.has_arrived:
            yield self._step("WriteMarks", event)

    def _may_mark(self, event: Event) -> Iterator[Step]:
        yield self._step("MayMark", event)

    # What is met.

    def unapplied(self, event: Event) -> Iterator[Step]:
        yield from self._met("Unapplied", event)

    def unfinished(self, event: Event) -> Iterator[Step]:
        yield from self._met("Unfinished", event)

    def _met(self, name: str, event: Event) -> Iterator[Step]:
        call = event.arrived
        if call is not None and call.is_done:
            found = frozenset((self._known(txid), state) for txid, state in call["found"])
            yield self._step(name, event, facts={"found": found})
            if name == "Unapplied":
                committed = frozenset(txid for txid, state in found if state == "committed")
                self._to_see[call.coordinator, call.thread] = committed
            else:
                for txid, state in sorted(found):
                    if state == "applied":
                        yield self._step("TakeOver", event, txid)

    def read(self, event: Event) -> Iterator[Step]:
        call = event.arrived
        if call is None or not call.is_done:
            return
        read = call["read"]
        found = {
            (read["collection"], record_id): (revision, by)
            for record_id, revision, by in call["found"]
        }
        if "id" in read and not found:
            found = {(read["collection"], read["id"]): (0, "")}
        settled = self._to_see.get((call.coordinator, call.thread), frozenset())
        facts = {"found": found, "settled": settled}
        yield self._step("Read", event, s=call["store"], facts=facts)

    def _step(
        self,
        name: str,
        event: Event,
        t: str | None = None,
        s: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Step:
        return Step(name, event, self._slots[event.call.coordinator], t, s, facts or {})

    def _known(self, txid: str) -> str:
        if txid not in self._story.intents:
            raise ValidationError(
                field="trace",
                rule="must begin when nothing is unfinished: it meets a transaction whose "
                "beginning it does not tell",
                value=txid,
            )
        return txid


_TWO_STEPS: Final = {
    ("commit", "commit"): "RecordCommit",
    ("commit", "abort"): "CommitRefused",
    ("abort", "abort"): "RecordAbort",
}
"""The step that the end of a hold is, by what was asked and what the journal answered."""

_TELLERS: Final[Mapping[str, Callable[[_Teller, Event], Iterator[Step]]]] = {
    "open": _Teller.open,
    "close": _Teller.close,
    "is_alive": _Teller.is_alive,
    "hold": _Teller.hold,
    "validate": _Teller.validate,
    "leave": _Teller.leave,
    "abort": _Teller.abort,
    "outcome": _Teller.outcome,
    "apply": _Teller.apply,
    "together": _Teller.together,
    "release": _Teller.release,
    "force": _Teller.force,
    "finish": _Teller.finish,
    "flush": _Teller.flush,
    "unapplied": _Teller.unapplied,
    "unfinished": _Teller.unfinished,
    "read": _Teller.read,
}
"""How each call is told; others change nothing that the specification knows of."""
