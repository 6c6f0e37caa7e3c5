"""Handoffs, claims and bounties (Grove protocol, sections 3 to 5)."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from grove_sm.domain.contribution import Agent, Contribution, Direction, Tags
from grove_sm.domain.errors import ABSENT
from grove_sm.domain.fields import (
    Amount,
    Cid,
    Context,
    Count,
    Identifier,
    Maybe,
    Number,
    Revision,
    Seconds,
    Text,
    Text1To128,
    Text1To1024,
    Text128,
    Time,
)
from grove_sm.domain.record import Record
from grove_sm.domain.values import Flaw

HandoffStatus = Literal[
    "pending_pickup", "delivered", "processed", "replied", "expired", "dead_lettered"
]
ClaimStatus = Literal["active", "released", "completed", "expired"]
BountyStatus = Literal["draft", "open", "claimed", "completed", "settled", "expired", "cancelled"]


def _check_not_blank(text: str) -> str:
    if not text.strip():
        raise Flaw("must not be blank", text)
    return text


class Handoff(Record):
    """Work passed to a role by a contribution."""

    handoff_id: Identifier
    source_cid: Cid
    from_role: Text128
    to_role: Text128
    status: HandoffStatus
    requires_reply: bool = False
    reply_due_at: Maybe[Time] = None
    resolved_by_cid: Maybe[Cid] = None
    created_at: Time

    @model_validator(mode="after")
    def _resolved_when_replied(self) -> Self:
        if self.status == "replied" and self.resolved_by_cid is None:
            raise Flaw("is required when the status is replied", ABSENT, "resolvedByCid")
        if self.status != "replied" and self.resolved_by_cid is not None:
            raise Flaw(
                f"must be absent when the status is {self.status}",
                self.resolved_by_cid,
                "resolvedByCid",
            )
        return self


class Route(Record):
    """A role that another role's contributions are handed to, and in which time it has to reply.

    `reply_seconds` None sets no time.
    """

    to: Text1To128
    requires_reply: bool = False
    reply_seconds: Maybe[Seconds] = None


class Claim(Record):
    """An agent's lease on a target. `revision` is one more on every change."""

    claim_id: Identifier
    target_ref: Text1To1024
    agent: Agent
    status: ClaimStatus
    intent_summary: Text1To1024
    created_at: Time
    heartbeat_at: Time
    lease_expires_at: Time
    context: Maybe[Context] = None
    attempt_count: Count = 0
    revision: Revision = 1


class Criteria(Record):
    """What a contribution must show to fulfil a bounty."""

    description: Text
    metric_name: Maybe[Text] = None
    metric_threshold: Maybe[Number] = None
    metric_direction: Maybe[Direction] = None
    required_tags: Maybe[Tags] = None

    @model_validator(mode="after")
    def _threshold_has_metric(self) -> Self:
        if self.metric_threshold is not None and self.metric_name is None:
            raise Flaw("is required when there is a metricThreshold", ABSENT, "metricName")
        return self

    def met_by(self, contribution: Contribution) -> bool:
        """Whether the contribution carries every required tag and reaches the threshold, if any.

        A score it does not have reaches nothing (Grove protocol, section 5).
        """
        return self.shortfall(contribution) is None

    def shortfall(self, contribution: Contribution) -> str | None:
        """What the contribution lacks, in words; None if it meets the criteria."""
        for tag in self.required_tags or ():
            if tag not in contribution.tags:
                return f"it lacks the required tag {tag!r}"
        if self.metric_name is None or self.metric_threshold is None:
            return None
        score = (contribution.scores or {}).get(self.metric_name)
        if score is None:
            return f"it has no score {self.metric_name!r}"
        if self.metric_direction == "maximize":
            is_reached, bound = score.value >= self.metric_threshold, "at least"
        else:
            is_reached, bound = score.value <= self.metric_threshold, "at most"
        if is_reached:
            return None
        return (
            f"its {self.metric_name} is {score.value}, and must be {bound} {self.metric_threshold}"
        )


_CLAIMANT_REQUIRED = frozenset({"claimed", "completed", "settled"})
_CLAIMANT_FORBIDDEN = frozenset({"draft", "open"})


class Bounty(Record):
    """A reward for a contribution that meets criteria. `description` defaults to the title.

    It has a claimant (`claimed_by` and `claim_id`, both or neither) from `claimed` on, none while
    `draft` or `open`; an expired or cancelled one may keep it. A settled one names what
    fulfilled it.
    """

    bounty_id: Identifier
    title: Annotated[Text, AfterValidator(_check_not_blank)]
    description: Text = ""
    status: BountyStatus
    creator: Agent
    amount: Amount
    criteria: Criteria
    deadline: Time
    zone_id: Maybe[Identifier] = None
    claimed_by: Maybe[Agent] = None
    claim_id: Maybe[Identifier] = None
    fulfilled_by_cid: Maybe[Cid] = None
    reservation_id: Maybe[Identifier] = None
    context: Maybe[Context] = None
    created_at: Time
    updated_at: Time

    @model_validator(mode="after")
    def _status_fits_fields(self) -> Self:
        if "description" not in self.model_fields_set:
            self.__dict__["description"] = self.title
        claimant = {"claimedBy": self.claimed_by, "claimId": self.claim_id}
        absent = [name for name, value in claimant.items() if value is None]
        present = [name for name in claimant if name not in absent]
        if self.status in _CLAIMANT_REQUIRED and absent:
            raise Flaw(f"is required when the status is {self.status}", ABSENT, absent[0])
        if self.status in _CLAIMANT_FORBIDDEN and present:
            name = present[0]
            raise Flaw(f"must be absent when the status is {self.status}", claimant[name], name)
        if absent and present:
            raise Flaw(f"is required where there is a {present[0]}", ABSENT, absent[0])
        if self.status == "settled" and self.fulfilled_by_cid is None:
            raise Flaw("is required when the status is settled", ABSENT, "fulfilledByCid")
        return self
