"""What a user holds: a grove, its operations and its views."""

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from grove_sm.commit.coordinator import Coordinator, Executed
from grove_sm.commit.housekeeping import Housekeeping, catch_up, finish, forget
from grove_sm.commit.machine import Decision
from grove_sm.commit.recovery import RecoveryReport, recover
from grove_sm.domain import (
    Account,
    Agent,
    Bounty,
    Claim,
    Contribution,
    Criteria,
    Grant,
    Kind,
    Mode,
    Relation,
    Reservation,
    Score,
    normalise_time,
)
from grove_sm.domain.errors import (
    Corrupt,
    GroveError,
    OutcomeUnknown,
    ValidationError,
)
from grove_sm.lifecycles import CONTRIBUTE, advance
from grove_sm.opening import close, open_coordinator, settle_settings
from grove_sm.operations.audit import AuditReport, audit
from grove_sm.operations.bounties import (
    CreateBountyRequest,
    bounty_target,
    plan_claim_bounty,
    plan_create_bounty,
)
from grove_sm.operations.claims import ClaimRequest, later, plan_claim
from grove_sm.operations.contribute import ContributeRequest, plan_contribute
from grove_sm.operations.credits import GrantRequest, plan_grant
from grove_sm.operations.layout import BOUNTY_TARGET, COLLECTIONS, CREDITS
from grove_sm.operations.plan import Facts, Plan
from grove_sm.requests import claim_request
from grove_sm.requests import idempotency_key as key_of
from grove_sm.results import BountyClaimed, Claimed, Contributed
from grove_sm.settings import Leases, Settings
from grove_sm.views import Bounties, Claims, Contributions, Credits, Handoffs

log = logging.getLogger("grove_sm")

_DEFAULT_DEADLINE: Final = timedelta(days=7)
_OUTCOMES_KEPT: Final = timedelta(days=7)
_AUDITED_TRANSACTIONS: Final = 100_000


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _random_name() -> str:
    return secrets.token_hex(8)


