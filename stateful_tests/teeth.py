"""Defects to plant in the library, each small and plausible, to see whether anybody notices."""

import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final, NamedTuple
from unittest.mock import patch


class Defect(NamedTuple):
    """A change of one function's text; `where` is `module:function` or `module:Class.method`.

    `needs_aim` tells that random histories alone would take long to find it.
    """

    name: str
    where: str
    sound: str
    broken: str
    needs_aim: bool = False

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The library has the defect within the block."""
        module_name, _, path = self.where.partition(":")
        owner: Any = import_module(module_name)
        *classes, name = path.split(".")
        for each in classes:
            owner = getattr(owner, each)
        original = getattr(owner, name)
        function = inspect.unwrap(original)
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(self.sound) == 1, f"{self.name}: {self.where} has changed"
        made: dict[str, Any] = {}
        exec(source.replace(self.sound, self.broken), function.__globals__, made)  # noqa: S102
        with ExitStack() as stack:
            for user in (owner, *_library()):
                if vars(user).get(name) is original:
                    stack.enter_context(patch.object(user, name, made[name]))
            yield


def _library() -> list[ModuleType]:
    return [module for name, module in sys.modules.items() if name.startswith("grove_sm.")]


DEFECTS: Final = (
    Defect(
        "keys are released before the writes are applied",
        "grove_sm.commit.applier:Applier._apply",
        "    unreached = frozenset(",
        "    for entry, _, _ in batch:\n"
        "        self._journal.release(entry.txid)\n"
        "    unreached = frozenset(",
    ),
    Defect(
        "writes are applied before the decision",
        "grove_sm.commit.coordinator:Coordinator._run",
        "                hold.decide(effect.decision)\n",
        "                for name, writes in self.applier.by_store(entry.writes).items():\n"
        "                    self.stores[name].apply(entry.txid, entry.members, writes)\n"
        "                hold.decide(effect.decision)\n",
    ),
    Defect(
        "preconditions are not validated",
        "grove_sm.commit.coordinator:Coordinator._run",
        "self.stores[effect.participant].validate(expected[effect.participant])",
        "True",
    ),
    Defect(
        "an idempotency key is not looked up",
        "grove_sm.journal.memory:MemoryJournal.recall",
        "recorded if expires_at > now else None",
        "None",
    ),
    Defect(
        "an idempotency key that has run out still counts",
        "grove_sm.journal.memory:MemoryJournal.recall",
        "recorded if expires_at > now else None",
        "recorded",
    ),
    Defect(
        "held keys are not respected",
        "grove_sm.journal.memory:MemoryJournal._met",
        "if holder.keys is None or not keys.isdisjoint(holder.keys)",
        "if holder.keys is None",
    ),
    Defect(
        "a reader does not bring committed transactions to their end",
        "grove_sm.commit.coordinator:Coordinator._settle_committed",
        'holder.state == "committed" and holder.touches(read)',
        "False",
    ),
    Defect(
        "a reader looks at the state of its own store alone",
        "grove_sm.commit.contract:Holder.touches",
        "return tuple(read) in self.members",
        "return False",
    ),
    Defect(
        "a late apply overwrites a newer revision",
        "grove_sm.commit.redo:judge",
        "revision > write.revision or found.txid == txid or found.document == write.document",
        "found.txid == txid",
    ),
    Defect(
        "a decision is recorded although the transaction was aborted",
        "grove_sm.journal.memory:MemoryJournal._hold_beforehand",
        'if row.state == "planned":',
        "if True:",
    ),
    Defect(
        "a transaction counts as applied although a store was not reached",
        "grove_sm.commit.applier:Applier._apply_to",
        "return False",
        "return True",
    ),
    Defect(
        "recovery rolls back what was committed but not applied",
        "grove_sm.commit.recovery:_end",
        'if holder.state == "planned":',
        'if holder.state != "applied":',
    ),
    Defect(
        "a coordinator believes the decision that it asked for",
        "grove_sm.commit.coordinator:Coordinator._run",
        "DecisionRecorded(hold.decision)",
        "DecisionRecorded(type(hold.decision).COMMIT)",
    ),
    Defect(
        "a foreign change is taken for our own",
        "grove_sm.commit.redo:judge",
        "        return Verdict.ALREADY\n    return Verdict.FOREIGN",
        "        return Verdict.ALREADY\n    return Verdict.ALREADY",
    ),
    Defect(
        "a lease that ends now still holds",
        "grove_sm.operations.claims:is_live",
        "claim.lease_expires_at > now",
        "claim.lease_expires_at >= now",
    ),
    Defect(
        "a clock that jumps back shortens a lease",
        "grove_sm.operations.claims:_extended",
        "max(claim.lease_expires_at, later(now, lease_seconds))",
        "later(now, lease_seconds)",
    ),
    Defect(
        "a claim that ran out is left as it is",
        "grove_sm.operations.claims:take",
        'ended.append(update(CLAIMS, stored, move(claim, "expire")))',
        "pass",
    ),
    Defect(
        "anybody answers a handoff",
        "grove_sm.operations.contribute:_open_to",
        "role is None or handoff.to_role == role",
        "True",
    ),
    Defect(
        "a reply does not hold what it answers",
        "grove_sm.operations.contribute:plan_contribute",
        "for held in (cid, *answered))",
        "for held in (cid,))",
        needs_aim=True,
    ),
    Defect(
        "a bounty's amount is not reserved",
        "grove_sm.operations.bounties:plan_create_bounty",
        "reserved = _reserved(bounty, facts)",
        "reserved = Movement()",
    ),
)
