"""From the arguments of operations to their requests: defaults and checks, nothing else."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from grove_sm.commit.record import checksum
from grove_sm.domain import Agent, Claim, canonical_json, format_time, parse_time
from grove_sm.domain.errors import ValidationError
from grove_sm.domain.values import Flaw, check_text
from grove_sm.operations.claims import ClaimRequest
from grove_sm.operations.plan import IdempotencyKey
from grove_sm.settings import lease_of

KEY_LIFETIME: Final = timedelta(hours=24)
_LONGEST_KEY: Final = 256


def claim_request(
    target_ref: str,
    *,
    agent: Agent,
    intent_summary: str,
    lease_seconds: float,
    claim_id: str,
    now: str,
    context: Mapping[str, Any] | None,
) -> ClaimRequest:
    """A request for a claim, checked as the claim that it may become. Raises ValidationError."""
    lease = lease_of(lease_seconds)
    Claim(
        claim_id=claim_id,
        target_ref=target_ref,
        agent=agent,
        status="active",
        intent_summary=intent_summary,
        created_at=now,
        heartbeat_at=now,
        lease_expires_at=now,
        context=context,
    )
    return ClaimRequest(target_ref, agent, intent_summary, lease, claim_id, now, context)


def idempotency_key(
    operation: str, agent: Agent, key: str | None, fields: Mapping[str, Any], now: str
) -> IdempotencyKey | None:
    """A caller's key for a request with these arguments; None if it gave none.

    Scoped to the agent's role, or its id where it has no role (Grove protocol, section 7).
    Raises ValidationError if it is not a string of 1 to 256 characters.
    """
    if key is None:
        return None
    try:
        check_text(key)
    except Flaw as flaw:
        raise flaw.at("idempotencyKey") from None
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise ValidationError(
            field="idempotencyKey",
            rule=f"must be a string of 1 to {_LONGEST_KEY} characters",
            value=key,
        )
    scope = f"role:{agent.role}" if agent.role else f"agent:{agent.agent_id}"
    digests = {name: checksum(canonical_json(value).decode()) for name, value in fields.items()}
    digests["operation"] = operation
    return IdempotencyKey(scope, key, digests, format_time(parse_time(now) + KEY_LIFETIME))
