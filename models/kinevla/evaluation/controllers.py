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
from kinevla.evaluation.controls import OF_THE_POLICY, Control
from kinevla.evaluation.interventions import Intervention


class ControllerError(RuntimeError):
    """A controller cannot take part in a trial; the text says why."""


@dataclass(frozen=True)
class Decision:
    """One chunk.

    Attributes:
        actions: (T, D) absolute targets.
        goal_text: coarse reasoning, '' where there is none.
        latency_s: parts of the time it took, by name; empty for controls.
        reused: the reasoning was confirmed, not written anew.
    """

    actions: NDArray[np.float64]
    goal_text: str = ""
    kinematics_text: str = ""
    latency_s: dict[str, float] | None = None
    reused: bool = False


@dataclass(frozen=True)
class Start:
    """What a controller learns at the start of a trial.

    Attributes:
        texts: (coarse, fine) annotated for the task, used to pick other texts for an intervention.
        environment: the unwrapped environment; only the controls may look into it.
    """

    task: int
    seed: int
    instruction: str
    texts: tuple[str, str]
    environment: Any
    period_s: float


class Controller(Protocol):
    """Decides on chunks."""

    def start(self, start: Start) -> None:
        """Begin a trial."""
        ...

    def decide(self, observation: dict[str, NDArray[Any]], step: int) -> Decision:
        """Return the next chunk for what is seen at a step."""
        ...


@dataclass(frozen=True)
class ControllerConfig:
    """Which controller takes part.

    Attributes:
        control: 'none' for the policy itself, or which control.
        episodes: data set whose episodes are replayed, found by task and seed.
        expert: "module:Class" of the scripted expert.
        horizon: steps per chunk of the controls.
        intervention: exchange of the kinematics text.
        threads: CPU threads of the policy in each process.
        texts: table of the tasks, whose texts an intervention draws from.
        environment_id: gymnasium id of the trials' environment, for a control that looks at another scene.
        reference_seed: of that scene; no trial's.
    """

    control: Control = "none"
    checkpoint: Path | None = None
    episodes: Path | None = None
    expert: str = EXPERT
    horizon: int = 5
    intervention: Intervention = "none"
    threads: int = 1
    texts: str = "kine_realman"
    environment_id: str = ENVIRONMENT_ID
    reference_seed: int = 0

    def __post_init__(self) -> None:
        if self.control in OF_THE_POLICY and self.checkpoint is None:
            raise ValueError("a policy needs a checkpoint directory")
        if self.control == "replay" and self.episodes is None:
            raise ValueError("replay needs a data set of episodes")
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
