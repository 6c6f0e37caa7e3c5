"""The protocol as TLA+ modules, and what has them checked by TLC."""
