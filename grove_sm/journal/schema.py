"""The journal's tables in SQLite, as migrations from one format to the next.

A transaction's row is never moved: `state` tells how far it is. `head` says what it is about and
stays; `redo` holds its writes until it is finished. The index covers unfinished rows alone, so
that finding them costs nothing for history.

    planned     keys are held, no decision yet (only where the decision is an append of its own)
    committed   decided; somebody may not see its writes yet; keys are held
    applied     every store shows its writes; keys are free; redo kept until they are durable;
                committed again if nobody lives when the journal is opened
    finished    every store holds its writes durably; redo dropped
    aborted     decided otherwise; never had an effect
"""

from typing import Final

import sqlite_utils

FORMAT: Final = 2
MIGRATIONS: Final = sqlite_utils.Migrations("grove_journal")

UNFINISHED: Final = "state NOT IN ('finished', 'aborted')"
"""The condition of the index; a query has to repeat it to be served by it."""


@MIGRATIONS()
def create(database: sqlite_utils.Database) -> None:
    """Format 1."""
    database.table("transactions").create(
        {
            "seq": int,
            "txid": str,
            "coordinator": int,
            "state": str,
            "head": str,
            "redo": str,
        },
        pk="seq",
        not_null={"txid", "coordinator", "state", "head"},
    )
    database.execute(
        f"CREATE INDEX unfinished_transactions ON transactions (state, txid) WHERE {UNFINISHED}"
    )
    database.execute(
        "CREATE TABLE coordinators (id INTEGER PRIMARY KEY AUTOINCREMENT, "
        "host TEXT NOT NULL, pid INTEGER NOT NULL, opened_at TEXT NOT NULL)"
    )
    database.table("idempotency_keys").create(
        {"record_id": str, "expires_at": str, "recorded": str},
        pk="record_id",
        not_null={"expires_at", "recorded"},
    ).create_index(["expires_at"])
    database.table("heuristics").create(
        {"id": int, "txid": str, "store": str, "heuristic": str},
        pk="id",
        not_null={"txid", "store", "heuristic"},
    )
    database.table("horizon").create({"id": int, "txid": str}, pk="id", not_null={"txid"})


@MIGRATIONS()
def tell_operators(database: sqlite_utils.Database) -> None:
    """Format 2: when a transaction came to its states, and what operators did about it."""
    for time in ("decided_at", "applied_at", "finished_at"):
        database.table("transactions").add_column(time, str)
    database.table("interventions").create(
        {"id": int, "txid": str, "intervention": str},
        pk="id",
        not_null={"txid", "intervention"},
    )
