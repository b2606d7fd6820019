"""Who moves the arm in a trial: a trained policy, or one of the controls beside it (see `controls`).

Here are those without a network. The expert shows what the task and the judge allow at best; replaying the
targets of a recorded episode shows whether data set and environment agree on what an action means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kinevla.data.plugins import ENVIRONMENT_ID, EXPERT, load_object
from kinevla.evaluation.controls import Control
from kinevla.evaluation.interventions import Intervention


class ControllerError(RuntimeError):
    """A controller cannot take part in a trial; the text says why."""


@dataclass(frozen=True)
class Decision:
    """One chunk."""

    actions: NDArray[np.float64]  # (T, D) absolute targets
    goal_text: str = ""  # coarse reasoning, '' where there is none
    kinematics_text: str = ""
    latency_s: dict[str, float] | None = None  # parts of the time it took, by name; empty for controls
    reused: bool = False  # the reasoning was confirmed, not written anew


@dataclass(frozen=True)
class Start:
    """What a controller learns at the start of a trial."""

    task: int
    seed: int
    instruction: str
    # (coarse, fine) annotated for the task, used to pick other texts for an intervention
    texts: tuple[str, str]
    environment: Any  # the unwrapped environment; only the controls may look into it
    period_s: float


class Controller(Protocol):
    """Decides on chunks."""

    def start(self, start: Start) -> None:
        """Begin a trial."""

    def decide(self, observation: dict[str, NDArray[Any]], step: int) -> Decision:
        """Return the next chunk for what is seen at a step."""


@dataclass(frozen=True)
class ControllerConfig:
    """Which controller takes part."""

    control: Control = "none"  # 'none' for the policy itself, or which control
    checkpoint: Path | None = None
    episodes: Path | None = None  # data set whose episodes are replayed, found by task and seed
    expert: str = EXPERT  # "module:Class" of the scripted expert
    horizon: int = 5  # steps per chunk of the controls
    intervention: Intervention = "none"  # exchange of the kinematics text
    texts: str = "kine_realman"  # table of the tasks, whose texts an intervention draws from
    # gymnasium id of the trials' environment, for a control that looks at another scene
    environment_id: str = ENVIRONMENT_ID
    reference_seed: int = 0  # of that scene; no trial's

    def __post_init__(self) -> None:
        if self.control != "none" and self.intervention != "none":
            raise ValueError(
                f"only the policy itself has reasoning to exchange, not the control {self.control!r}"
            )
        if self.horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {self.horizon}")


class ExpertController:
    """The scripted expert, cut into chunks."""

    def __init__(self, config: ControllerConfig) -> None:
        self._build = load_object(config.expert)
        self._horizon = config.horizon

    def start(self, start: Start) -> None:
        """Plan the whole motion from the simulator's truth."""
        self._expert = self._build(start.environment)
        self._expert.plan()
        self._period_s = start.period_s

    def decide(self, observation: dict[str, NDArray[Any]], step: int) -> Decision:
        """Return the next rows of the plan."""
        times = (np.arange(self._horizon) + step + 1) * self._period_s
        return Decision(np.stack([self._expert.target(float(t)) for t in times]))


class ReplayController:
    """The targets of a recorded episode, whatever is seen."""

    def __init__(self, config: ControllerConfig) -> None:
        from kinevla.data.episodes import EpisodeReader

        assert config.episodes is not None
        self._reader = EpisodeReader(config.episodes)
        self._directory = config.episodes
        self._horizon = config.horizon

    def start(self, start: Start) -> None:
        """Find the episode of this task and seed.

        Raises:
            ControllerError: there is none, or it was recorded at another rate.
        """
        for index, entry in enumerate(self._reader.entries):
            if (entry.task, entry.seed) == (start.task, start.seed):
                episode = self._reader.read(index)
                break
        else:
            raise ControllerError(f"{self._directory} has no episode of task {start.task}, seed {start.seed}")
        if abs(episode.period_s - start.period_s) > 1e-9:
            raise ControllerError(
                f"{episode.name} was recorded every {episode.period_s} s, the environment steps "
                f"{start.period_s} s"
            )
        self._actions = np.asarray(episode.executed, dtype=np.float64)

    def decide(self, observation: dict[str, NDArray[Any]], step: int) -> Decision:
        """Return the next recorded rows, the last one again after the end."""
        rows = np.minimum(np.arange(self._horizon) + step, len(self._actions) - 1)
        return Decision(self._actions[rows])


@lru_cache(maxsize=1)
def make_controller(config: ControllerConfig) -> Controller:
    """Build a controller; the last one is kept, so that a worker loads its checkpoint once.

    It is built before a trial's scene is: the lookup looks at scenes of its own first.
    """
    from kinevla.evaluation.lookup import LookupController
    from kinevla.evaluation.policy_controllers import BlindController, GoalOnlyController, PolicyController

    kinds: dict[Control, Callable[[ControllerConfig], Controller]] = {
        "none": PolicyController,
        "lookup": LookupController,
        "goal-only": GoalOnlyController,
        "blind": BlindController,
        "shuffled": PolicyController,
        "expert": ExpertController,
        "replay": ReplayController,
    }
    return kinds[config.control](config)
