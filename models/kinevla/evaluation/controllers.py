"""Who moves the arm in a trial: a trained policy, the scripted expert, or a recorded episode.

Expert and replay are controls. The expert shows what the task and the judge allow at best; replaying the
targets of a recorded episode shows whether data set and environment agree on what an action means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from kinevla.data.plugins import EXPERT, load_object
from kinevla.evaluation.interventions import Intervention, intervene

ControllerKind = Literal["policy", "expert", "replay"]
_INTERVENTION_STREAM = 11


class ControllerError(RuntimeError):
    """A controller cannot take part in a trial; the text says why."""


@dataclass(frozen=True)
class Decision:
    """One chunk.

    Attributes:
        actions: (T, D) absolute targets.
        goal_text: coarse reasoning, '' where there is none.
        kinematics_text: fine reasoning.
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
        task: task number.
        seed: of the scene.
        instruction: what to do.
        texts: (coarse, fine) annotated for the task, used to pick other texts for an intervention.
        environment: the unwrapped environment; only the controls may look into it.
        period_s: time of one step.
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
        kind: 'policy', 'expert' or 'replay'.
        checkpoint: directory of the policy.
        episodes: data set whose episodes are replayed, found by task and seed.
        expert: "module:Class" of the scripted expert.
        horizon: steps per chunk of the controls.
        intervention: exchange of the kinematics text.
        threads: CPU threads of the policy in each process.
        texts: table of the tasks, whose texts an intervention draws from.
    """

    kind: ControllerKind = "policy"
    checkpoint: Path | None = None
    episodes: Path | None = None
    expert: str = EXPERT
    horizon: int = 5
    intervention: Intervention = "none"
    threads: int = 1
    texts: str = "kine_realman"

    def __post_init__(self) -> None:
        if self.kind == "policy" and self.checkpoint is None:
            raise ValueError("a policy needs a checkpoint directory")
        if self.kind == "replay" and self.episodes is None:
            raise ValueError("replay needs a data set of episodes")
        if self.kind != "policy" and self.intervention != "none":
            raise ValueError(f"only a policy has reasoning to exchange, not the {self.kind}")
        if self.horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {self.horizon}")


class PolicyController:
    """A checkpoint, its previous answer taken as the draft of the next."""

    def __init__(self, config: ControllerConfig) -> None:
        from kinevla.policy import KineVLAPolicy
        from kinevla.text import load_task_texts

        assert config.checkpoint is not None
        self._policy = KineVLAPolicy.load(config.checkpoint, threads=config.threads)
        self._intervention = config.intervention
        self._texts = tuple((item.coarse, item.fine) for item in load_task_texts(config.texts))
        self._instruction, self._forced, self._draft = "", None, None  # type: tuple[str, Any, Any]

    def start(self, start: Start) -> None:
        """Check the instruction and choose the text of an intervention."""
        self._instruction = self._policy.check_instruction(start.instruction)
        seed = (start.seed, start.task, _INTERVENTION_STREAM)
        fine = intervene(self._intervention, start.texts, self._texts, seed)
        self._forced = None if fine is None else (None, fine)
        self._draft = None

    def decide(self, observation: dict[str, NDArray[Any]], step: int) -> Decision:
        """Plan one chunk."""
        from kinevla.policy import Observation

        seen = Observation(front=observation["front"], wrist=observation["wrist"], state=observation["state"])
        plan = self._policy.plan(seen, self._instruction, self._draft, self._forced)
        self._draft = plan
        return Decision(
            plan.actions, plan.goal_text, plan.kinematics_text, dict(plan.latency_s), plan.reasoning_reused
        )


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
    """Build a controller; the last one is kept, so that a worker loads its checkpoint once."""
    kinds: dict[ControllerKind, Callable[[ControllerConfig], Controller]] = {
        "policy": PolicyController,
        "expert": ExpertController,
        "replay": ReplayController,
    }
    return kinds[config.kind](config)
