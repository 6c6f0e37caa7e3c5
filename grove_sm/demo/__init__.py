"""A demonstration: workers are killed at random moments, with and without the journal."""

from grove_sm.demo.run import DEFAULT_KILLS, DEFAULT_WORKERS, run_demo

__all__ = ["DEFAULT_KILLS", "DEFAULT_WORKERS", "run_demo"]
