"""Whether transcripts are written anew."""

import pytest


@pytest.fixture
def is_rewriting(request: pytest.FixtureRequest) -> bool:
    """Whether transcripts are to be written anew rather than checked."""
    return bool(request.config.getoption("--rewrite-transcripts"))
