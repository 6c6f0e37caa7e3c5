"""Checks of single arguments that become no record, such as the id of one that is asked for."""

from grove_sm.domain.contribution import Agent
from grove_sm.domain.errors import ValidationError
from grove_sm.domain.values import Flaw, check_text


def text_argument(field: str, value: object) -> str:
    """The value, if it is a string that can be stored. Raises ValidationError, on `field`."""
    try:
        return check_text(value)
    except Flaw as flaw:
        raise flaw.at(field) from None


def name_argument(field: str, value: object) -> str:
    """As `text_argument`, for what has to name somebody or something: not blank either."""
    text = text_argument(field, value)
    if not text.strip():
        raise ValidationError(field=field, rule="must not be empty", value=text)
    return text


def agent_argument(value: object) -> Agent:
    """The value, if it is an agent. Raises ValidationError."""
    if not isinstance(value, Agent):
        raise ValidationError(field="agent", rule="must be an Agent", value=value)
    return value


def limit_argument(value: object) -> int | None:
    """The value, if it says how many there may be at most; None: any number.

    Raises ValidationError.
    """
    if value is None or (type(value) is int and value >= 0):
        return value
    raise ValidationError(field="limit", rule="must be a whole number of at least 0", value=value)
