"""What TLC found about runs, in the project's own terms."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from models.tla.configuration import FAULTS
from models.tla.tlc import search
from models.traces.calls import calls_of, events_of
from models.traces.module import Numbers, runs_module, stores_of
from models.traces.runs import Run
from models.traces.steps import OBSERVATIONS, Step, Story, grouped, story_of

_BEFORE: Final = 12
_CONFIGURATION: Final = f"""SPECIFICATION TraceSpec
INVARIANT Progress
CONSTANTS
    Transactions <- RunTransactions
    Keys <- RunKeys
    Coordinators <- RunCoordinators
    StoreOf <- RunStoreOf
    Overlap <- RunOverlap
    Votes <- RunVotes
    Plans <- NoPlans
    InitialDocument <- AsItWas
    Nobody = 0
    Paths = {{"one append", "two steps"}}
    Faults = {{{", ".join(f'"{fault}"' for fault in FAULTS)}}}
    MaxFaults = 1000000
    Without = {{}}
    WithReader = FALSE
    Telling = FALSE
    Finishing = TRUE
"""
"""How models/tla/Trace.tla is configured: everything may go wrong, as often as it likes."""


class Refusal(NamedTuple):
    """The first step of a run that the specification does not allow.

    Attributes:
        matched: how many steps before it are allowed.
        steps: how many the run has.
        before: the last of those that are allowed, in words, without what is only observed.
        step: the one that is not, in words.
        requires: what the specification requires of such a step.
        state: what the specification says at this point, a line for each fact.
    """

    matched: int
    steps: int
    before: Sequence[str]
    step: str
    requires: str
    state: Sequence[str]

    def lines(self) -> Iterator[str]:
        """It, for people."""
        yield f"allowed: {self.matched} of {self.steps} steps; the last of them, without reads:"
        yield from (f"    {line}" for line in self.before)
        yield f"not allowed: {self.step}"
        yield f"  the specification requires that {self.requires}"
        yield "  and says at this point:"
        yield from (f"    {line}" for line in self.state)


@dataclass(frozen=True)
class Verdict:
    """What became of a run.

    Attributes:
        reached: how many groups of its steps the specification allows.
    """

    run: Run
    story: Story
    reached: int

    @property
    def is_allowed(self) -> bool:
        """Whether the specification allows all of it."""
        return self.reached == len(grouped(self.story.steps))

    @property
    def refused(self) -> Sequence[Step]:
        """The first group of steps that are not allowed."""
        return grouped(self.story.steps)[self.reached]


def judge(runs: Iterable[Run]) -> list[Verdict]:
    """Hold runs against the specification.

    Raises ValidationError for a trace that is none, or begins in the middle; ModelError.
    """
    runs = list(runs)
    stories = [story_of(events_of(calls_of(run.lines))) for run in runs]
    reached = _reached([(story, grouped(story.steps)) for story in stories]) if runs else {}
    return [
        Verdict(run, story, reached[number])
        for number, (run, story) in enumerate(zip(runs, stories, strict=True), 1)
    ]


def _reached(stories: Sequence[tuple[Story, Sequence[Sequence[Step]]]]) -> Mapping[int, int]:
    """Of each run, by its number, how many groups of steps the specification allows."""
    reached: dict[int, int] = {}

    def follow(printed: Any) -> None:
        kind, run, at = printed
        assert kind == "at"
        reached[run] = max(reached.get(run, 0), at - 1)

    _have_told(runs_module(stories), follow)
    return reached


def _have_told(runs: str, hear: Callable[[Any], object]) -> None:
    """Have TLC go through runs, a module's text; `hear` is told each fact that Trace.tla tells."""
    search("Trace", _CONFIGURATION, beside={"Runs": runs}, on_printed=hear, is_short=True)


