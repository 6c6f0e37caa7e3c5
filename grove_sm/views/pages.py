"""A page of a list, and the cursor by which the next one is asked for."""

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Final, Generic, TypeVar

from grove_sm.commit.record import checksum
from grove_sm.domain.errors import ValidationError
from grove_sm.domain.values import Flaw, check_text
from grove_sm.operations.query import Place

T = TypeVar("T")

_RULE: Final = "must be the next of an earlier page of the same list, unchanged"


class Page(list[T], Generic[T]):
    """Records, in the order of their list.

    Attributes:
        next: the cursor that the page after this one is asked for with; None if nothing follows.
            It stays good while records are added, changed and deleted.
    """

    def __init__(self, records: Iterable[T] = (), next: str | None = None) -> None:
        super().__init__(records)
        self.next = next

    def __repr__(self) -> str:
        return f"Page({super().__repr__()}, next={self.next!r})"


def make_cursor(asked: object, last: Place) -> str:
    """The cursor of what follows a place in a list; `asked` is what the list was asked for."""
    told = json.dumps([_digest(asked), *last], separators=(",", ":"))
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def read_cursor(asked: object, cursor: object) -> Place:
    """The place that a cursor stands for.

    Raises ValidationError if it is no cursor, or that of a list that was asked for something else.
    """
    try:
        text = check_text(cursor)
        told = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        digest, created_at, record_id = told
        if digest != _digest(asked):
            raise Flaw(_RULE, cursor)
        return Place(check_text(created_at), check_text(record_id))
    except Flaw:
        raise ValidationError(field="cursor", rule=_RULE, value=cursor) from None
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise ValidationError(field="cursor", rule=_RULE, value=cursor) from None


def _digest(asked: object) -> str:
    return checksum(json.dumps(asked, sort_keys=True))
