"""A process of a transcript: one life on the placement, with a thread, that can be stopped."""

import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from faults.schedule import Crash, Effect, Schedule, When
from faults.wrappers import FaultyJournal, FaultyStore
from grove_sm import Grove
from grove_sm.commit.contract import Participant
from grove_sm.commit.coordinator import Coordinator
from grove_sm.domain.errors import GroveError
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.settings import Settings, routes
from tests.groves import Clock, Names
from tests.kinds.placement import Placement
from tests.kinds.unforced import Unforced
from tests.transcripts import telling
from tests.transcripts.links import JournalLink, Line, Network, StoreLink

_LONGEST: Final = 30.0
_SETTINGS: Final = Settings(
    journal="as placed",
    stores=dict.fromkeys(COLLECTIONS, "as placed"),
    topology=routes({"coder": ["reviewer"], "reviewer": ["coder"]}),
)
_EFFECTS: Final[Mapping[str, str]] = {
    "hold keys": "hold",
    "decide": "leave",
    "release keys": "release",
    "drop redo": "finish",
}
"""What transcripts call the effects that `faults.wrappers` names otherwise."""


class Surroundings(NamedTuple):
    """What all processes of a transcript share."""

    placement: Placement
    unforced: Unforced
    is_remote: bool
    network: Network
    clock: Clock
    names: Names


class Trap(NamedTuple):
    """What is to happen to a process just before an effect, or just after it."""

    does: str
    when: When
    effect: str

    def __str__(self) -> str:
        return f"{self.does} {self.when} {self.effect}"


class Process:
    """Its commands run one after the other in threads of its own, each to its end or a freeze.

    Args:
        name: what transcripts call it.
        surroundings: what it shares with others.
        tell: takes each line that it puts out.

    Attributes:
        line: its end of the network.
        believed_dead: coordinators that it takes for dead.
    """

    def __init__(self, name: str, surroundings: Surroundings, tell: Callable[[str], None]) -> None:
        self.name = name
        self.line = Line(surroundings.network, self._tell)
        self.believed_dead: set[int] = set()
        self._surroundings = surroundings
        self._put_out = tell
        self._traps: list[Trap] = []
        self._halts: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._thawed = threading.Event()
        self._is_frozen = False
        self._coordinator: Coordinator | None = None
        self._grove: Grove | None = None
        self._is_killed = False

    @property
    def coordinator(self) -> int | None:
        """Its coordinator's number, once it has one."""
        return None if self._coordinator is None else self._coordinator.journal.coordinator

    @property
    def unmet(self) -> list[str]:
        """The faults that have yet to happen to it."""
        losses = (f"loses the {lost} to {effect}" for effect, lost in self.line.losses.items())
        return [f"{self.name} {fault}" for fault in (*map(str, self._traps), *losses)]

    def set_trap(self, trap: Trap) -> None:
        """Have something happen at the next effect of this name."""
        self._traps.append(trap)

    def open(self) -> None:
        """Begin its life: a grove, after recovery."""
        assert self._coordinator is None, f"{self.name} has lived; take another name"
        self._run(self._open)

    def do(self, work: Callable[[Grove], Iterable[str]]) -> None:
        """Call something, and tell the lines that it answers or the error that it raises."""
        grove = self._grove
        assert grove is not None, f"{self.name} is not open"
        self._run(lambda: work(grove))

    def thaw(self) -> None:
        """Let it go on, to its end or the next freeze."""
        assert self._is_frozen, f"{self.name} is not frozen"
        self._is_frozen = False
        self._thawed.set()
        self._wait()

    def kill(self) -> None:
        """End it as a SIGKILL would, wherever it is."""
        self._is_killed = True
        if self._is_frozen:
            self.thaw()
        self._let_go()

    def strike(self, effect: Effect, when: When) -> None:
        """Spring the trap that is set here, if any (the `Fault` protocol)."""
        for trap in self._traps:
            name = _EFFECTS.get(trap.effect, trap.effect).replace("prepare ", "validate ")
            if when == trap.when and name == effect.name:
                self._traps.remove(trap)
                self._tell(f"** {trap}")
                if trap.does == "dies":
                    raise Crash(str(trap))
                self._freeze()
                return

    def _freeze(self) -> None:
        self._thawed.clear()
        self._is_frozen = True
        self._halts.put(None)
        if not self._thawed.wait(_LONGEST):
            raise TimeoutError(f"nobody thawed {self.name}")
        if self._is_killed:
            raise Crash(f"{self.name} was killed while it was frozen")

    def _run(self, work: Callable[[], Iterable[str]]) -> None:
        assert not self._is_frozen, f"{self.name} is frozen"
        threading.Thread(target=self._work, args=(work,), daemon=True).start()
        self._wait()

    def _wait(self) -> None:
        failure = self._halts.get(timeout=_LONGEST)
        if failure is not None:
            raise failure

    def _work(self, work: Callable[[], Iterable[str]]) -> None:
        failure: BaseException | None = None
        try:
            for line in work():
                self._tell(f"=> {line}")
        except Crash:
            self._let_go()
        except GroveError as error:
            self._tell(f"=> {type(error).__name__}: {error}")
            if self._grove is None:
                self._let_go()
        except BaseException as error:
            failure = error
        self._halts.put(failure)

    def _open(self) -> Iterable[str]:
        placement, unforced, is_remote, _, clock, names = self._surroundings
        schedule = Schedule(unforced.watch(), self)
        journal = FaultyJournal(
            JournalLink(placement.open_journal(), self.line),
            schedule,
            believed_dead=self.believed_dead,
        )
        stores: dict[str, Participant] = {}
        wrapped: dict[str, Participant] = {}
        for collection, store in placement.open_stores().items():
            label = _label_of(store, collection)
            link = StoreLink(store, label, self.line)
            local = False if is_remote else None
            wrapped.setdefault(label, FaultyStore(link, label, schedule, local=local))
            stores[collection] = wrapped[label]
        self._coordinator = Coordinator(journal, stores, clock=clock, random=names, patience=0.0)
        self._grove = Grove(self._coordinator, _SETTINGS, background=False)
        return telling.recovery(self._grove.recovery)

    def _let_go(self) -> None:
        self._grove = None
        if self._coordinator is not None:
            self._coordinator.journal.close()
            for store in self._coordinator.stores.values():
                store.close()

    def _tell(self, line: str) -> None:
        self._put_out(f"{self.name}  {line}")


def _label_of(store: Participant, collection: str) -> str:
    """What transcripts call the store of a collection."""
    return collection if collection in store.name.rpartition("/")[2] else "stores"
