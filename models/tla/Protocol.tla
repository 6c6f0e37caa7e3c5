------------------------------ MODULE Protocol ------------------------------
(***************************************************************************)
(* How the goal in AtomicCommit.tla is reached: a journal that decides,    *)
(* stores that take part, and coordinators that may die at any moment.     *)
(* The names are those of the code: grove_sm/commit/machine.py (rounds,    *)
(* events, effects), contract.py (what journals and stores must keep),     *)
(* applier.py, recovery.py and grove_sm/journal/.  Each action below is    *)
(* one step of that code that others can come between.                     *)
(*                                                                         *)
(* What can go wrong, each kind if it is in `Faults`, `MaxFaults` times in *)
(* all in a behaviour:                                                     *)
(*   Crash          a coordinator's process dies                      (F1) *)
(*   PowerCut       everybody dies; of what was not forced, any part       *)
(*                  survives, in the stores and in the journal        (F2) *)
(*   Unreachable    a store fails, before the write or after it       (F3) *)
(*   LateApply      a request to apply comes late, again, out of order (F4)*)
(*   LoseLock       a coordinator is taken for dead and lives on: a        *)
(*                  zombie, that may wake up at any later moment      (F7) *)
(*   AnswerLost     the journal decides and its answer is lost             *)
(*   JournalDown    a vote or a decision cannot be had                (F5) *)
(*   ReleaseUnanswered  keys cannot be let go of, or no answer comes  (F5) *)
(* A coordinator that is slow, or paused for an hour, is no fault here:    *)
(* every step may be as long in coming as it likes.                        *)
(*                                                                         *)
(* Assumed, and nowhere checked: a forced write survives; each `apply`,    *)
(* each append to the journal is one step that others see whole; a power   *)
(* cut takes the coordinators with it; no other software writes here.      *)
(*                                                                         *)
(* `Without` names rules that are left out, to see that each is needed.    *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, Tables

CONSTANTS
    Transactions,
    Keys,               \* the records, each by the key that is held for it
    Coordinators,
    StoreOf,            \* the store that keeps each record
    Plans(_, _),        \* what a transaction may plan to do, given the contents it reads:
                        \*   a set of [looked |-> records, writes |-> their new documents]
    InitialDocument(_), \* what each record says before anybody has changed it
    Paths,              \* of {"one append", "two steps"}: how transactions are decided
    WithReader,         \* whether anybody reads
    Without,            \* the rules left out; {} for the protocol as it is
    Faults, MaxFaults,  \* what may go wrong, and how often
    Telling,            \* whether `step` is kept (with VIEW vars and without SYMMETRY)
    Finishing,          \* whether stores are forced and redo dropped, or that is left out
    Nobody              \* no transaction, no coordinator

Rule(name) == name \notin Without

VARIABLES
    (* What the journal's file and the stores' files say ... *)
    journal,        \* the state of each transaction's row, or "none"
    shown,          \* the content of each record, as a store shows it
    (* ... and what of it would survive a power cut for certain. *)
    journalForced,
    shownForced,
    unforced,       \* applies, as <<transaction, store>>, that are not yet forced
    (* What is in the memory of processes. *)
    status,         \* of each coordinator: "down", "recovering", "open", or "zombie"
    machine,        \* of each coordinator, for each transaction: commit/machine.py's Transaction
    released,       \* of each coordinator: what it has released, but not yet marked `applied`
    toRecover,      \* of each recovering coordinator: the unfinished transactions left to end
    reader,         \* one reader, at any coordinator
    (* What transactions are. *)
    owner,          \* the coordinator that runs it
    orphaned,       \* unfinished transactions whose coordinator has died
    plan,           \* its entry in the journal: [relied, writes], see AtomicCommit
    (* For the proof alone. *)
    record,         \* the content of each record as it has been decided
    refused,        \* those that anybody has been told are aborted
    heuristics,     \* applies that took what they met for other software's work
    faults,         \* how many there have been
    step            \* what was done last, so that a counterexample can be told

files == <<journal, shown, journalForced, shownForced, unforced>>
memory == <<status, machine, released, toRecover, reader>>
vars == <<files, memory, owner, orphaned, plan, record, refused, heuristics, faults>>

Stores == {StoreOf[k] : k \in Keys}

-----------------------------------------------------------------------------
(* Transactions and what they touch. *)

NoPlan == [relied |-> <<>>, writes |-> <<>>]
LookedAt(t) == DOMAIN plan[t].relied                    \* its keys: all it looked at is held
Writes(t) == DOMAIN plan[t].writes
Voters(t) == {StoreOf[k] : k \in LookedAt(t)}
Writers(t) == {StoreOf[k] : k \in Writes(t)}
Base(t, k) == plan[t].relied[k]                         \* the revision that its write replaces
Written(t, k) == [revision |-> Base(t, k) + 1, by |-> t, document |-> plan[t].writes[k]]

Decided == {"committed", "applied", "finished"}
Unfinished == {"planned", "committed", "applied"}
Committed == {t \in Transactions : journal[t] \in Decided}
Overlap(t, u) == LookedAt(t) \intersect LookedAt(u) /= {}

(* Of two on one record, which comes first. *)
Before(t, u) == \E k \in Writes(t) \intersect LookedAt(u) : Base(t, k) < Base(u, k)

Blank(k) == [revision |-> 0, by |-> Nobody, document |-> InitialDocument(k)]

(* Of several that write a record, the one on top. *)
Topmost(among, k) == CHOOSE t \in among : \A u \in among : Base(u, k) <= Base(t, k)

-----------------------------------------------------------------------------
(* The machine of commit/machine.py: its phase moves along the TRANSACTION table. *)

Unknown == [phase |-> "none", round |-> "rest", waiting |-> {}, unreached |-> {}]

Machine(phase, round, waiting) ==
    [phase |-> phase, round |-> round, waiting |-> waiting, unreached |-> {}]
Move(m, trigger, round, waiting) ==
    Machine(Advance(TransactionMoves, m.phase, trigger), round, waiting)
Turn(m, round, waiting) == Machine(m.phase, round, waiting)
ApplyAll(m, t) == IF Writers(t) = {} THEN Turn(m, "release", {}) ELSE Turn(m, "apply", Writers(t))

Begin == Machine(TransactionInitial, "hold", {})
Resume(t) == ApplyAll(Machine("committed", "apply", {}), t)

Is(c, t, phase, round) == machine[c][t].phase = phase /\ machine[c][t].round = round
Idle(c, t) == machine[c][t] = Unknown
Become(c, t, m) == machine' = [machine EXCEPT ![c][t] = m]

Serves(c) == status[c] \in {"open", "zombie"}
Lives(c) == status[c] /= "down"

(* By the lock that the system releases, or loses: no clock is asked. *)
HasLock(c) == status[c] \in {"recovering", "open"}
IsDead(t) == t \in orphaned \/ (owner[t] /= Nobody /\ ~HasLock(owner[t]))

(* Each action says what it is, and whether it is a fault. *)
Tell(name, about) == step' = IF Telling THEN <<name, about>> ELSE step
Step(name, about) == Tell(name, about) /\ UNCHANGED faults
Fault(name, about) ==
    /\ name \in Faults /\ faults < MaxFaults
    /\ faults' = faults + 1
    /\ Tell(name, about)

-----------------------------------------------------------------------------
(* Readers.  `possible` is kept for the proof: what the record has been since he asked. *)

NoReader == [stage |-> "idle"]

(* Whether a coordinator knows that a store shows what a transaction writes there. *)
KnowsShown(c, t, s) ==
    \/ /\ machine[c][t].phase = "committed"
       /\ \/ machine[c][t].round /= "apply"
          \/ s \notin machine[c][t].waiting \union machine[c][t].unreached
    \/ journal[t] \notin Unfinished

-----------------------------------------------------------------------------
Init ==
    /\ journal = [t \in Transactions |-> "none"]
    /\ journalForced = journal
    /\ shown = [k \in Keys |-> Blank(k)]
    /\ shownForced = shown
    /\ unforced = {}
    /\ status = [c \in Coordinators |-> "open"]
    /\ machine = [c \in Coordinators |-> [t \in Transactions |-> Unknown]]
    /\ released = [c \in Coordinators |-> {}]
    /\ toRecover = [c \in Coordinators |-> {}]
    /\ reader = NoReader
    /\ owner = [t \in Transactions |-> Nobody]
    /\ orphaned = {}
    /\ plan = [t \in Transactions |-> NoPlan]
    /\ record = shown
    /\ refused = {}
    /\ heuristics = {}
    /\ faults = 0
    /\ step = <<"Init", <<>>>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Plan, hold, prepare.                                                    *)
(***************************************************************************)

(* It looked at one record after the other, and relies on what it has found at each. *)
PlanAs(c, t, relied, writes) ==
    /\ Step("Plan", <<c, t>>)
    /\ Serves(c)
    /\ owner[t] \in {Nobody, c} /\ t \notin orphaned
    /\ Idle(c, t) /\ journal[t] = "none" /\ t \notin refused
    /\ plan' = [plan EXCEPT ![t] = [relied |-> relied, writes |-> writes]]
    /\ owner' = [owner EXCEPT ![t] = c]
    /\ Become(c, t, Begin)
    /\ UNCHANGED <<files, status, released, toRecover, reader, orphaned, record, refused, heuristics>>

(* From what the stores show, be that whole or not: what matters is validated later. *)
Plan(c, t) ==
    \E p \in Plans(t, shown) :
        PlanAs(c, t, [k \in p.looked |-> shown[k].revision], p.writes)

(* Whoever holds keys, as a coordinator sees it. *)
Holders(c) ==
    {t \in Transactions : journal[t] \in {"planned", "committed"} /\ t \notin released[c]}
Refusing(c, t) ==
    IF Rule("hold keys") THEN {u \in Holders(c) \ {t} : Overlap(t, u)} ELSE {}

(* It is tried again, once the holder is out of the way. *)
KeysRefused(c, t) ==
    /\ Step("KeysRefused", <<c, t>>)
    /\ Serves(c) /\ Is(c, t, "planned", "hold")
    /\ Refusing(c, t) /= {}
    /\ Become(c, t, Unknown)
    /\ UNCHANGED <<files, status, released, toRecover, reader, owner, orphaned, plan,
                   record, refused, heuristics>>

Votes(t, s) == \A k \in LookedAt(t) : StoreOf[k] = s => shown[k].revision = Base(t, k)

(* A decision brings along what this coordinator has released; it forces the whole file. *)
Marked(c, t, state) ==
    [u \in Transactions |->
        IF u = t THEN state
        ELSE IF u \in released[c] /\ journal[u] = "committed" THEN "applied"
        ELSE journal[u]]
WriteDecision(c, t, state) ==
    /\ journal' = Marked(c, t, state)
    /\ journalForced' = IF Rule("force the decision") THEN journal' ELSE journalForced
    /\ released' = [released EXCEPT ![c] = {}]
    /\ record' = [k \in Keys |-> IF k \in Writes(t) THEN Written(t, k) ELSE record[k]]
    /\ reader' = IF reader.stage = "asked"
                 THEN [reader EXCEPT !.possible = @ \union {record'[reader.key]}]
                 ELSE reader

(* One append: nobody decides between the holding and the decision, and nothing is written before. *)
CanHoldAndDecide(c, t) ==
    /\ "one append" \in Paths
    /\ Serves(c) /\ Is(c, t, "planned", "hold") /\ journal[t] = "none"
    /\ Refusing(c, t) = {}
    /\ \A s \in Voters(t) : Votes(t, s)

HoldAndDecide(c, t) ==
    /\ Step("HoldAndDecide", <<c, t>>)
    /\ CanHoldAndDecide(c, t)
    /\ WriteDecision(c, t, "committed")
    /\ Become(c, t, ApplyAll(Move(Move(machine[c][t], "prepare", "decide", {}), "commit", "apply", {}), t))
    /\ UNCHANGED <<shown, shownForced, unforced, status, toRecover, owner, orphaned, plan,
                   refused, heuristics>>

(* In one append, a vote against it leaves no trace; the operation is planned anew. *)
HoldAndRefuse(c, t) ==
    /\ Step("HoldAndRefuse", <<c, t>>)
    /\ "one append" \in Paths
    /\ Serves(c) /\ Is(c, t, "planned", "hold") /\ journal[t] = "none"
    /\ Refusing(c, t) = {}
    /\ \E s \in Voters(t) : ~Votes(t, s)
    /\ Become(c, t, Unknown)
    /\ UNCHANGED <<files, status, released, toRecover, reader, owner, orphaned, plan,
                   record, refused, heuristics>>

(* Two steps: that the keys are held is a record of its own, which need not be forced. *)
HoldKeys(c, t) ==
    /\ Step("HoldKeys", <<c, t>>)
    /\ "two steps" \in Paths
    /\ Serves(c) /\ Is(c, t, "planned", "hold") /\ journal[t] = "none"
    /\ Refusing(c, t) = {}
    /\ journal' = [journal EXCEPT ![t] = "planned"]
    /\ Become(c, t, Turn(machine[c][t], "vote", Voters(t)))
    /\ UNCHANGED <<shown, journalForced, shownForced, unforced, status, released, toRecover,
                   reader, owner, orphaned, plan, record, refused, heuristics>>

(* Prepare, and the vote that came of it. *)
Voted(c, t, s) ==
    /\ Step("Voted", <<c, t, s>>)
    /\ Serves(c) /\ Is(c, t, "planned", "vote") /\ s \in machine[c][t].waiting
    /\ LET m == machine[c][t]
           waiting == m.waiting \ {s}
       IN  Become(c, t,
               IF ~Votes(t, s) THEN Turn(m, "decide", {})
               ELSE IF waiting = {} THEN Move(m, "prepare", "decide", {})
               ELSE Turn(m, "vote", waiting))
    /\ UNCHANGED <<files, status, released, toRecover, reader, owner, orphaned, plan,
                   record, refused, heuristics>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Decide.  What the journal answers is the decision.                      *)
(***************************************************************************)

CanCommit(t) == journal[t] = "planned" \/ ~Rule("compare and set")

(* RecordDecision(commit), and DecisionRecorded(commit). *)
RecordCommit(c, t) ==
    /\ Step("RecordCommit", <<c, t>>)
    /\ Serves(c) /\ Is(c, t, "prepared", "decide")
    /\ CanCommit(t)
    /\ WriteDecision(c, t, "committed")
    /\ Become(c, t, ApplyAll(Move(machine[c][t], "commit", "apply", {}), t))
    /\ UNCHANGED <<shown, shownForced, unforced, status, toRecover, owner, orphaned, plan,
                   refused, heuristics>>

(* RecordDecision(commit), and DecisionRecorded(abort): somebody was first. *)
CommitRefused(c, t) ==
    /\ Step("CommitRefused", <<c, t>>)
    /\ Serves(c) /\ Is(c, t, "prepared", "decide")
    /\ ~CanCommit(t)
    /\ refused' = refused \union {t}
    /\ Become(c, t, Unknown)
    /\ UNCHANGED <<files, status, released, toRecover, reader, owner, orphaned, plan,
                   record, heuristics>>

(* RecordDecision(abort) after a vote against it. It is not forced: undecided means aborted. *)
RecordAbort(c, t) ==
    /\ Step("RecordAbort", <<c, t>>)
    /\ Serves(c) /\ Is(c, t, "planned", "decide")
    /\ journal' = [journal EXCEPT ![t] = IF @ = "planned" THEN "aborted" ELSE @]
    /\ refused' = refused \union {t}
    /\ Become(c, t, Unknown)
    /\ UNCHANGED <<shown, journalForced, shownForced, unforced, status, released, toRecover,
                   reader, owner, orphaned, plan, record, heuristics>>

(* OutcomeUnknown: the journal has decided, and the coordinator never learns it. *)
AnswerLost(c, t) ==
    /\ Fault("AnswerLost", <<c, t>>)
    /\ \/ CanHoldAndDecide(c, t)
       \/ Serves(c) /\ Is(c, t, "prepared", "decide") /\ CanCommit(t)
    /\ WriteDecision(c, t, "committed")
    /\ Become(c, t, Unknown)
    /\ UNCHANGED <<shown, shownForced, unforced, status, toRecover, owner, orphaned, plan,
                   refused, heuristics>>

(* StoreUnavailable: a vote or a decision cannot be had; nothing was written, the caller is told. *)
JournalDown(c, t) ==
    /\ Fault("JournalDown", <<c, t>>)
    /\ Serves(c) /\ machine[c][t].phase \in {"planned", "prepared"}
    /\ machine[c][t].round \in {"vote", "decide"}
    /\ refused' = refused \union {t}
    /\ Become(c, t, Unknown)
    /\ UNCHANGED <<files, status, released, toRecover, reader, owner, orphaned, plan,
                   record, heuristics>>

(* An undecided transaction of a dead coordinator, or one that its own has given up. *)
Abandoned(c, t) ==
    \/ IsDead(t) /\ (owner[t] /= c \/ t \in orphaned)         \* nobody finds himself dead
    \/ owner[t] = c /\ Idle(c, t) /\ Rule("abort what is given up")

AbortDead(c, t) ==
    /\ Step("AbortDead", <<c, t>>)
    /\ Lives(c) /\ journal[t] = "planned"
    /\ IF Rule("liveness by lock") THEN Abandoned(c, t) ELSE owner[t] /= c
    /\ journal' = [journal EXCEPT ![t] = "aborted"]
    /\ toRecover' = [toRecover EXCEPT ![c] = @ \ {t}]
    /\ refused' = refused \union {t}
    /\ UNCHANGED <<shown, journalForced, shownForced, unforced, status, machine, released,
                   reader, owner, orphaned, plan, record, heuristics>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Apply, by whoever has taken it up.                                      *)
(***************************************************************************)

(* commit/redo.py: what an apply does about one write. *)
Judge(t, k) ==
    LET found == shown[k]
    IN  IF ~Rule("judge each write") THEN "apply"
        ELSE IF found.revision = Base(t, k) THEN "apply"
        ELSE IF found.revision < Base(t, k) THEN "foreign"
        ELSE IF found.revision > Base(t, k) + 1 \/ found.by = t THEN "already"
        ELSE IF found.document = plan[t].writes[k] THEN "already"
        ELSE "foreign"

WritesAt(t, s) == {k \in Writes(t) : StoreOf[k] = s}

ApplyTo(t, s) ==
    LET here == WritesAt(t, s)
        new == {k \in here : Judge(t, k) = "apply"}
    IN  /\ shown' = [k \in Keys |-> IF k \in new THEN Written(t, k) ELSE shown[k]]
        /\ unforced' = IF new = {} THEN unforced ELSE unforced \union {<<t, s>>}
        /\ UNCHANGED <<journal, journalForced, shownForced>>

Outstanding(c, t) == IF Is(c, t, "committed", "apply") THEN machine[c][t].waiting ELSE {}

Answered(m, s) ==
    LET waiting == m.waiting \ {s}
    IN  [m EXCEPT !.waiting = waiting,
                  !.round = IF waiting = {} /\ m.unreached = {} THEN "release"
                            ELSE IF ~Rule("release when all have applied") THEN "release"
                            ELSE @]

(* After marks were taken back there may be several on one record, and the first comes first. *)
InOrder(t, s) ==
    Rule("apply in order") => \A k \in WritesAt(t, s) : shown[k].revision >= Base(t, k)

Applied(c, t, s) ==
    /\ Step("Applied", <<c, t, s>>)
    /\ Lives(c) /\ s \in Outstanding(c, t) /\ InOrder(t, s)
    /\ ApplyTo(t, s)
    /\ heuristics' = heuristics \union
                        {<<t, k>> : k \in {k \in WritesAt(t, s) : Judge(t, k) = "foreign"}}
    /\ Become(c, t, Answered(machine[c][t], s))
    /\ UNCHANGED <<status, released, toRecover, reader, owner, orphaned, plan, record, refused>>

(* A reader who needs that store gets StoreUnavailable. *)
RefusedFor(c, t, s) ==
    IF reader.stage = "asked" /\ reader.at = c /\ t \in reader.todo /\ StoreOf[reader.key] = s
    THEN NoReader ELSE reader

UnreachableIf(c, t, s, hasArrived) ==       \* the write, though its answer has not
    /\ Fault("Unreachable", <<c, t, s, hasArrived>>)
    /\ Lives(c) /\ s \in Outstanding(c, t)
    /\ IF hasArrived THEN InOrder(t, s) /\ ApplyTo(t, s) ELSE UNCHANGED files
    /\ machine' = [machine EXCEPT ![c][t].waiting = @ \ {s}, ![c][t].unreached = @ \union {s}]
    /\ reader' = RefusedFor(c, t, s)
    /\ UNCHANGED <<status, released, toRecover, owner, orphaned, plan, record, refused, heuristics>>
Unreachable(c, t, s) == \E hasArrived \in BOOLEAN : UnreachableIf(c, t, s, hasArrived)

(* An earlier change of the same record has not come yet: this one waits, and is not even sent. *)
KeptBack(c, t, s) ==
    /\ Step("KeptBack", <<c, t, s>>)
    /\ Lives(c) /\ s \in Outstanding(c, t) /\ ~InOrder(t, s)
    /\ machine' = [machine EXCEPT ![c][t].waiting = @ \ {s}, ![c][t].unreached = @ \union {s}]
    /\ reader' = RefusedFor(c, t, s)
    /\ UNCHANGED <<files, status, released, toRecover, owner, orphaned, plan, record, refused,
                   heuristics>>

(* All stores have been asked, and not all could be reached: whoever comes next takes it up. *)
GiveUp(c, t) ==
    /\ Step("GiveUp", <<c, t>>)
    /\ Lives(c) /\ Is(c, t, "committed", "apply")
    /\ machine[c][t].waiting = {} /\ machine[c][t].unreached /= {}
    /\ Become(c, t, Unknown)
    /\ toRecover' = [toRecover EXCEPT ![c] = @ \ {t}]
    /\ UNCHANGED <<files, status, released, reader, owner, orphaned, plan, record, refused, heuristics>>

(* A request that somebody sent at some time after the decision; what it meets nobody hears. *)
LateApply(t, s) ==
    /\ Fault("LateApply", <<t, s>>)
    /\ t \in Committed /\ s \in Writers(t)
    /\ ApplyTo(t, s)
    /\ UNCHANGED <<memory, owner, orphaned, plan, record, refused, heuristics>>

ReleaseKeys(c, t) ==
    /\ Step("ReleaseKeys", <<c, t>>)
    /\ Lives(c) /\ Is(c, t, "committed", "release")
    /\ released' = [released EXCEPT ![c] = IF journal[t] = "committed" THEN @ \union {t} ELSE @]
    /\ toRecover' = [toRecover EXCEPT ![c] = @ \ {t}]
    /\ Become(c, t, IF Finishing THEN Turn(machine[c][t], "force", Writers(t)) ELSE Unknown)
    /\ UNCHANGED <<files, status, reader, owner, orphaned, plan, record, refused, heuristics>>

(* The journal cannot be told, or does not answer; whoever comes next takes it up. *)
ReleaseUnanswered(c, t, hasArrived) ==
    /\ Fault("ReleaseUnanswered", <<c, t, hasArrived>>)
    /\ Lives(c) /\ Is(c, t, "committed", "release")
    /\ released' = [released EXCEPT ![c] =
                       IF hasArrived /\ journal[t] = "committed" THEN @ \union {t} ELSE @]
    /\ toRecover' = [toRecover EXCEPT ![c] = @ \ {t}]
    /\ Become(c, t, Unknown)
    /\ UNCHANGED <<files, status, reader, owner, orphaned, plan, record, refused, heuristics>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Force and finish, for many transactions at once.                        *)
