---------------------------- MODULE AtomicCommit ----------------------------
(***************************************************************************)
(* The goal, and nothing of how it is reached: transactions that write     *)
(* several records, each record kept who knows where.                      *)
(*                                                                         *)
(* A transaction has one outcome. If that is commit, all its writes take   *)
(* their place in one instant, and only if what it relied on still stands  *)
(* in that instant; if it is abort, none ever does.  A reader is told a    *)
(* content that the record had at some moment between his question and     *)
(* the answer: so whatever he has seen of a transaction, every later       *)
(* question of anybody finds all of it.  He may be refused, but not lied   *)
(* to.  Outcomes and contents outlive everything: this module knows no     *)
(* crash.                                                                  *)
(*                                                                         *)
(* These are the promises P1 (atomic), P2 (durable), the half of P4 that   *)
(* isolates transactions from each other, and the half of P8 that says     *)
(* that an outcome told is true.  Protocol.tla refines this module.        *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets

CONSTANTS
    Transactions,
    Keys            \* the records, each by the key that is held for it

VARIABLES
    outcome,        \* of each transaction: "undecided", "committed" or "aborted"
    intent,         \* of each transaction: what it relies on and what it writes
    record,         \* the content of each record
    reader          \* one reader; any number would be no different, since none changes anything

(***************************************************************************)
(* A content is [revision, by, document]: how often the record was         *)
(* changed, by which transaction last, and what it says.  An intent is     *)
(* [relied, writes]: `relied` gives the revision at which it found each    *)
(* record that it looked at, `writes` the new document of each that it     *)
(* changes, which it has looked at too.                                    *)
(***************************************************************************)
vars == <<outcome, intent, record, reader>>

NoIntent == [relied |-> <<>>, writes |-> <<>>]
Idle == [stage |-> "idle"]

Written(t, k) == [revision |-> intent[t].relied[k] + 1, by |-> t, document |-> intent[t].writes[k]]

Init ==
    /\ outcome = [t \in Transactions |-> "undecided"]
    /\ intent = [t \in Transactions |-> NoIntent]
    /\ \A k \in Keys : record[k].revision = 0
    /\ reader = Idle

(* As long as it is undecided, a transaction may look again and change its mind. *)
Plan(t) ==
    /\ outcome[t] = "undecided"
    /\ intent' = [intent EXCEPT ![t] = intent'[t]]       \* whatever it is: Commit will judge it
    /\ DOMAIN intent'[t].writes \subseteq DOMAIN intent'[t].relied
    /\ UNCHANGED <<outcome, record, reader>>

Commit(t) ==
    /\ outcome[t] = "undecided"
    /\ \A k \in DOMAIN intent[t].relied : record[k].revision = intent[t].relied[k]
    /\ outcome' = [outcome EXCEPT ![t] = "committed"]
    /\ record' = [k \in Keys |->
                     IF k \in DOMAIN intent[t].writes THEN Written(t, k) ELSE record[k]]
    /\ reader' = IF reader.stage = "asked"
                 THEN [reader EXCEPT !.possible = @ \union {record'[reader.key]}]
                 ELSE reader
    /\ UNCHANGED intent

Abort(t) ==
    /\ outcome[t] = "undecided"
    /\ outcome' = [outcome EXCEPT ![t] = "aborted"]
    /\ UNCHANGED <<intent, record, reader>>

Ask(k) ==
    /\ reader.stage /= "asked"
    /\ reader' = [stage |-> "asked", key |-> k, possible |-> {record[k]}]
    /\ UNCHANGED <<outcome, intent, record>>

Answer ==
    /\ reader.stage = "asked"
    /\ \E content \in reader.possible : reader' = [stage |-> "answered", content |-> content]
    /\ UNCHANGED <<outcome, intent, record>>

(* A reader is told that a store cannot be reached, or dies himself. *)
Refuse ==
    /\ reader' = Idle
    /\ UNCHANGED <<outcome, intent, record>>

Next ==
    \/ \E t \in Transactions : Plan(t) \/ Commit(t) \/ Abort(t)
    \/ \E k \in Keys : Ask(k)
    \/ Answer
    \/ Refuse

Spec == Init /\ [][Next]_vars
=============================================================================
