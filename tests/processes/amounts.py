"""How much the longer tests with real processes do: little in `make test`, all on request."""

import os


def amount(name: str, usual: int) -> int:
    """How many, by an environment variable of this name; the usual number, if it is not set."""
    return int(os.environ.get(name) or usual)