(***************************************************************************)

Force(c, s) ==
    /\ Step("Force", <<c, s>>)
    /\ Lives(c)
    /\ \E t \in Transactions : Is(c, t, "committed", "force") /\ s \in machine[c][t].waiting
    /\ shownForced' = [k \in Keys |-> IF StoreOf[k] = s THEN shown[k] ELSE shownForced[k]]
    /\ unforced' = {apply \in unforced : apply[2] /= s}
    /\ machine' = [machine EXCEPT ![c] =
                      [t \in Transactions |->
                          IF Is(c, t, "committed", "force")
                          THEN [machine[c][t] EXCEPT !.waiting = @ \ {s}] ELSE machine[c][t]]]
    /\ UNCHANGED <<journal, shown, journalForced, status, released, toRecover, reader,
                   owner, orphaned, plan, record, refused, heuristics>>

(* Marks are written when there is time, and never forced for their own sake. *)
WriteMarks(c) ==
    /\ Step("WriteMarks", <<c>>)
    /\ Lives(c) /\ released[c] /= {}
    /\ journal' = Marked(c, Nobody, "none")
    /\ released' = [released EXCEPT ![c] = {}]
    /\ UNCHANGED <<shown, journalForced, shownForced, unforced, status, machine, toRecover,
                   reader, owner, orphaned, plan, record, refused, heuristics>>

