"""The environment of a process: made once, and used by one trial after the other."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from kinevla.data.plugins import make_environment, prepare_rendering
from kinevla.evaluation.libero.environment import ENVIRONMENT_PREFIX, LiberoEnvironment


@lru_cache(maxsize=1)
def environment(environment_id: str) -> Any:
    """The environment of this process; the last one is kept for the next trial."""
    if environment_id.startswith(ENVIRONMENT_PREFIX):
        prepare_rendering()
        return LiberoEnvironment(environment_id.removeprefix(ENVIRONMENT_PREFIX))
    return make_environment(environment_id)