class Grove:
    """A deployment: its operations, each atomic over all stores, and views of its records.

    Made by `Grove.open`; use it in a `with` block or close it. Threads may share one; a process
    that forks must open its own in the child.

    Attributes:
        contributions, handoffs, claims, bounties, credits: views; see `grove_sm.views`.
        recovery: what recovery did when this was opened.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        settings: Settings,
        *,
        background: bool,
    ) -> None:
        self.settings = settings
        self.coordinator = coordinator
        self.contributions = Contributions(coordinator)
        self.handoffs = Handoffs(coordinator)
        self.claims = Claims(coordinator)
        self.bounties = Bounties(coordinator)
        self.credits = Credits(coordinator)
        self.recovery = recover(coordinator)
        forget(coordinator, _OUTCOMES_KEPT)
        self._housekeeping: Housekeeping | None = None
        self._is_closed = False
        if background:
            self._housekeeping = Housekeeping(
                coordinator, lambda: bool(recover(coordinator).in_doubt), _OUTCOMES_KEPT
            )
        else:
            coordinator.applier.on_committed = lambda backlog: catch_up(coordinator, backlog)

    @classmethod
    def open(
        cls,
        folder: str | Path | None = None,
        *,
        journal: str | None = None,
        stores: Mapping[str, str] | None = None,
        topology: Mapping[str, Sequence[str]] | None = None,
        leases: Leases | None = None,
        create: bool = True,
        clock: Callable[[], datetime] = _utc_now,
        random: Callable[[], str] = _random_name,
        patience: float = 5.0,
        background: bool = True,
    ) -> Self:
        """Open a grove; recovery of what crashed coordinators left runs first.

        Either by folder, with its settings in `grove.toml`, or by naming journal and stores.

        Args:
            folder: a folder that `grove-sm init` or an earlier `open` made; one that does not
                exist or is empty becomes a grove with the default settings.
            journal: `sqlite:///FILE` (relative to the current folder; four slashes for an
                absolute path) or `memory://NAME`.
            stores: such a URL for each of contributions, handoffs, claims and bounties, and
                credits, if the deployment has them. Stores may share a file.
            topology: for each role, the roles that its contributions are handed off to.
            leases: how long claims are held without a heartbeat.
            create: whether a missing or empty folder becomes a grove.
            clock: the time now, with a zone; what all times and leases go by.
            random: a new random name at each call, for ids; it must never repeat.
            patience: seconds to wait for other processes before StoreUnavailable or InDoubt.
            background: finish transactions in a thread; otherwise in `flush` and `close`, and by
                their callers when very many have gathered.

        Raises ValidationError for bad settings, a folder that is not a grove, or a format newer
        than this version; StoreUnavailable; Corrupt.
        """
        base = Path.cwd() if folder is None else Path(folder)
        settings = settle_settings(
            None if folder is None else base,
            journal=journal,
            stores=stores,
            topology=topology,
            leases=leases,
            create=create,
        )
        coordinator = open_coordinator(
            settings, base, clock=clock, random=random, patience=patience
        )
        try:
            return cls(coordinator, settings, background=background)
        except BaseException:
            close(coordinator)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is applied and let go of every file. Safe to call twice."""
        if self._is_closed:
            return
        try:
            self.flush()
        except GroveError as error:
            log.warning("left for the next recovery: %s", error)
        self.abandon()

    def abandon(self) -> None:
        """Let go of every file and finish nothing, as a crash would; recovery does the rest."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._housekeeping:
            self._housekeeping.stop()
        close(self.coordinator)

    def flush(self) -> None:
        """Make every applied transaction durable in its stores and drop its redo.

        Never needed for safety: a transaction is durable, through the journal, once it returned.
        """
        self.coordinator.journal.flush()
        finish(self.coordinator)

    def contribute(
        self,
        *,
        kind: Kind,
        summary: str,
        agent: Agent,
        mode: Mode = "evaluation",
        description: str | None = None,
        artifacts: Mapping[str, str] | None = None,
        relations: Sequence[Relation | Mapping[str, Any]] = (),
        scores: Mapping[str, Score | Mapping[str, Any]] | None = None,
        tags: Sequence[str] = (),
        context: Mapping[str, Any] | None = None,
        created_at: str | datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Contributed:
        """Publish a contribution, its handoffs, and the replies it makes, as one.

        Args are the fields of a contribution (Grove protocol, section 2); `created_at` defaults
        to now. The same manifest again adds nothing and returns the first one's result.

        Raises ValidationError; NotFound if a relation's target does not exist; StateConflict if
        the idempotency key was used for another request; StoreUnavailable, InDoubt, Corrupt;
        OutcomeUnknown.
        """
        now = self.coordinator.now()
        contribution = Contribution(
            kind=kind,
            mode=mode,
            summary=summary,
            description=description,
            artifacts=artifacts if artifacts is not None else {},
            relations=relations,  # type: ignore[arg-type] # objects are validated as documents
            scores=scores,  # type: ignore[arg-type]
            tags=tags,
            context=context,
            agent=agent,
            created_at=now if created_at is None else normalise_time(created_at, "createdAt"),
        )
        # A retry that leaves the time to us is made at another time, and the same request.
        made = ("cid", "createdAt") if created_at is None else ("cid",)
        return self._publish(contribution, now, idempotency_key, made)

    def publish(
        self, contribution: Contribution, *, idempotency_key: str | None = None
    ) -> Contributed:
        """Publish a contribution that was made elsewhere; otherwise as `contribute`."""
        return self._publish(contribution, self.coordinator.now(), idempotency_key, ("cid",))

    def _publish(
        self,
        contribution: Contribution,
        now: str,
        idempotency_key: str | None,
        made: Sequence[str],
    ) -> Contributed:
        state = advance(CONTRIBUTE, CONTRIBUTE.initial, "validate")
        request = ContributeRequest(contribution, self.settings.topology, now)
        key = None
        if idempotency_key is not None:
            fields = {k: v for k, v in contribution.to_document().items() if k not in made}
            key = key_of("contribute", contribution.agent, idempotency_key, fields, now)
        try:
            executed = self.coordinator.execute(
                lambda facts: plan_contribute(request, facts), now=now, idempotency=key
            )
        except OutcomeUnknown:
            advance(CONTRIBUTE, advance(CONTRIBUTE, state, "plan"), "lose")
            raise
        except GroveError:
            advance(CONTRIBUTE, state, "refuse")
            raise
        result = executed.result
        if result["duplicate"] or executed.plan is None:
            advance(CONTRIBUTE, state, "recognise")
        else:
            advance(CONTRIBUTE, advance(CONTRIBUTE, state, "plan"), "publish")
        if result["cid"] != contribution.cid:
            contribution = self.contributions.get(result["cid"])
        return Contributed(
            cid=result["cid"],
            contribution=contribution,
            routed_to=tuple(result["routedTo"]),
            handoff_ids=tuple(result["handoffIds"]),
            replied_ids=tuple(result["repliedIds"]),
            duplicate=result["duplicate"],
            txid=result.get("txid") or str(executed.txid),
        )

    def grant_credits(
        self, agent_id: str, amount: int, *, idempotency_key: str | None = None
    ) -> Account:
        """Give an agent credits; returns its account afterwards.

        Raises ValidationError if the amount is not a positive integer or this deployment has no
        credits; otherwise as `contribute`.
        """
        self.credits.require()
        agent = Agent(agent_id=agent_id)
        grant = Grant(
            grant_id=self._new_id("grant"),
            agent_id=agent_id,
            amount=amount,
            created_at=self.coordinator.now(),
        )
        fields = {"agentId": agent_id, "amount": amount}
        executed = self.coordinator.execute(
            lambda facts: plan_grant(GrantRequest(grant), facts),
            now=grant.created_at,
            idempotency=key_of("grant_credits", agent, idempotency_key, fields, grant.created_at),
        )
        return Account.from_document(executed.result["account"])

    def create_bounty(
        self,
        *,
        title: str,
        amount: int,
        criteria: Criteria | Mapping[str, Any],
        agent: Agent,
        description: str | None = None,
        deadline: str | datetime | None = None,
        zone_id: str | None = None,
        context: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Bounty:
        """Open a bounty and, if the deployment has credits, reserve its amount, as one.

        Args are the fields of a bounty (Grove protocol, section 5); `agent` is its creator, and
        the deadline defaults to 7 days from now.

        Raises ValidationError; InsufficientCredits; otherwise as `contribute`.
        """
        now = self.coordinator.now()
        ends = (
            later(now, _DEFAULT_DEADLINE.total_seconds())
            if deadline is None
            else normalise_time(deadline, "deadline")
        )
        bounty_id = self._new_id("bounty")
        has_credits = CREDITS in self.settings.stores
        reservation_id = self._new_id("reservation") if has_credits else None
        bounty = Bounty(
            bounty_id=bounty_id,
            title=title,
            description=title if description is None else description,
            status="open",
            creator=agent,
            amount=amount,
            criteria=criteria,  # type: ignore[arg-type] # an object is validated as a document
            deadline=ends,
            zone_id=zone_id,
            reservation_id=reservation_id,
            context=context,
            created_at=now,
            updated_at=now,
        )
        reservation = None
        if reservation_id is not None:
            reservation = Reservation(
                reservation_id=reservation_id,
                agent_id=agent.agent_id,
                amount=amount,
                expires_at=ends,
                created_at=now,
            )
        made = ("bountyId", "status", "reservationId", "createdAt", "updatedAt")
        fields = {k: v for k, v in bounty.to_document().items() if k not in made}
        if deadline is None:
            del fields["deadline"]
        executed = self.coordinator.execute(
            lambda facts: plan_create_bounty(CreateBountyRequest(bounty, reservation), facts),
            now=now,
            idempotency=key_of("create_bounty", agent, idempotency_key, fields, now),
        )
        return Bounty.from_document(executed.result["bounty"])

    def claim(
        self,
        target_ref: str,
        *,
        agent: Agent,
        intent_summary: str,
        lease_seconds: float | None = None,
        context: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Claimed:
        """Claim a target for an agent, or renew the claim that it holds.

        Raises ClaimConflict if another agent holds it; ValidationError; otherwise as
        `contribute`.
        """
        if isinstance(target_ref, str) and target_ref.startswith(BOUNTY_TARGET):
            raise ValidationError(
                field="targetRef",
                rule="must not name a bounty, which is claimed with its record by claim_bounty",
                value=target_ref,
            )
        request = claim_request(
            target_ref,
            agent=agent,
            intent_summary=intent_summary,
            lease_seconds=self.settings.leases.claim if lease_seconds is None else lease_seconds,
            claim_id=self._new_id("claim"),
            now=self.coordinator.now(),
            context=context,
        )
        executed = self._execute_claim(
            "claim",
            request,
            lease_seconds,
            idempotency_key,
            lambda facts: plan_claim(request, facts),
        )
        result = executed.result
        return Claimed(
            claim=Claim.from_document(result["claim"]),
            renewed=result["renewed"],
            txid=str(executed.txid),
        )

    def claim_bounty(
        self,
        bounty_id: str,
        *,
        agent: Agent,
        intent_summary: str | None = None,
        lease_seconds: float | None = None,
        context: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> BountyClaimed:
        """Claim a bounty for an agent: the claim and the bounty, as one; or renew its claim.

        Raises NotFound; ClaimConflict if another agent holds it; StateConflict if its deadline
        has passed or it is past claiming; ValidationError; otherwise as `contribute`.
        """
        request = claim_request(
            bounty_target(bounty_id),
            agent=agent,
            intent_summary=(
                f"fulfil bounty {bounty_id}"[:1024] if intent_summary is None else intent_summary
            ),
            lease_seconds=self.settings.leases.bounty if lease_seconds is None else lease_seconds,
            claim_id=self._new_id("claim"),
            now=self.coordinator.now(),
            context=context,
        )
        executed = self._execute_claim(
            "claim_bounty",
            request,
            lease_seconds,
            idempotency_key,
            lambda facts: plan_claim_bounty(bounty_id, request, facts),
        )
        result = executed.result
        return BountyClaimed(
            claim=Claim.from_document(result["claim"]),
            bounty=Bounty.from_document(result["bounty"]),
            renewed=result["renewed"],
            txid=str(executed.txid),
        )

    def recover(self) -> RecoveryReport:
        """Finish what dead coordinators left, and what stores that were down had to wait for.

        Opening a grove does this by itself. Live coordinators' transactions are left alone.
        Raises StoreUnavailable if the journal cannot be read.
        """
        return recover(self.coordinator)

    def audit(self) -> AuditReport:
        """Check every rule that spans records, over one moment of all stores.

        Also whether they hold what the journal's newest transactions wrote. Raises
        StoreUnavailable if a store cannot be read, and Corrupt if it is damaged as a whole.
        """
        damaged: list[Corrupt] = []
        # Read before the stores, which then hold all of it.
        history = self.coordinator.journal.history(_AUDITED_TRANSACTIONS)
        with self.coordinator.snapshots(damaged.append) as views:
            records = {
                name: views[name].scan(name) if name in views else () for name in COLLECTIONS
            }
        return audit(
            records,
            self.settings.topology,
            heuristics=self.coordinator.journal.heuristics(damaged.append),
            damaged=damaged,
            committed={
                txid: entry.members
                for txid, state, entry in history
                if entry is not None and state not in ("planned", "aborted")
            },
        )

    def outcome(self, txid: str) -> str:
        """What became of a transaction: `committed`, `aborted`, or `undecided` while it runs.

        For the id that OutcomeUnknown names. Raises ValidationError if it is no transaction id,
        NotFound if the journal no longer keeps it.
        """
        decision = self.coordinator.journal.outcome(txid)
        if decision is None:
            return "undecided"
        return "committed" if decision is Decision.COMMIT else "aborted"

    def _execute_claim(
        self,
        operation: str,
        request: ClaimRequest,
        lease_seconds: float | None,
        idempotency_key: str | None,
        plan: Callable[[Facts], Plan],
    ) -> Executed:
        fields = {
            "targetRef": request.target_ref,
            "agent": request.agent.to_document(),
            "intentSummary": request.intent_summary,
            "leaseSeconds": lease_seconds,
            "context": request.context,
        }
        key = key_of(operation, request.agent, idempotency_key, fields, request.now)
        return self.coordinator.execute(plan, now=request.now, idempotency=key)

    def _new_id(self, kind: str) -> str:
        return f"{kind}-{self.coordinator.random()}"
