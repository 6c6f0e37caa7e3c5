------------------------------- MODULE Tables -------------------------------
(***************************************************************************)
(* The five lifecycles, written by `python -m models tables` from          *)
(* grove_sm/lifecycles/tables.py.  Do not edit.  A move is                 *)
(* <<trigger, source, destination>>.                                       *)
(***************************************************************************)
EXTENDS Naturals

(* Whether a table has a move, and where it leads; an error where it has none. *)
IsMove(moves, trigger, source) == \E move \in moves : move[1] = trigger /\ move[2] = source
Advance(moves, source, trigger) ==
    (CHOOSE move \in moves : move[1] = trigger /\ move[2] = source)[3]

ContributeStates == {"requested", "validated", "planned", "published", "duplicate", "refused", "unknown"}
ContributeInitial == "requested"
ContributeFinal == {"published", "duplicate", "refused"}
ContributeMoves == {
    <<"validate", "requested", "validated">>,
    <<"recognise", "validated", "duplicate">>,
    <<"plan", "validated", "planned">>,
    <<"publish", "planned", "published">>,
    <<"lose", "planned", "unknown">>,
    <<"publish", "unknown", "published">>,
    <<"refuse", "requested", "refused">>,
    <<"refuse", "validated", "refused">>,
    <<"refuse", "planned", "refused">>,
    <<"refuse", "unknown", "refused">>}

ClaimStates == {"active", "released", "completed", "expired"}
ClaimInitial == "active"
ClaimFinal == {"released", "completed", "expired"}
ClaimMoves == {
    <<"heartbeat", "active", "active">>,
    <<"release", "active", "released">>,
    <<"complete", "active", "completed">>,
    <<"expire", "active", "expired">>}

BountyStates == {"draft", "open", "claimed", "completed", "settled", "expired", "cancelled"}
BountyInitial == "draft"
BountyFinal == {"settled", "expired", "cancelled"}
BountyMoves == {
    <<"open", "draft", "open">>,
    <<"claim", "open", "claimed">>,
    <<"release", "claimed", "open">>,
    <<"complete", "claimed", "completed">>,
    <<"settle", "completed", "settled">>,
    <<"expire", "open", "expired">>,
    <<"expire", "claimed", "expired">>,
    <<"expire", "completed", "expired">>,
    <<"cancel", "draft", "cancelled">>,
    <<"cancel", "open", "cancelled">>,
    <<"cancel", "claimed", "cancelled">>,
    <<"cancel", "completed", "cancelled">>}

HandoffStates == {"pending_pickup", "delivered", "processed", "replied", "expired", "dead_lettered"}
HandoffInitial == "pending_pickup"
HandoffFinal == {"replied", "expired", "dead_lettered"}
HandoffMoves == {
    <<"deliver", "pending_pickup", "delivered">>,
    <<"process", "delivered", "processed">>,
    <<"reply", "pending_pickup", "replied">>,
    <<"reply", "delivered", "replied">>,
    <<"reply", "processed", "replied">>,
    <<"expire", "pending_pickup", "expired">>,
    <<"expire", "delivered", "expired">>,
    <<"expire", "processed", "expired">>,
    <<"dead_letter", "pending_pickup", "dead_lettered">>,
    <<"dead_letter", "delivered", "dead_lettered">>}

TransactionStates == {"planned", "prepared", "committed", "aborted", "finished"}
TransactionInitial == "planned"
TransactionFinal == {"aborted", "finished"}
TransactionMoves == {
    <<"prepare", "planned", "prepared">>,
    <<"commit", "prepared", "committed">>,
    <<"finish", "committed", "finished">>,
    <<"abort", "planned", "aborted">>,
    <<"abort", "prepared", "aborted">>}

=============================================================================
