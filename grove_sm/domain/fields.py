"""The types that fields of records have, with the protocol's limits (Grove protocol, section 1).

All are kept in normal form and deeply immutable: lists as FrozenList, objects as FrozenDict.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, PlainValidator
from pydantic_core import CoreSchema, core_schema

from grove_sm.domain.frozen import FrozenDict, FrozenList
from grove_sm.domain.values import (
    MAX_SAFE_INTEGER,
    Flaw,
    check_cid,
    check_text,
    normal_json,
    normal_number,
    normal_time,
)

T = TypeVar("T")

MAX_CONTEXT_KEYS: Final = 100

_ARTIFACT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/ -]{0,255}")


class _NeverNull:
    """Lets a field be absent (None in Python), yet refuses a null in a document."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        (present,) = (kind for kind in get_args(source) if kind is not type(None))
        return handler.generate_schema(present)


class AtMost(NamedTuple):
    """A list or an object of at most this many members, frozen."""

    members: int

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        kinds = [handler.generate_schema(kind) for kind in get_args(source)]
        if len(kinds) == 1:
            items = core_schema.list_schema(*kinds, max_length=self.members, strict=True)
            return core_schema.no_info_after_validator_function(FrozenList, items)
        members = core_schema.dict_schema(*kinds, max_length=self.members, strict=True)
        return core_schema.no_info_after_validator_function(FrozenDict, members)


def _check_artifact_name(value: object) -> str:
    if not isinstance(value, str) or not _ARTIFACT_NAME.fullmatch(value):
        raise Flaw(
            "must be a name of 1 to 256 characters that begins with a letter or digit and holds "
            "only letters, digits, '.', '_', '/', '-' and space",
            value,
        )
    if ".." in value and ".." in value.split("/"):
        raise Flaw("must not have a '..' path part", value)
    return str.__str__(value)


def _context(value: object) -> FrozenDict[Any]:
    if not isinstance(value, dict):
        raise Flaw("must be an object", value)
    if len(value) > MAX_CONTEXT_KEYS:
        raise Flaw(f"must hold at most {MAX_CONTEXT_KEYS} keys", value)
    normal: FrozenDict[Any] = normal_json(value)
    return normal


def _time_as_given(value: object) -> str:
    normal = normal_time(value)
    return str.__str__(value) if isinstance(value, str) else normal


def _exact_one(value: object) -> object:
    # True and 1.0 are equal to 1.
    if type(value) is not int or value != 1:
        raise Flaw("must be 1", value)
    return value


def check_unique(items: Sequence[str]) -> Sequence[str]:
    """The items, if no two are the same. Raises Flaw naming the second."""
    if len(set(items)) < len(items):
        seen: set[str] = set()
        for index, item in enumerate(items):
            if item in seen:
                raise Flaw("must not repeat an earlier item", item, index)
            seen.add(item)
    return items


Maybe = Annotated[T | None, _NeverNull()]
"""An optional field: absent is None in Python, left out on the wire, never null there."""

Text = Annotated[str, AfterValidator(check_text)]
Text64 = Annotated[str, Field(max_length=64)]
Text128 = Annotated[str, Field(max_length=128)]
Text65536 = Annotated[str, Field(max_length=65_536)]
Text1To128 = Annotated[str, Field(min_length=1, max_length=128)]
Text1To256 = Annotated[str, Field(min_length=1, max_length=256)]
Text1To1024 = Annotated[str, Field(min_length=1, max_length=1024)]
Identifier = Annotated[str, Field(min_length=1)]

Cid = Annotated[str, PlainValidator(check_cid)]
Time = Annotated[str, PlainValidator(normal_time)]
TimeAsGiven = Annotated[str, PlainValidator(_time_as_given)]
Number = Annotated[float, PlainValidator(normal_number)]
One = BeforeValidator(_exact_one)

Amount = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
Balance = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
Count = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
Revision = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
Seconds = Annotated[float, Field(gt=0, le=31_536_000)]

ArtifactName = Annotated[str, PlainValidator(_check_artifact_name)]
Context = Annotated[Mapping[str, Any], PlainValidator(_context)]
