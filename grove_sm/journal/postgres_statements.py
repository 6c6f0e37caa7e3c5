"""The statements of a journal in PostgreSQL, and the parameters of those about keys."""

from hashlib import sha256
from typing import Final

from grove_sm.commit.record import Entry
from grove_sm.journal.postgres_schema import UNFINISHED

ANY_KEY: Final = b""
"""In place of a digest: a transaction that holds who knows what, since it is damaged."""

ROW: Final = "txid, coordinator, state, head"
GATE: Final = "hashtextextended('grove_sm.decide.' || current_schema(), 0)"
TAKE_KEYS: Final = (
    "INSERT INTO held_keys (digest, txid) SELECT digest, %s FROM unnest(%s::bytea[]) AS t (digest) "
    "ORDER BY digest ON CONFLICT DO NOTHING"
)
HAS_KEYS: Final = (
    "(SELECT count(*) FROM held_keys WHERE txid = %s) = %s AND NOT EXISTS "
    "(SELECT FROM held_keys WHERE digest = ANY(%s) AND txid <> %s)"
)
HOLDERS: Final = (
    f"SELECT {ROW}, redo FROM transactions WHERE txid IN "
    "(SELECT txid FROM held_keys WHERE digest = ANY(%s) AND txid <> %s) ORDER BY seq"
)
RECORDED: Final = "SELECT recorded FROM idempotency_keys WHERE digest = %s AND expires_at > %s"
RECORD: Final = (
    "INSERT INTO idempotency_keys (digest, expires_at, recorded) SELECT %s, %s, %s "
    "WHERE EXISTS (SELECT FROM transactions WHERE txid = %s AND state = 'committed') "
    "ON CONFLICT (digest) DO UPDATE "
    "SET expires_at = excluded.expires_at, recorded = excluded.recorded"
)
APPEND: Final = (
    "INSERT INTO transactions (txid, coordinator, state, head, redo, decided_at) "
    "VALUES (%s, %s, %s, %s, %s, %s)"
)
COMMIT_PLANNED: Final = (
    "UPDATE transactions SET state = 'committed', redo = %s, decided_at = %s "
    "WHERE txid = %s AND state = 'planned'"
)
ABORT_PLANNED: Final = (
    "WITH aborted AS (UPDATE transactions SET state = 'aborted', redo = NULL, decided_at = %s "
    "WHERE txid = %s AND state = 'planned' RETURNING txid) "
    "DELETE FROM held_keys USING aborted WHERE held_keys.txid = aborted.txid"
)
STATE: Final = "SELECT state FROM transactions WHERE txid = %s"
# In one order, so that those who mark the same ones at once wait for each other only one way.
MARK_APPLIED: Final = (
    "WITH due AS (SELECT seq, txid FROM transactions WHERE txid = ANY(%s) AND state = 'committed' "
    "ORDER BY seq FOR UPDATE), marked AS "
    "(UPDATE transactions SET state = 'applied', applied_at = %s "
    "FROM due WHERE transactions.seq = due.seq) "
    "DELETE FROM held_keys USING due WHERE held_keys.txid = due.txid"
)
FINISH: Final = (
    "WITH due AS (SELECT seq FROM transactions WHERE txid = ANY(%s) AND state = 'applied' "
    "ORDER BY seq FOR UPDATE) UPDATE transactions SET state = 'finished', redo = NULL, "
    "finished_at = %s FROM due WHERE transactions.seq = due.seq"
)
TAKE_MARKS_BACK: Final = (
    "UPDATE transactions SET state = 'committed', applied_at = NULL "
    f"WHERE {UNFINISHED} AND state = 'applied'"
)
DISCARD: Final = (
    "UPDATE transactions SET state = %(state)s, redo = NULL, "
    "decided_at = coalesce(decided_at, %(now)s), "
    "finished_at = CASE %(state)s WHEN 'finished' THEN %(now)s END WHERE seq = %(seq)s"
)
LET_GO: Final = "DELETE FROM held_keys WHERE txid = %s"
RECOUNT: Final = (
    "SELECT coordinator, state, head, redo, decided_at, applied_at, finished_at "
    "FROM transactions WHERE txid = %s"
)
PLAN: Final = (
    "INSERT INTO transactions (txid, coordinator, state, head) SELECT %s, %s, 'planned', %s "
    f"WHERE {HAS_KEYS} AND NOT EXISTS ({RECORDED}) ON CONFLICT (txid) DO NOTHING"
)
LET_GO_UNLESS_PLANNED: Final = (
    "DELETE FROM held_keys WHERE txid = %s AND NOT EXISTS "
    "(SELECT FROM transactions WHERE txid = %s)"
)
FORGET_TRANSACTIONS: Final = (
    "WITH oldest AS "
    "(SELECT seq, txid, state FROM transactions ORDER BY seq LIMIT %s FOR UPDATE SKIP LOCKED), "
    "gone AS (DELETE FROM transactions USING oldest WHERE transactions.seq = oldest.seq "
    "AND oldest.txid < %s AND oldest.state IN ('finished', 'aborted') "
    "AND NOT EXISTS (SELECT FROM heuristics WHERE heuristics.txid = oldest.txid) "
    "RETURNING oldest.txid) "
    "INSERT INTO horizon (id, txid) SELECT 1, max(txid) FROM gone HAVING count(*) > 0 "
    "ON CONFLICT (id) DO UPDATE SET txid = greatest(horizon.txid, excluded.txid)"
)
FORGET_COORDINATORS: Final = (
    "DELETE FROM coordinators WHERE id IN (SELECT id FROM coordinators WHERE id <> ALL(%s) "
    f"AND NOT EXISTS (SELECT FROM transactions WHERE coordinator = id AND {UNFINISHED}) LIMIT %s)"
)
FORGET_KEYS: Final = (
    "DELETE FROM idempotency_keys WHERE digest IN "
    "(SELECT digest FROM idempotency_keys WHERE expires_at < %s LIMIT %s)"
)


class WantedKeys:
    """The keys of an entry, as parameters of the statements that are about them."""

    def __init__(self, entry: Entry) -> None:
        self.digests = sorted(digest_of(key) for key in set(entry.keys))
        met = [*self.digests, ANY_KEY]
        key = entry.idempotency
        self.take = (entry.txid, self.digests)
        self.has = (entry.txid, len(self.digests), met, entry.txid)
        self.others = (met, entry.txid)
        self.recorded = (digest_of(key.record_id) if key else None, entry.created_at)


def digest_of(text: str) -> bytes:
    """What stands for a text that may be too long for an index, or have a NUL in it."""
    return sha256(text.encode()).digest()
