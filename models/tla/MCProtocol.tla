----------------------------- MODULE MCProtocol -----------------------------
(***************************************************************************)
(* Small worlds for TLC to search: who wants to write what, where it is    *)
(* kept, and which worlds look alike.                                      *)
(***************************************************************************)
EXTENDS Protocol, TLC

CONSTANTS s1, s2, k1, k2, t1, t2, t3, c1, c2,
    Wants               \* what each transaction writes

OneRecordEach == k1 :> s1 @@ k2 :> s2

(* One transaction over two stores; several over the same records. *)
One == t1 :> {k1, k2}
Two == t1 :> {k1, k2} @@ t2 :> {k1}
Both == t1 :> {k1, k2} @@ t2 :> {k1, k2}
Same == t1 :> {k1} @@ t2 :> {k1} @@ t3 :> {k1}

WritesAll(t, facts) == {[looked |-> Wants[t], writes |-> [k \in Wants[t] |-> t]]}
Initially(k) == "nothing"

Symmetry == Permutations(Coordinators) \union Permutations(Transactions)

(* What comes after an answer is what would have come without the question. *)
NobodyAnswered == reader.stage /= "answered"
=============================================================================
