"""In which order committed transactions are applied by somebody who comes later.

A store judges a write by the revision that it replaces, so the changes of one record have to
reach it in commit order. While transactions keep their keys until they are applied, only one at a
time can be waiting to change a record. But where a journal has taken marks back, as after a power
cut, several are, and each has to wait for those before it.
"""

from collections.abc import Collection, Iterable, Sequence

from grove_sm.commit.contract import Holder, Participant
from grove_sm.operations.plan import Get, Write


def with_what_they_build_on(wanted: Collection[str], met: Sequence[Holder]) -> list[Holder]:
    """The committed transactions that are wanted and, before each, those it has to come after.

    Args:
        wanted: ids.
        met: what a journal has unapplied, in its order.
    """
    found: list[Holder] = []
    records: set[tuple[str, str]] = set()
    touches_everything = False
    for holder in reversed(met):
        if holder.state != "committed":
            continue
        is_before = touches_everything or (
            bool(found) if holder.members is None else not records.isdisjoint(holder.members)
        )
        if is_before or holder.txid in wanted:
            found.append(holder)
            records.update(holder.members or ())
            touches_everything = touches_everything or holder.members is None
    return found[::-1]


class Missed:
    """What stores have missed while transactions are applied one after the other.

    A store that misses a change of a record must not be given a later one, even if it could take
    it by then; and one that could not be reached is not asked again.
    """

    def __init__(self) -> None:
        self._unreachable: set[str] = set()
        self._records: set[tuple[str, str]] = set()
        self._any_record = False

    def keeps_back(self, store: Participant, writes: Iterable[Write]) -> bool:
        """Whether these writes have to wait for something that a store has missed.

        Raises StoreUnavailable or Corrupt if that has to be asked of it.
        """
        return (
            store.name in self._unreachable
            or any((write.collection, write.record_id) in self._records for write in writes)
            or (self._any_record and any(_lacks(store, write) for write in writes))
        )

    def note(self, writes: Iterable[Write]) -> None:
        """These have not taken effect."""
        self._records.update((write.collection, write.record_id) for write in writes)

    def note_unreachable(self, store: str) -> None:
        """A store cannot be reached."""
        self._unreachable.add(store)

    def note_unknown(self, holder: Holder) -> None:
        """What a transaction writes could not be read in the journal."""
        self._records.update(holder.members or ())
        self._any_record = self._any_record or holder.members is None


def _lacks(store: Participant, write: Write) -> bool:
    """Whether what a write replaces has yet to come."""
    found = store.read(Get(write.collection, write.record_id))
    return (found[0].revision if found else 0) < write.base
