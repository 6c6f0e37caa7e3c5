"""What the proof speaks of: six unbounded sorts, what never changes, and what a state is.

Nothing here has a size: there may be any number of transactions, records, stores, coordinators
and readers. Functions lead from readers to records and coordinators, from records to keys and
stores, from transactions to coordinators, and never back. That keeps the formulas in a fragment
that z3 decides (effectively propositional logic with stratified functions; Padon et al., "Ivy:
safety verification by interactive generalization", 2016).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import z3

Formula = Any
"""A formula, term or sort of z3, which declares no types."""

Transaction: Final = z3.DeclareSort("Transaction")
Record: Final = z3.DeclareSort("Record")
Key: Final = z3.DeclareSort("Key")
Store: Final = z3.DeclareSort("Store")
Coordinator: Final = z3.DeclareSort("Coordinator")
Reader: Final = z3.DeclareSort("Reader")
SORTS: Final = (Transaction, Record, Key, Store, Coordinator, Reader)

# Variables of statements, which hold for all of these.
T, U, V = z3.Consts("T U V", Transaction)
R, R2 = z3.Consts("R R2", Record)
K = z3.Const("K", Key)
S = z3.Const("S", Store)
C = z3.Const("C", Coordinator)
Q = z3.Const("Q", Reader)
VARIABLES: Final = (T, U, V, R, R2, K, S, C, Q)

# What one step is about.
t = z3.Const("t", Transaction)
s = z3.Const("s", Store)
c = z3.Const("c", Coordinator)
q = z3.Const("q", Reader)
ACTORS: Final = (t, s, c, q)

# What never changes.
owner: Final = z3.Function("owner", Transaction, Coordinator)
home: Final = z3.Function("home", Record, Store)
family: Final = z3.Function("family", Record, Key)
target: Final = z3.Function("target", Reader, Record)
host: Final = z3.Function("host", Reader, Coordinator)
server: Final = z3.Function("server", Store, z3.BoolSort())
writes: Final = z3.Function("writes", Transaction, Record, z3.BoolSort())
relies: Final = z3.Function("relies", Transaction, Record, z3.BoolSort())
needs: Final = z3.Function("needs", Transaction, Key, z3.BoolSort())
saw: Final = z3.Function("saw", Transaction, Record, Transaction, z3.BoolSort())
FIXED: Final = (owner, home, family, target, host, server, writes, relies, needs, saw)
"""Whose a transaction is, where a record lives, which key covers it, what a reader wants and in
which process it runs; whether a store is a server that can crash by itself; what a transaction
writes, relies on, and holds; and whose writes its plan saw in a record: anything, until the store
votes on it."""

PLANS: Final = z3.And(
    z3.ForAll([T, R], z3.Implies(writes(T, R), relies(T, R))),
    z3.ForAll([T, R], z3.Implies(relies(T, R), needs(T, family(R)))),
)
"""What plans keep, as the contracts of `grove_sm.operations` check it: whatever is written is
among the preconditions, and whatever is among them and can change is held."""

_SORTS_OF: Final[Mapping[str, tuple[Formula, ...]]] = MappingProxyType(
    {
        "started": (Coordinator,),
        "running": (Coordinator,),
        "alive": (Coordinator,),
        "begun": (Transaction,),
        "planned": (Transaction,),
        "committed": (Transaction,),
        "indelible": (Transaction,),
        "marked": (Transaction,),
        "finished": (Transaction,),
        "before": (Transaction, Transaction),
        "told_commit": (Transaction,),
        "told_abort": (Transaction,),
        "voted": (Transaction, Store),
        "applied": (Transaction, Store),
        "forced": (Transaction, Store),
        "sent": (Transaction, Store),
        "visible": (Record, Transaction),
        "durable": (Record, Transaction),
        "lost": (Store,),
        "due": (Reader, Transaction),
        "listed": (Reader, Transaction),
    }
)
RELATIONS: Final = tuple(_SORTS_OF)

Relation = Callable[..., Formula]


@dataclass(frozen=True)
class State:
    """One moment: what each relation holds of.

    Attributes:
        started: of a coordinator: its number is used up.
        running: it has not ended, though it may be a zombie.
        alive: it holds the lock by which others know that it lives.
        begun: of a transaction, in the journal: its id is used up.
        planned: its row holds keys, undecided.
        committed: it is decided.
        indelible: its decision survives a power cut.
        marked: it is marked as applied.
        finished: its redo is dropped.
        before: of two: the order of their commits.
        told_commit: somebody has been told that it is committed.
        told_abort: somebody has been told that it is aborted.
        voted: of a transaction and a store, known to its coordinator: the store has voted yes.
        applied: known to a coordinator: the store has said that it shows the writes.
        forced: and that they are durable.
        sent: a request to apply is on its way: it may arrive at any time, and again.
        visible: of a record and a transaction: its write is in what the record shows.
        durable: it is in what a power cut leaves of the record.
        lost: of a store: it has crashed by itself, may have lost applies, and answers nobody.
        due: of a reader and a transaction: it was committed when the reader began.
        listed: the journal named it to the reader as one to be applied first.
    """

    started: Relation
    running: Relation
    alive: Relation
    begun: Relation
    planned: Relation
    committed: Relation
    indelible: Relation
    marked: Relation
    finished: Relation
    before: Relation
    told_commit: Relation
    told_abort: Relation
    voted: Relation
    applied: Relation
    forced: Relation
    sent: Relation
    visible: Relation
    durable: Relation
    lost: Relation
    due: Relation
    listed: Relation

    def after(self, **changes: Relation) -> "State":
        """The state in which these relations have changed, and nothing else has."""
        return replace(self, **changes)

    def unapplied(self, transaction: Formula) -> Formula:
        """As far as the journal says, it is committed and not yet in every store."""
        return z3.And(
            self.committed(transaction),
            z3.Not(self.marked(transaction)),
            z3.Not(self.finished(transaction)),
        )

    def holds(self, transaction: Formula) -> Formula:
        """It holds its keys."""
        return z3.Or(self.planned(transaction), self.unapplied(transaction))

    def fits(self, transaction: Formula, record: Formula) -> Formula:
        """The record is exactly as the transaction's plan has read it."""
        return z3.ForAll([V], self.visible(record, V) == saw(transaction, record, V))


def any_state(label: str = "") -> State:
    """A state of which nothing is known; its relations' names end in `label`."""
    return State(
        **{
            name: z3.Function(name + label, *sorts, z3.BoolSort())
            for name, sorts in _SORTS_OF.items()
        }
    )


def first_state() -> State:
    """Before anything has happened."""
    return State(**dict.fromkeys(RELATIONS, nothing))


def nothing(*_: Formula) -> Formula:
    """A relation that holds of nothing."""
    return z3.BoolVal(False)
