"""Finding the simulator by name: this package never imports it, so the method stays usable without it."""

from __future__ import annotations

import importlib
import os
from typing import Any

from kinevla.rendering import choose_library

ENVIRONMENT_ID = "kine_sim:kine_sim/KineRealman-v0"
EXPERT = "kine_sim.expert:ScriptedExpert"
BENCH_ENVIRONMENT_ID = "kine_sim:kine_sim/KineBench-v0"
BENCH_EXPERT = "kine_sim.bench.expert:expert_of"
ROS_TRIAL = "kinevla_policy.ros_trial:run_trial"


class PluginError(RuntimeError):
    """A named simulator part cannot be found; the text says how to make it importable."""


class NoSceneError(ValueError):
    """An environment has no scene of this seed in which what is asked can be done; raised by its reset."""


def load_object(reference: str) -> Any:
    """Return the object named "module:attribute".

    Raises:
        PluginError: malformed name, module not importable, or no such attribute.
    """
    module_name, separator, attribute = reference.partition(":")
    if not separator or not module_name or not attribute:
        raise PluginError(f"{reference!r} must have the form 'module:attribute'")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise PluginError(
            f"cannot import {module_name!r} for {reference!r} ({error}): install the simulator or put its "
            "folder on PYTHONPATH"
        ) from error
    if not hasattr(module, attribute):
        raise PluginError(f"module {module_name!r} has no {attribute!r}")
    return getattr(module, attribute)


def make_environment(environment_id: str) -> Any:
    """Make a gymnasium environment from an id "module:namespace/Name-v0".

    Raises:
        PluginError: gymnasium or the module is missing, or the id is not registered.
    """
    prepare_rendering()
    try:
        import gymnasium

        return gymnasium.make(environment_id, disable_env_checker=True)
    except ImportError as error:
        raise PluginError(
            f"cannot make environment {environment_id!r} ({error}): install gymnasium and the simulator or "
            "put its folder on PYTHONPATH"
        ) from error
    except gymnasium.error.Error as error:
        raise PluginError(f"cannot make environment {environment_id!r}: {error}") from error


def prepare_rendering() -> None:
    """Choose off-screen rendering and single-threaded maths unless the user chose otherwise.

    Must run before the simulator or a maths library is imported. One thread per process is the fastest
    arrangement when every core has its own worker.
    """
    choose_library()
    defaults = {
        "LP_NUM_THREADS": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
