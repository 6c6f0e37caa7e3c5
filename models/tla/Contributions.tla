---------------------------- MODULE Contributions ----------------------------
(***************************************************************************)
(* A contribution that is handed off, over the protocol: published with    *)
(* its handoff, delivered to an agent, and replied to by a review.  Each   *)
(* operation is a transaction, as in Claims.tla.                           *)
(*                                                                         *)
(* The promises are P3 (no contribution without its handoffs, no reply     *)
(* without the contribution that replies, no delivery without its claim),  *)
(* and that a call lives as the CONTRIBUTE table says.                     *)
(***************************************************************************)
EXTENDS Protocol, TLC

CONSTANTS
    work, review,           \* two contributions
    handoff, delivery,      \* the handoff of the work, and the claim of whom it is delivered to
    t1, t2, t3,
    contributions, handoffs,    \* two stores
    Asked                   \* of each transaction, what is asked for

TwoStores == work :> contributions @@ review :> contributions
             @@ handoff :> handoffs @@ delivery :> handoffs

ContributeAndReview == t1 :> "contribute" @@ t2 :> "review"
PickUp == ContributeAndReview @@ t3 :> "pick up"
Sweep == ContributeAndReview @@ t3 :> "sweep"

Document(state) == [status |-> state]
Untouched(k) == Document("absent")

-----------------------------------------------------------------------------
(* What operations plan. No plan is a refusal. *)

Write(writes) == {[looked |-> Keys, writes |-> writes]}

CanMove(moves, trigger, document) == IsMove(moves, trigger, document.status)
Moved(moves, trigger, document) == Document(Advance(moves, document.status, trigger))
IsThere(facts, k) == facts[k].document.status /= "absent"
Published == Document("published")

Contribute(facts) ==
    IF IsThere(facts, work) THEN {}
    ELSE Write(IF Rule("contribution with its handoffs")
               THEN work :> Published @@ handoff :> Document(HandoffInitial)
               ELSE work :> Published)

(* It answers the handoff, and whoever has that delivered is done with it. *)
Review(facts) ==
    IF ~IsThere(facts, work) \/ IsThere(facts, review) THEN {}
    ELSE IF CanMove(HandoffMoves, "reply", facts[handoff].document)
    THEN Write(review :> Published @@ handoff :> Moved(HandoffMoves, "reply", facts[handoff].document)
               @@ IF CanMove(ClaimMoves, "complete", facts[delivery].document)
                  THEN delivery :> Moved(ClaimMoves, "complete", facts[delivery].document)
                  ELSE <<>>)
    ELSE Write(review :> Published)

PickUpHandoff(facts) ==
    IF CanMove(HandoffMoves, "deliver", facts[handoff].document) /\ ~IsThere(facts, delivery)
    THEN Write(handoff :> Moved(HandoffMoves, "deliver", facts[handoff].document)
               @@ delivery :> Document(ClaimInitial))
    ELSE {}

SweepHandoff(facts) ==
    IF CanMove(HandoffMoves, "expire", facts[handoff].document)
    THEN Write(handoff :> Moved(HandoffMoves, "expire", facts[handoff].document)
               @@ IF CanMove(ClaimMoves, "expire", facts[delivery].document)
                  THEN delivery :> Moved(ClaimMoves, "expire", facts[delivery].document)
                  ELSE <<>>)
    ELSE {}

ContributePlans(t, facts) ==
    CASE Asked[t] = "contribute" -> Contribute(facts)
      [] Asked[t] = "review" -> Review(facts)
      [] Asked[t] = "pick up" -> PickUpHandoff(facts)
      [] Asked[t] = "sweep" -> SweepHandoff(facts)

-----------------------------------------------------------------------------
(* What holds in every state that a reader can see. *)

Status(c, k) == View(c, k).document.status

NoContributionWithoutItsHandoffs ==
    \A c \in Coordinators : Serves(c) =>
        (Status(c, work) = "published" <=> Status(c, handoff) /= "absent")

EveryReplyHasItsReview ==
    \A c \in Coordinators : Serves(c) =>
        /\ Status(c, handoff) = "replied" => Status(c, review) = "published"
        /\ Status(c, review) = "published" => Status(c, handoff) \in HandoffFinal

DeliveriesHaveTheirClaim ==
    \A c \in Coordinators : Serves(c) =>
        (Status(c, handoff) = "delivered" <=> Status(c, delivery) = "active")

Along(moves, from, to) ==
    \/ from = to
    \/ \E m \in moves : m[2] = from /\ m[3] = to
    \/ \E m \in moves, n \in moves : m[2] = from /\ m[3] = n[2] /\ n[3] = to

Changes(moves, initial, k) ==
    LET from == record[k].document.status
        to == record'[k].document.status
    IN  IF from = "absent" THEN to \in {"absent", initial} ELSE Along(moves, from, to)

StatusesMoveAlongTheTables ==
    [][Changes(HandoffMoves, HandoffInitial, handoff) /\ Changes(ClaimMoves, ClaimInitial, delivery)]_vars

(* A call as its caller lives it; one whose process has died is unknown until somebody asks. *)
Call(t) ==
    IF t \in Committed THEN "published"
    ELSE IF t \in refused THEN "refused"
    ELSE IF t \in orphaned THEN "unknown"
    ELSE IF owner[t] /= Nobody THEN "planned"
    ELSE "validated"

CallsMoveAlongTheTable ==
    [][\A t \in Transactions : Call(t) = Call(t)' \/ \E m \in ContributeMoves :
                                   m[2] = Call(t) /\ m[3] = Call(t)']_vars
=============================================================================
