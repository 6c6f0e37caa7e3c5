"""Every execution of several processes, but for those that only order independent steps otherwise.

A depth-first search over choices, which runs each execution from the beginning. *Sleep sets*
(Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996, chapter 5)
leave out a choice where everything that it leads to has been seen from another order: once all
that follows a choice has been explored, the choice sleeps in its siblings' subtrees until a step
comes that conflicts with it. Of the executions that differ in the order of independent steps alone
(a Mazurkiewicz trace) exactly one is run to its end, since the whole set of choices that can be
made is considered in every situation: sleep sets by themselves leave out executions, never states.

The death of a process is a choice like others, in conflict with its own steps, with whoever asks
whether it lives, and, in the middle of an append, with whoever waits for its turn.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from faults.footprints import Footprint
from faults.interleave import Choice, Choose, Event, Execution, Situation


def are_independent(
    one: Choice, footprint: Footprint, other: Choice, footprint_of_other: Footprint
) -> bool:
    """Whether two choices may change places, if they come one after the other."""
    return one.process != other.process and not footprint.conflicts(footprint_of_other)


def count_orders(events: Sequence[Event]) -> int:
    """How many executions differ from one in the order of independent steps alone; it included.

    They are the linear extensions of its events' partial order.
    """
    chains: dict[str, list[Event]] = {}
    needs: dict[str, list[dict[str, int]]] = {}
    for event in events:
        name = event.choice.process
        # What has to come before an event has to come before all that follow it.
        need = dict(needs[name][-1]) if name in needs else {}
        for other, earlier in chains.items():
            if other != name:
                conflicting = (
                    position
                    for position in range(len(earlier), 0, -1)
                    if event.footprint.conflicts(earlier[position - 1].footprint)
                )
                need[other] = max(next(conflicting, 0), need.get(other, 0))
        chains.setdefault(name, []).append(event)
        needs.setdefault(name, []).append(need)
    names = tuple(chains)

    @cache
    def ways(left: tuple[int, ...]) -> int:
        """Orders of the first so many events of each process: which came last?"""
        if not any(left):
            return 1
        total = 0
        for index, name in enumerate(names):
            if left[index] and not _is_needed(name, left[index], left):
                total += ways((*left[:index], left[index] - 1, *left[index + 1 :]))
        return total

    def _is_needed(name: str, position: int, left: tuple[int, ...]) -> bool:
        return any(
            left[index] and needs[other][left[index] - 1].get(name, 0) >= position
            for index, other in enumerate(names)
            if other != name
        )

    return ways(tuple(len(chains[name]) for name in names))


class HappensBefore:
    """Which events of an execution come before which in every order that is equivalent to it."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._number: list[int] = []
        self._past: list[dict[str, int]] = []
        self._last: dict[str, int] = {}

    def add(self, event: Event) -> Sequence[int]:
        """Add the next event; the earlier ones that it races with.

        They conflict with it, and nothing that comes between orders the two.
        """
        name = event.choice.process
        last = self._last.get(name)
        past = {} if last is None else dict(self._past[last])
        races = []
        for index in range(len(self._events) - 1, -1, -1):
            other = self._events[index]
            process = other.choice.process
            if process == name or self._number[index] <= past.get(process, 0):
                continue
            if event.footprint.conflicts(other.footprint):
                races.append(index)
                for who, number in self._past[index].items():
                    past[who] = max(number, past.get(who, 0))
        past[name] = past.get(name, 0) + 1
        self._last[name] = len(self._events)
        self._events.append(event)
        self._number.append(past[name])
        self._past.append(past)
        return races

    def precedes(self, earlier: int, later: int) -> bool:
        """Whether one event comes before another, by their places in the execution."""
        process = self._events[earlier].choice.process
        return self._number[earlier] <= self._past[later].get(process, 0)

    def initials(self, among: Sequence[int]) -> Sequence[int]:
        """Which of these events, in order, none of the others has to come before."""
        return [
            index
            for place, index in enumerate(among)
            if not any(self.precedes(other, index) for other in among[:place])
        ]

    def entry(self, index: int) -> int:
        """Where the append began that an event is a part of."""
        process = self._events[index].choice.process
        while not (
            self._events[index].choice.process == process and self._events[index].step.enters
        ):
            index -= 1
        return index


@dataclass
class _Node:
    """A situation on the way to the execution that is run now.

    `wanted` are the choices to follow from here, but for those `asleep`, which need not be
    followed (any more); `taken` is the one that is.
    """

    situation: Situation
    choices: Mapping[Choice, Footprint]
    asleep: dict[Choice, Footprint]
    wanted: set[Choice]
    taken: Choice | None = None