DropRedo(c, t) ==
    /\ Step("DropRedo", <<c, t>>)
    /\ Lives(c) /\ Is(c, t, "committed", "force")
    /\ machine[c][t].waiting = {} \/ ~Rule("keep the redo until forced")
    /\ LET marked == Marked(c, Nobody, "none")
       IN  journal' = [marked EXCEPT ![t] = IF @ = "applied" THEN "finished" ELSE @]
    /\ released' = [released EXCEPT ![c] = {}]
    /\ Become(c, t, Unknown)
    /\ UNCHANGED <<shown, journalForced, shownForced, unforced, status, toRecover, 
                   reader, owner, orphaned, plan, record, refused, heuristics>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Roll forward: readers, whoever needs a key, housekeeping and recovery   *)
(* all do it, to what the journal shows as committed.                      *)
(***************************************************************************)

(* A reader or a writer meets what holds keys. *)
RollForward(c, t) ==
    /\ Step("RollForward", <<c, t>>)
    /\ Serves(c) /\ Idle(c, t) /\ t \notin released[c]
    /\ journal[t] = "committed"
    /\ Become(c, t, Resume(t))
    /\ UNCHANGED <<files, status, released, toRecover, reader, owner, orphaned, plan, record, refused,
                   heuristics>>

(* What is applied and nobody else will finish has only to be forced. *)
TakeOver(c, t) ==
    /\ Step("TakeOver", <<c, t>>)
    /\ Finishing /\ Lives(c) /\ Idle(c, t) /\ t \notin released[c]
    /\ journal[t] = "applied" /\ (IsDead(t) \/ owner[t] = c)
    /\ Become(c, t, Machine("committed", "force", Writers(t)))
    /\ toRecover' = [toRecover EXCEPT ![c] = @ \ {t}]
    /\ UNCHANGED <<files, status, released, reader, owner, orphaned, plan, record, refused, heuristics>>

