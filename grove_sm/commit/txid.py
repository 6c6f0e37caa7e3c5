"""Transaction ids: when, by which coordinator, and a random rest.

`tx-<milliseconds since 1970, 12 hex digits>-<coordinator, hex>-<random>`: ids sort by time, and
whoever meets one knows whom to ask about it.
"""

import re
from datetime import datetime
from typing import Final

from grove_sm.domain.errors import ValidationError

_FORM: Final = re.compile(r"tx-([0-9a-f]{12})-([0-9a-f]+)-([0-9a-z-]+)")


def make_txid(now: datetime, coordinator: int, random: str) -> str:
    """The id of a new transaction."""
    return f"{first_txid_at(now)}-{coordinator:x}-{random}"


def first_txid_at(now: datetime) -> str:
    """A string that sorts before every id made at this time or later, and after every earlier."""
    return f"tx-{int(now.timestamp() * 1000):012x}"


def is_before(txid: str, time: datetime) -> bool:
    """Whether an id was made before a time; False for what is no id."""
    return _FORM.fullmatch(txid) is not None and txid < first_txid_at(time)


def made_at(txid: str, otherwise: datetime) -> datetime:
    """When an id was made, in the zone of the other time, which stands for what is no id."""
    match = _FORM.fullmatch(txid)
    if match is None:
        return otherwise
    return datetime.fromtimestamp(int(match[1], 16) / 1000, otherwise.tzinfo)


def coordinator_of(txid: str) -> int:
    """The number of the coordinator that made an id. Raises ValidationError if it is not one."""
    match = _FORM.fullmatch(txid)
    if match is None:
        raise ValidationError(
            field="txid", rule="must look like tx-019a8c33d2f0-1-6c1f09", value=txid
        )
    return int(match[2], 16)