@dataclass
class Search:
    """All executions, one of each kind; iterating runs them.

    Args:
        run: runs the processes once, from the beginning, as it is told.
        reduced: whether to leave out equivalent executions; False runs every one there is.

    Attributes:
        executions: how many were run to their end.
        crashed: those of them in which a process died.
        orders: how many executions they stand for, themselves included, that differ from them in
            the order of independent steps alone.
        abandoned: how many were begun and given up when they turned out to be such.
    """

    run: Callable[[Choose], Execution]
    reduced: bool = True
    executions: int = 0
    crashed: int = 0
    orders: int = 0
    abandoned: int = 0
    _path: list[_Node] = field(default_factory=list)

    def __iter__(self) -> Iterator[Execution]:
        while True:
            known = len(self._path)
            execution = self._run_one()
            if self.reduced:
                self._find_races(execution.events, known)
            if execution.is_whole:
                self.executions += 1
                self.crashed += execution.is_crashed
                self.orders += count_orders(execution.events) if self.reduced else 1
                yield execution
            else:
                self.abandoned += 1
            if not self._turn_back():
                return

    def _run_one(self) -> Execution:
        known = iter(tuple(self._path))

        def choose(situation: Situation) -> Choice | None:
            node = next(known, None)
            if node is None:
                return self._enter(situation)
            assert node.situation == situation, "not repeatable: it took another course"
            return node.taken

        return self.run(choose)

    def _enter(self, situation: Situation) -> Choice | None:
        """Come to a situation for the first time; what to choose, if there is anything."""
        choices = situation.choices()
        asleep: dict[Choice, Footprint] = {}
        if self._path:
            before = self._path[-1]
            asleep = self._asleep_after(before)
            # Whoever went on goes on, if that may be: it makes for plainer stories.
            choices = dict(sorted(choices.items(), key=lambda item: item[0] != before.taken))
        node = _Node(situation, choices, asleep, self._first_wanted(choices, asleep))
        if not self._take_next(node):
            return None
        self._path.append(node)
        return node.taken

    def _turn_back(self) -> bool:
        """Go back to the last situation where something else is to be chosen, if any."""
        while self._path:
            if self._take_next(self._path[-1]):
                return True
            self._path.pop()
        return False

    def _take_next(self, node: _Node) -> bool:
        if node.taken is not None:
            # All that follows it has been seen.
            node.asleep[node.taken] = node.choices[node.taken]
        for choice, footprint in node.choices.items():
            if choice in node.wanted and choice not in node.asleep:
                node.taken = choice
                if not self._leads_nowhere(node, choice):
                    return True
                node.asleep[choice] = footprint
        return False

    def _asleep_after(self, node: _Node) -> dict[Choice, Footprint]:
        """What still sleeps once a node's choice is made."""
        taken = node.taken
        if not self.reduced or taken is None:
            return {}
        footprint = node.choices[taken]
        return {
            other: theirs
            for other, theirs in node.asleep.items()
            if are_independent(taken, footprint, other, theirs)
        }

    def _first_wanted(
        self, choices: Mapping[Choice, Footprint], asleep: Collection[Choice]
    ) -> set[Choice]:
        """One process, and every death; races tell which others."""
        if not self.reduced:
            return set(choices)
        deaths = {choice for choice in choices if choice.dies}
        awake = (choice for choice in choices if not choice.dies and choice not in asleep)
        return deaths.union([*awake][:1])

    def _find_races(self, events: Sequence[Event], known: int) -> None:
        """Want what reverses each race of an execution whose first events are `known`."""
        order = HappensBefore()
        for later, event in enumerate(events):
            for earlier in order.add(event):
                # The last of the known choices is the one that has changed.
                if later >= known - 1:
                    self._want_reversal(events, earlier, later, order)

    def _want_reversal(
        self, events: Sequence[Event], earlier: int, later: int, order: HappensBefore
    ) -> None:
        """Have it tried what happens if of two events that race the later one comes first."""
        between = [k for k in range(earlier + 1, later) if not order.precedes(earlier, k)]
        node = self._path[earlier]
        initials = {events[k].choice for k in order.initials([*between, later])}
        self._want(node, initials & node.choices.keys())
        if node.situation.deciding == events[earlier].choice.process:
            # It may have to come before the whole append that the earlier event is a part of.
            entry = order.entry(earlier)
            node = self._path[entry]
            self._want(node, {events[later].choice} & node.choices.keys())

    @staticmethod
    def _want(node: _Node, any_of: Collection[Choice]) -> None:
        if not any_of:
            node.wanted.update(node.choices)
        elif not any(choice in node.wanted or choice in node.asleep for choice in any_of):
            node.wanted.add(min(any_of))

    def _leads_nowhere(self, node: _Node, choice: Choice) -> bool:
        """Whether after a death, which moves nobody else, everything would be asleep."""
        after = node.situation.after_death(choice.process)
        left = after.choices()
        return choice.dies and bool(left) and self._asleep_after(node).keys() >= left.keys()
