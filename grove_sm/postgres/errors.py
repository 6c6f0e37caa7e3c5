"""What PostgreSQL's errors mean to whoever uses this library."""

from typing import Final

import psycopg

from grove_sm.domain.errors import Corrupt, GroveError, StoreUnavailable
from grove_sm.postgres.url import PostgresUrl

_REASONS: Final = (
    ("55P03", "it is locked by another session; try again, or find who holds it"),
    ("57014", "it did not answer in time; try again, or find what keeps it"),
    ("53100", "its disk is full; free some space and try again"),
    ("53200", "it is out of memory"),
    ("53300", "it has too many connections; raise max_connections or close some"),
    ("25006", "it is read-only; is it a standby?"),
    ("08001", "no server listens there; is it running?"),
    ("28P", "it wants a password; put it into the URL, into PGPASSWORD or into ~/.pgpass"),
    ("28", "access was refused; check the user and the password"),
    ("3D000", "the database does not exist; make it with createdb"),
    ("42501", "the user lacks a right; grant it"),
)
# Of a failed connection there is no code, only the server's or the library's words.
_SIGNS: Final = (
    ("password authentication failed", "28"),
    ("no password supplied", "28P"),
    ("too many clients", "53300"),
    ("connection slots", "53300"),
    ("Connection refused", "08001"),
    ('database "', "3D000"),
)
_DAMAGE: Final = ("XX001", "XX002", "42P01", "42703", "3F000")


class Errors:
    """Turns PostgreSQL's errors inside a `with` block into this library's, naming the place."""

    def __init__(self, url: PostgresUrl) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, psycopg.Error):
            # Its own text may hold what is not to be shown, so it is not chained.
            raise translate(self._url, error) from None


def translate(url: PostgresUrl, error: psycopg.Error) -> GroveError:
    """The library's error for one of PostgreSQL's, naming the place and telling no secret."""
    text = " ".join(url.hide(str(error)).split())
    code = error.sqlstate or next((code for sign, code in _SIGNS if sign in text), "")
    if code.startswith(_DAMAGE):
        return Corrupt(what="the schema", where=url.name, reason=text)
    for prefix, reason in _REASONS:
        if code.startswith(prefix):
            return StoreUnavailable(store=url.name, reason=f"{reason} ({text})")
    return StoreUnavailable(store=url.name, reason=text)
