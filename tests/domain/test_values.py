"""JSON values in normal form, times, and the containers records are made of."""

import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grove_sm.domain import format_time, normalise_time, parse_time
from grove_sm.domain.errors import ValidationError
from grove_sm.domain.frozen import FrozenDict, FrozenList
from grove_sm.domain.values import MAX_DEPTH, Flaw, format_path, normal_json

from .test_canonical import JSON


def nested(depth: int, kind: str) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


@pytest.mark.parametrize("kind", ["list", "object"])
def test_depth_is_bounded(kind: str) -> None:
    assert normal_json(nested(MAX_DEPTH, kind)) == nested(MAX_DEPTH, kind)
    with pytest.raises(Flaw, match="deeper than 128"):
        normal_json(nested(MAX_DEPTH + 1, kind))


def test_a_value_inside_itself_is_too_deep() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(Flaw, match="deeper than 128"):
        normal_json(value)


@given(JSON)
def test_normal_form_is_the_same_value_and_stays_so(value: Any) -> None:
    normal = normal_json(value)
    assert json.loads(json.dumps(normal)) == normal
    assert repr(normal_json(normal)) == repr(normal)
    assert pickle.loads(pickle.dumps(normal)) == normal  # noqa: S301
    assert copy.deepcopy(normal) == normal


def test_normal_form_shares_nothing_with_what_was_given() -> None:
    given_value: dict[str, Any] = {"a": [1, {"b": 2}]}
    normal = normal_json(given_value)
    given_value["a"][1]["b"] = 3
    given_value["a"].append(4)
    assert normal == {"a": [1, {"b": 2}]}


@pytest.mark.parametrize(
    ("number", "normal"),
    [(1.0, 1), (-0.0, 0), (2**53 - 1, 2**53 - 1), (2**53, float(2**53)), (0.5, 0.5), (1e21, 1e21)],
)
def test_numbers_have_one_form(number: float, normal: float) -> None:
    assert repr(normal_json(number)) == repr(normal)


LIST_MUTATORS: list[Callable[[list[Any]], object]] = [
    lambda x: x.append(1),
    lambda x: x.extend([1]),
    lambda x: x.insert(0, 1),
    lambda x: x.remove(2),
    lambda x: x.pop(),
    lambda x: x.clear(),
    lambda x: x.sort(),
    lambda x: x.reverse(),
    lambda x: x.__setitem__(0, 1),
    lambda x: x.__delitem__(0),
    lambda x: x.__iadd__([1]),
    lambda x: x.__imul__(2),
]
DICT_MUTATORS: list[Callable[[dict[str, Any]], object]] = [
    lambda x: x.update(a=1),
    lambda x: x.setdefault("b", 1),
    lambda x: x.pop("a"),
    lambda x: x.popitem(),
    lambda x: x.clear(),
    lambda x: x.__setitem__("a", 1),
    lambda x: x.__delitem__("a"),
    lambda x: x.__ior__({"b": 1}),
]


@pytest.mark.parametrize("mutate", LIST_MUTATORS)
def test_frozen_lists_refuse_every_change(mutate: Callable[[list[Any]], object]) -> None:
    frozen = FrozenList([2, 1])
    with pytest.raises(TypeError, match="cannot be changed"):
        mutate(frozen)
    assert frozen == [2, 1]


@pytest.mark.parametrize("mutate", DICT_MUTATORS)
def test_frozen_dicts_refuse_every_change(mutate: Callable[[dict[str, Any]], object]) -> None:
    frozen = FrozenDict({"a": 2})
    with pytest.raises(TypeError, match="cannot be changed"):
        mutate(frozen)
    assert frozen == {"a": 2}


