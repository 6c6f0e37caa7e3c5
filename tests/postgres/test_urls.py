"""What a `postgresql://` URL says, and that its password goes nowhere but to the server."""

import logging
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from grove_sm import Grove
from grove_sm.cli.app import app
from grove_sm.connect import check_urls, open_journal
from grove_sm.domain.errors import StoreUnavailable, ValidationError
from grove_sm.postgres.url import PostgresUrl
from grove_sm.stores.postgres import PostgresStore
from grove_sm.urls import hide_secrets
from tests.groves import CODER, NOW
from tests.servers.postgres import GUARDED, new_schema, shared_server

from .journals import until, until_back

END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 "
    "AND classid = (%s || '.coordinators')::regclass"
)
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
SECRET = "pr1vate&/@?%"  # noqa: S105 - of a server that lives as long as the tests


@pytest.mark.parametrize(
    ("url", "name", "schema", "options"),
    [
        ("postgresql://", "postgresql:///?schema=grove", "grove", {}),
        (
            "postgresql://u:pw@h:1/d",
            "postgresql://u@h:1/d?schema=grove",
            "grove",
            {"user": "u", "password": "pw", "host": "h", "port": "1", "dbname": "d"},
        ),
        (
            "postgres://h/d%20e?schema=x%20y&sslmode=require",
            "postgresql://h/d%20e?sslmode=require&schema=x%20y",
            "x y",
            {"host": "h", "dbname": "d e", "sslmode": "require"},
        ),
        (
            "postgresql:///d?host=/run/pg&port=7&password=a+b%26c",
            "postgresql://:7/d?host=/run/pg&schema=grove",
            "grove",
            {"dbname": "d", "host": "/run/pg", "port": "7", "password": "a+b&c"},
        ),
        (
            "postgresql://a:5,[::1]:6/d",
            "postgresql://a:5,[::1]:6/d?schema=grove",
            "grove",
            {"host": "a,::1", "port": "5,6", "dbname": "d"},
        ),
    ],
)
def test_what_a_url_says(url: str, name: str, schema: str, options: dict[str, str]) -> None:
    found = PostgresUrl.parse(url, setting="journal")
    assert (found.name, found.schema, found.options) == (name, schema, options)
    assert PostgresUrl.parse(found.name, setting="journal").name == name
    assert "password" not in repr(found)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("postgresql://u:p/w@h/d", "with every character of a password"),
        ("postgresql://u:p%zzw@h/d", "with every character of a password"),
        ("postgresql://u@h:pw/d", "must look like"),
        ("postgresql://u@h/d\0", "must look like"),
        ("postgresql://u@h/d?shema=x", "no options but schema and those of libpq (got 'shema')"),
        ("postgresql://u@h/d?schema=", "must name a schema"),
        ("postgresql://u@h/d?schema=pg_x", "must name a schema"),
        (f"postgresql://u@h/d?schema={'é' * 32}", "must name a schema"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_quoting_it(
    url: str, rule: str, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError) as caught:
        check_urls("memory://", {"claims": url}, tmp_path)
    assert caught.value.field == "stores.claims"
    assert rule in str(caught.value)
    assert "/w@" not in str(caught.value)
    assert "zzw" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:pw@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p/w@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p@w@h/d", "postgresql://u:***@h/d"),
        ("postgresql://h/d?password=pw&schema=s", "postgresql://h/d?password=***&schema=s"),
        ("any://h?a=1&api_key=pw", "any://h?a=1&api_key=***"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
        ("memory://", "memory://"),
    ],
)
def test_secrets_are_hidden(url: str, shown: str) -> None:
    assert hide_secrets(url) == shown


def test_without_the_driver_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg_pool", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValidationError) as caught:
        check_urls("memory://", {"claims": f"postgresql://u:{SECRET}@h/d"}, tmp_path)
    assert "pip install 'grove-sm[postgres]'" in str(caught.value)
    assert caught.value.value == repr("postgresql://u:***@h/d")


