"""The command that examines a grove."""

from typing import TYPE_CHECKING, Any, Final

import typer

from grove_sm.cli.exits import FOUND_WRONG, status_of
from grove_sm.cli.options import HERE, AsJson, GroveFolder
from grove_sm.cli.output import (
    Column,
    to_json_value,
    write_facts,
    write_json,
    write_line,
    write_records,
)

if TYPE_CHECKING:
    from grove_sm.doctor import Examination, Place, Unfinished, Versions

_MILLION: Final = 1_000_000


def _format(place: "Place") -> str:
    if place.format is None:
        return ""
    is_old = place.format != place.newest_format
    return f"{place.format} (newest {place.newest_format})" if is_old else str(place.format)


def _process(found: "Unfinished") -> str:
    where = f"process {found.process} on {found.host}" if found.host else "(not known)"
    return f"{where} ({'lives' if found.coordinator_lives else 'gone'})"


_PLACE_COLUMNS: Final = (
    Column("place", lambda place: place.role),
    Column("where", lambda place: place.url),
    Column("state", lambda place: "can be read" if place.is_reachable else "CANNOT BE READ"),
    Column("took", lambda place: place.seconds and f"{place.seconds * 1000:.1f} ms"),
    Column("format", _format),
    Column("free", lambda place: place.free_bytes and f"{place.free_bytes // _MILLION:,} MB"),
)
_COORDINATOR_COLUMNS: Final = (
    Column("open in", lambda c: f"process {c.process} on {c.host}"),
    Column("since", lambda c: c.opened_at),
    Column("coordinator", lambda c: c.coordinator),
)
_UNFINISHED_COLUMNS: Final = (
    Column("transaction", lambda found: found.txid),
    Column("state", lambda found: found.state),
    Column("age", lambda found: f"{found.age:.0f} s"),
    Column("in doubt", lambda found: "yes" if found.is_in_doubt else "no"),
    Column("held by", _process),
)
_FINDING_COLUMNS: Final = (
    Column("", lambda finding: "problem" if finding.is_problem else "note"),
    Column("found", lambda finding: finding.what),
    Column("what to do next", lambda finding: finding.next),
)


def doctor(*, grove: GroveFolder = HERE, as_json: AsJson = False) -> None:
    """Look at everything that a grove needs, and tell what is wrong and what to do next.

    Settings, versions, whether journal and stores answer, what is unfinished and whose it is, and
    the audit. Changes nothing, also where a store or the journal cannot be read. Exit status 0
    means that all is well; notes are no problems.
    """
    from grove_sm.doctor import examine

    found = examine(grove)
    if as_json:
        write_json(_to_document(found))
    else:
        _write(found)
    if not found.ok:
        raise typer.Exit(status_of(FOUND_WRONG))


def _to_document(found: "Examination") -> dict[str, Any]:
    oldest = max((each.age for each in found.in_doubt), default=None)
    document: dict[str, Any] = to_json_value(found)
    document["inDoubt"] = {
        "count": len(found.in_doubt),
        **({} if oldest is None else {"oldestSeconds": oldest}),
    }
    if found.audit is not None:
        document["audit"]["ok"] = found.audit.ok
    return {"ok": found.ok, **document}


def _write(found: "Examination") -> None:
    write_facts([("grove", found.folder), ("versions", _told(found.versions)), *_settings(found)])
    write_line("")
    places = [place for place in (found.journal, *found.stores) if place is not None]
    write_records(places, _PLACE_COLUMNS, as_json=False, none="where its records are is not known")
    write_line("")
    none = "no process has it open"
    write_records(found.coordinators, _COORDINATOR_COLUMNS, as_json=False, none=none)
    write_line("")
    none = "no transaction is unfinished" if found.journal else "what is unfinished is not known"
    write_records(found.unfinished, _UNFINISHED_COLUMNS, as_json=False, none=none)
    write_line("")
    if found.audit is not None:
        violations = len(found.audit.violations) or "no"
        write_line(f"audit: {found.audit.checked:,} records checked, {violations} violations")
    write_records(found.findings, _FINDING_COLUMNS, as_json=False, none="all is well")


def _settings(found: "Examination") -> list[tuple[str, object]]:
    if found.settings is None:
        return [("settings", "cannot be read")]
    shown = found.settings
    routes = [
        f"{role} -> {', '.join(to['to'] for to in targets) or 'nobody'}"
        for role, targets in shown["topology"].items()
    ]
    leases = ", ".join(f"{name} {seconds:g} s" for name, seconds in shown["leases"].items())
    keep = ", ".join(f"{name} {seconds:g} s" for name, seconds in shown["keep"].items())
    return [
        ("topology", "; ".join(routes) or "nobody is handed anything"),
        ("leases", leases),
        ("keep", keep or "everything, for ever"),
    ]


def _told(versions: "Versions") -> str:
    psycopg = f"psycopg {versions.psycopg}" if versions.psycopg else "no psycopg"
    return (
        f"grove-sm {versions.grove_sm}, Python {versions.python}, SQLite {versions.sqlite}, "
        f"{psycopg}"
    )
