"""One of the paper's LIBERO tables as one environment, so that the same trial runs on it as on the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinevla.evaluation.libero.environment import LiberoEnvironment
from kinevla.evaluation.libero.installation import libero_root
from kinevla.evaluation.libero.tasks import SUITE, LiberoTask

ENVIRONMENT_PREFIX = "libero:"  # What stands before a table's name in an environment id


def start_states(task: LiberoTask) -> NDArray[np.float64]:
    """LIBERO's recorded start states (N, S) of a task, which come with its package.

    Raises:
        LiberoMissingError: LIBERO or its assets are missing.
    """
    import torch

    path = libero_root() / "init_files" / SUITE / f"{task.libero_task}.pruned_init"
    # Arrays pickled by LIBERO's authors, from the installed package.
    return np.asarray(torch.load(path, weights_only=False), dtype=np.float64)


class LiberoSuite:
    """Rows of a table; the row is chosen at every reset.

    Args:
        table: 'libero_goal_relabeled' or 'kine_libero'.
        build: makes the environment of a row; replaced in tests.
        states: gives the start states of a task; replaced in tests.
    """

    def __init__(
        self,
        table: str,
        build: Callable[[str, int], LiberoEnvironment] = LiberoEnvironment,
        states: Callable[[LiberoTask], NDArray[np.float64]] = start_states,
    ) -> None:
        self._table, self._build, self._states = table, build, states
        self._row = 0
        self._environment: LiberoEnvironment | None = None

    @property
    def unwrapped(self) -> LiberoSuite:
        """Itself; for callers that know gymnasium's environments."""
        return self

    def reset(self, *, seed: int, options: dict[str, Any]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Start an episode of row `options["task"]` in LIBERO's start state `seed` modulo their number.

        Raises:
            ValueError: there is no such row, or another option.
        """
        if unknown := sorted(set(options) - {"task"}):
            raise ValueError(f"LIBERO's scenes have no option {unknown[0]!r}")
        row = int(options["task"])
        if self._environment is None or row != self._row:
            self.close()
            self._environment, self._row = self._build(self._table, row), row
        states = self._states(self._environment.task)
        return self._environment.reset(seed=seed, options={"init_state": states[seed % len(states)]})

    def step(
        self, action: NDArray[np.floating]
    ) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        """Apply one action, see `LiberoEnvironment.step`."""
        if self._environment is None:
            raise RuntimeError("call reset before step")
        return self._environment.step(action)

    def close(self) -> None:
        """Free the simulator."""
        if self._environment is not None:
            self._environment.close()
            self._environment = None
