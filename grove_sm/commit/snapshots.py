"""Views of all stores at one moment between transactions."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Final

from grove_sm.commit.applier import Applier
from grove_sm.commit.contract import AppliesLost, Holder, Journal, OnDamage, Participant, Snapshot
from grove_sm.commit.record import Entry
from grove_sm.domain.errors import Corrupt, StoreUnavailable

_MOST_ATTEMPTS: Final = 100


@contextmanager
def snapshots(
    journal: Journal,
    participants: Mapping[str, Participant],
    applier: Applier,
    barrier: Callable[[], Entry],
    on_damage: OnDamage | None,
) -> Iterator[Mapping[str, Snapshot]]:
    """See `Coordinator.snapshots`.

    Args:
        journal: where others decide.
        participants: the store of each collection.
        applier: applies what is committed.
        barrier: makes a transaction that keeps others from deciding while it is held.
        on_damage: takes a damaged record of the journal.
    """
    with ExitStack() as stack:
        for attempt in count():
            _settle_all(journal, applier, on_damage)
            views = _views(journal, participants, applier, barrier(), stack)
            if views is not None or attempt >= _MOST_ATTEMPTS:
                break
        if views is None:
            raise StoreUnavailable(
                store=journal.name, reason="its transactions never paused; try again"
            )
        yield {collection: views[store.name] for collection, store in participants.items()}


def _views(
    journal: Journal,
    participants: Mapping[str, Participant],
    applier: Applier,
    barrier: Entry,
    stack: ExitStack,
) -> Mapping[str, Snapshot] | None:
    """A view of every store while nothing is decided; None if something is to be applied."""
    try:
        with journal.hold(barrier, one_append=True):
            # Applied in here, a transaction would wait for the very lock that is held, where
            # the journal shares its file with a store.
            if any(_is_to_settle(journal, holder) for holder in journal.unapplied()):
                return None
            stores = {store.name: store for store in participants.values()}
            return {name: stack.enter_context(store.snapshot()) for name, store in stores.items()}
    except AppliesLost as error:
        applier.redo(error.store)
        return None


def _settle_all(journal: Journal, applier: Applier, on_damage: OnDamage | None) -> None:
    """Bring every committed transaction to its end."""

    def pass_on(_: str, error: Corrupt | StoreUnavailable) -> None:
        if on_damage is None or not isinstance(error, Corrupt):
            raise error
        on_damage(error)

    met = journal.unapplied()
    committed = [holder.txid for holder in met if holder.state == "committed"]
    applier.roll_forward_everywhere(committed, met, pass_on)


def _is_to_settle(journal: Journal, holder: Holder) -> bool:
    """Whether a transaction that is met unapplied can and must be applied first."""
    try:
        return holder.state == "committed" and journal.load(holder.txid) is not None
    except Corrupt:
        return False
