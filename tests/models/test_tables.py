"""The models' tables are those of the code."""

from dataclasses import replace

from grove_sm.lifecycles import CLAIM
from models.tla.tables import PATH, tables_module


def test_the_module_is_what_the_lifecycle_tables_say() -> None:
    assert PATH.read_text(encoding="utf-8") == tables_module(), "run: python -m models tables"


def test_a_move_that_is_added_or_left_out_shows() -> None:
    more = replace(CLAIM, moves=(*CLAIM.moves, ("release", "released", "released")))
    fewer = replace(CLAIM, moves=CLAIM.moves[:-1])
    assert len({tables_module([lifecycle]) for lifecycle in (CLAIM, more, fewer)}) == 3
