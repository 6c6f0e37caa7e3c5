"""Canonical JSON (RFC 8785), the text that CIDs are taken of."""

import json
from typing import Any, Final

import rfc8785

from grove_sm.domain.values import MAX_SAFE_INTEGER, Flaw, normal_json

_sorted_json: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":")
).encode

# Python and ECMAScript print the same shortest digits, and from here up both print them plainly.
_SMALLEST_PLAIN_FLOAT: Final = 1e-4
_LAST_CHARACTER_OF_ONE_UTF16_UNIT: Final = "\uffff"


def _prints_alike(value: Any) -> bool:
    """Whether the standard library prints this value (in normal form) as RFC 8785 does.

    It differs in the order of keys outside the basic plane and in the exponents of floats.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            if not key.isascii() and max(key) > _LAST_CHARACTER_OF_ONE_UTF16_UNIT:
                return False
            if not isinstance(item, str) and not _prints_alike(item):
                return False
        return True
    if isinstance(value, list):
        return all(_prints_alike(item) for item in value)
    return not isinstance(value, float) or _SMALLEST_PLAIN_FLOAT <= abs(value) <= MAX_SAFE_INTEGER


def encode_texts(value: Any) -> bytes:
    """As `encode_normal`, for values without floats whose object keys are ASCII."""
    return _sorted_json(value).encode()


def encode_normal(value: Any) -> bytes:
    """The canonical JSON of a value in normal form (`values.normal_json`), UTF-8."""
    if _prints_alike(value):
        return encode_texts(value)
    return rfc8785.dumps(value)


def canonical_json(value: object) -> bytes:
    """The canonical JSON of any JSON value (RFC 8785), UTF-8.

    An integer beyond 2^53 is first the nearest double. Raises ValidationError, naming the place,
    for what JSON cannot hold (Grove protocol, sections 1 and 2).
    """
    try:
        return encode_normal(normal_json(value))
    except Flaw as flaw:
        raise flaw.at("value") from None