def explain(verdict: Verdict) -> Refusal:
    """Why a run is not allowed: go through it again, one step at a time. Raises ModelError."""
    story = verdict.story
    steps = [[step] for step in story.steps]
    reached = _reached([(story, steps)])[1]
    told: list[Any] = []
    _have_told(runs_module([(story, steps)], stop=reached + 1), told.append)
    # Each state is told in turn, and the last is the one in which it cannot go on.
    last = max(index for index, fact in enumerate(told) if fact[0] == "at")
    facts = told[last + 1 :]
    words = _Words(story)
    step = story.steps[reached]
    before = [each for each in story.steps[:reached] if each.name not in OBSERVATIONS]
    return Refusal(
        reached,
        len(story.steps),
        [words.step(each) for each in before[-_BEFORE:]],
        words.step(step),
        _REQUIRES[step.name],
        list(dict.fromkeys(words.fact(*fact) for fact in facts)),
    )


class _Words:
    """Steps and facts in words."""

    def __init__(self, story: Story) -> None:
        self._story = story
        numbers = Numbers(story, stores_of([story]))
        self._transactions = {number: txid for txid, number in numbers.transactions.items()}
        self._records = {number: record for record, number in numbers.records.items()}
        self._stores = dict(enumerate(stores_of([story]), 1))

    def step(self, step: Step) -> str:
        """What happened."""
        facts = {name: self._told(value) for name, value in step.facts.items()}
        sentence = _SENTENCES[step.name].format_map(
            {"t": step.t, "s": step.s, "c": step.event.call.coordinator, **facts}
        )
        if step.c is None:
            return sentence
        return f"coordinator {step.event.call.coordinator} (place {step.c}) {sentence}"

    def fact(self, kind: str, *facts: Any) -> str:
        """What the specification says."""
        return _FACTS[kind](self, *facts)

    def _told(self, value: Any) -> str:
        match value:
            case dict():
                pairs = (f"{self._name(key)}: {self._told(each)}" for key, each in value.items())
                return ", ".join(pairs) or "nothing"
            case frozenset() | set():
                return ", ".join(sorted(map(self._told, value))) or "nothing"
            case tuple():
                return " ".join(map(str, value)).strip()
        return str(value)

    @staticmethod
    def _name(key: Any) -> str:
        return " ".join(key) if isinstance(key, tuple) else str(key)

    def transactions(self, numbers: Iterable[int]) -> str:
        """Transactions by their ids."""
        return ", ".join(self._transactions[number] for number in sorted(numbers)) or "nobody"

    def stores(self, numbers: Iterable[int]) -> str:
        """Stores by their names."""
        return ", ".join(self._stores[number] for number in sorted(numbers)) or "none"

    def record(self, number: int) -> str:
        """A record by its collection and id."""
        return " ".join(self._records.get(number, ("a record", str(number))))

    def content(self, number: int, revision: int, by: int) -> str:
        """What a record is at."""
        first = self._story.first.get(self._records.get(number, ("", "")), 0)
        return f"revision {first + revision} by {self._transactions.get(by, 'nobody here')}"

    def base(self, number: int, revision: int) -> int:
        """A revision as the library counts."""
        return revision + self._story.first.get(self._records[number], 0)


_SENTENCES: Final[Mapping[str, str]] = {
    "Restart": "is opened",
    "Crash": "dies",
    "Alive": "asks whether the one at place {of} lives, and is told: {alive}",
    "Plan": "plans {t}",
    "KeysRefused": "is refused the keys of {t}, which are held by {by}",
    "HoldKeys": "holds the keys of {t}",
    "Voted": "has {s} vote on {t}: {vote}",
    "HoldAndDecide": "commits {t} in one append; votes: {votes}; it is answered: {answered}",
    "HoldAndRefuse": "gives up {t} in one append; votes: {votes}",
    "RecordCommit": "commits {t}; it is answered: {answered}",
    "CommitRefused": "asks to commit {t}, and is told that it is aborted",
    "RecordAbort": "aborts {t} after a vote against it",
    "JournalDown": "cannot reach whom it needs to decide {t}, and gives up",
    "Abort": "aborts what another has left, {t}, and is told: {decision}",
    "Outcome": "asks what became of {t}, and is told: {decision}",
    "TakeUp": "meets {t}, which it will apply",
    "TakeOver": "meets {t}, which is applied, and forces it if nobody else will",
    "Applied": "applies {t} to {s}",
    "Unreachable": "fails to apply {t} to {s}; the write has arrived: {arrived}",
    "LateApply": "an earlier request to apply {t} arrives at {s}",
    "ReleaseKeys": "releases the keys of {t}; arrived: {arrived}, answered: {answered}",
    "WriteMarks": "writes its marks",
    "MayMark": "may write its marks",
    "Force": "forces {s}",
    "DropRedo": "drops the redo of {t}",
    "Unapplied": "is told who holds keys: {found}",
    "Unfinished": "is told what is unfinished: {found}",
    "Read": "reads in {s}: {found}",
}
"""Each step in words."""

