"""Contributions from JSON lines, one document a line, published in whatever order they come."""

import heapq
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from grove_sm.domain import Contribution, normalise_time
from grove_sm.domain.errors import (
    Corrupt,
    GroveError,
    NotFound,
    OutcomeUnknown,
    StoreUnavailable,
    ValidationError,
)
from grove_sm.domain.values import MAX_DEPTH, Flaw
from grove_sm.grove import Grove
from grove_sm.lines import Line

_DIGITS_OF_LARGEST_DOUBLE: Final = 309


@dataclass(frozen=True)
class Failure:
    """A line that was not imported, and why."""

    line: int
    error: GroveError


@dataclass
class ImportReport:
    """What an import did.

    Attributes:
        imported: how many contributions were published.
        already_there: how many lines held a contribution that the grove had; they add nothing.
        handoffs: how many handoffs were created.
        replies: how many handoffs were answered.
        failures: the lines that were not imported, in their order in the file.
        held_back: how many lines still waited for a later line when the import was stopped.
        stopped_by: what stopped the import before its end, if anything did.
    """

    imported: int = 0
    already_there: int = 0
    handoffs: int = 0
    replies: int = 0
    failures: list[Failure] = field(default_factory=list)
    held_back: int = 0
    stopped_by: GroveError | None = None

    @property
    def error(self) -> GroveError | None:
        """The one error to go by: what stopped the import, else the first failure's."""
        if self.stopped_by is None and self.failures:
            return self.failures[0].error
        return self.stopped_by


def import_lines(
    grove: Grove,
    lines: Iterable[Line],
    *,
    stop_on_error: bool = False,
    on_line: Callable[[Line], None] = lambda _: None,
) -> ImportReport:
    """Publish every contribution of a file of JSON lines.

    A line whose relations name contributions that come later in the file waits for them. A bad
    line stops nothing but what depends on it; a store that cannot be used stops the import, and
    so does an outcome that is unknown. Importing the same file again adds only what is missing.

    Args:
        grove: where to publish.
        lines: UTF-8 text, one contribution document (camelCase) a line; a `cid` must match.
        stop_on_error: stop at the first bad line.
        on_line: called after each line has been read and dealt with.

    Raises nothing for what the file holds; see `ImportReport.failures`.
    """
    importer = _Importer(grove)
    number = 0
    was_stopped = False
    try:
        for line in lines:
            number = line.number
            if line.text.strip() or not line.is_whole:
                importer.take(line)
            on_line(line)
            was_stopped = importer.must_stop or (stop_on_error and bool(importer.report.failures))
            if was_stopped:
                break
    except ValidationError as error:
        importer.fail(number + 1, error)
        was_stopped = True
    return importer.finish(was_stopped=was_stopped)


def read_contribution(line: Line) -> Contribution:
    """The contribution that a line holds. Raises ValidationError (Grove protocol, section 2).

    A time is normalised as every operation does, unless the line states the CID that was taken
    of it as it is.
    """
    if not line.is_whole:
        limit = len(line.text) - 1
        raise ValidationError(field="document", rule=f"must be a line of at most {limit} bytes")
    try:
        text = line.text.decode()
    except UnicodeDecodeError as error:
        rule = f"must be UTF-8 text: {error.reason} after byte {error.start}"
        raise ValidationError(field="document", rule=rule, value=line.text) from None
    document = parse_json(text)
    if isinstance(document, dict) and "cid" not in document and "createdAt" in document:
        document["createdAt"] = normalise_time(document["createdAt"], "createdAt")
    return Contribution.from_document(document)


