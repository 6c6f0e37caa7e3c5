"""The invariant, conjunct by conjunct, and what follows from it.

Each sentence holds for all transactions, records, stores, coordinators and readers at once.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import z3

from models.proof.vocabulary import (
    R2,
    C,
    Formula,
    K,
    Q,
    R,
    S,
    State,
    T,
    U,
    V,
    home,
    needs,
    owner,
    relies,
    saw,
    target,
    writes,
)

And, Or, Not, Implies, ForAll = z3.And, z3.Or, z3.Not, z3.Implies, z3.ForAll


class Statement(NamedTuple):
    """A sentence about a state: its name, in words, and as a formula."""

    name: str
    says: str
    holds: Callable[[State], Formula]


class Change(NamedTuple):
    """A sentence about a step: its name, in words, and as a formula of the states around it."""

    name: str
    says: str
    holds: Callable[[State, State], Formula]


INVARIANT: Final = (
    # Decisions
    Statement(
        "abort_is_final",
        "what was told as aborted is not committed",
        lambda now: Implies(now.told_abort(T), Not(now.committed(T))),
    ),
    Statement(
        "abort_is_past_changing",
        "the coordinator of one that was told as aborted, and whose row a power cut has brought "
        "back, has ended",
        lambda now: Implies(And(now.told_abort(T), now.planned(T)), Not(now.running(owner(T)))),
    ),
    Statement(
        "commit_is_final",
        "what was told as committed is committed",
        lambda now: Implies(now.told_commit(T), now.committed(T)),
    ),
    Statement(
        "decision_is_forced",
        "a decision to commit survives a power cut",
        lambda now: Implies(now.committed(T), now.indelible(T)),
    ),
    Statement(
        "undecided_or_decided",
        "what is undecided is not committed",
        lambda now: Not(And(now.planned(T), now.committed(T))),
    ),
    # Ids and numbers
    Statement(
        "planned_has_begun",
        "the id of an undecided transaction is used up",
        lambda now: Implies(now.planned(T), now.begun(T)),
    ),
    Statement(
        "committed_has_begun",
        "the id of a committed transaction is used up",
        lambda now: Implies(now.committed(T), now.begun(T)),
    ),
    Statement(
        "aborted_has_begun",
        "the id of one that was told as aborted is used up",
        lambda now: Implies(now.told_abort(T), now.begun(T)),
    ),
    Statement(
        "voted_has_begun",
        "the id of one that was voted on is used up",
        lambda now: Implies(now.voted(T, S), now.begun(T)),
    ),
    Statement(
        "running_has_started",
        "the number of a running coordinator is used up",
        lambda now: Implies(now.running(C), now.started(C)),
    ),
    Statement(
        "planned_has_owner",
        "the number of an undecided transaction's coordinator is used up",
        lambda now: Implies(now.planned(T), now.started(owner(T))),
    ),
    Statement(
        "alive_is_running",
        "who has ended is not taken for alive",
        lambda now: Implies(now.alive(C), now.running(C)),
    ),
    # Held keys and votes
    Statement(
        "keys_are_exclusive",
        "no other undecided transaction holds a key of one whose coordinator runs",
        lambda now: Not(
            And(
                now.planned(T),
                now.running(owner(T)),
                now.planned(U),
                T != U,
                needs(T, K),
                needs(U, K),
            )
        ),
    ),
    Statement(
        "held_is_settled",
        "what such a transaction relies on shows all that is committed on it",
        lambda now: Implies(
            And(
                now.planned(T),
                now.running(owner(T)),
                relies(T, R),
                now.committed(U),
                writes(U, R),
                Not(now.lost(home(R))),
            ),
            now.visible(R, U),
        ),
    ),
    Statement(
        "votes_stay_true",
        "what a store has voted on for such a transaction is as it was read, by all commits",
        lambda now: Implies(
            And(
                now.planned(T),
                now.running(owner(T)),
                now.voted(T, S),
                relies(T, R),
                home(R) == S,
            ),
            saw(T, R, U) == And(now.committed(U), writes(U, R)),
        ),
    ),
    # The order of commits
    Statement(
        "order_is_of_commits",
        "only committed transactions are ordered",
        lambda now: Implies(now.before(T, U), And(now.committed(T), now.committed(U))),
    ),
    Statement(
        "order_is_total",
        "of two committed transactions one came first",
        lambda now: Implies(
            And(now.committed(T), now.committed(U), T != U), Or(now.before(T, U), now.before(U, T))
        ),
    ),
    Statement(
        "order_is_one_way",
        "of two transactions not both came first",
        lambda now: Not(And(now.before(T, U), now.before(U, T))),
    ),
    Statement(
        "order_is_transitive",
        "what came before a transaction came before all that came after it",
        lambda now: Implies(And(now.before(T, U), now.before(U, V)), now.before(T, V)),
    ),
    Statement(
        "each_saw_all_before_it",
        "of what it relied on, a committed transaction saw every write committed before it, "
        "and no other",
        lambda now: Implies(
            And(now.committed(T), relies(T, R)),
            saw(T, R, U) == And(now.before(U, T), writes(U, R)),
        ),
    ),
    # Stores
    Statement(
        "visible_is_committed",
        "a record shows committed writes only",
        lambda now: Implies(now.visible(R, T), now.committed(T)),
    ),
    Statement(
        "visible_is_written",
        "a record shows only what was written to it",
        lambda now: Implies(now.visible(R, T), writes(T, R)),
    ),
    Statement(
        "visible_is_a_version",
        "a record that shows a write shows all that the write was made upon",
        lambda now: Implies(And(now.visible(R, T), saw(T, R, U)), now.visible(R, U)),
    ),
    Statement(
        "durable_is_visible",
        "what is durable is visible",
        lambda now: Implies(now.durable(R, T), now.visible(R, T)),
    ),
    Statement(
        "sent_is_committed",
        "a request to apply is of a committed transaction",
        lambda now: Implies(now.sent(T, S), now.committed(T)),
    ),
    # What is known, and the journal's marks
    Statement(
        "applied_is_committed",
        "what a coordinator knows to be applied is committed",
        lambda now: Implies(now.applied(T, S), now.committed(T)),
    ),
    Statement(
        "mark_is_of_a_commit",
        "what is marked as applied is committed",
        lambda now: Implies(now.marked(T), now.committed(T)),
    ),
    Statement(
        "applied_is_visible",
        "what a coordinator knows to be applied is visible",
        lambda now: Implies(
            And(now.applied(T, S), writes(T, R), home(R) == S, Not(now.lost(S))),
            now.visible(R, T),
        ),
    ),
    Statement(
        "forced_is_durable",
        "what a coordinator knows to be forced is durable",
        lambda now: Implies(And(now.forced(T, S), writes(T, R), home(R) == S), now.durable(R, T)),
    ),
    Statement(
        "mark_is_true",
        "while any coordinator runs, what is marked is visible everywhere",
        lambda now: Implies(
            And(now.running(C), now.marked(T), writes(T, R), Not(now.lost(home(R)))),
            now.visible(R, T),
        ),
    ),
    Statement(
        "finished_is_durable",
        "what is finished is durable everywhere",
        lambda now: Implies(And(now.finished(T), writes(T, R)), now.durable(R, T)),
    ),
    # Readers
    Statement(
        "due_is_committed",
        "what a reader must see is committed",
        lambda now: Implies(now.due(Q, T), now.committed(T)),
    ),
    Statement(
        "reader_is_told",
        "what a reader must see is visible, or the journal has named it to be applied first",
        lambda now: Implies(
            And(
                now.due(Q, T),
                writes(T, target(Q)),
                Not(now.listed(Q, T)),
                Not(now.lost(home(target(Q)))),
            ),
            now.visible(target(Q), T),
        ),
    ),
)


def _is_answered(now: State, reader: Formula) -> Formula:
    """All that the journal has named to the reader is applied, and the store answers."""
    settled = ForAll([V], Implies(now.listed(reader, V), now.visible(target(reader), V)))
    return And(settled, Not(now.lost(home(target(reader)))))


def _is_readable(now: State, record: Formula) -> Formula:
    """Nothing that concerns the record is unapplied, so that who looks now sees it as it is."""
    settled = ForAll([V], Implies(And(now.unapplied(V), writes(V, record)), now.visible(record, V)))
    return And(settled, Not(now.lost(home(record))))


CONSEQUENCES: Final = (
    Statement(
        "one_outcome",
        "nobody is told that a transaction is committed and anybody that it is aborted",
        lambda now: Not(And(now.told_abort(T), now.told_commit(T))),
    ),
    Statement(
        "aborted_never_applied",
        "nothing of an aborted transaction is in any store",
        lambda now: Implies(now.told_abort(T), Not(Or(now.visible(R, T), now.durable(R, T)))),
    ),
    Statement(
        "reader_sees_committed",
        "what any record shows was written to it by committed transactions",
        lambda now: Implies(now.visible(R, T), And(now.committed(T), writes(T, R))),
    ),
    Statement(
        "reader_sees_all_committed",
        "an answered reader sees every transaction that was committed when it began, on whichever "
        "store: so who has seen a part of one anywhere sees all of it from then on",
        lambda now: Implies(
            And(_is_answered(now, Q), now.due(Q, T), writes(T, target(Q))),
            now.visible(target(Q), T),
        ),
    ),
    Statement(
        "stores_agree",
        "of two records that can be read at one moment, neither shows a transaction that wrote "
        "both and that the other does not show",
        lambda now: Implies(
            And(
                now.running(C),
                _is_readable(now, R),
                _is_readable(now, R2),
                writes(T, R),
                writes(T, R2),
            ),
            now.visible(R, T) == now.visible(R2, T),
        ),
    ),
    Statement(
        "never_lost",
        "of a committed transaction each write is durable, or its redo and decision are",
        lambda now: Implies(
            And(now.committed(T), writes(T, R)),
            Or(now.durable(R, T), And(now.indelible(T), Not(now.finished(T)))),
        ),
    ),
    Statement(
        "never_overwritten",
        "of two committed transactions on a record one was made upon the other",
        lambda now: Implies(
            And(now.committed(T), now.committed(U), T != U, writes(T, R), writes(U, R)),
            saw(T, R, U) != saw(U, R, T),
        ),
    ),
    Statement(
        "serial",
        "no transaction saw one that saw it, with any third between: there is one order",
        lambda now: Implies(
            And(
                now.committed(T),
                relies(T, R),
                saw(T, R, U),
                now.before(V, U),
                now.committed(V),
            ),
            Not(now.before(T, V)),
        ),
    ),
    Statement(
        "never_foreign",
        "where a committed transaction builds on what is there, its write is there or fits: it is "
        "never taken for other software's",
        lambda now: Implies(
            And(
                now.committed(T),
                writes(T, R),
                ForAll([V], Implies(saw(T, R, V), now.visible(R, V))),
            ),
            Or(now.visible(R, T), now.fits(T, R)),
        ),
    ),
)

FINALITY: Final = (
    Change(
        "committed_for_good",
        "a decision to commit is never taken back",
        lambda now, then: Implies(now.committed(T), then.committed(T)),
    ),
    Change(
        "aborted_for_good",
        "what was told as aborted is never committed",
        lambda now, then: Implies(now.told_abort(T), Not(then.committed(T))),
    ),
    Change(
        "durable_for_good",
        "what is durable is never lost",
        lambda now, then: Implies(now.durable(R, T), then.durable(R, T)),
    ),
    Change(
        "visible_to_the_living",
        "what is visible is lost only when every process has ended, or with a store that tells so",
        lambda now, then: Implies(
            And(now.visible(R, T), then.running(C), Not(then.lost(home(R)))), then.visible(R, T)
        ),
    ),
)