_TAKEN_UP: Final = (
    "it is committed, and this coordinator has committed it or met it so and taken it up, after "
    "those that it builds on; what stands there is then what it replaces, or is newer"
)
_SEES: Final = "a coordinator is told how it is"

_REQUIRES: Final[Mapping[str, str]] = {
    "Restart": "nobody is at this place",
    "Crash": "somebody is at this place",
    "Alive": "those that live, and they alone, are known to live",
    "Plan": "the coordinator is open, and the transaction new",
    "KeysRefused": "exactly those hold its keys that refuse it",
    "HoldKeys": "nobody holds its keys, or is about to write what it relies on",
    "Voted": "the store votes for it if and only if all that it relies on there still holds",
    "HoldAndDecide": "nobody holds its keys, and every store that it writes to or relies on has "
    "voted for it, and rightly so",
    "HoldAndRefuse": "nobody holds its keys, and a store has voted against it, and rightly so",
    "RecordCommit": "every store that it writes to or relies on has voted for it, and nobody has "
    "aborted it",
    "CommitRefused": "it had its votes, and somebody has aborted it",
    "RecordAbort": "a store has voted against it",
    "JournalDown": "it is not decided",
    "Abort": "it is undecided, and its coordinator is dead or has given it up; or it is decided, "
    "and that is told",
    "Outcome": "the decision is told, and abort only of what nobody is at work on",
    "TakeUp": "it is committed, and not marked as applied",
    "TakeOver": "the coordinator lives",
    "Applied": _TAKEN_UP,
    "Unreachable": _TAKEN_UP,
    "LateApply": "it is committed",
    "ReleaseKeys": "every store that it writes to has applied it",
    "WriteMarks": "the coordinator lives",
    "MayMark": "the coordinator lives",
    "Force": "the coordinator lives",
    "DropRedo": "every store that it writes to was forced after it had applied it",
    "Unapplied": _SEES,
    "Unfinished": _SEES,
    "Read": "a store shows what was applied there, and all that its reader met as committed",
}
"""What the specification requires of each step."""

_FACTS: Final[Mapping[str, Callable[..., str]]] = {
    "coordinator": lambda words, c, status, left: (
        f"the coordinator at place {c} is {status}; left to recover: {words.transactions(left)}"
    ),
    "released": lambda words, c, t: (
        f"at place {c}, {words.transactions([t])} is released, and not marked yet"
    ),
    "journal": lambda words, t, state: (
        f"in the journal, {words.transactions([t])} is {'not there' if state == 'none' else state}"
    ),
    "voters": lambda words, _t, stores: f"those to vote on it: {words.stores(stores)}",
    "machine": lambda words, _t, c, phase, round_, waiting, unreached: (
        f"at place {c} it is {phase} (round: {round_}), waiting for {words.stores(waiting)}, "
        f"not reached: {words.stores(unreached)}"
    ),
    "written": lambda words, _t, k, base, revision, by, forced: (
        f"{words.record(k)}, which it replaces at revision {words.base(k, base)}, "
        f"is at {words.content(k, revision, by)}; forced: revision {words.base(k, forced)}"
    ),
    "refusing": lambda words, ts: f"its keys are held by {words.transactions(ts)}",
    "met": lambda words, found: (
        "there are "
        + (", ".join(f"{words.transactions([t])} {state}" for t, state in sorted(found)) or "none")
    ),
    "shown": lambda words, k, revision, by: (
        f"{words.record(k)} is at {words.content(k, revision, by)}"
    ),
}
"""What Trace.tla tells of the state at which it stops, in words."""
