"""The journal's tables in PostgreSQL.

`transactions` is what it is in SQLite, with the same states (see `grove_sm.journal.schema`). What
is kept beside it:

- Keys are rows of `held_keys`, so that who wants one finds its holder at once, however many others
  there are. A key may be longer than an entry of an index can be: a row has its digest. What a
  journal has taken back is held `again`, by as many as share it; everything else by one.
- A coordinator's row says whose session it was. Whether it lives is asked of an advisory lock that
  the session holds: its class is the number of the table `coordinators`, its object the
  coordinator's.
"""

from typing import Final

UNFINISHED: Final = "state NOT IN ('finished', 'aborted')"
UNAPPLIED: Final = "state NOT IN ('finished', 'aborted', 'applied')"
"""The conditions of the indexes; a query has to repeat one to be served by it."""

MIGRATIONS: Final = (
    f"""
    CREATE TABLE transactions (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        txid text COLLATE "C" NOT NULL UNIQUE,
        coordinator bigint NOT NULL,
        state text NOT NULL,
        head text NOT NULL,
        redo text,
        decided_at text,
        applied_at text,
        finished_at text
    );
    CREATE INDEX unfinished_transactions ON transactions (seq) WHERE {UNFINISHED};
    CREATE INDEX unapplied_transactions ON transactions (seq) WHERE {UNAPPLIED};
    CREATE INDEX transactions_of_coordinators ON transactions (coordinator) WHERE {UNFINISHED};

    CREATE TABLE held_keys (
        digest bytea NOT NULL,
        txid text COLLATE "C" NOT NULL,
        again boolean NOT NULL DEFAULT false,
        PRIMARY KEY (digest, txid)
    );
    CREATE UNIQUE INDEX one_holder ON held_keys (digest) WHERE NOT again;
    CREATE INDEX keys_of_transactions ON held_keys (txid);

    CREATE TABLE coordinators (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        host text NOT NULL,
        pid int NOT NULL,
        opened_at text NOT NULL
    );

    CREATE TABLE idempotency_keys (
        digest bytea PRIMARY KEY,
        expires_at text COLLATE "C" NOT NULL,
        recorded text NOT NULL
    );
    CREATE INDEX idempotency_keys_by_end ON idempotency_keys (expires_at);

    CREATE TABLE heuristics (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        txid text NOT NULL,
        store text NOT NULL,
        heuristic text NOT NULL
    );
    CREATE INDEX heuristics_of_transactions ON heuristics (txid);

    CREATE TABLE interventions (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        txid text NOT NULL,
        intervention text NOT NULL
    );

    CREATE TABLE horizon (id int PRIMARY KEY, txid text COLLATE "C" NOT NULL);
    """,
)
"""What brings each format up to the next."""
