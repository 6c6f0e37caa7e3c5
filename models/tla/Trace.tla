------------------------------- MODULE Trace -------------------------------
(***************************************************************************)
(* Whether Protocol.tla allows what was recorded.  `Runs`, a module that   *)
(* models/traces writes, has for each run what its transactions planned,   *)
(* and its steps in the order in which they took effect.  TLC goes through *)
(* each run as far as it can, and tells how far.                           *)
(*                                                                         *)
(* A step of a run is a step of Protocol.tla, or an observation: something *)
(* that a coordinator was told, and that the state of the specification    *)
(* has to agree with.  A few steps of Protocol.tla leave no trace in a     *)
(* run: they are taken just before the recorded step that needs them, and  *)
(* at no other time, so that hardly ever there is a choice.                *)
(*                                                                         *)
(* After Cirstea, Kuppe, Loillier, Merz, "Validating Traces of Distributed *)
(* Programs Against TLA+ Specifications", SEFM 2024.                       *)
(***************************************************************************)
EXTENDS Protocol, Sequences, TLC, Runs

VARIABLES
    run,            \* which of Runs
    at              \* its next step

Told == Runs[run].steps[at]
Tx(t) == Runs[run].transactions[t]

-----------------------------------------------------------------------------
(* What Protocol.tla leaves open.  All runs share the numbers of their parts. *)

RunTransactions == 1 .. Most.transactions
RunCoordinators == 1 .. Most.coordinators
RunKeys == 1 .. Most.keys
RunStoreOf == [k \in RunKeys |-> 1 + ((k - 1) % Most.stores)]
NoPlans(t, facts) == {}         \* they are taken from the run
AsItWas(k) == 0

(***************************************************************************)
(* A key of the library stands for a family of records, and what a         *)
(* transaction holds are such keys.  They have to cover what it looks at:  *)
(* nobody who holds others may be about to write that.                     *)
(***************************************************************************)
IsToWrite(u, t) == \E k \in Writes(u) \intersect LookedAt(t) : Base(t, k) <= Base(u, k)
RunOverlap(t, u) ==
    Tx(t).holds \intersect Tx(u).holds /= {} \/ IsToWrite(t, u) \/ IsToWrite(u, t)

(* Nor may there be by now what a transaction has searched for and not found. *)
RunVotes(t, s) ==
    /\ \A k \in LookedAt(t) : StoreOf[k] = s => shown[k].revision = Base(t, k)
    /\ \A found \in Tx(t).unwanted : StoreOf[found[1]] = s => shown[found[1]].by /= found[2]

-----------------------------------------------------------------------------
(* Steps that leave no trace. *)

(* In the beginning nobody is there; and who was killed is known to be dead once another comes. *)
DiesUnseen(c) == status[c] /= "down" /\ (at = 1 \/ (Told.name = "Restart" /\ Told.c = c))

(* Somebody takes it for dead; or for alive again, as everybody does who comes anew. *)
LosesItsLock == Told.name = "Alive" /\ ~Told.alive /\ Told.of /= 0 /\ status[Told.of] = "open"
FindsItsLock(c) ==
    /\ status[c] = "zombie"
    /\ Told.name = "Restart" \/ (Told.name = "Alive" /\ Told.alive /\ Told.of = c)

HasGivenUp(c, t) ==
    Is(c, t, "committed", "apply") /\ machine[c][t].waiting = {} /\ machine[c][t].unreached /= {}
GivesUp == \E c \in Coordinators, t \in Transactions : HasGivenUp(c, t)

HasRecovered(c) == status[c] = "recovering" /\ toRecover[c] = {}
Opens == \E c \in Coordinators : HasRecovered(c)

IsApply == Told.name \in {"Applied", "Unreachable"}
TakesUp ==
    \/ IsApply /\ Idle(Told.c, Told.t)
    \/ Told.name = "ReleaseKeys" /\ Idle(Told.c, Told.t) /\ Writers(Told.t) = {}

(* It begins anew; some stores were not even asked the last time. *)
BeginsAnew ==
    IsApply /\ Is(Told.c, Told.t, "committed", "apply")
            /\ Told.s \notin machine[Told.c][Told.t].waiting

IsHidden ==
    \/ \E c \in Coordinators : DiesUnseen(c) \/ FindsItsLock(c)
    \/ LosesItsLock
    \/ GivesUp \/ Opens \/ TakesUp \/ BeginsAnew

Hidden ==
    \/ \E c \in Coordinators : DiesUnseen(c) /\ Crash(c)
    \/ LosesItsLock /\ LoseLock(Told.of)
    \/ \E c \in Coordinators : FindsItsLock(c) /\ FindLock(c)
    \/ GivesUp /\ LET p == CHOOSE p \in Coordinators \X Transactions : HasGivenUp(p[1], p[2])
                  IN  GiveUp(p[1], p[2])
    \/ Opens /\ Open(CHOOSE c \in Coordinators : HasRecovered(c))
    \/ TakesUp /\ (RollForward(Told.c, Told.t) \/ Recover(Told.c, Told.t))
    \/ BeginsAnew /\ \E s \in machine[Told.c][Told.t].waiting :
                        UnreachableIf(Told.c, Told.t, s, FALSE)

-----------------------------------------------------------------------------
(* Observations. *)

Nothing == UNCHANGED <<vars, step>>

IsAlive == Told.of /= 0 /\ HasLock(Told.of)

Agrees(t, decision) ==
    CASE decision = "commit" -> journal[t] \in Decided
      [] decision = "abort" ->
            journal[t] \in {"none", "aborted"} /\ \A c \in Coordinators : Idle(c, t)
      [] decision = "none" -> journal[t] \in {"none", "planned"}

(* What a coordinator has committed itself it may take for unapplied until it hears otherwise. *)
MayHold(c) ==
    {t \in Transactions : owner[t] = c /\ journal[t] \in {"applied", "finished"}
                             /\ machine[c][t].round /= "force"}
Unapplied(c) == {<<t, journal[t]>> : t \in Holders(c)}
IsUnapplied(c, found) ==
    /\ Unapplied(c) \subseteq found
    /\ found \subseteq Unapplied(c) \union {<<t, "committed">> : t \in MayHold(c)}

Refuses(t, among) == {u \in among : Tx(t).holds \intersect Tx(u).holds /= {}}
IsRefused(c, t, by) ==
    /\ Refuses(t, Holders(c)) \subseteq by
    /\ by \subseteq Refuses(t, Holders(c) \union MayHold(c))

UnfinishedOf(c) ==
    {<<t, IF t \in released[c] THEN "applied" ELSE journal[t]>> :
        t \in {u \in Transactions : journal[u] \in Unfinished}}

(* What a reader is shown, and has to be: he has brought `settled` to their ends before. *)
Shows(found, settled) ==
    \A k \in DOMAIN found :
        /\ <<shown[k].revision, shown[k].by>> = found[k]
        /\ \A t \in settled : k \in Writes(t) => shown[k].revision > Base(t, k)

Sees(o) ==
    CASE o.name = "Unapplied" -> IsUnapplied(o.c, o.found)
      [] o.name = "KeysRefused" -> IsRefused(o.c, o.t, o.by)
      [] o.name = "Unfinished" -> o.found = UnfinishedOf(o.c)
      [] o.name = "Read" -> Shows(o.found, o.settled)

-----------------------------------------------------------------------------
(* The recorded step. *)

Recorded ==
    CASE Told.name = "Observed" -> (\A i \in DOMAIN Told.seen : Sees(Told.seen[i])) /\ Nothing
      [] Told.name = "Restart" -> Restart(Told.c)
      [] Told.name = "Crash" -> Crash(Told.c)
      [] Told.name = "Alive" -> Told.alive = IsAlive /\ Nothing
      [] Told.name = "Plan" -> PlanAs(Told.c, Told.t, Tx(Told.t).relied, Tx(Told.t).writes)
      [] Told.name = "HoldKeys" -> HoldKeys(Told.c, Told.t)
      [] Told.name = "Voted" -> Told.vote = Votes(Told.t, Told.s) /\ Voted(Told.c, Told.t, Told.s)
      [] Told.name = "HoldAndDecide" ->
            /\ Told.votes = [s \in Voters(Told.t) |-> TRUE]
            /\ IF Told.answered THEN HoldAndDecide(Told.c, Told.t) ELSE AnswerLost(Told.c, Told.t)
      [] Told.name = "HoldAndRefuse" ->
            /\ \A s \in DOMAIN Told.votes : Told.votes[s] = Votes(Told.t, s)
            /\ HoldAndRefuse(Told.c, Told.t)
      [] Told.name = "RecordCommit" ->
            IF Told.answered THEN RecordCommit(Told.c, Told.t) ELSE AnswerLost(Told.c, Told.t)
      [] Told.name = "CommitRefused" -> CommitRefused(Told.c, Told.t)
      [] Told.name = "RecordAbort" -> RecordAbort(Told.c, Told.t)
      [] Told.name = "JournalDown" -> JournalDown(Told.c, Told.t)
      [] Told.name = "Abort" ->
            IF journal[Told.t] = "planned"
            THEN Told.decision = "abort" /\ AbortDead(Told.c, Told.t)
            ELSE Agrees(Told.t, Told.decision) /\ Nothing
      [] Told.name = "Outcome" ->
            /\ Agrees(Told.t, Told.decision)
            /\ IF Told.decision = "abort" /\ owner[Told.t] /= Nobody /\ Told.t \notin refused
               THEN AskOutcome(Told.c, Told.t) ELSE Nothing
      [] Told.name = "TakeUp" ->
            IF Serves(Told.c) /\ Idle(Told.c, Told.t) THEN RollForward(Told.c, Told.t) ELSE Nothing
      [] Told.name = "TakeOver" ->
            IF ENABLED TakeOver(Told.c, Told.t) THEN TakeOver(Told.c, Told.t) ELSE Nothing
      [] Told.name = "Applied" -> Applied(Told.c, Told.t, Told.s) /\ heuristics' = {}
      [] Told.name = "Unreachable" -> UnreachableIf(Told.c, Told.t, Told.s, Told.arrived)
      [] Told.name = "LateApply" -> LateApply(Told.t, Told.s)
      [] Told.name = "ReleaseKeys" ->
            IF Told.arrived /\ Told.answered THEN ReleaseKeys(Told.c, Told.t)
            ELSE ReleaseUnanswered(Told.c, Told.t, Told.arrived)
      [] Told.name = "WriteMarks" -> IF released[Told.c] = {} THEN Nothing ELSE WriteMarks(Told.c)
      [] Told.name = "MayMark" -> Nothing \/ WriteMarks(Told.c)
      [] Told.name = "Force" ->
            IF \E t \in Transactions :
                  Is(Told.c, t, "committed", "force") /\ Told.s \in machine[Told.c][t].waiting
            THEN Force(Told.c, Told.s) ELSE Nothing
      [] Told.name = "DropRedo" ->
            IF Idle(Told.c, Told.t) /\ journal[Told.t] = "finished" THEN Nothing
            ELSE DropRedo(Told.c, Told.t)

-----------------------------------------------------------------------------
TraceInit == Init /\ run \in DOMAIN Runs /\ at = 1
TraceNext ==
    /\ at <= Len(Runs[run].steps)
    /\ UNCHANGED run
    /\ IF IsHidden THEN Hidden /\ UNCHANGED at ELSE Recorded /\ at' = at + 1
TraceSpec == TraceInit /\ [][TraceNext]_<<vars, step, run, at>>

-----------------------------------------------------------------------------
(* What TLC tells: how far each run was followed, and what the state is where it stops. *)

Say(fact) == PrintT(fact)
TellTransaction(t) ==
    /\ Say(<<"journal", t, journal[t]>>)
    /\ Say(<<"voters", t, Voters(t)>>)
    /\ \A c \in Coordinators :
          Idle(c, t) \/ Say(<<"machine", t, c, machine[c][t].phase, machine[c][t].round,
                               machine[c][t].waiting, machine[c][t].unreached>>)
    /\ \A k \in Writes(t) :
          Say(<<"written", t, k, Base(t, k), shown[k].revision, shown[k].by,
               shownForced[k].revision>>)
TellSeen(o) ==
    CASE o.name = "Unapplied" -> Say(<<"met", Unapplied(o.c)>>)
      [] o.name = "KeysRefused" -> Say(<<"refusing", Refuses(o.t, Holders(o.c))>>)
      [] o.name = "Unfinished" -> Say(<<"met", UnfinishedOf(o.c)>>)
      [] o.name = "Read" ->
            \A k \in DOMAIN o.found : Say(<<"shown", k, shown[k].revision, shown[k].by>>)
TellAll ==
    /\ \A c \in Coordinators : Say(<<"coordinator", c, status[c], toRecover[c]>>)
    /\ \A c \in Coordinators, t \in Transactions :
          t \notin released[c] \/ Say(<<"released", c, t>>)
    /\ "t" \notin DOMAIN Told \/ TellTransaction(Told.t)
    /\ Told.name /= "Observed" \/ \A i \in DOMAIN Told.seen : TellSeen(Told.seen[i])

Progress == Say(<<"at", run, at>>) /\ (at /= Stop \/ TellAll)
=============================================================================
