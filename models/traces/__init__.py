"""Traces of runs, held against the specification of the protocol: TLC decides.

After Cirstea, Kuppe, Loillier and Merz, "Validating Traces of Distributed Programs Against TLA+
Specifications" (SEFM 2024). `calls` reads a trace, `steps` words it in the steps of
models/tla/Protocol.tla, `module` writes that down in TLA+, and `verdict` says what TLC found.
"""
