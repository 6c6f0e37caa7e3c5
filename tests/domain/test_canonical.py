"""Canonical JSON is RFC 8785, by whichever way it is written."""

import json
import math
import struct
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from grove_sm.domain import canonical_json
from grove_sm.domain.canonical import encode_normal
from grove_sm.domain.errors import ValidationError
from grove_sm.domain.values import MAX_SAFE_INTEGER, normal_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = (
    st.integers()
    | st.integers(2**52, 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(-1e-3, 1e-3)
    | st.floats(2**52, 2**54)
)
JSON = st.recursive(
    st.none() | st.booleans() | TEXT | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def as_doubles(value: Any) -> Any:
    """The value with each integer beyond 2^53 as the nearest double."""
    if isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        return float(value)
    if isinstance(value, list):
        return [as_doubles(item) for item in value]
    if isinstance(value, dict):
        return {key: as_doubles(item) for key, item in value.items()}
    return value


@given(JSON)
@example({"\U00010000": 1, "\ufb33": 2})
@example([1e-4, 9.999e-5, 2.0**53, 2.0**53 - 1, 0.5, -0.0, 1e16, 1e21])
@example('\x00\x1f\x7f\u2028"\\/\b\f\n\r\t')
def test_same_as_the_reference_implementation(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(as_doubles(value))


@given(JSON)
def test_reading_and_writing_again_changes_nothing(value: Any) -> None:
    once = canonical_json(value)
    assert canonical_json(json.loads(once)) == once
    assert encode_normal(normal_json(value)) == once


# RFC 8785, appendix B.
@pytest.mark.parametrize(
    ("bits", "printed"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555554", "333333333.33333325"),
        ("41b3de4355555555", "333333333.3333333"),
        ("41b3de4355555556", "333333333.3333334"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_numbers_print_as_in_the_rfc(bits: str, printed: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(number).decode() == printed
    assert canonical_json([number, {"\U00010000": 0}]).decode().startswith(f"[{printed},")


def test_keys_sort_by_utf16_code_units() -> None:
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(canonical_json(value)).values()) == [2, 4, 6, 7, 1, 5, 3]


@pytest.mark.parametrize(
    ("value", "field", "words"),
    [
        ({"a": [1, math.nan]}, "value.a[1]", "finite number"),
        ([math.inf], "value[0]", "finite number"),
        ({"n": 10**400}, "value.n", "beyond the largest double"),
        ("\ud800", "value", "lone surrogate"),
        ({"\udfff": 1}, 'value["\\udfff"]', "lone surrogate"),
        ({1: 1}, "value", "strings as object keys"),
        ({"a": (1, 2)}, "value.a", "JSON value"),
        (b"x", "value", "JSON value"),
        ({1}, "value", "JSON value"),
    ],
)
def test_what_json_cannot_hold(value: object, field: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        canonical_json(value)
    assert caught.value.field == field
