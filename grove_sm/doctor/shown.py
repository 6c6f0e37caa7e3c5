"""What readers would be shown: what stores hold, with what is committed and not applied yet."""

from collections.abc import Iterable, Mapping, Sequence

from grove_sm.commit.record import Entry
from grove_sm.commit.redo import Verdict, judge, written
from grove_sm.operations.plan import Deleted, Scanned, Stored


def shown_to_readers(
    scans: Mapping[str, Sequence[Scanned]], committed: Iterable[Entry]
) -> dict[str, Sequence[Scanned]]:
    """What each collection holds once these are applied, in this order. Nothing is written.

    Readers bring to its end what they meet, so they are never shown less.
    """
    damage = {
        name: [each for each in scan if isinstance(each, Exception)] for name, scan in scans.items()
    }
    tables: dict[str, dict[str, Stored | Deleted]] = {
        name: {each.record_id: each for each in scan if not isinstance(each, Exception)}
        for name, scan in scans.items()
    }
    for entry in committed:
        for write in entry.writes:
            table = tables.get(write.collection, {})
            if judge(write, entry.txid, table.get(write.record_id)) is Verdict.APPLY:
                table[write.record_id] = written(write, entry.txid, entry.members)
    return {name: [*damage[name], *tables[name].values()] for name in scans}
