"""Which tests run TLC for minutes: those are run where GROVE_MODELS is set."""

import os
from typing import Final

import pytest

NEEDS_TLC: Final = pytest.mark.skipif(
    "GROVE_MODELS" not in os.environ,
    reason="minutes of TLC: make models, make traces, or set GROVE_MODELS",
)
