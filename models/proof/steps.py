"""What can happen: each protocol action and each fault, as one step from a state to the next.

A step has a guard, and a change that says what the relations hold of afterwards; what it does not
name stays. Who takes a step, when, how often and whether at all is left open, and that is most of
the faults: a coordinator that dies takes no more of them; a zombie takes them late, after others
have aborted its transaction and gone on; recovery is anybody's `abort`, `apply`, `mark`,
`force` and `finish`, beside whoever else takes them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final, NamedTuple

import z3

from models.proof.vocabulary import (
    C,
    Formula,
    K,
    R,
    Relation,
    S,
    State,
    T,
    U,
    V,
    any_state,
    c,
    home,
    host,
    needs,
    nothing,
    owner,
    q,
    relies,
    s,
    saw,
    server,
    t,
    target,
    writes,
)

And, Or, Not, Implies, ForAll = z3.And, z3.Or, z3.Not, z3.Implies, z3.ForAll


@dataclass(frozen=True)
class Rules:
    """The protocol's rules. With any of them broken the proof must fail.

    Attributes:
        keys_exclude: keys that another transaction holds are refused.
        every_vote: a decision to commit needs the vote of every store relied on.
        votes_compare: a store votes yes only if what was read is what is there.
        decide_once: the decision is a compare-and-set on an undecided row.
        abort_undecided: only an undecided transaction is aborted.
        ids_once: a transaction begins once; whoever is told that it is aborted uses its id up.
        numbers_once: a coordinator's number is never used again.
        decision_forced: the decision is forced before anybody learns of it.
        judged: a store looks at what stands in a write's place before it applies it.
        in_order: an apply counts only once all that its transaction builds on is there.
        loss_is_told: a store that has crashed by itself answers nobody until it is whole.
        redone_in_full: it is made whole by all that the journal keeps, in commit order.
        marked_when_applied: keys are let go of once every store shows the writes.
        marks_taken_back: whoever starts when nobody lives believes no mark.
        finished_when_forced: the redo is dropped once every store holds the writes durably.
        readers_settle: a reader first has applied what the journal names.
    """

    keys_exclude: bool = True
    every_vote: bool = True
    votes_compare: bool = True
    decide_once: bool = True
    abort_undecided: bool = True
    ids_once: bool = True
    numbers_once: bool = True
    decision_forced: bool = True
    judged: bool = True
    in_order: bool = True
    loss_is_told: bool = True
    redone_in_full: bool = True
    marked_when_applied: bool = True
    marks_taken_back: bool = True
    finished_when_forced: bool = True
    readers_settle: bool = True


ALL_KEPT: Final = Rules()
RULES: Final = tuple(field.name for field in fields(Rules))


class Step(NamedTuple):
    """When it can be taken, and what it leads to."""

    guard: Formula
    after: State


def _and_also(relation: Relation, *added: Formula) -> Relation:
    """The relation, which now also holds of this."""
    return lambda *of: Or(relation(*of), And(*(x == y for x, y in zip(of, added, strict=True))))


def _but_not(relation: Relation, dropped: Formula) -> Relation:
    """The relation, which no longer holds of this."""
    return lambda of: And(relation(of), of != dropped)


def start(now: State, rules: Rules) -> Step:
    """A coordinator starts, under a number that none has had. If nobody lives, the last may have
    ended in a power cut, and every mark is taken back."""
    in_company = z3.Exists([C], now.alive(C)) if rules.marks_taken_back else True
    return Step(
        Not(now.started(c)) if rules.numbers_once else Not(now.running(c)),
        now.after(
            started=_and_also(now.started, c),
            running=_and_also(now.running, c),
            alive=_and_also(now.alive, c),
            marked=lambda x: And(now.marked(x), in_company),
        ),
    )


def hold(now: State, rules: Rules) -> Step:
    """The two-step path begins: the keys are recorded as held, unforced."""
    return Step(
        And(now.running(owner(t)), _is_new(now, rules), _is_free(now, rules)),
        now.after(begun=_and_also(now.begun, t), planned=_and_also(now.planned, t)),
    )


def _is_new(now: State, rules: Rules) -> Formula:
    return Not(now.begun(t)) if rules.ids_once else Not(Or(now.planned(t), now.committed(t)))


def _is_free(now: State, rules: Rules) -> Formula:
    """Nobody holds a key that the transaction needs."""
    if not rules.keys_exclude:
        return True
    return ForAll([U, K], Implies(And(now.holds(U), needs(U, K)), Not(needs(t, K))))


def vote(now: State, rules: Rules) -> Step:
    """A store votes yes: what the transaction relies on there is as its plan has read it."""
    fits = ForAll([R], Implies(And(relies(t, R), home(R) == s), now.fits(t, R)))
    return Step(
        And(
            now.running(owner(t)),
            now.begun(t),
            Not(now.lost(s)),
            fits if rules.votes_compare else True,
        ),
        now.after(voted=_and_also(now.voted, t, s)),
    )


def commit(now: State, rules: Rules) -> Step:
    """The two-step path ends: with every vote, the decision is a compare-and-set, forced."""
    undecided = now.planned(t) if rules.decide_once else And(now.begun(t), Not(now.committed(t)))
    every_vote = ForAll([R], Implies(relies(t, R), now.voted(t, home(R))))
    return Step(
        And(now.running(owner(t)), undecided, every_vote if rules.every_vote else True),
        _decided(now, rules),
    )


def commit_at_once(now: State, rules: Rules) -> Step:
    """The one-append path: keys, votes and decision in one forced append."""
    fits = ForAll([R], Implies(relies(t, R), And(Not(now.lost(home(R))), now.fits(t, R))))
    return Step(
        And(
            now.running(owner(t)),
            _is_new(now, rules),
            _is_free(now, rules),
            fits if rules.votes_compare else True,
        ),
        _decided(now, rules),
    )


def _decided(now: State, rules: Rules) -> State:
    return now.after(
        begun=_and_also(now.begun, t),
        planned=_but_not(now.planned, t),
        committed=_and_also(now.committed, t),
        indelible=_and_also(now.indelible, t) if rules.decision_forced else now.indelible,
        before=lambda x, y: Or(now.before(x, y), And(now.committed(x), y == t)),
    )


def tell_commit(now: State, rules: Rules) -> Step:
    """Somebody learns that it is committed: its caller, or who asks later."""
    return Step(
        And(now.running(c), now.committed(t)), now.after(told_commit=_and_also(now.told_commit, t))
    )


def abort(now: State, rules: Rules) -> Step:
    """An undecided transaction is aborted, unforced: by its own coordinator, by recovery, or by
    whoever needs its keys."""
    return Step(
        And(now.running(c), now.planned(t) if rules.abort_undecided else now.begun(t)),
        now.after(
            planned=_but_not(now.planned, t),
            committed=now.committed if rules.abort_undecided else _but_not(now.committed, t),
            told_abort=_and_also(now.told_abort, t),
        ),
    )


def presume_abort(now: State, rules: Rules) -> Step:
    """Who asks about one that the journal does not know, or has aborted, is told so."""
    unknown = And(Not(now.planned(t)), Not(now.committed(t)))
    return Step(
        And(now.running(c), unknown, Or(now.begun(t), Not(now.alive(owner(t))))),
        now.after(
            begun=_and_also(now.begun, t) if rules.ids_once else now.begun,
            told_abort=_and_also(now.told_abort, t),
        ),
    )


def send(now: State, rules: Rules) -> Step:
    """Somebody who has the redo asks a store to apply it."""
    return Step(
        And(now.running(c), now.committed(t), Not(now.finished(t))),
        now.after(sent=_and_also(now.sent, t, s)),
    )


def apply(now: State, rules: Rules) -> Step:
    """A store applies a redo that somebody has loaded, and says so."""
    builds_on = ForAll(
        [R, V], Implies(And(writes(t, R), home(R) == s, saw(t, R, V)), now.visible(R, V))
    )
    return Step(
        And(
            now.running(c),
            now.committed(t),
            Not(now.finished(t)),
            Not(now.lost(s)),
            builds_on if rules.in_order else True,
        ),
        _judged(now, rules).after(applied=_and_also(now.applied, t, s)),
    )


def apply_late(now: State, rules: Rules) -> Step:
    """A request to apply arrives late, again, or so that its answer is lost."""
    return Step(And(now.sent(t, s), Not(now.lost(s))), _judged(now, rules))


def _judged(now: State, rules: Rules) -> State:
    """What records show, once a store has judged each write by what stands in its place.

    `grove_sm.commit.redo.judge` compares revisions, which count the writes of a record; its
    contracts say that it does so.
    """

    def applies(record: Formula, of: Formula) -> Formula:
        if rules.judged:
            return And(of == t, now.fits(t, record))
        # As the plan has made it of what it read, whatever stands there now.
        return Or(of == t, saw(t, record, of))

    def visible(record: Formula, of: Formula) -> Formula:
        here = And(writes(t, record), home(record) == s)
        kept = now.visible(record, of) if rules.judged else And(now.visible(record, of), Not(here))
        return Or(kept, And(here, applies(record, of)))

    return now.after(visible=visible)


def mark(now: State, rules: Rules) -> Step:
    """Every store has said that it shows the writes: marked so, unforced, the keys are free."""
    everywhere = ForAll([R], Implies(writes(t, R), now.applied(t, home(R))))
    return Step(
        And(now.running(c), now.committed(t), everywhere if rules.marked_when_applied else True),
        now.after(marked=_and_also(now.marked, t)),
    )


def force(now: State, rules: Rules) -> Step:
    """A store makes durable all that it shows, of every transaction known to be applied there."""
    return Step(
        And(now.running(c), Not(now.lost(s))),
        now.after(
            durable=lambda x, y: Or(now.durable(x, y), And(home(x) == s, now.visible(x, y))),
            forced=lambda x, y: Or(
                now.forced(x, y), And(y == s, Or(now.applied(x, s), now.marked(x)))
            ),
        ),
    )


def finish(now: State, rules: Rules) -> Step:
    """Every store holds the writes durably: the redo is dropped, unforced."""
    everywhere = ForAll([R], Implies(writes(t, R), now.forced(t, home(R))))
    return Step(
        And(now.running(c), now.marked(t), everywhere if rules.finished_when_forced else True),
        now.after(finished=_and_also(now.finished, t)),
    )


def begin_read(now: State, rules: Rules) -> Step:
    """A reader asks the journal for what must be applied before it may look."""

    def to_settle(of: Formula) -> Formula:
        return And(rules.readers_settle, now.unapplied(of), writes(of, target(q)))

    return Step(
        now.running(host(q)),
        now.after(
            due=lambda x, y: z3.If(x == q, now.committed(y), now.due(x, y)),
            listed=lambda x, y: z3.If(x == q, to_settle(y), now.listed(x, y)),
        ),
    )


def lose_lock(now: State, rules: Rules) -> Step:
    """A coordinator is taken for dead and goes on: a zombie."""
    return Step(True, now.after(alive=_but_not(now.alive, c)))


def crash(now: State, rules: Rules) -> Step:
    """A coordinator dies, and with it any part of what is known of stores."""
    left = any_state("_left")
    known = [
        ForAll([T, S], Implies(getattr(left, name)(T, S), getattr(now, name)(T, S)))
        for name in ("voted", "applied", "forced")
    ]
    return Step(
        And(*known),
        now.after(
            running=_but_not(now.running, c),
            alive=_but_not(now.alive, c),
            voted=left.voted,
            applied=left.applied,
            forced=left.forced,
        ),
    )


def store_crashes(now: State, rules: Rules) -> Step:
    """A server crashes by itself, any part of what it has not forced is gone, and it tells so."""
    left = any_state("_left")
    return Step(
        And(server(s), *_left_of_records(now, left)),
        now.after(
            visible=lambda x, y: z3.If(home(x) == s, left.visible(x, y), now.visible(x, y)),
            durable=lambda x, y: z3.If(home(x) == s, left.visible(x, y), now.durable(x, y)),
            lost=_and_also(now.lost, s) if rules.loss_is_told else now.lost,
        ),
    )


def redo(now: State, rules: Rules) -> Step:
    """Whoever meets a store that has crashed applies, at one stroke and in commit order, whatever
    the journal keeps the redo of."""
    done = any_state("_done")
    kept = And(now.committed(T), Not(now.finished(T)), writes(T, R), home(R) == s)
    some = [
        ForAll([R, T], Implies(now.visible(R, T), done.visible(R, T))),
        ForAll([R, T], Implies(done.visible(R, T), Or(now.visible(R, T), kept))),
        ForAll([R, T, V], Implies(And(done.visible(R, T), saw(T, R, V)), done.visible(R, V))),
    ]
    every = ForAll([R, T], Implies(kept, done.visible(R, T)))
    return Step(
        And(now.running(c), now.lost(s), *some, every if rules.redone_in_full else True),
        now.after(visible=done.visible, lost=_but_not(now.lost, s)),
    )


def power_cut(now: State, rules: Rules) -> Step:
    """Every process ends, and any part of what was not forced is gone: of a record its last
    versions, any number of them; marks; rows of undecided and of aborted transactions, which may
    come back as undecided. What stores said is forgotten, what is on the network is not, and any
    server may have crashed too."""
    left = any_state("_left")
    rows = [
        ForAll(
            [T],
            Implies(
                left.planned(T),
                And(now.begun(T), now.started(owner(T)), Not(left.committed(T))),
            ),
        ),
        ForAll([T], Implies(left.committed(T), now.committed(T))),
        ForAll([T], Implies(now.indelible(T), left.committed(T))),
        ForAll([T], Implies(left.marked(T), now.marked(T))),
        ForAll([T], Implies(left.finished(T), now.finished(T))),
        ForAll([S], Implies(now.lost(S), left.lost(S))),
    ]
    return Step(
        And(*rows, *_left_of_records(now, left)),
        now.after(
            running=nothing,
            alive=nothing,
            planned=left.planned,
            committed=left.committed,
            marked=left.marked,
            finished=left.finished,
            voted=nothing,
            applied=nothing,
            forced=nothing,
            visible=left.visible,
            durable=left.visible,
            lost=left.lost,
            due=nothing,
            listed=nothing,
        ),
    )


def _left_of_records(now: State, left: State) -> list[Formula]:
    """What was forced is left, and of what is left nothing on which it builds is missing."""
    built_on = And(left.visible(R, T), saw(T, R, V), now.visible(R, V))
    return [
        ForAll([R, T], Implies(left.visible(R, T), now.visible(R, T))),
        ForAll([R, T], Implies(now.durable(R, T), left.visible(R, T))),
        ForAll([R, T, V], Implies(built_on, left.visible(R, V))),
    ]


STEPS: Final[Mapping[str, Callable[[State, Rules], Step]]] = MappingProxyType(
    {
        step.__name__: step
        for step in (
            start,
            hold,
            vote,
            commit,
            commit_at_once,
            tell_commit,
            abort,
            presume_abort,
            send,
            apply,
            apply_late,
            mark,
            force,
            finish,
            begin_read,
            lose_lock,
            crash,
            store_crashes,
            redo,
            power_cut,
        )
    }
)
