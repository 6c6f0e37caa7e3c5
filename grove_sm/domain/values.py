"""JSON values, times and CIDs: what may stand in a record, and the one form it is kept in.

Numbers. RFC 8785 prints every number as ECMAScript prints a double, so `1.0` is `1`, `-0.0` is `0`
and an integer beyond 2^53 is the nearest double. The normal form here keeps that: a whole number
within plus or minus 2^53 - 1 is an `int`, every other number a `float`.
"""

import math
import re
from datetime import UTC, datetime
from typing import Any, Final

from grove_sm.domain.errors import ABSENT, ValidationError
from grove_sm.domain.frozen import FrozenDict, FrozenList

MAX_DEPTH: Final = 128
"""Lists and objects inside one another, the outermost included."""

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer below which every integer is its own double."""

CID_PATTERN: Final = re.compile(r"blake3:[0-9a-f]{64}")

_TIME_PATTERN: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
    r"(?P<zone>[Zz]|[+-](?:[01][0-9]|2[0-3])(?::[0-5][0-9])?)?"
)
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHOWN_NAME_CHARACTERS: Final = 64


class Flaw(ValueError):  # noqa: N818 - never leaves the domain
    """A broken rule, before it is known which field of which record it is in.

    `path` leads from the value that was checked to the one that breaks the rule.
    """

    def __init__(self, rule: str, value: object = ABSENT, *path: str | int) -> None:
        super().__init__(rule)
        self.rule = rule
        self.value = value
        self.path = path

    def inside(self, step: str | int) -> "Flaw":
        """The same flaw, seen from the list or object that holds the value at `step`."""
        self.path = (step, *self.path)
        return self

    def at(self, *prefix: str | int) -> ValidationError:
        """The error to raise for this flaw in the field at this path."""
        return ValidationError(
            field=format_path((*prefix, *self.path)), rule=self.rule, value=self.value
        )


def format_path(path: tuple[str | int, ...]) -> str:
    """A path as people write it: `context.nested.a[2]`, `artifacts["src/main.py"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_NAME.fullmatch(step):
            text += f".{step}"
        else:
            shown = step[:_SHOWN_NAME_CHARACTERS].encode("utf-8", "backslashreplace").decode()
            text += f'["{shown}{"..." if len(step) > _SHOWN_NAME_CHARACTERS else ""}"]'
    return text.removeprefix(".")


def check_text(value: object) -> str:
    """A string that has a UTF-8 form. Raises Flaw otherwise."""
    if not isinstance(value, str):
        raise Flaw("must be a string", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Flaw("must not hold a lone surrogate", value) from None
    return str.__str__(value)


def normal_number(value: object) -> int | float:
    """A finite number in normal form. Raises Flaw for anything else, booleans included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Flaw("must be a finite number", value)
    if isinstance(value, int) and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        return int(value)
    try:
        number = float(value)
    except OverflowError:
        raise Flaw("must be a finite number: it is beyond the largest double", value) from None
    if not math.isfinite(number):
        raise Flaw("must be a finite number", value)
    if number.is_integer() and abs(number) <= MAX_SAFE_INTEGER:
        return int(number)
    return number


def normal_json(value: object, depth: int = 0) -> Any:
    """A JSON value in normal form, deeply immutable and sharing nothing with what was given.

    Raises Flaw for whatever JSON cannot hold: NaN and the infinities, lone surrogates, object keys
    that are not strings, other Python types, and nesting deeper than MAX_DEPTH.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return check_text(value)
    if isinstance(value, int | float):
        return normal_number(value)
    if not isinstance(value, dict | list):
        raise Flaw("must be a JSON value", value)
    if depth == MAX_DEPTH:
        raise Flaw(f"must not be nested deeper than {MAX_DEPTH} levels", value)
    if isinstance(value, list):
        items = []
        for index, item in enumerate(value):
            try:
                items.append(normal_json(item, depth + 1))
            except Flaw as flaw:
                raise flaw.inside(index) from None
        return FrozenList(items)
    members = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise Flaw("must have strings as object keys", key)
        try:
            members[check_text(key)] = normal_json(item, depth + 1)
        except Flaw as flaw:
            raise flaw.inside(key) from None
    return FrozenDict(members)


def check_cid(value: object) -> str:
    """A CID. Raises Flaw otherwise."""
    if not isinstance(value, str) or not CID_PATTERN.fullmatch(value):
        raise Flaw("must be a CID: 'blake3:' and 64 lowercase hex digits", value)
    return str.__str__(value)


def normal_time(value: object) -> str:
    """A time in UTC with milliseconds and `Z`, finer digits cut off. Raises Flaw otherwise."""
    if isinstance(value, str):
        match = _TIME_PATTERN.fullmatch(value)
        if match is None:
            raise Flaw("must be a time such as 2026-01-01T18:30:00.000Z", value)
        if match["zone"] is None:
            raise Flaw("must be a time with a zone, such as Z or +05:30", value)
        try:
            moment = datetime.fromisoformat(value.upper())
        except ValueError:
            raise Flaw("must be a time that exists", value) from None
    elif isinstance(value, datetime):
        if value.utcoffset() is None:
            raise Flaw("must be a time with a zone", value)
        moment = value
    else:
        raise Flaw("must be a time such as 2026-01-01T18:30:00.000Z", value)
    try:
        return format_time(moment)
    except OverflowError:
        raise Flaw("must lie in the years 1 to 9999 in UTC", value) from None


def normalise_time(value: str | datetime, field: str) -> str:
    """A time as records keep it (`2026-01-01T18:30:00.000Z`), from RFC 3339 or ISO 8601 text
    with a zone, or an aware datetime. Fractions finer than a millisecond are cut off.

    Raises ValidationError naming `field`. Grove protocol, section 1.
    """
    try:
        return normal_time(value)
    except Flaw as flaw:
        raise flaw.at(field) from None


def format_time(moment: datetime) -> str:
    """An aware datetime as records keep it. Raises OverflowError outside the years 1 to 9999."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def is_time(value: object) -> bool:
    """Whether a value is a time as records keep it."""
    try:
        return isinstance(value, str) and format_time(parse_time(value)) == value
    except (ValueError, OverflowError):
        return False


def parse_time(text: str) -> datetime:
    """The moment of a time as records keep it, in UTC."""
    return datetime.fromisoformat(text)
