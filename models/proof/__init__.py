"""The protocol's safety invariant, proved inductive with z3: `python -m models.proof`."""
