"""Which revisions of records there are in a zone, asked of the server so that it looks afresh.

A released server keeps listings for five minutes. One that was under way while a file was written
may be kept without it, and whoever asks for the same would not be shown the file. But it keeps them
by the words of the question, and matches these as SQL's LIKE does; so the same question is asked in
ever new words, with `%` signs strewn in that match nothing.
"""

import secrets
from collections.abc import Iterable, Mapping
from typing import Final

from grove_sm.nexus.client import Entry, NexusClient
from grove_sm.operations.layout import CONTRIBUTIONS
from grove_sm.stores.nexus_files import Name, Zone

Whole = str
"""A question for all records of a collection, by its name."""

Single = tuple[str, str]
"""A question for one record, by its collection and segment."""

Etags = Mapping[Name, str]

_LONGEST_RUN: Final = 400


class NexusListing:
    """Lists of the revisions in a zone."""

    def __init__(self, client: NexusClient, zone: Zone) -> None:
        self._client = client
        self._zone = zone
        # None until one of the two has been seen to be so.
        self._matches_patterns: bool | None = None
        self._written = ""

    def note_written(self, path: str) -> None:
        """Tell of a file that is there: by it can be seen what the server makes of patterns."""
        self._written = path

    def entries(self, question: Whole | Single) -> list[Entry]:
        """Every file that a question is about, whosever it is."""
        if isinstance(question, str):
            beginning = self._zone.folder(question) + "/"
        else:
            beginning = self._zone.beginning(*question)
        if self._matches_patterns is None and self._written:
            self._matches_patterns = bool(self._matching(self._written, question))
        if self._matches_patterns is not False:
            found = self._matching(beginning, question)
            if found or self._matches_patterns:
                return found
            if self._matches_patterns is None:
                if not self._plain(question):
                    return []
                # Either there was nothing a moment ago, or the server matches no patterns.
                found = self._matching(beginning, question)
                if found:
                    return found
                self._matches_patterns = False
        return self._plain(question)

    def etags(self, question: Whole | Single) -> Etags:
        """Every revision that a question is about."""
        named = ((self._zone.name(entry.path), entry) for entry in self.entries(question))
        return {
            name: entry.etag
            for name, entry in named
            if name and (isinstance(question, str) or name[:2] == question)
        }

    def _matching(self, beginning: str, question: Whole | Single) -> list[Entry]:
        """Every file whose path begins so, listed afresh; none if the server cannot do that."""
        pattern = "/".join(
            part + "%" * secrets.randbelow(_LONGEST_RUN) if part else ""
            for part in beginning.split("/")
        )
        collection = question if isinstance(question, str) else question[0]
        listed = self._client.list_matching(self._zone.folder(collection), pattern)
        if listed is None:
            self._matches_patterns = False
            return []
        # A pattern matches more: `_` any character, and a letter its capital too.
        found = [entry for entry in listed if entry.path.startswith(beginning)]
        if found:
            self._matches_patterns = True
        return found

    def _plain(self, question: Whole | Single) -> list[Entry]:
        if isinstance(question, str):
            return self._client.list_folder(self._zone.folder(question))
        found = self._client.list_folder(self._zone.beginning(*question))
        first = self._zone.path(Name(*question, 1))
        if question[0] == CONTRIBUTIONS and self._client.exists(first):
            found.append(Entry(first, ""))
        return found


def merged(listings: Iterable[Etags]) -> dict[tuple[str, str], dict[int, str]]:
    """By collection and segment, the etag of each revision."""
    found: dict[tuple[str, str], dict[int, str]] = {}
    for listing in listings:
        for name, etag in listing.items():
            found.setdefault(name[:2], {})[name.revision] = etag
    return found