def parse_json(text: str, *path: str) -> Any:
    """A JSON value, read strictly: an object that names a field twice has no one meaning.

    Args:
        text: the JSON.
        path: the field that the text was given for, as errors name it.

    Raises ValidationError. Numbers that are not finite are left for the field's own rule.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_int=_whole_number)
    except Flaw as flaw:
        raise flaw.at(*path) from None
    except RecursionError:
        broken = Flaw(f"must not be nested deeper than {MAX_DEPTH} levels")
    except json.JSONDecodeError as error:
        broken = Flaw(f"must be JSON: {error.msg} (character {error.pos + 1})", text)
    raise broken.at(*(path or ("document",)))


def _without_repeats(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(members)
    if len(document) < len(members):
        seen: set[str] = set()
        for name, value in members:
            if name in seen:
                raise Flaw("must not stand twice in one object", value, name)
            seen.add(name)
    return document


def _whole_number(digits: str) -> int | float:
    # Python refuses to read thousands of digits; they make an infinity, which no field allows.
    return float(digits) if len(digits) > _DIGITS_OF_LARGEST_DOUBLE else int(digits)


class _Waiting(NamedTuple):
    """A line's contribution, and those of its targets that are not there yet."""

    contribution: Contribution
    missing: set[str]


class _Importer:
    """Publishes contributions, and holds back those whose targets are still to come."""

    def __init__(self, grove: Grove) -> None:
        self.report = ImportReport()
        self.must_stop = False
        self._grove = grove
        self._waiting: dict[int, _Waiting] = {}
        self._waiting_for: defaultdict[str, list[int]] = defaultdict(list)

    def take(self, line: Line) -> None:
        """Publish a line's contribution, and what waited for it, or hold it back."""
        try:
            contribution = read_contribution(line)
        except ValidationError as error:
            self.fail(line.number, error)
        else:
            self._publish_all([(line.number, contribution)], may_wait=True)

    def fail(self, number: int, error: GroveError) -> None:
        """Note that a line was not imported; an unusable store or file ends the import."""
        self.report.failures.append(Failure(number, error))
        self.must_stop |= isinstance(error, StoreUnavailable | OutcomeUnknown)

    def finish(self, *, was_stopped: bool) -> ImportReport:
        """The report, once what was held back has had its last chance, unless it was stopped."""
        for number in list(self._waiting):
            if was_stopped:
                break
            waiting = self._waiting.pop(number, None)
            if waiting is not None:
                self._publish_all([(number, waiting.contribution)], may_wait=False)
                was_stopped = self.must_stop
        if was_stopped:
            self.report.stopped_by = self.report.failures[-1].error
        self.report.held_back = len(self._waiting)
        self.report.failures.sort(key=lambda failure: failure.line)
        return self.report

    def _publish_all(self, ready: list[tuple[int, Contribution]], *, may_wait: bool) -> None:
        while ready and not self.must_stop:
            number, contribution = heapq.heappop(ready)
            try:
                if self._publish(number, contribution, may_wait=may_wait):
                    for freed in self._freed_by(contribution.cid):
                        heapq.heappush(ready, freed)
            except GroveError as error:
                self.fail(number, error)

    def _publish(self, number: int, contribution: Contribution, *, may_wait: bool) -> bool:
        """Publish it; or answer False, if it waits now for a target. Raises GroveError."""
        try:
            done = self._grove.publish(contribution)
        except NotFound:
            if may_wait and self._hold_back(number, contribution):
                return False
            raise
        if done.duplicate:
            self.report.already_there += 1
        else:
            self.report.imported += 1
            self.report.handoffs += len(done.handoff_ids)
            self.report.replies += len(done.replied_ids)
        return True

    def _hold_back(self, number: int, contribution: Contribution) -> bool:
        """Whether any of its targets is missing, so that there is something to wait for."""
        targets = {relation.target_cid for relation in contribution.relations}
        missing = {target for target in targets if not self._is_there(target)}
        if missing:
            self._waiting[number] = _Waiting(contribution, missing)
            for target in missing:
                self._waiting_for[target].append(number)
        return bool(missing)

    def _freed_by(self, cid: str) -> Iterator[tuple[int, Contribution]]:
        for number in self._waiting_for.pop(cid, ()):
            waiting = self._waiting.get(number)
            if waiting is not None:
                waiting.missing.discard(cid)
                if not waiting.missing:
                    del self._waiting[number]
                    yield number, waiting.contribution

    def _is_there(self, cid: str) -> bool:
        try:
            self._grove.contributions.get(cid)
        except NotFound:
            return False
        except Corrupt:
            return True
        return True
