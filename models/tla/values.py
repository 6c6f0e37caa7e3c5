"""TLA+ values as TLC prints them, as Python values.

Records and functions become dicts, sequences tuples, sets frozensets, strings and model values
str. A function over 1..n is a sequence, in TLA+ as here.
"""

import re
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

Value = Any

_SYMBOL: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\|->|:>|@@|<<|>>|-?\d+|\w+|[\[\](){},]')


class _Frozen(dict[str, Value]):
    """A record or function inside a set."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


class _Symbols:
    def __init__(self, text: str) -> None:
        self._symbols = _SYMBOL.findall(text)
        self._at = 0

    def next(self) -> str:
        symbol = self.peek()
        self._at += 1
        return symbol

    def peek(self) -> str:
        return self._symbols[self._at] if self._at < len(self._symbols) else ""

    def skip(self, *expected: str) -> None:
        symbol = self.next()
        if symbol not in expected:
            raise ValueError(f"expected {' or '.join(expected)}, found {symbol!r}")

    def until(self, end: str, separator: str = ",") -> Iterator[None]:
        """Once for each item of a list, up to and past its end."""
        if self.peek() != end:
            yield
            while self.peek() == separator:
                self.skip(separator)
                yield
        self.skip(end)


def parse_value(text: str) -> Value:
    """The value that TLC printed so. Raises ValueError if it is none."""
    return _value(_Symbols(text))


def parse_state(text: str) -> Mapping[str, Value]:
    """A state, printed as a conjunction of `variable = value`."""
    parts = re.split(r"(?m)^/\\ (?=\w+ = )", text)
    return {
        name: parse_value(value)
        for name, value in (part.split(" = ", 1) for part in parts if part.strip())
    }


def _value(symbols: _Symbols) -> Value:
    symbol = symbols.next()
    match symbol:
        case "{":
            return frozenset(_hashable(_value(symbols)) for _ in symbols.until("}"))
        case "<<":
            return tuple(_value(symbols) for _ in symbols.until(">>"))
        case "[":
            return _Frozen(_pair(symbols, "|->") for _ in symbols.until("]"))
        case "(":
            return _Frozen(_pair(symbols, ":>") for _ in symbols.until(")", "@@"))
    return _atom(symbol)


def _atom(symbol: str) -> str | int | bool:
    if symbol.startswith('"'):
        return symbol[1:-1]
    if symbol in ("TRUE", "FALSE"):
        return symbol == "TRUE"
    if re.fullmatch(r"-?\d+", symbol):
        return int(symbol)
    if re.fullmatch(r"\w+", symbol):
        return symbol
    raise ValueError(f"no value begins with {symbol!r}")


def _pair(symbols: _Symbols, arrow: str) -> tuple[str, Value]:
    key = _value(symbols)
    symbols.skip(arrow)
    return key, _value(symbols)


def _hashable(value: Value) -> Hashable:
    assert isinstance(value, Hashable)
    return value
