"""Connections that are used again, since a server forks for each new one and forgets what it knows.

As a pooler does it that pools sessions: what one leaves, locks too, is discarded before the next.
"""

import os
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import psycopg
from psycopg import pq
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn

from grove_sm.postgres.session import Session
from grove_sm.postgres.url import PostgresUrl

_LENT: Final = "grove-sm, lent"
_connect: Final = Session.connect
_close: Final = Session.close
_idle: Final = defaultdict[int, deque[PGconn]](deque)
"""Those that nobody uses, of each process."""


def lending(url: PostgresUrl) -> PostgresUrl:
    """The same place, whose connections are used again."""
    return replace(url, options={**url.options, "application_name": _LENT})


def _lend(conninfo: str = "", **options: Any) -> Session:
    if options.get("application_name") != _LENT:
        return _connect(conninfo, **options)
    with suppress(IndexError):
        while True:
            found = _idle[os.getpid()].pop()
            if found.status == ConnStatus.OK:
                session = Session(found)
                session._autocommit = True
                return session
    return _connect(conninfo, **options)


def _take_back(session: Session) -> None:
    found = session.pgconn
    if (
        session.info.transaction_status == TransactionStatus.IDLE
        and session.info.get_parameters().get("application_name") == _LENT
    ):
        with suppress(psycopg.OperationalError):
            if found.exec_(b"DISCARD ALL").status == ExecStatus.COMMAND_OK:
                while found.notifies() is not None:
                    pass
                session._closed = True
                session.pgconn = _finished()
                _idle[os.getpid()].append(found)
                return
    _close(session)


def _finished() -> PGconn:
    connection = pq.PGconn.connect_start(b"host=127.0.0.1 port=1")
    connection.finish()
    return connection


Session.connect = _lend  # type: ignore[method-assign]
Session.close = _take_back  # type: ignore[method-assign, assignment]
