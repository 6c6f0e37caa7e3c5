"""The flag that has transcripts written anew."""

import pytest

REWRITE = "--rewrite-transcripts"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        REWRITE, action="store_true", help="write down what the transcripts' commands put out now"
    )


@pytest.fixture
def is_rewriting(request: pytest.FixtureRequest) -> bool:
    """Whether transcripts are to be written anew rather than checked."""
    return bool(request.config.getoption(REWRITE, default=False))
