"""A counterexample as a numbered list of steps, in the words of the protocol."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final

from models.tla.configuration import Configuration
from models.tla.tlc import Counterexample
from models.tla.values import Value

State = Mapping[str, Value]

# {0}, {1}, {2} are whom a step is about, in the order of its parameters in Protocol.tla; {} is
# what _DETAILS has to add.
_STEPS: Final[Mapping[str, str]] = {
    "Plan": "{0} plans {1}: {detail}",
    "KeysRefused": "{0} is refused the keys of {1}, which others hold",
    "HoldAndDecide": "{0} holds the keys of {1}, has every vote and commits it, in one append",
    "HoldAndRefuse": "{0} holds the keys of {1}, and a vote is against it: nothing is written",
    "HoldKeys": "{0} holds the keys of {1}",
    "Voted": "{0} has {2} prepare {1}; it votes {detail}",
    "RecordCommit": "{0} records the decision to commit {1}",
    "CommitRefused": "{0} asks to commit {1}; the journal answers that it was aborted",
    "RecordAbort": "{0} records the decision to abort {1}",
    "AnswerLost": "** the journal commits {1}, and its answer to {0} is lost",
    "JournalDown": "** {0} cannot have {1} decided: StoreUnavailable, nothing was written",
    "AbortDead": "{0} meets {1} undecided, takes its coordinator for gone, and aborts it",
    "Applied": "{0} applies {1} to {2}",
    "Unreachable": "** {0} cannot reach {2} to apply {1}; the request {detail}",
    "KeptBack": "{0} keeps {1} back from {2}: an earlier change has to come first",
    "TakeOver": "{0} takes over {1}, which is applied, to have it forced",
    "FindLock": "{0} is known to live again",
    "GiveUp": "{0} leaves {1} to whoever comes next",
    "LateApply": "** an old request arrives: apply {0} to {1}",
    "ReleaseKeys": "{0} releases the keys of {1}",
    "ReleaseUnanswered": "** {0} has no answer to releasing the keys of {1}; the request {detail}",
    "Force": "{0} forces {1}",
    "WriteMarks": "{0} marks as applied what it has released",
    "DropRedo": "{0} drops the redo of {1}",
    "RollForward": "{0} meets {1} committed, and rolls it forward",
    "Restart": "{0} is opened again; to be recovered: {detail}",
    "Recover": "{0} recovers {1}: it rolls it forward",
    "RecoverNothing": "{0} leaves {1} as it is",
    "Open": "{0} has recovered and serves",
    "ReadAsk": "a reader at {0} asks for {1}",
    "ReadSettled": "the reader has seen {0} applied",
    "ReadRecord": "the reader is shown: {detail}",
    "Crash": "** {0} dies",
    "LoseLock": "** {0} loses its lock and lives on: others take it for dead",
    "PowerCut": "** the power is cut, and everybody dies",
    "AskOutcome": "{0} asks what became of {1}: it is aborted from now on",
}

_NO_VOTE: Final[Value] = {
    "phase": "planned",
    "round": "decide",
    "waiting": frozenset(),
    "unreached": frozenset(),
}

_Detail = Callable[[State, State, tuple[Value, ...]], str]

_DETAILS: Final[Mapping[str, _Detail]] = {
    "Plan": lambda _, after, about: _planned(after["plan"][about[1]]),
    "Voted": lambda _, after, about: (
        "yes" if after["machine"][about[0]][about[1]] != _NO_VOTE else "no"
    ),
    "Unreachable": lambda _, __, about: _arrival(about[3]),
    "ReleaseUnanswered": lambda _, __, about: _arrival(about[2]),
    "Restart": lambda _, after, about: _listed(after["toRecover"][about[0]]) or "nothing",
    "ReadRecord": lambda _, after, __: content(after["reader"]["content"]),
}
_ENDS: Final[Mapping[str, str]] = {
    "RedoKept": "redo was dropped of writes that a power cut could take",
    "OnlyTheDeadAreAborted": "that coordinator was alive",
    "EveryTransactionEnds": "and so it stays for ever: it is undecided, and its keys are held",
    "EveryReaderIsAnswered": "and so it stays for ever: the reader has no answer",
    "OneLiveClaim": "both claims are active",
    "ClaimAndBountyAgree": "claim and bounty say different things",
    "NoContributionWithoutItsHandoffs": "the work is published, and nobody will be told of it",
    "EveryReplyHasItsReview": "a handoff and the review that replies to it say different things",
    "DeliveriesHaveTheirClaim": "a handoff and the claim on it say different things",
    "StatusesMoveAlongTheTables": "a status changed as no table has it",
    "CallsMoveAlongTheTable": "a call went on as its table does not have it",
    "PhasesOfTheTable": "the machine is in a phase that its table does not have",
}


def told(configuration: Configuration, counterexample: Counterexample) -> str:
    """The story of a counterexample: a line for each step, and what is wrong at its end."""
    states = counterexample.states
    lines = [
        f"{number:>3}. {_sentence(before, after)}"
        for number, (before, after) in enumerate(pairwise(states), start=1)
    ]
    checked = (*configuration.invariants, *configuration.properties)
    lines.append(f"  => {_end(checked, counterexample)}")
    if counterexample.loops_to is not None and counterexample.loops_to < len(states) - 1:
        lines.append(f"     and again from step {counterexample.loops_to + 1}, for ever")
    return "\n".join((*lines, ""))


def content(value: Value) -> str:
    """The content of a record: whose it is, which revision, and what it says."""
    if not value["revision"]:
        return "as at first"
    document = value["document"]
    says = ""
    if isinstance(document, Mapping):
        by = document.get("by", "Nobody")
        says = f", {document['status']}" + ("" if by == "Nobody" else f" by {by}")
    return f"r{value['revision']} by {value['by']}{says}"


def _sentence(before: State, after: State) -> str:
    name, about = after["step"]
    detail = _DETAILS[name](before, after, about) if name in _DETAILS else ""
    sentence = _STEPS[name].format(*about, detail=detail)
    effects = "; ".join(_effects(before, after))
    return f"{sentence}\n       {effects}" if effects else sentence


def _effects(before: State, after: State) -> Iterator[str]:
    """What files say now and did not before."""
    for transaction, state in sorted(after["journal"].items()):
        if state != before["journal"][transaction]:
            yield f"journal: {transaction} {state}"
    for key, value in sorted(after["shown"].items()):
        if value != before["shown"][key]:
            yield f"{key}: {content(value)}"


def _planned(plan: Value) -> str:
    relied = ", ".join(f"{key} at r{revision}" for key, revision in sorted(plan["relied"].items()))
    return f"it has read {relied}; it writes {_listed(plan['writes'])}"


def _arrival(has_arrived: bool) -> str:
    return "has arrived" if has_arrived else "is lost"


def _listed(items: Iterable[str]) -> str:
    return ", ".join(sorted(items))


def _end(checked: tuple[str, ...], counterexample: Counterexample) -> str:
    before, after = counterexample.states[-2:]
    for name in checked:
        if name in _ENDS and len(checked) == 1:
            return _ENDS[name]
    if "NoHeuristics" in checked and after["heuristics"]:
        transaction, key = min(after["heuristics"])
        return (
            f"{transaction} finds {key} not as it was when it was decided, and takes that for "
            "other software's work: its write is lost"
        )
    if counterexample.kind == "invariant" and "ReadersSeeEverything" in checked:
        for key, value in sorted(after["record"].items()):
            if after["shown"][key] != value:
                shown = content(after["shown"][key])
                return f"{key} is decided to be {content(value)}, and readers see it {shown}"
    return _broken_goal(before, after)


def _broken_goal(before: State, after: State) -> str:
    """What the last step did that an atomic commit does not."""
    name, about = after["step"]
    if name == "ReadRecord":
        possible = " or ".join(sorted(map(content, before["reader"]["possible"])))
        return f"since the reader asked, {before['reader']['key']} has been {possible}"
    decided = {"committed", "applied", "finished"}
    for transaction, state in sorted(after["journal"].items()):
        was_decided = before["journal"][transaction] in decided
        if was_decided and state not in decided:
            return f"{transaction} was committed, and no longer is"
        if state in decided and not was_decided:
            if transaction in before["refused"]:
                return f"{transaction} had been aborted, and somebody was told so"
            changed = {
                key: before["record"][key]["revision"]
                for key, revision in after["plan"][transaction]["relied"].items()
                if before["record"][key]["revision"] != revision
            }
            now = ", ".join(f"{key} is at r{revision}" for key, revision in sorted(changed.items()))
            return f"what {transaction} relies on has changed: {now}"
    return f"{name} of {_listed(map(str, about))} is nothing that an atomic commit does"
