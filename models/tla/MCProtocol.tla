----------------------------- MODULE MCProtocol -----------------------------
(***************************************************************************)
(* Small worlds for TLC to search: who wants to write what, where it is    *)
(* kept, and which worlds look alike.                                      *)
(***************************************************************************)
EXTENDS Protocol, TLC

CONSTANTS s1, s2, k1, k2, t1,
    Wants               \* what each transaction writes

OneRecordEach == k1 :> s1 @@ k2 :> s2

(* All write the same records; or only the first writes all, and the others one of them. *)
Everything == [t \in Transactions |-> Keys]
OneOfThem == [t \in Transactions |-> IF t = t1 THEN Keys ELSE {k1}]

WritesAll(t, facts) == {[looked |-> Wants[t], writes |-> [k \in Wants[t] |-> t]]}
Initially(k) == "nothing"

Symmetry == Permutations(Coordinators) \union Permutations(Transactions)

(* What comes after an answer is what would have come without the question. *)
NobodyAnswered == reader.stage /= "answered"
=============================================================================