def test_no_mutator_was_forgotten() -> None:
    for frozen, plain in ((FrozenList, list), (FrozenDict, dict)):
        inherited = {
            name
            for name in vars(plain)
            if getattr(frozen, name) is getattr(plain, name)
            and name
            in {
                *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"),
                *("update", "setdefault", "popitem"),
                *("__setitem__", "__delitem__", "__iadd__", "__imul__", "__ior__"),
            }
        }
        assert inherited == set()


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2026-01-01T18:30:00.000Z", "2026-01-01T18:30:00.000Z"),
        ("2026-01-02T00:00:00+05:30", "2026-01-01T18:30:00.000Z"),
        ("2026-01-01T18:30:00Z", "2026-01-01T18:30:00.000Z"),
        ("2026-01-01t18:30:00z", "2026-01-01T18:30:00.000Z"),
        ("2026-01-01 18:30:00-00:00", "2026-01-01T18:30:00.000Z"),
        ("2026-01-01T18:30Z", "2026-01-01T18:30:00.000Z"),
        ("2026-01-01T20:30+02", "2026-01-01T18:30:00.000Z"),
        ("2026-01-01T18:30:00,5Z", "2026-01-01T18:30:00.500Z"),
        ("2026-01-01T18:30:00.999999999Z", "2026-01-01T18:30:00.999Z"),
        ("2024-02-29T23:59:59.9994-01:00", "2024-03-01T00:59:59.999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_normalised(text: str, normal: str) -> None:
    assert normalise_time(text, "createdAt") == normal


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2026-01-01T18:30:00", "zone"),
        ("2026-01-01T18:30:00.000", "zone"),
        (datetime(2026, 1, 1), "zone"),  # noqa: DTZ001
        ("2026-01-01", "a time such as"),
        ("20260101T183000Z", "a time such as"),
        ("2026-W01-1T00:00:00Z", "a time such as"),
        ("2026-01-01T18:30:00.Z", "a time such as"),
        ("2026-01-01T18:30:00+0530", "a time such as"),
        ("2026-01-01T18:30:00+05:99", "a time such as"),
        ("2026-01-01T18:30:00+24:00", "a time such as"),
        (" 2026-01-01T18:30:00Z", "a time such as"),
        ("2026-01-01T18:30:00Z\n", "a time such as"),
        ("\u0662\u0660\u0662\u0666-01-01T18:30:00Z", "a time such as"),
        ("", "a time such as"),
        (1_767_292_200, "a time such as"),
        (None, "a time such as"),
        ("2026-02-29T00:00:00Z", "exists"),
        ("2026-13-01T00:00:00Z", "exists"),
        ("2026-01-01T24:30:00Z", "exists"),
        ("2016-12-31T23:59:60Z", "exists"),
        ("0000-01-01T00:00:00Z", "exists"),
        ("0001-01-01T00:00:00+01:00", "years 1 to 9999"),
        ("9999-12-31T23:59:59-01:00", "years 1 to 9999"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), "years 1 to 9999"),
    ],
)
def test_what_is_no_time(value: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        normalise_time(value, "replyDueAt")
    assert caught.value.field == "replyDueAt"


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.timezones()))  # noqa: DTZ001
def test_times_lose_less_than_a_millisecond(moment: datetime) -> None:
    text = normalise_time(moment, "createdAt")
    assert len(text) == len("2026-01-01T18:30:00.000Z")
    assert normalise_time(text, "createdAt") == text == format_time(parse_time(text))
    assert timedelta(0) <= moment.astimezone(UTC) - parse_time(text) < timedelta(milliseconds=1)


@given(*[st.datetimes(timezones=st.just(UTC))] * 2)
def test_times_sort_as_text(one: datetime, other: datetime) -> None:
    early, late = sorted([one, other])
    assert format_time(early) <= format_time(late)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("context", "nested", "a", 2), "context.nested.a[2]"),
        (("relations", 0, "targetCid"), "relations[0].targetCid"),
        (("artifacts", "src/main.py"), 'artifacts["src/main.py"]'),
        (("context", "k" * 1000), f'context["{"k" * 64}..."]'),
        (("context", ""), 'context[""]'),
    ],
)
def test_paths_read_well(path: tuple[str | int, ...], text: str) -> None:
    assert format_path(path) == text
