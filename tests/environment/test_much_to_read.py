"""What a page of a list or of a search costs depends on the page, not on how much there is."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from grove_sm.commit.record import record_checksum
from grove_sm.domain import format_time
from grove_sm.operations.layout import (
    BOUNTIES,
    CLAIMS,
    CONTRIBUTIONS,
    CREDITS,
    HANDOFFS,
)
from grove_sm.operations.plan import Find, Stored
from grove_sm.operations.query import Between, Place, Query, place_of
from grove_sm.operations.words import parse_search
from grove_sm.stores.indexing import add_words, created_of, postings_of
from grove_sm.stores.sqlite import SQLiteStore
from tests.groves import START

from .conftest import Steps

FEW: Final = 1_000
MANY: Final = 30_000
RARE: Final = 10
"""How many records have what is rare, however many there are."""


def moment(number: int) -> str:
    return format_time(START + timedelta(seconds=number))


def contribution(number: int, rare: bool) -> tuple[str, dict[str, Any]]:
    return f"cid-{number:06}", {
        "kind": "plan" if rare else "work",
        "mode": "exploration" if rare else "evaluation",
        "summary": f"Fused {'marmalade' if rare else 'kernel'} {number}",
        "tags": ["rare"] if rare else ["common"],
        "relations": [{"targetCid": "cid-root" if rare else f"cid-{number - 1}"}],
        "agent": {"agentId": "a-rare" if rare else "a-1", "role": "rare" if rare else "coder"},
        "createdAt": moment(number),
    }


def handoff(number: int, rare: bool) -> tuple[str, dict[str, Any]]:
    return f"h-{number:06}", {
        "sourceCid": f"cid-{number}",
        "toRole": "rare" if rare else "reviewer",
        "status": "delivered" if rare else "replied",
        "replyDueAt": moment(0 if rare else number),
        "resolvedByCid": f"cid-{number}",
        "createdAt": moment(number),
    }


def claim(number: int, rare: bool) -> tuple[str, dict[str, Any]]:
    return f"c-{number:06}", {
        "targetRef": f"file:{number}",
        "agent": {"agentId": "a-rare" if rare else "a-1"},
        "status": "active" if rare else "completed",
        "heartbeatAt": moment(number),
        "leaseExpiresAt": moment(number + 300),
        "createdAt": moment(number),
    }


def bounty(number: int, rare: bool) -> tuple[str, dict[str, Any]]:
    return f"b-{number:06}", {
        "status": "open" if rare else "settled",
        "creator": {"agentId": "a-rare" if rare else "a-1"},
        "claimedBy": {"agentId": "a-rare" if rare else "a-1"},
        "criteria": {"requiredTags": ["rare"] if rare else ["common"]},
        "deadline": moment(0 if rare else number + 1),
        "createdAt": moment(number),
    }


def credit(number: int, rare: bool) -> tuple[str, dict[str, Any]]:
    kind = "reservation" if rare else "grant"
    return f"{kind}:{number:06}", {
        "agentId": "a-rare" if rare else "a-1",
        "status": "held",
        "createdAt": moment(number),
    }


MADE: Final[Mapping[str, Callable[[int, bool], tuple[str, dict[str, Any]]]]] = {
    CONTRIBUTIONS: contribution,
    HANDOFFS: handoff,
    CLAIMS: claim,
    BOUNTIES: bounty,
    CREDITS: credit,
}

ROWS: Final = "record_id, revision, txid, members, document, checksum"
QUERIES: Final[Mapping[str, Query]] = {
    "contributions": Query(CONTRIBUTIONS),
    "of a kind": Query(CONTRIBUTIONS, (("kind", "work"),)),
    "of a rare kind": Query(CONTRIBUTIONS, (("kind", "plan"),)),
    "of a mode": Query(CONTRIBUTIONS, (("mode", "evaluation"),)),
    "of a rare mode": Query(CONTRIBUTIONS, (("mode", "exploration"),)),
    "by an agent": Query(CONTRIBUTIONS, (("agentId", "a-1"),)),
    "by a rare agent": Query(CONTRIBUTIONS, (("agentId", "a-rare"),)),
    "by a role": Query(CONTRIBUTIONS, (("role", "coder"),)),
    "by a rare role": Query(CONTRIBUTIONS, (("role", "rare"),)),
    "with a tag": Query(CONTRIBUTIONS, (("tag", "common"),)),
    "with a rare tag": Query(CONTRIBUTIONS, (("tag", "rare"),)),
    "with a target": Query(CONTRIBUTIONS, (("targetCid", "cid-77"),)),
    "with a tag and kind": Query(CONTRIBUTIONS, (("tag", "common"), ("kind", "work"))),
    "in a time": Query(CONTRIBUTIONS, between=(Between("createdAt", moment(500), moment(600)),)),
    "of a kind in a time": Query(
        CONTRIBUTIONS,
        (("kind", "work"),),
        between=(Between("createdAt", moment(500), moment(600)),),
    ),
    "a rare word": Query(CONTRIBUTIONS, terms=parse_search("marmalade")),
    "a rare phrase": Query(CONTRIBUTIONS, terms=parse_search('"fused marmalade"')),
    "a rare beginning": Query(CONTRIBUTIONS, terms=parse_search("marm*")),
    "a rare word of a kind": Query(
        CONTRIBUTIONS, (("kind", "plan"),), terms=parse_search("marmalade")
    ),
    "a common and a rare word": Query(CONTRIBUTIONS, terms=parse_search("fused marmalade")),
    "handoffs": Query(HANDOFFS),
    "handoffs to a role": Query(HANDOFFS, (("toRole", "reviewer"),)),
    "handoffs to a role in a status": Query(
        HANDOFFS, (("toRole", "reviewer"), ("status", "replied"))
    ),
    "handoffs in a status": Query(HANDOFFS, (("status", "delivered"),)),
    "handoffs of a contribution": Query(HANDOFFS, (("sourceCid", "cid-77"),)),
    "handoffs answered by one": Query(HANDOFFS, (("resolvedByCid", "cid-77"),)),
    "overdue handoffs": Query(
        HANDOFFS,
        among=(("status", ("pending_pickup", "delivered", "processed")),),
        between=(Between("replyDueAt", before=moment(1)),),
    ),
    "claims": Query(CLAIMS),
    "claims on a target": Query(CLAIMS, (("targetRef", "file:77"),)),
    "claims of an agent": Query(CLAIMS, (("agentId", "a-1"),)),
    "claims of an agent in a status": Query(CLAIMS, (("agentId", "a-1"), ("status", "completed"))),
    "claims in a status": Query(CLAIMS, (("status", "completed"),)),
    "stalled claims": Query(
        CLAIMS,
        (("status", "active"),),
        between=(
            Between("heartbeatAt", before=moment(400)),
            Between("leaseExpiresAt", since=moment(1)),
        ),
    ),
    "bounties": Query(BOUNTIES),
    "bounties in a status": Query(BOUNTIES, (("status", "settled"),)),
    "bounties of a creator": Query(BOUNTIES, (("creatorId", "a-1"),)),
    "bounties of a claimant": Query(BOUNTIES, (("claimantId", "a-1"),)),
    "bounties with a tag": Query(BOUNTIES, (("tag", "rare"),)),
    "open bounties that end soon": Query(
        BOUNTIES, (("status", "open"),), between=(Between("deadline", before=moment(1)),)
    ),
    "bounties that end soon": Query(BOUNTIES, between=(Between("deadline", before=moment(1)),)),
    "reservations": Query(CREDITS, (("type", "reservation"),)),
    "grants": Query(CREDITS, (("type", "grant"),)),
    "grants of an agent": Query(CREDITS, (("type", "grant"), ("agentId", "a-1"))),
    "held reservations": Query(CREDITS, (("type", "reservation"), ("status", "held"))),
}


def fill(path: Path, size: int) -> None:
    """Write so many records of each collection, quickly; a few are rare, wherever they stand."""
    rare = {size // RARE * number + number for number in range(RARE)}
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        for collection, make in MADE.items():
            of_these = size if collection == CONTRIBUTIONS else size // 5
            for number in range(of_these):
                record_id, document = make(number, number in rare)
                stored = Stored(record_id, 1, "tx-1", "[]", json.dumps(document))
                row: tuple[object, ...] = (*stored, record_checksum(stored))
                created = created_of(collection, record_id, document)
                if collection == CONTRIBUTIONS:
                    connection.execute(
                        f"INSERT INTO contributions ({ROWS}, created, number) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        (*row, created, number + 1),
                    )
                    add_words(connection, record_id, document)
                else:
                    connection.execute(
                        f"INSERT INTO {collection} ({ROWS}) VALUES (?, ?, ?, ?, ?, ?)", row
                    )
                for posting in postings_of(collection, record_id, created, document):
                    connection.execute(
                        f"INSERT INTO {collection}_postings VALUES (?, ?, ?, ?)", posting
                    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A file with few records of each collection, and one with many."""
    folder = tmp_path_factory.mktemp("much")
    for name, size in (("few.db", FEW), ("many.db", MANY)):
        fill(folder / name, size)
    return folder / "few.db", folder / "many.db"


