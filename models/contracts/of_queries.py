"""Contracts on what readers ask for, and on the words of a search."""

import json
from collections.abc import Sequence
from typing import Any, Final

from grove_sm.domain.errors import ValidationError
from grove_sm.operations.layout import CLAIMS, CONTRIBUTIONS, INDEXED, OF_THE_ID, SEARCHED
from grove_sm.operations.plan import Stored
from grove_sm.operations.query import (
    Between,
    Place,
    Query,
    admits,
    all_pages,
    place_of,
    searched_texts,
    values_of,
)
from grove_sm.operations.words import LONGEST_WORD, MAX_TERMS, Term, meets, parse_search, words
from models.contracts.choices import chosen, settled
from models.contracts.registry import contract
from models.contracts.worlds import AFTER, NOW

FIELDS: Final = tuple(
    (collection, field, path)
    for collection, paths in INDEXED.items()
    for field, path in paths.items()
)


def _holding(path: str, values: Sequence[object]) -> dict[str, Any]:
    """The least document that holds these values, or the first, at a path."""
    name, _, rest = path.partition(".")
    if not name.endswith("[]"):
        return {name: _holding(rest, values) if rest else values[0]}
    items = [_holding(rest, [value]) for value in values] if rest else list(values)
    return {name.removesuffix("[]"): items}


@contract(values_of)
def an_indexed_field_is_found_where_its_path_leads(field: int, kind: int) -> bool:
    """The values of an indexed field are the texts at its path, every one of a list, and none where
    it is absent or something else stands there.

    pre: 0 <= field < len(FIELDS) and 0 <= kind < 4
    post: _
    """
    (collection, name, path), number = chosen(FIELDS, field), chosen(range(4), kind)
    with settled():
        if path == OF_THE_ID:
            record_id = ("grant:x", "account:a:b", "none", ":")[number]
            expected = (("grant",), ("account",), (), ("",))[number]
            return values_of(collection, name, record_id, {}) == expected
        first = path.partition(".")[0].removesuffix("[]")
        document = (_holding(path, [NOW, AFTER]), {}, {first: None}, _holding(path, [7]))[number]
        found = values_of(collection, name, "a", document)
        if number:
            return found == ()
        return found == ((NOW, AFTER) if "[]" in path else (NOW,))


@contract(admits)
def a_query_finds_what_meets_all_that_it_asks(
    where: int, among: int, since: int, before: int, term: int
) -> bool:
    """A record is found if it has every value that is asked for, one of each choice, lies in every
    range, the first bound included, and holds the words.

    pre: 0 <= where < 3 and 0 <= among < 3 and 0 <= since < 3 and 0 <= before < 3 and 0 <= term < 3
    post: _
    """
    wanted = chosen(((), (("agentId", "ada"),), (("agentId", "ben"),)), where)
    choices = chosen(((), (("kind", ("work", "plan")),), (("kind", ("plan", "review")),)), among)
    lower, upper = chosen((None, NOW, AFTER), since), chosen((None, NOW, AFTER), before)
    terms = chosen(((), (Term(("done",)),), (Term(("undone",)),)), term)
    with settled():
        document = {
            "agent": {"agentId": "ada"},
            "kind": "work",
            "createdAt": NOW,
            "summary": "It is done.",
        }
        bounds = (Between("createdAt", lower, upper),)
        query = Query(CONTRIBUTIONS, wanted, choices, bounds, terms)
        expected = (
            "ben" not in str(wanted)
            and (not choices or "work" in choices[0][1])
            and lower in (None, NOW)
            and upper in (None, AFTER)
            and terms != (Term(("undone",)),)
        )
        return admits(query, "a", document) == expected


@contract(place_of, searched_texts)
def a_record_has_its_place_and_its_texts(has_time: bool, has_text: bool) -> bool:
    """A record's place is its creation time, in normal form, and its id; its searched texts are
    those of the fields that are searched.

    post: _
    """
    time, text = (
        chosen((None, "2026-01-01T14:00:00+02:00"), has_time),
        chosen((None, "t"), has_text),
    )
    with settled():
        document = {
            name: value for name, value in {"createdAt": time, "summary": text}.items() if value
        }
        assert place_of(CONTRIBUTIONS, "a", document) == Place(NOW if time else "", "a")
        assert searched_texts(CLAIMS, document) == ()
        texts = searched_texts(CONTRIBUTIONS, document)
        return texts == tuple(document.get(name, "") for name in SEARCHED[CONTRIBUTIONS])