@pytest.fixture
def guarded() -> str:
    """A schema of a role that has a password."""
    server = shared_server()
    with server.connect() as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (GUARDED,))
        if known.fetchone() is None:
            connection.execute(f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{SECRET}'")
            connection.execute(f"GRANT CREATE ON DATABASE postgres TO {GUARDED}")
    schema = PostgresUrl.parse(new_schema(), setting="store").schema
    return server.url(schema, user=GUARDED, password=SECRET)


def test_a_password_is_shown_nowhere(
    guarded: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stores = dict.fromkeys(("contributions", "handoffs", "claims", "bounties"), guarded)
    with Grove.open(journal=f"sqlite:///{tmp_path}/journal.db", stores=stores) as grove:
        told = [repr(grove.settings), str(grove.settings), grove.audit()]
        told += [repr(grove.coordinator.stores), *grove.coordinator.stores]
    wrong = guarded.replace("vate", "ate")
    without = guarded.replace(f":{quote(SECRET, safe='')}@", "@")
    for url, reason in (
        (wrong, "access was refused; check the user and the password"),
        (without, "it wants a password; put it into the URL, into PGPASSWORD or into ~/.pgpass"),
        (guarded.replace("/postgres?", "/absent?"), "the database does not exist; make it with"),
        (guarded.replace(f":{shared_server().port}/", ":1/"), "no server listens there"),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            PostgresStore(PostgresUrl.parse(url, setting="store"), timeout=2)
        told.append(str(caught.value))
        assert reason in str(caught.value)
        assert caught.value.__cause__ is None
    told.append((tmp_path / "journal.db").read_bytes().decode(errors="replace"))
    for text in (*told, caplog.text):
        assert "vate" not in str(text)


def test_a_password_of_a_journal_is_shown_nowhere(
    guarded: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By a plain role that may make a schema, which is all the rights that are needed."""
    caplog.set_level(logging.DEBUG)
    names = ("contributions", "handoffs", "claims", "bounties", "credits")
    stores = "\n".join(f'{name} = "{guarded}"' for name in names)
    (tmp_path / "grove.toml").write_text(f'format = 1\njournal = "{guarded}"\n[stores]\n{stores}\n')
    told: list[object] = []
    with Grove.open(tmp_path) as grove:
        made = grove.contribute(kind="work", summary="s", agent=CODER)
        journal = grove.coordinator.journal
        schema = PostgresUrl.parse(guarded, setting="journal").schema
        with shared_server().connect() as connection:
            connection.execute(END_SESSIONS, (schema,))
        until(lambda: "has lost its session" in caplog.text)
        until_back(journal)
        told += [repr(journal), vars(journal), journal.history(9), journal.opener(1)]
        told += [repr(grove), grove.audit(), grove.recover()]
        told += [thread.name for thread in threading.enumerate()]
    for command in (
        ("journal", "ls"),
        ("journal", "show", made.txid),
        ("journal", "heuristics"),
        ("outcome", made.txid),
        ("audit",),
        ("recover",),
        ("doctor",),
        ("export", "-"),
    ):
        for shape in ((), ("--json",)):
            result = CliRunner().invoke(app, [*command, *shape, "--grove", str(tmp_path)])
            assert result.exit_code == 0, result.output
            told += [result.output, result.stderr]
    with shared_server().connect() as connection:
        for table in connection.execute(TABLES, (schema,)).fetchall():
            told += connection.execute(f"SELECT * FROM {schema}.{table[0]}".encode()).fetchall()
        told += connection.execute("SELECT application_name, query FROM pg_stat_activity")
    wrong = guarded.replace("vate", "ate")
    with pytest.raises(StoreUnavailable) as caught:
        open_journal(wrong, tmp_path, opened_at=NOW, busy_timeout=2.0)
    told.append(caught.value)
    for text in (*told, caplog.text):
        assert "vate" not in str(text)