@pytest.fixture
def stores(files: tuple[Path, Path], steps: Steps) -> Iterator[tuple[SQLiteStore, SQLiteStore]]:
    """Both, opened with their steps counted."""
    few, many = map(SQLiteStore, files)
    with closing(few), closing(many):
        yield few, many


def work(store: SQLiteStore, query: Query, steps: Steps) -> tuple[int, tuple[Stored, ...]]:
    """Steps for the first page, and for one in the middle."""
    before = steps()
    page = store.page(query, 20)
    if page:
        middle = json.loads(page[-1].document)
        after: Place = place_of(query.collection, page[-1].record_id, middle)
        store.page(query, 20, after)
    return steps() - before, page


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_page_does_not_pay_for_what_is_not_on_it(
    stores: tuple[SQLiteStore, SQLiteStore], steps: Steps, query: Query, newest_first: bool
) -> None:
    query = query._replace(newest_first=newest_first)
    (short, few), (long, many) = (work(store, query, steps) for store in stores)
    assert few
    assert many
    assert short > 0
    assert long <= 2 * short + 20, f"{short} grains in {FEW} records, {long} in {MANY}"


def test_validating_does_not_pay_for_other_records(
    stores: tuple[SQLiteStore, SQLiteStore], steps: Steps
) -> None:
    work = []
    for store in stores:
        before = steps()
        store.read(Find(HANDOFFS, (("sourceCid", "cid-77"),)))
        store.read(Find(CLAIMS, (("targetRef", "file:77"), ("status", "active"))))
        work.append(steps() - before)
    assert work[1] <= 2 * work[0]