(***************************************************************************)
(* Recovery, when a coordinator is opened: from the journal alone, in      *)
(* commit order, one after the other.  Whoever comes when nobody lives     *)
(* takes all marks back: they may have outlived the writes in a power cut, *)
(* and until these are there again, the keys are held.                     *)
(***************************************************************************)

TakenBack(t) ==
    IF journal[t] = "applied" /\ Rule("take marks back") /\ \A c \in Coordinators : ~HasLock(c)
    THEN "committed" ELSE journal[t]

Restart(c) ==
    /\ Step("Restart", <<c>>)
    /\ status[c] = "down"
    /\ status' = [status EXCEPT ![c] = "recovering"]
    /\ journal' = [t \in Transactions |-> TakenBack(t)]
    /\ toRecover' = [toRecover EXCEPT ![c] =
                        {t \in Transactions : IsDead(t) /\ journal[t] \in Unfinished}]
    /\ UNCHANGED <<shown, journalForced, shownForced, unforced, machine, released, reader, owner,
                   orphaned, plan, record, refused, heuristics>>

IsNext(c, t) ==
    /\ status[c] = "recovering" /\ t \in toRecover[c]
    /\ \A u \in toRecover[c] : Idle(c, u) /\ ~Before(u, t)

Recover(c, t) ==
    /\ Step("Recover", <<c, t>>)
    /\ IsNext(c, t)
    /\ journal[t] = "committed"
    /\ Become(c, t, Resume(t))
    /\ UNCHANGED <<files, status, released, toRecover, reader, owner, orphaned, plan, record, refused,
                   heuristics>>

