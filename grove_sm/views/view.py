"""What the views of all collections have in common."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar, Final, Generic, TypeVar

from grove_sm.commit.coordinator import Coordinator
from grove_sm.domain import Record
from grove_sm.domain.arguments import limit_argument, text_argument
from grove_sm.domain.errors import NotFound, ValidationError
from grove_sm.operations.documents import decode
from grove_sm.operations.plan import Get, Stored
from grove_sm.operations.query import Query, all_pages, place_of
from grove_sm.operations.words import Term
from grove_sm.views.asking import Asked, require_known
from grove_sm.views.pages import Page, make_cursor, read_cursor

R = TypeVar("R", bound=Record)

_PAGE: Final = 100


class View(ABC, Generic[R]):
    """The records of one collection, or those of one kind in it.

    A page shows what is there at one moment, and never a part of an operation.
    """

    _collection: ClassVar[str]
    _kind: type[R]
    _filters: ClassVar[frozenset[str]]
    _counted: ClassVar[Mapping[str, str]]
    """What its records can be counted by: how callers call it, and the indexed field."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    def get(self, record_id: str, /) -> R:
        """The record of this id.

        Raises ValidationError; NotFound; Corrupt, naming the place, if what is stored is damaged;
        StoreUnavailable.
        """
        text_argument("id", record_id)
        for stored in self._coordinator.read(Get(self._collection, self._record_id(record_id))):
            return self._decode(stored)
        raise NotFound(record=f"{self._kind.__name__.lower()} {record_id}")

    def _record_id(self, given: str) -> str:
        """The id that a record is kept under."""
        return given

    @abstractmethod
    def _asked(self, filters: Mapping[str, Any]) -> Asked:
        """What filters ask for. Raises ValidationError."""

    def _list(
        self,
        filters: Mapping[str, Any],
        *,
        newest_first: bool,
        limit: int | None,
        cursor: str | None,
        terms: Sequence[Term] = (),
    ) -> Page[R]:
        """The records that filters and words ask for.

        Raises ValidationError; Corrupt if one of them is damaged; StoreUnavailable.
        """
        query = self._query(filters, terms, newest_first=newest_first)
        # By what was given: a filter that goes by the time now asks for the same all the time.
        asked = (self._kind.__name__, _plain(filters), terms, newest_first)
        return self._page(query, asked, limit=limit, cursor=cursor)

    def _page(
        self,
        query: Query,
        asked: object,
        *,
        limit: int | None,
        cursor: str | None,
        also: Callable[[R], bool] | None = None,
    ) -> Page[R]:
        """The first records of a query, or those behind a cursor, and the cursor of what follows.

        `asked` is what the cursor belongs to; `also` must hold of a record too. Raises as `_list`.
        """
        limit_argument(limit)
        after = None if cursor is None else read_cursor(asked, cursor)
        wanted = None if limit is None else limit + 1
        if also is None:
            found = [(s, self._decode(s)) for s in self._coordinator.page(query, wanted, after)]
        else:
            every = all_pages(self._coordinator.page, query, _PAGE, after)
            chosen = ((s, record) for s in every if also(record := self._decode(s)))
            found = list(islice(chosen, wanted))
        page = Page(record for _, record in found[:limit])
        if limit and len(found) > limit:
            last, _ = found[limit - 1]
            document = json.loads(last.document)
            page.next = make_cursor(asked, place_of(query.collection, last.record_id, document))
        return page

    def _query(
        self, filters: Mapping[str, Any], terms: Sequence[Term] = (), *, newest_first: bool = False
    ) -> Query:
        require_known(filters, self._filters)
        return self._asked(filters).query(terms, newest_first=newest_first)

    def _counts(
        self, by: str, filters: Mapping[str, Any], terms: Sequence[Term] = ()
    ) -> dict[str, int]:
        if by not in self._counted:
            rule = f"must be one of {', '.join(self._counted)}"
            raise ValidationError(field="by", rule=rule, value=by)
        query = self._query(filters, terms)
        return dict(sorted(self._coordinator.counts(query, self._counted[by]).items()))

    def _decode(self, stored: Stored) -> R:
        where = self._coordinator.participants[self._collection].name
        return decode(self._kind, stored, where)


def _plain(filters: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Filters as they are told apart, but for those that are left out."""
    return [(name, str(value)) for name, value in sorted(filters.items()) if value is not None]
