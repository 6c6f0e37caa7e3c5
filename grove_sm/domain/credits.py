"""Accounts and what moves credits between them (Grove protocol, section 6)."""

from typing import Literal, Self

from pydantic import model_validator

from grove_sm.domain.errors import ABSENT
from grove_sm.domain.fields import Amount, Balance, Identifier, Maybe, Text1To256, Time
from grove_sm.domain.record import Record
from grove_sm.domain.values import Flaw

ReservationStatus = Literal["held", "captured", "voided"]


class Account(Record):
    """An agent's credits. No balance is ever negative."""

    agent_id: Text1To256
    available: Balance = 0
    reserved: Balance = 0

    @property
    def total(self) -> int:
        """Available and reserved together."""
        return self.available + self.reserved


class Grant(Record):
    """Credits that entered."""

    grant_id: Identifier
    agent_id: Text1To256
    amount: Amount
    created_at: Time


class Reservation(Record):
    """Credits set aside, to be captured by a receiver or voided."""

    reservation_id: Identifier
    agent_id: Text1To256
    amount: Amount
    expires_at: Time
    status: ReservationStatus = "held"
    captured_to: Maybe[Text1To256] = None
    created_at: Time

    @model_validator(mode="after")
    def _receiver_when_captured(self) -> Self:
        if self.status == "captured" and self.captured_to is None:
            raise Flaw("is required when the status is captured", ABSENT, "capturedTo")
        if self.status != "captured" and self.captured_to is not None:
            raise Flaw(
                f"must be absent when the status is {self.status}", self.captured_to, "capturedTo"
            )
        return self


class Transfer(Record):
    """Credits that went from one agent to another."""

    transfer_id: Identifier
    from_agent_id: Text1To256
    to_agent_id: Text1To256
    amount: Amount
    created_at: Time
