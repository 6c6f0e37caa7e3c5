"""Seeds for what is random."""

import os
import secrets

import pytest


@pytest.fixture
def seed() -> int:
    """Where a test's choices come from; GROVE_SEED=n repeats them."""
    seed = int(os.environ.get("GROVE_SEED") or secrets.randbelow(2**32))
    print(f"GROVE_SEED={seed}")  # noqa: T201 - shown with a failure
    return seed
