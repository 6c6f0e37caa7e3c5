"""A look at a grove that changes nothing: what is in force, what is wrong, and what to do next."""

from grove_sm.doctor.examining import examine
from grove_sm.doctor.report import (
    Examination,
    Finding,
    LiveCoordinator,
    Place,
    Unfinished,
    Versions,
)

__all__ = [
    "Examination",
    "Finding",
    "LiveCoordinator",
    "Place",
    "Unfinished",
    "Versions",
    "examine",
]
