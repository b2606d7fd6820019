"""What a trial of an evaluation is: how it is run, which one it is, and what came out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinevla.data.plugins import ENVIRONMENT_ID
from kinevla.evaluation.controllers import ControllerConfig
from kinevla.evaluation.motion import MotionFigures

NO_SCENE = "no scene"
"""How a trial ended whose sentence has no scene of its seed; it says nothing about who moves."""

TrialKey = tuple[int, int, int]
"""Task, seed of the scene, and number of the wording: what a trial is found by."""


@dataclass(frozen=True)
class TrialConfig:
    """How trials are run; the same for all trials of an evaluation."""

    controller: ControllerConfig
    environment_id: str = ENVIRONMENT_ID  # gymnasium id, "module:namespace/Name-v0"
    period_s: float = 0.1  # time of one environment step
    max_time_s: float = 15.0  # a trial that is not at rest by then ends
    rest_motion_rad: float = 0.03  # a chunk that moves no joint further from the last command counts as rest
    rest_chunks: int = 3  # so many chunks of rest in a row end a trial
    # the arm holds its last target for this time before each chunk, as it would while a slower machine thinks
    latency_s: float = 0.0
    joints: int = 7  # leading dimensions of the state, and of absolute actions, that are joints
    # actions are motions of the hand, -1..1, and a gripper target; rest is a small motion then, and
    # `rest_motion_rad` a share of the largest
    relative: bool = False
    launch: tuple[str, ...] = ()  # launch arguments of the stack for trials through ROS, each `name:=value`
    film: Path | None = None  # where films of failed trials go, None for none
    film_all: bool = False
    # film this scene of every task in any case: something to look at; None: no scene
    film_seed: int | None = None

    def __post_init__(self) -> None:
        if not self.period_s > 0.0 or not self.max_time_s > 0.0:
            raise ValueError(
                f"period_s and max_time_s must be positive, got {self.period_s}, {self.max_time_s}"
            )
        if not 0.0 <= self.latency_s <= 10.0:
            raise ValueError(f"latency_s must lie in 0..10, got {self.latency_s}")


@dataclass(frozen=True)
class TrialJob:
    """One trial to run."""

    config: TrialConfig
    task: int
    seed: int
    instruction: str | None = None  # other words than the task's own, or None
    # further options of the environment's reset; an 'instruction' there takes the task's place
    options: tuple[tuple[str, Any], ...] = ()
    wording: int = 0  # number of the instruction among those of the task in this evaluation, from 0
    refused_kind: str | None = None  # what kind of sentence it is that must be refused; None: it must be done

    @property
    def key(self) -> TrialKey:
        """What the trial is found by."""
        return self.task, self.seed, self.wording

    @property
    def reset_options(self) -> dict[str, Any]:
        """What the environment is reset with beside the seed."""
        options = dict(self.options)
        return options if "instruction" in options else {"task": self.task, **options}


@dataclass(frozen=True)
class TrialResult:
    """What came out of a trial."""

    task: int
    seed: int
    instruction: str
    goal: bool
    kinematics: bool  # goal and all constraints of the fine text
    reasons: tuple[str, ...]  # the judge's sentences
    ended: str
    steps: int  # environment steps
    duration_s: float
    chunks: int
    # different (goal text, kinematics text) with the number of chunks each stood in
    reasoning: tuple[tuple[str, str, int], ...]
    annotated: tuple[str, str]  # (coarse, fine) of the task
    reused_chunks: int  # chunks whose reasoning was confirmed
    latency_ms: dict[str, float]  # median milliseconds per chunk by part
    motion: MotionFigures  # figures of the measured motion
    film: str | None = None  # name of the film, or None
    wording: int = 0  # number of the instruction, as in the job
    # what the judge checked apart, and whether it was done; empty for tasks without
    attributes: dict[str, bool] = field(default_factory=dict)

    @property
    def key(self) -> TrialKey:
        """What the trial is found by."""
        return self.task, self.seed, self.wording

    @property
    def refused(self) -> bool:
        """Whether the policy did not take the sentence at all."""
        return any(reason.startswith(("refused: ", "ok: refused: ")) for reason in self.reasons)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrialResult:
        """Rebuild from JSON values."""
        return cls(
            **values
            | {
                "reasons": tuple(values["reasons"]),
                "reasoning": tuple((a, b, int(n)) for a, b, n in values["reasoning"]),
                "annotated": tuple(values["annotated"]),
                "motion": MotionFigures(**values["motion"]),
            }
        )
