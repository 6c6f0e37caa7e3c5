"""What goes wrong inside calls: failures, outages, lost answers, duplicates, late deliveries.

Each fault strikes once, at the first effect from number `at` on that it fits, unless it says
otherwise; `struck` then tells where. Put several into one schedule to have them together.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from faults.schedule import Crash, Effect, NoAnswer, When
from faults.wrappers import JOURNAL
from grove_sm.domain.errors import StoreUnavailable

T = TypeVar("T")


class Trouble(NamedTuple):
    """A way in which a call fails.

    `when` tells whether it has taken effect before it fails; `error` what its caller meets;
    `reads` whether reads fail too, if it lasts.
    """

    when: When
    error: type[StoreUnavailable]
    reason: str
    reads: bool = False


TROUBLES: Final[Mapping[str, Trouble]] = {
    "error": Trouble("before", StoreUnavailable, "the call failed"),
    "unreachable": Trouble("before", StoreUnavailable, "it is unreachable", reads=True),
    "locked": Trouble("before", StoreUnavailable, "it is locked"),
    "disk full": Trouble("before", StoreUnavailable, "its disk is full"),
    "read-only": Trouble("before", StoreUnavailable, "it is read-only"),
    "time-out without effect": Trouble("before", NoAnswer, "the call timed out"),
    "time-out with effect": Trouble("after", NoAnswer, "the call timed out"),
    "acknowledgement lost": Trouble("after", NoAnswer, "the connection was cut"),
}
"""Every way in which a call fails, by name."""

# Within its process a decision that is asked for, but not recorded yet, cannot fail.
_CANNOT_FAIL: Final = frozenset({"decide"})
_REPEATABLE: Final = frozenset(
    {"validate", "apply", "force", "trim", "abort", "release", "finish", "note", "flush", "forget"}
)
_MAILED: Final = frozenset({"apply"})


def verb_of(effect: Effect) -> str:
    """What an effect does, without where: `apply handoffs` is an `apply`."""
    return effect.name.partition(" ")[0]


def place_of(effect: Effect) -> str:
    """The label of the store that an effect is on, or `journal`."""
    verb, _, label = effect.name.partition(" ")
    return label if label and verb != "decide" else JOURNAL


@dataclass
class Struck:
    """Where a fault has struck: the first time, if it does so several times."""

    struck: Effect | None = field(default=None, init=False, repr=False, compare=False)

    def _place(self, at: int) -> str:
        return str(self.struck) if self.struck else f"effect {at}, or the next that it fits"


@dataclass
class Death(Struck):
    """The process dies, just before an effect or just after it."""

    at: int
    when: When

    @property
    def kind(self) -> str:
        """What kind of fault it is, as reports count them."""
        return f"dies {self.when}"

    def __str__(self) -> str:
        return f"the process dies {self.when} {self._place(self.at)}"

    def strike(self, effect: Effect, when: When) -> None:
        """Raises Crash at the point."""
        if not self.struck and effect.number >= self.at and when == self.when:
            self.struck = effect
            raise Crash(str(self))


@dataclass
class Failure(Struck):
    """One call fails, in one of the ways of `TROUBLES`."""

    at: int
    trouble: str

    @property
    def kind(self) -> str:
        """What kind of fault it is, as reports count them."""
        return self.trouble

    def __str__(self) -> str:
        return f"{self.trouble} at {self._place(self.at)}"

    def strike(self, effect: Effect, when: When) -> None:
        """Raises StoreUnavailable or NoAnswer at the point."""
        trouble = TROUBLES[self.trouble]
        if self.struck or effect.number < self.at or when != trouble.when:
            return
        if verb_of(effect) not in _CANNOT_FAIL:
            self.struck = effect
            raise trouble.error(store=place_of(effect), reason=trouble.reason)


@dataclass
class Outage(Struck):
    """A store or the journal is in trouble for a while: `calls` of its calls, or until lifted."""

    place: str
    trouble: str
    calls: int | None = None
    met: int = field(default=0, init=False, compare=False)

    @property
    def kind(self) -> str:
        """What kind of fault it is, as reports count them."""
        return f"outage: {self.trouble}"

    def __str__(self) -> str:
        spell = "until it is lifted" if self.calls is None else f"for {self.calls} calls"
        return f"{self.place} in trouble ({self.trouble}) {spell}"

    @property
    def is_over(self) -> bool:
        """Whether it has passed by itself."""
        return self.calls is not None and self.met >= self.calls

    def strike(self, effect: Effect, when: When) -> None:
        """Raises StoreUnavailable or NoAnswer at every call of the place that can fail."""
        trouble = TROUBLES[self.trouble]
        if when == trouble.when and place_of(effect) == self.place and not self.is_over:
            # Asking for a vote is a read.
            verb = verb_of(effect)
            if verb not in _CANNOT_FAIL and (trouble.reads or verb != "validate"):
                self.struck = self.struck or effect
                self._fail(trouble)

    def darken(self, place: str) -> None:
        """Raises StoreUnavailable at every read of the place, if its trouble is of that kind."""
        trouble = TROUBLES[self.trouble]
        if trouble.reads and place == self.place and not self.is_over:
            self._fail(trouble)

    def _fail(self, trouble: Trouble) -> None:
        self.met += 1
        raise trouble.error(store=self.place, reason=trouble.reason)


@dataclass
class Duplicate(Struck):
    """A call is delivered twice."""

    at: int

    @property
    def kind(self) -> str:
        """What kind of fault it is, as reports count them."""
        return "duplicate"

    def __str__(self) -> str:
        return f"duplicate of {self._place(self.at)}"

    def strike(self, effect: Effect, when: When) -> None:
        """Nothing goes wrong before or after."""

    def reroute(self, effect: Effect, call: Callable[[], T]) -> Callable[[], T]:
        """The call, and once more; answered as the second time."""
        if self.struck or effect.number < self.at or verb_of(effect) not in _REPEATABLE:
            return call
        self.struck = effect

        def twice() -> T:
            call()
            return call()

        return twice


class Post:
    """Calls that were sent and have not arrived.

    Attributes:
        calls: those on their way, in the order in which they were sent.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Effect, Callable[[], Any]]] = []

    def deliver(self, index: int) -> tuple[Effect, Any]:
        """Let one arrive, out of order if it is not the first; which effect, and its answer."""
        effect, call = self.calls.pop(index)
        return effect, call()


