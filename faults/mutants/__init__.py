"""Defects to have on purpose, each a patch beside this file, to see which layer of tests notices.

A patch begins with the defect in one sentence and the promises that it breaks; the rest is a
unified diff. `mutant` reads and applies them, `copies` does so to a copy of the checkout, and
`python -m faults.mutants` runs the layers of tests against such copies.
"""
