"""A whole grove into a file, and out of it again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import BinaryIO

from grove_sm.calls.auditing import AuditCalls
from grove_sm.domain.errors import StateConflict, ValidationError
from grove_sm.lines import Line, open_to_read, open_to_replace, read_lines
from grove_sm.operations.audit import Scan, Violation, audit
from grove_sm.operations.exported import (
    MAX_BYTES,
    Export,
    Records,
    export_lines,
    is_export,
    read_export,
    with_parts_that_are_there,
)
from grove_sm.operations.layout import CREDITS
from grove_sm.operations.plan import Deleted, Stored
from grove_sm.operations.restoring import OPERATION, not_empty, plan_restore
from grove_sm.results import Exported, Restored


class ExportCalls(AuditCalls):
    """Exporting and restoring."""

    def export(
        self,
        target: str | Path | BinaryIO,
        *,
        on_line: Callable[[int, int], object] = lambda _, __: None,
    ) -> Exported:
        """Write everything that the grove holds to a file: all records, as of one moment.

        JSON lines, described in docs/operations.md; the same records make the same bytes. What the
        journal knows (outcomes, idempotency keys) and the settings are no part of it.

        Args:
            target: a path, where the file stands once all of it is written and durable, in place
                of an earlier export only; or a binary file, written to as it is.
            on_line: called with how many lines are written, of how many.

        Raises StateConflict if the audit finds a violation, or the grove is larger than what can
        be restored; Corrupt for a damaged record; ValidationError if there can be no such file;
        StoreUnavailable. OSError if writing fails.
        """
        scan, report = self._audited()
        records = with_parts_that_are_there(_sound(scan))
        lines = list(export_lines(records))
        size = sum(map(len, lines))
        if size > MAX_BYTES:
            raise StateConflict(
                record="the grove",
                reason=f"its export has {size:,} bytes, and at most {MAX_BYTES:,} can be restored, "
                "which is done in one transaction; copy its files instead",
            )
        export = read_export(lines, "the export")
        violations = report.violations or audit(export.records, self._roles).violations
        if violations:
            reason = f"what it holds could not be restored: {_told(violations)}"
            raise StateConflict(record="the grove", reason=f"{reason}; see 'grove-sm audit'")
        with _to_write(target) as file:
            for done, line in enumerate(lines, 1):
                file.write(line)
                on_line(done, len(lines))
        return Exported(export.counts, export.deleted, export.sha256, size)

    def restore(
        self,
        source: str | Path | BinaryIO,
        *,
        on_line: Callable[[Line], object] = lambda _: None,
    ) -> Restored:
        """Take over all of an export into this grove, which must be empty; all of it or nothing.

        Records keep their ids, times and revisions, and the transactions that wrote them; nothing
        is handed off anew. If the grove holds just what the export does, nothing is done: so it
        may be repeated where its end was not seen.

        Args:
            source: a path, or a binary file that is read to its end.
            on_line: called after each line has been read.

        Raises Corrupt, naming the line, if the file is not as it was written; ValidationError if
        its records break a rule, it cannot be read, or is of a newer format; StateConflict if the
        grove is not empty, or has no credits and the export has; StoreUnavailable;
        OutcomeUnknown. Nothing has changed then.
        """
        with _to_read(source) as file:
            name = getattr(file, "name", None)
            where = name if isinstance(name, str) else "the export"
            return self.restore_lines(read_lines(file), where, on_line=on_line)

    def restore_lines(
        self,
        lines: Iterable[Line],
        where: str,
        *,
        on_line: Callable[[Line], object] = lambda _: None,
    ) -> Restored:
        """As `restore`, for lines that somebody else reads, from what errors call `where`."""
        export = read_export(_with_newlines(lines, on_line), where)
        violations = audit(export.records, self._roles).violations
        if violations:
            rule = f"must keep the rules that an audit checks: {_told(violations)}"
            raise ValidationError(field=where, rule=rule)
        txid = None if self._has_all_of(export) else self._write_all_of(export)
        return Restored(
            export.counts, export.deleted, export.sha256, already_there=txid is None, txid=txid
        )

    def _has_all_of(self, export: Export) -> bool:
        """Whether an export is what the grove holds. Raises StateConflict if it holds another."""
        there = _sound(self._scan())
        if not any(there.values()):
            return not any(export.records.values())
        if read_export(export_lines(there), "the grove").sha256 != export.sha256:
            raise not_empty(there)
        return True

    def _write_all_of(self, export: Export) -> str | None:
        if export.records[CREDITS] and not self._has_credits:
            raise StateConflict(
                record="the grove",
                reason="its settings name no store for credits, and the export has some",
            )
        placed = {name: export.records[name] for name in self.coordinator.participants}
        plan = partial(plan_restore, placed)
        return self._execute(OPERATION, plan, now=self.coordinator.now()).txid


def _sound(scan: Scan) -> Records:
    """What was found, in the order of ids. Raises the damage, if some was met."""
    records: dict[str, list[Stored | Deleted]] = {}
    for collection, found in scan.items():
        records[collection] = []
        for each in found:
            if isinstance(each, Exception):
                raise each
            records[collection].append(each)
        records[collection].sort(key=lambda record: record.record_id)
    return records


def _told(violations: Sequence[Violation]) -> str:
    first, more = violations[0], len(violations) - 1
    records = f" ({', '.join(first.records)})" if first.records else ""
    others = f", and {more} more violations" if more else ""
    return f"{first.rule}: {first.found}{records}{others}"


def _to_write(target: str | Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    if isinstance(target, str | Path):
        return open_to_replace(target, is_export)
    return nullcontext(target)


def _to_read(source: str | Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    return open_to_read(source) if isinstance(source, str | Path) else nullcontext(source)


def _with_newlines(lines: Iterable[Line], on_line: Callable[[Line], object]) -> Iterator[bytes]:
    """The lines as they are in the file, if a newline alone ends each; another has none."""
    end = 0
    for line in lines:
        is_exact = line.is_whole and line.end == end + len(line.text) + 1
        end = line.end
        yield line.text + b"\n" if is_exact else line.text
        on_line(line)
