"""Groves whose parts can be hindered."""

from tests.commit.conftest import hindered

__all__ = ["hindered"]
