"""Transactions as an operator sees them, and what an operator may do about what they left."""

from grove_sm.transactions.intervening import Transactions
from grove_sm.transactions.story import (
    HeuristicOutcome,
    Intervened,
    Part,
    StateReached,
    Story,
    Transaction,
)

__all__ = [
    "HeuristicOutcome",
    "Intervened",
    "Part",
    "StateReached",
    "Story",
    "Transaction",
    "Transactions",
]