(* Somebody else has ended it. *)
RecoverNothing(c, t) ==
    /\ Step("RecoverNothing", <<c, t>>)
    /\ IsNext(c, t)
    /\ journal[t] \notin Unfinished
    /\ toRecover' = [toRecover EXCEPT ![c] = @ \ {t}]
    /\ UNCHANGED <<files, status, machine, released, reader, owner, orphaned, plan, record, refused, heuristics>>

Open(c) ==
    /\ Step("Open", <<c>>)
    /\ status[c] = "recovering" /\ toRecover[c] = {}
    /\ status' = [status EXCEPT ![c] = "open"]
    /\ UNCHANGED <<files, machine, released, toRecover, reader, owner, orphaned, plan, record, refused,
                   heuristics>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Read: first bring to its end what the journal shows as committed and    *)
(* touches the record; then ask the store.                                 *)
(***************************************************************************)

ReadAsk(c, k) ==
    /\ Step("ReadAsk", <<c, k>>)
    /\ WithReader /\ Serves(c) /\ reader.stage = "idle"
    /\ reader' = [stage |-> "asked", at |-> c, key |-> k, possible |-> {record[k]},
                  todo |-> IF Rule("settle before reading")
                           THEN {t \in Holders(c) : journal[t] /= "planned" /\ k \in Writes(t)}
                           ELSE {}]
    /\ UNCHANGED <<files, status, machine, released, toRecover, owner, orphaned, plan,
                   record, refused, heuristics>>