@contract(all_pages)
def pages_hold_every_record_once(count: int, size: int, last: int) -> bool:
    """Page by page every record behind the last one that is known comes once, in order.

    pre: 0 <= count < 5 and 1 <= size < 4 and 0 <= last < 3
    post: _
    """
    total, of_page, known = chosen(range(5), count), chosen(range(4), size), chosen(range(3), last)
    with settled():
        rows = [
            Stored(f"c{number}", 1, "tx", "[]", json.dumps({"createdAt": NOW}))
            for number in range(total)
        ]
        query = Query(CLAIMS)

        def page(asked: Query, limit: int, after: Place | None) -> list[Stored]:
            assert asked is query
            behind = [row for row in rows if after is None or Place(NOW, row.record_id) > after]
            return behind[:limit]

        place = Place(NOW, f"c{known - 1}") if known else None
        return list(all_pages(page, query, of_page, place)) == rows[known:]


TEXTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("", ()),
    ("The fused-kernel, 2x!", ("the", "fused", "kernel", "2x")),
    ("Über Ærger", ("uber", "ærger")),
    ("CAFÉ café", ("cafe", "cafe")),
    ("ﬁle", ("file",)),
    ("東京タワー", ("東", "京", "タ", "ワ", "ー")),
    ("so\u00adft", ("soft",)),
    ("x" * 100, ("x" * LONGEST_WORD,)),
    ("🙂 fine", ("🙂", "fine")),
)


@contract(words)
def words_are_in_small_letters_without_accents(number: int) -> bool:
    """The words of a text are its runs of letters and digits, plain and in order, and read again
    they are the same.

    pre: 0 <= number < len(TEXTS)
    post: _
    """
    text, expected = chosen(TEXTS, number)
    with settled():
        return words(text) == expected == words(" ".join(expected))


SEARCHES: Final[tuple[tuple[object, tuple[Term, ...] | None], ...]] = (
    ("fused kernel", (Term(("fused",)), Term(("kernel",)))),
    ('"fused kernel"', (Term(("fused", "kernel")),)),
    ("kern*", (Term(("kern",), is_prefix=True),)),
    ('"fused ker"*', (Term(("fused", "ker"), is_prefix=True),)),
    ("Fused-Kernel", (Term(("fused", "kernel")),)),
    ("- , word", (Term(("word",)),)),
    ("", None),
    ("- ,", None),
    ('"open', None),
    ("k*rn", None),
    ("*", None),
    (7, None),
    ("\udc80", None),
    ("x" * 1025, None),
    ("a " * MAX_TERMS, (Term(("a",)),) * MAX_TERMS),
    ("a " * (MAX_TERMS + 1), None),
)


@contract(parse_search)
def a_search_is_words_phrases_and_beginnings(number: int) -> bool:
    """A search asks for words, phrases and beginnings of words, whatever their case; what asks for
    nothing, or is put together wrongly, is refused.

    pre: 0 <= number < len(SEARCHES)
    post: _
    """
    text, expected = chosen(SEARCHES, number)
    with settled():
        try:
            return parse_search(text) == expected
        except ValidationError as error:
            return expected is None and error.field == "text"


@contract(meets)
def each_term_stands_in_one_field(first: int, second: int, is_prefix: bool, kind: int) -> bool:
    """A text meets a search if the words of each term stand in a row in one of its fields, of the
    last perhaps only its beginning.

    pre: 0 <= first < 3 and 0 <= second < 3 and 0 <= kind < 2
    post: _
    """
    begun = chosen((False, True), is_prefix)
    one, other = chosen(("ab", "a", "b"), first), chosen(("ab", "a", "b"), second)
    is_phrase = chosen((False, True), kind)
    with settled():
        fields = ("ab b", "b a")

        def stands(row: Sequence[str], text: str) -> bool:
            found = text.split()
            return any(
                found[at : at + len(row) - 1] == list(row[:-1])
                and len(found) >= at + len(row)
                and (
                    found[at + len(row) - 1].startswith(row[-1])
                    if begun
                    else found[at + len(row) - 1] == row[-1]
                )
                for at in range(len(found))
            )

        rows = [(one, other)] if is_phrase else [(one,), (other,)]
        terms = [Term(row, is_prefix=begun) for row in rows]
        return meets(terms, fields) == all(any(stands(row, f) for f in fields) for row in rows)