@dataclass
class Late(Struck):
    """Applies do not arrive until `post` delivers them; their caller gets no answer.

    Strikes at `applies` of them, one after the other.
    """

    at: int
    applies: int
    post: Post = field(repr=False, compare=False)
    _kept: int = field(default=0, init=False, repr=False, compare=False)

    @property
    def kind(self) -> str:
        """What kind of fault it is, as reports count them."""
        return "late"

    def __str__(self) -> str:
        return f"{self.applies} applies from {self._place(self.at)} on arrive late"

    def strike(self, effect: Effect, when: When) -> None:
        """Nothing goes wrong before or after."""

    def reroute(self, effect: Effect, call: Callable[[], T]) -> Callable[[], T]:
        """A call that raises NoAnswer; the real one is in the post."""
        if effect.number < self.at or self._kept >= self.applies or verb_of(effect) not in _MAILED:
            return call
        self._kept += 1
        self.struck = self.struck or effect
        self.post.calls.append((effect, call))

        def unanswered() -> T:
            raise NoAnswer(store=place_of(effect), reason="the call is still on its way")

        return unanswered


@dataclass
class Meanwhile(Struck):
    """Something else happens while a process stands still between two effects.

    Clock jumps, foreign writers, and other processes that run while this one is frozen.

    Args:
        at: the first effect it may happen at.
        when: before that effect, or after it.
        what: what happens, in words.
        action: what happens.
        verbs: the effects at which it can happen; by default any.
    """

    at: int
    when: When
    what: str
    action: Callable[[], object] = field(repr=False, compare=False)
    verbs: Collection[str] | None = None

    @property
    def kind(self) -> str:
        """What kind of fault it is, as reports count them."""
        return self.what

    def __str__(self) -> str:
        return f"{self.what} {self.when} {self._place(self.at)}"

    def strike(self, effect: Effect, when: When) -> None:
        """Lets it happen. Raises nothing of its own."""
        if self.struck or effect.number < self.at or when != self.when:
            return
        if self.verbs is None or verb_of(effect) in self.verbs:
            self.struck = effect
            self.action()
