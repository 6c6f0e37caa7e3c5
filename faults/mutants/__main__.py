"""`python -m faults.mutants`."""

from faults.mutants.command import main

main()
