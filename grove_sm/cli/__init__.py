"""The command line. `main` is what `grove-sm` runs."""

from grove_sm.cli.app import main

__all__ = ["main"]
