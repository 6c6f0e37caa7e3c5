------------------------------- MODULE Claims -------------------------------
(***************************************************************************)
(* Agents who want one bounty, over the protocol: each operation is one of *)
(* its transactions, and plans what it writes from what it reads, as       *)
(* grove_sm/operations/ does.  Statuses change along the tables of         *)
(* Tables.tla and in no other way.                                         *)
(*                                                                         *)
(* The promises are P4 (one live claim on a target, whoever asks, however  *)
(* many ask) and the half of P3 that says that claim and bounty agree.     *)
(***************************************************************************)
EXTENDS Protocol, TLC

CONSTANTS
    bounty,             \* the bounty's record; keys of their own are the claims, one of each agent
    a, b,               \* two agents, and the records of their claims on the bounty
    t1, t2, t3,
    claims, bounties,   \* two stores
    Asked               \* of each transaction, what is asked for and by whom

Agents == {a, b}

TwoStores == bounty :> bounties @@ a :> claims @@ b :> claims

(* Who is asking for what. *)
Race == t1 :> <<"claim", a>> @@ t2 :> <<"claim", b>>
RaceAndRelease == Race @@ t3 :> <<"release", a>>
RaceAndSettle == Race @@ t3 :> <<"settle", a>>
RaceAndSweep == Race @@ t3 :> <<"sweep", a>>
RaceAndCancel == Race @@ t3 :> <<"cancel", a>>

(* A document is a status and, on a bounty, by whom it is claimed. "absent" is no document. *)
Document(state, by) == [status |-> state, by |-> by]
Untouched(k) == Document(IF k = bounty THEN "open" ELSE "absent", Nobody)

-----------------------------------------------------------------------------
(* What operations plan. No plan is a refusal. *)

Write(writes) == {[looked |-> Keys, writes |-> writes]}

CanMove(moves, trigger, document) == IsMove(moves, trigger, document.status)
Moved(moves, trigger, document, by) == Document(Advance(moves, document.status, trigger), by)
EndedClaims(trigger, facts, agents) ==        \* the claims of these agents
    [x \in agents |-> Moved(ClaimMoves, trigger, facts[x].document, x)]
Active(facts) == {x \in Agents : facts[x].document.status = "active"}

ClaimBounty(agent, facts) ==
    LET it == facts[bounty].document
        mine == agent :> Document(ClaimInitial, agent)
        others == Active(facts)
    IN  IF facts[agent].document.status /= "absent" THEN {}
        ELSE IF others = {} /\ CanMove(BountyMoves, "claim", it)
        THEN Write(IF Rule("claim with its bounty")
                   THEN mine @@ bounty :> Moved(BountyMoves, "claim", it, agent)
                   ELSE mine)
        (* The other's lease has run out, as it may at any time: taken over in the same step. *)
        ELSE IF others /= {} /\ CanMove(BountyMoves, "release", it)
        THEN Write(mine @@ EndedClaims("expire", facts, others)
                        @@ bounty :> Moved(BountyMoves, "claim",
                                           Moved(BountyMoves, "release", it, Nobody), agent))
        ELSE {}

EndClaim(agent, facts, claimTrigger, bountyTrigger, by) ==
    LET it == facts[bounty].document
    IN  IF Active(facts) = {agent} /\ CanMove(BountyMoves, bountyTrigger, it)
        THEN Write(EndedClaims(claimTrigger, facts, {agent})
                    @@ bounty :> Moved(BountyMoves, bountyTrigger, it, by))
        ELSE {}

SettleBounty(agent, facts) ==
    LET it == facts[bounty].document
    IN  IF Active(facts) = {agent} /\ CanMove(BountyMoves, "complete", it)
        THEN Write(EndedClaims("complete", facts, {agent})
                    @@ bounty :> Moved(BountyMoves, "settle",
                                       Moved(BountyMoves, "complete", it, agent), agent))
        ELSE {}

CancelBounty(facts) ==
    LET it == facts[bounty].document
    IN  IF CanMove(BountyMoves, "cancel", it)
        THEN Write(EndedClaims("release", facts, Active(facts))
                    @@ bounty :> Moved(BountyMoves, "cancel", it, Nobody))
        ELSE {}

ClaimPlans(t, facts) ==
    LET what == Asked[t][1]
        agent == Asked[t][2]
    IN  CASE what = "claim" -> ClaimBounty(agent, facts)
          [] what = "release" -> EndClaim(agent, facts, "release", "release", Nobody)
          [] what = "sweep" -> EndClaim(agent, facts, "expire", "release", Nobody)
          [] what = "settle" -> SettleBounty(agent, facts)
          [] what = "cancel" -> CancelBounty(facts)

-----------------------------------------------------------------------------
(* What holds in every state that a reader can see. *)

Seen(c, k) == View(c, k).document
SeenBy(c) == {x \in Agents : Seen(c, x).status = "active"}

OneLiveClaim == \A c \in Coordinators : Serves(c) => Cardinality(SeenBy(c)) <= 1

ClaimAndBountyAgree ==
    \A c \in Coordinators : Serves(c) =>
        LET it == Seen(c, bounty)
        IN  /\ it.status = "claimed" => SeenBy(c) = {it.by}
            /\ it.status /= "claimed" => SeenBy(c) = {}
            /\ it.status = "settled" => Seen(c, it.by).status = "completed"

(* One operation may make several moves, as settling does: "complete", then "settle". *)
Along(moves, from, to) ==
    \/ from = to
    \/ \E m \in moves : m[2] = from /\ m[3] = to
    \/ \E m \in moves, n \in moves : m[2] = from /\ m[3] = n[2] /\ n[3] = to

StatusesMoveAlongTheTables ==
    [][/\ \A x \in Agents :
            LET from == record[x].document.status
                to == record'[x].document.status
            IN  IF from = "absent" THEN to \in {"absent", ClaimInitial} ELSE Along(ClaimMoves, from, to)
       /\ Along(BountyMoves, record[bounty].document.status, record'[bounty].document.status)]_vars
=============================================================================
