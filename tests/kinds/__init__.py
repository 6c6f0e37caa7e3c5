"""Every kind of store and journal that the suites run over: a new one is a line in `KINDS`.

Named here it gets the whole treatment: conformance, every crash enumerated, interleavings, zombies,
random histories and the search, transcripts on request, and, where it keeps files, power cuts.
`docs/new-store.md` says what an entry has to tell.
"""

from typing import Final

from tests.kinds.kind import Kind
from tests.kinds.memory import MEMORY
from tests.kinds.nexus import NEXUS
from tests.kinds.postgres import POSTGRES
from tests.kinds.sqlite import SQLITE

KINDS: Final[list[Kind]] = [MEMORY, SQLITE, POSTGRES, NEXUS]
"""The one list. Suites look at it when they are collected."""
