"""Seeds, as for the tests with processes."""

from tests.processes.conftest import seed

__all__ = ["seed"]
