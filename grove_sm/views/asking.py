"""From the filters that a reader gives to a query."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from grove_sm.domain import normalise_time
from grove_sm.domain.arguments import text_argument
from grove_sm.domain.errors import ValidationError
from grove_sm.operations.query import Between, Query
from grove_sm.operations.words import Term


class Asked:
    """What is asked of a collection, put together filter by filter; None leaves one out.

    Every method but `query` raises ValidationError, naming the field, for a value that cannot be.
    """

    def __init__(self, collection: str) -> None:
        self._collection = collection
        self._where: list[tuple[str, str]] = []
        self._among: list[tuple[str, tuple[str, ...]]] = []
        self._between: list[Between] = []

    def equal(self, field: str, value: object, choices: Sequence[str] = ()) -> None:
        """A field has this value, one of the choices if there are any."""
        if value is None:
            return
        if choices and value not in choices:
            raise ValidationError(
                field=field, rule=f"must be one of {', '.join(choices)}", value=value
            )
        self._where.append((field, text_argument(field, value)))

    def holds(self, field: str, values: object) -> None:
        """A list holds this item, or all of these."""
        if values is None:
            return
        items = [values] if isinstance(values, str) else values
        if not isinstance(items, Iterable) or isinstance(items, Mapping | bytes):
            raise ValidationError(
                field=field, rule="must be a string, or a list of strings", value=values
            )
        self._where += [(field, text_argument(field, item)) for item in items]

    def among(self, field: str, values: Sequence[str]) -> None:
        """A field has one of these values."""
        self._among.append((field, tuple(values)))

    def between(
        self,
        field: str,
        since: str | datetime | None,
        before: str | datetime | None,
        names: tuple[str, str] = ("since", "before"),
    ) -> None:
        """A time is not before the first of these, and before the second."""
        if since is None and before is None:
            return
        first, second = (
            None if given is None else normalise_time(given, name)
            for name, given in zip(names, (since, before), strict=True)
        )
        self._between.append(Between(field, first, second))

    def query(self, terms: Sequence[Term] = (), *, newest_first: object = False) -> Query:
        """All of it, in this order."""
        if not isinstance(newest_first, bool):
            raise ValidationError(
                field="newestFirst", rule="must be true or false", value=newest_first
            )
        return Query(
            self._collection,
            tuple(self._where),
            tuple(self._among),
            tuple(self._between),
            tuple(terms),
            newest_first,
        )


def require_known(filters: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise TypeError for a filter that there is not, as Python does for an argument."""
    unknown = sorted(set(filters) - set(known))
    if unknown:
        raise TypeError(f"got an unexpected keyword argument {unknown[0]!r}")
