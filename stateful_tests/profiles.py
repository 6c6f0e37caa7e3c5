"""How long to look: settings profiles, chosen with HYPOTHESIS_PROFILE.

`dev` takes seconds, `ci` is part of every test run and has a fixed seed, `unshrunk` draws the same
and tells the first failure as it is, `nightly` takes as long as one lets it. Examples that failed
are kept in `.hypothesis` and tried first.
"""

import os
import secrets
from typing import Final

from hypothesis import HealthCheck, Phase, Verbosity, settings

_COMMON: Final = settings(
    report_multiple_bugs=False,
    deadline=None,
    print_blob=True,
    verbosity=Verbosity.normal,
    # Every history is long by design.
    suppress_health_check=list(HealthCheck),
)
_CI_SEED: Final = 20_260_101

# Aiming at coverage costs some: within few examples, drawing blindly covers more.
_BLINDLY: Final = tuple(phase for phase in Phase if phase is not Phase.target)

settings.register_profile("dev", _COMMON, max_examples=20, stateful_step_count=20, phases=_BLINDLY)
settings.register_profile("ci", _COMMON, max_examples=150, stateful_step_count=30, phases=_BLINDLY)
settings.register_profile(
    "unshrunk", settings.get_profile("ci"), phases=[Phase.generate], database=None
)
settings.register_profile("nightly", _COMMON, max_examples=20_000, stateful_step_count=60)


def chosen_name() -> str:
    """The profile in force: `ci`, unless the environment says otherwise."""
    return os.environ.get("HYPOTHESIS_PROFILE", "ci")


def chosen_seed() -> int:
    """STATEFUL_SEED, if it is set; a fixed seed under `ci` and `unshrunk`; otherwise a new one."""
    given = os.environ.get("STATEFUL_SEED")
    if given is not None:
        return int(given)
    return _CI_SEED if chosen_name() in ("ci", "unshrunk") else secrets.randbits(32)


def chosen(share: float = 1.0) -> settings:
    """The settings of the profile in force, with this share of its examples."""
    profile = settings.get_profile(chosen_name())
    return settings(profile, max_examples=max(1, round(profile.max_examples * share)))
