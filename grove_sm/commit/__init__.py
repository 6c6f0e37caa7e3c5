"""The commit protocol: a pure machine, the contracts of its parties, and what drives it."""
