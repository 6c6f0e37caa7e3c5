"""What the command line's tests share."""

from tests.cli.running import wide

__all__ = ["wide"]