ReadSettled(t) ==
    /\ Step("ReadSettled", <<t>>)
    /\ reader.stage = "asked" /\ t \in reader.todo
    /\ KnowsShown(reader.at, t, StoreOf[reader.key])
    /\ reader' = [reader EXCEPT !.todo = @ \ {t}]
    /\ UNCHANGED <<files, status, machine, released, toRecover, owner, orphaned, plan,
                   record, refused, heuristics>>

ReadRecord ==
    /\ Step("ReadRecord", <<>>)
    /\ reader.stage = "asked" /\ reader.todo = {}
    /\ reader' = [stage |-> "answered", content |-> shown[reader.key]]
    /\ UNCHANGED <<files, status, machine, released, toRecover, owner, orphaned, plan,
                   record, refused, heuristics>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Death, and what it takes along.                                         *)
(***************************************************************************)

Forget(gone) ==
    /\ machine' = [c \in Coordinators |->
                      IF c \in gone THEN [t \in Transactions |-> Unknown] ELSE machine[c]]
    /\ released' = [c \in Coordinators |-> IF c \in gone THEN {} ELSE released[c]]
    /\ toRecover' = [c \in Coordinators |-> IF c \in gone THEN {} ELSE toRecover[c]]
    /\ status' = [c \in Coordinators |-> IF c \in gone THEN "down" ELSE status[c]]
    /\ reader' = IF reader.stage = "asked" /\ reader.at \in gone THEN NoReader ELSE reader

