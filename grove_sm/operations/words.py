"""Words: what a text holds for a search, and what a search asks for. Pure.

Every kind of store goes by these, so that a search finds the same wherever records are kept. The
kinds of characters are those of Unicode 3.2, which Python keeps for good: an index that one
version of Python has written is read by any other.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from unicodedata import ucd_3_2_0 as unicode

from grove_sm.domain.values import Flaw, check_text

LONGEST_WORD: Final = 64
"""Characters by which a word is known; what comes after them makes no difference."""

MAX_SEARCH: Final = 1024
MAX_TERMS: Final = 64

_ACCENTS: Final = range(0x300, 0x370)
_SELECTORS: Final = range(0xFE00, 0xFE10)
_SOFT_HYPHEN: Final = 0xAD
_ALONE: Final = (
    range(0x3040, 0x3100),  # kana
    range(0x3400, 0xA000),  # ideographs
    range(0x1F000, 0x1FC00),  # pictures
    range(0x20000, 0x40000),  # more ideographs
)
"""Characters that are written without spaces between words: each is a word of its own."""

_ASCII_WORD: Final = re.compile(r"[0-9a-z]+")
_PART: Final = re.compile(r'"(?P<phrase>[^"]*)"(?P<star>\*?)|(?P<word>[^\s"]+)')


class Term(NamedTuple):
    """Words that must stand in a row in one field; of the last one perhaps only its beginning."""

    words: tuple[str, ...]
    is_prefix: bool = False


class _Folded(dict[int, str]):
    """What stands for each character: nothing, a space between words, or its plain letters."""

    def __missing__(self, code: int) -> str:
        plain = unicode.normalize("NFKD", chr(code)).casefold()
        letters = map(_letter, unicode.normalize("NFKD", plain))
        return self.setdefault(code, "".join(letters))


_FOLDED: Final = _Folded()


def _letter(character: str) -> str:
    code, category = ord(character), unicode.category(character)
    if code in _ACCENTS or code in _SELECTORS or code == _SOFT_HYPHEN or category == "Cf":
        return ""
    if any(code in alone for alone in _ALONE):
        return f" {character} "
    is_of_a_word = category[0] in "LMN" or category in ("Cn", "Co")
    return character if is_of_a_word else " "


def words(text: str) -> tuple[str, ...]:
    """The words of a text, in order, in small letters and without accents.

    A word is a run of letters, digits and marks; Chinese and Japanese characters are each one.
    """
    found = _ASCII_WORD.findall(text.lower()) if text.isascii() else _of_any(text)
    return tuple([word[:LONGEST_WORD] for word in found])


def _of_any(text: str) -> list[str]:
    return text.translate(_FOLDED).split()


def parse_search(text: object) -> tuple[Term, ...]:
    """What a search asks for; a text meets it if each term stands in one of its fields.

    `fused kernel` asks for both words, `"fused kernel"` for one behind the other, `kern*` for a
    word that begins so. Punctuation and case make no difference. Raises ValidationError.
    """
    try:
        checked = check_text(text)
        if len(checked) > MAX_SEARCH:
            raise Flaw(f"must have at most {MAX_SEARCH} characters", text)
        if checked.count('"') % 2:
            raise Flaw("must close every quotation mark", text)
        terms = tuple(_terms(checked))
        if not terms:
            raise Flaw("must hold a word to look for: letters or digits", text)
        if len(terms) > MAX_TERMS:
            raise Flaw(f"must hold at most {MAX_TERMS} words and phrases", text)
    except Flaw as flaw:
        raise flaw.at("text") from None
    return terms


def _terms(text: str) -> Sequence[Term]:
    terms = []
    for part in _PART.finditer(text):
        word = part["word"]
        is_prefix = word.endswith("*") if word else bool(part["star"])
        asked = word.removesuffix("*") if word else part["phrase"]
        found = words(asked)
        if "*" in asked or (is_prefix and not found):
            raise Flaw("must have * at the end of a word only, as in kern*", text)
        if found:
            terms.append(Term(found, is_prefix))
    return terms


def meets(terms: Sequence[Term], fields: Sequence[str]) -> bool:
    """Whether each term stands in one of these texts."""
    read = [words(field) for field in fields]
    return all(any(_stands(term, found) for found in read) for term in terms)


def _stands(term: Term, found: Sequence[str]) -> bool:
    *first, last = term.words
    length = len(term.words)
    for start in range(len(found) - length + 1):
        *before, at_end = found[start : start + length]
        if before == first and (at_end.startswith(last) if term.is_prefix else at_end == last):
            return True
    return False
