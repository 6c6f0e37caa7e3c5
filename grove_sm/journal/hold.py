"""The `Hold` of every kind of journal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic_core import from_json

from grove_sm.commit.contract import Holder
from grove_sm.commit.machine import Decision
from grove_sm.commit.record import Entry, Recorded


def holder_of(entry: Entry, state: str) -> Holder:
    """A transaction in the journal as others meet it."""
    members = from_json(entry.members)
    written = frozenset((collection, record_id) for collection, record_id, _ in members)
    return Holder(entry.txid, entry.coordinator, state, frozenset(entry.keys), written)


class DecidedHold:
    """The `Hold` contract (see `grove_sm.commit.contract`): asked by one side, settled by the
    other."""

    def __init__(self, refused_by: tuple[Holder, ...], recorded: Recorded | None) -> None:
        self.refused_by = refused_by
        self.recorded = recorded
        self.asked: Decision | None = None
        self._decision: Decision | None = None

    @property
    def is_free(self) -> bool:
        """Whether the transaction may go on: nobody holds its keys, nothing was recorded."""
        return not self.refused_by and self.recorded is None

    def decide(self, decision: Decision) -> None:
        """Ask for an outcome."""
        self.asked = decision

    def settle(self, decision: Decision) -> None:
        """Set the journal's answer."""
        self._decision = decision

    @property
    def decision(self) -> Decision:
        """The journal's answer, once the block has ended."""
        assert self._decision is not None, "read before the block ended"  # noqa: S101
        return self._decision


@contextmanager
def held_beforehand(
    hold: DecidedHold, *, abort: Callable[[], Decision], commit: Callable[[], Decision]
) -> Iterator[DecidedHold]:
    """The block of a transaction whose keys are recorded as held, or were refused, and its end.

    Args:
        hold: what the block is given, and is settled when it ends.
        abort: aborts the transaction, if nobody has; answers what stands.
        commit: commits it, unless it has been aborted; answers what stands.
    """
    try:
        yield hold
    except Exception:
        if hold.is_free:
            abort()
        raise
    if not hold.is_free:
        hold.settle(Decision.ABORT)
    elif hold.asked is Decision.COMMIT:
        hold.settle(commit())
    else:
        hold.settle(abort())
