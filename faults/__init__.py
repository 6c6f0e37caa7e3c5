"""The fault kit: wrappers around any store and any journal, and what goes wrong in them.

`schedule` numbers the effects of a run and hands each to the faults of a schedule; `wrappers` are
the store and the journal through which it sees them; `crash`, `freeze` and `weather` are faults.

`recording` notes what a process does to its files; from that `power` builds the disks that a power
cut could have left; `damage` harms the disks.

`mutants` are defects of the library itself, planted to see whether its tests notice.
"""
