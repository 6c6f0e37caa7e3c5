"""A world to plan against."""

import pytest

from .world import World


@pytest.fixture
def world() -> World:
    """An empty one."""
    return World()