Crash(c) ==
    /\ Fault("Crash", <<c>>)
    /\ Lives(c)
    /\ Forget({c})
    /\ orphaned' = orphaned \union
          {t \in Transactions : owner[t] = c /\ journal[t] \notin {"finished", "aborted"}}
    /\ UNCHANGED <<files, owner, plan, record, refused, heuristics>>

(* It lives on, and does not know. *)
LoseLock(c) ==
    /\ Fault("LoseLock", <<c>>)
    /\ status[c] = "open"
    /\ status' = [status EXCEPT ![c] = "zombie"]
    /\ UNCHANGED <<files, machine, released, toRecover, reader, owner, orphaned, plan, refused,
                   record, heuristics>>

(* It is known to live again. *)
FindLock(c) ==
    /\ Step("FindLock", <<c>>)
    /\ status[c] = "zombie"
    /\ status' = [status EXCEPT ![c] = "open"]
    /\ UNCHANGED <<files, machine, released, toRecover, reader, owner, orphaned, plan, record, refused,
                   heuristics>>

(* The states that a row has passed since it was last forced; any of them may be on the disk. *)
Passed(from, to) ==
    {to, from} \union
        IF from = "none" /\ to = "aborted" THEN {"planned"}
        ELSE IF from = "committed" /\ to = "finished" THEN {"applied"}
        ELSE {}

PowerCut ==
    /\ Fault("PowerCut", <<>>)
    /\ \E kept \in SUBSET unforced :
          shown' = [k \in Keys |->
                      LET on == {t \in Transactions : <<t, StoreOf[k]>> \in kept /\ k \in Writes(t)}
                      IN  IF on = {} THEN shownForced[k] ELSE Written(Topmost(on, k), k)]
    /\ journal' \in [Transactions -> {"none", "planned", "committed", "applied", "finished", "aborted"}]
    /\ \A t \in Transactions : journal'[t] \in Passed(journalForced[t], journal[t])
    /\ shownForced' = shown' /\ journalForced' = journal' /\ unforced' = {}
    /\ Forget(Coordinators)
    /\ orphaned' = {t \in Transactions :
                       owner[t] /= Nobody /\ journal'[t] \notin {"finished", "aborted"}}
    /\ UNCHANGED <<owner, plan, record, refused, heuristics>>

(* What became of it?  One that the journal never heard of is aborted from now on. *)
AskOutcome(c, t) ==
    /\ Step("AskOutcome", <<c, t>>)
    /\ Serves(c) /\ (IsDead(t) \/ owner[t] = c) /\ Idle(owner[t], t)
    /\ journal[t] \in {"none", "aborted"}
    /\ t \notin refused
    /\ journal' = [journal EXCEPT ![t] = "aborted"]
    /\ journalForced' = [journalForced EXCEPT ![t] = "aborted"]
    /\ refused' = refused \union {t}
    /\ UNCHANGED <<shown, shownForced, unforced, memory, owner, orphaned, plan, record, heuristics>>

-----------------------------------------------------------------------------
(* What may come in each round of a machine; compare _HANDLERS in commit/machine.py. *)
InRound(c, t, round) ==
    CASE round = "hold" ->
            KeysRefused(c, t) \/ HoldAndDecide(c, t) \/ HoldAndRefuse(c, t) \/ HoldKeys(c, t)
                \/ AnswerLost(c, t)
      [] round = "vote" -> (\E s \in Stores : Voted(c, t, s)) \/ JournalDown(c, t)
      [] round = "decide" ->
            RecordCommit(c, t) \/ CommitRefused(c, t) \/ RecordAbort(c, t)
                \/ AnswerLost(c, t) \/ JournalDown(c, t)
      [] round = "apply" ->
            (\E s \in Stores : Applied(c, t, s) \/ Unreachable(c, t, s) \/ KeptBack(c, t, s))
                \/ GiveUp(c, t)
      [] round = "release" ->
            ReleaseKeys(c, t) \/ \E hasArrived \in BOOLEAN : ReleaseUnanswered(c, t, hasArrived)
      [] round = "force" -> DropRedo(c, t)
      [] round = "rest" -> Plan(c, t) \/ RollForward(c, t) \/ TakeOver(c, t) \/ Recover(c, t)

Next ==
    \/ \E c \in Coordinators, t \in Transactions :
          \/ InRound(c, t, machine[c][t].round)
          \/ AbortDead(c, t) \/ RecoverNothing(c, t) \/ AskOutcome(c, t)
    \/ \E c \in Coordinators :
          \/ \E s \in Stores : Force(c, s)
          \/ WriteMarks(c) \/ Restart(c) \/ Open(c) \/ Crash(c) \/ LoseLock(c) \/ FindLock(c)
          \/ \E k \in Keys : ReadAsk(c, k)
    \/ \E t \in Transactions :
          \/ \E s \in Stores : LateApply(t, s)
          \/ ReadSettled(t)
    \/ ReadRecord
    \/ PowerCut

Spec == Init /\ [][Next]_vars

(* What is begun is carried on: no step that can be taken is put off for ever. *)
CarryOn(c, t) ==
    \/ owner[t] = c /\ Plan(c, t)
    \/ KeysRefused(c, t) \/ HoldAndDecide(c, t) \/ HoldAndRefuse(c, t) \/ HoldKeys(c, t)
    \/ \E s \in Stores : Voted(c, t, s)
    \/ RecordCommit(c, t) \/ CommitRefused(c, t) \/ RecordAbort(c, t)
Finish(c, t) ==
    \/ \E s \in Stores : Applied(c, t, s) \/ KeptBack(c, t, s)
    \/ GiveUp(c, t) \/ ReleaseKeys(c, t) \/ DropRedo(c, t)
TakeUp(c, t) ==
    AbortDead(c, t) \/ RollForward(c, t) \/ TakeOver(c, t) \/ Recover(c, t) \/ RecoverNothing(c, t)

Fairness ==
    /\ \A c \in Coordinators, t \in Transactions :
          WF_vars(CarryOn(c, t)) /\ WF_vars(Finish(c, t)) /\ WF_vars(TakeUp(c, t))
    /\ \A c \in Coordinators :
          /\ WF_vars(\E s \in Stores : Force(c, s))
          /\ WF_vars(WriteMarks(c)) /\ WF_vars(Restart(c)) /\ WF_vars(Open(c))
    /\ WF_vars(\E t \in Transactions : ReadSettled(t)) /\ WF_vars(ReadRecord)

FairSpec == Spec /\ Fairness

-----------------------------------------------------------------------------
(***************************************************************************)
(* What TLC checks.                                                        *)
(***************************************************************************)

(* The protocol is the atomic commit, seen through its journal. *)
Goal == INSTANCE AtomicCommit WITH
    outcome <- [t \in Transactions |->
                   IF t \in Committed THEN "committed"
                   ELSE IF t \in refused THEN "aborted" ELSE "undecided"],
    intent <- plan,
    record <- record,
    reader <- IF reader.stage = "asked"
              THEN [stage |-> "asked", key |-> reader.key, possible |-> reader.possible]
              ELSE reader
Refinement == Goal!Spec

(* What a reader at a coordinator is shown, once all that is to be rolled forward has been. *)
View(c, k) ==
    LET due == {t \in Transactions :
                    /\ k \in Writes(t)
                    /\ journal[t] = "committed" /\ t \notin released[c]
                    /\ Base(t, k) >= shown[k].revision}
    IN  IF due = {} THEN shown[k] ELSE Written(Topmost(due, k), k)
ReadersSeeEverything ==
    \A c \in Coordinators, k \in Keys : Serves(c) => View(c, k) = record[k]

(* Without other software, there is never a heuristic outcome. *)
NoHeuristics == heuristics = {}

(* The redo is kept as long as a power cut could take the writes. *)
RedoKept ==
    \A t \in Transactions, k \in Keys :
        journal[t] = "finished" /\ k \in Writes(t) => shownForced[k].revision > Base(t, k)

(* The machine's phases are those of the table. *)
PhasesOfTheTable ==
    \A c \in Coordinators, t \in Transactions :
        machine[c][t] /= Unknown => machine[c][t].phase \in TransactionStates \ TransactionFinal

(* A live coordinator's transaction is aborted by itself alone. *)
OnlyTheDeadAreAborted ==
    [][\A t \in Transactions :
          journal[t] = "planned" /\ journal'[t] = "aborted" =>
              IsDead(t) \/ machine[owner[t]][t].round \in {"decide", "rest"}]_vars

(* As faults come to an end, every transaction does, and every reader gets an answer. *)
Ended(t) ==
    \/ journal[t] \in {"finished", "aborted"}
    \/ journal[t] = "none" /\ \A c \in Coordinators : Idle(c, t)
EveryTransactionEnds == \A t \in Transactions : <>[]Ended(t)
EveryReaderIsAnswered == reader.stage = "asked" ~> reader.stage /= "asked"

=============================================================================
