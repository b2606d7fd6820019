"""A simulated leader: the scripted expert's plan, led as by a human hand.

It plans in a world of its own, built from the same scene. It never sees the follower or its simulator: like a
person, it relies on the follower doing what the leader shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kine_sim.expert import ScriptedExpert
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS
from kine_sim.world import World

from .human_timing import HumanTiming, TimingSettings, Tremor

JOINTS = 7


@dataclass(frozen=True)
class LeaderSettings:
    """Which task is shown and how.

    Attributes:
        task, seed, randomise: the scene, as the simulator's.
        hand_seed: of timing and tremor.
        tremor_rad: standard deviation of the tremor while the arm moves.
        offset_rad: added to what the leader reports: a leader out of calibration.
        timing: the hand's timing.

    Raises:
        ValueError: unknown task, or not seven offsets.
    """

    task: int = 5
    seed: int = 1
    randomise: bool = True
    hand_seed: int = 0
    tremor_rad: float = 0.002
    offset_rad: tuple[float, ...] = (0.0,) * JOINTS
    timing: TimingSettings = field(default_factory=TimingSettings)

    def __post_init__(self) -> None:
        if not 1 <= self.task <= len(TASKS):
            raise ValueError(f"task {self.task} is outside 1..{len(TASKS)}")
        if len(self.offset_rad) != JOINTS:
            raise ValueError(f"offset_rad has {len(self.offset_rad)} values, expected {JOINTS}")


class ScriptedLeader:
    """Rests in the scene's start pose, and leads through the task once `play` was called.

    Args:
        settings: task and hand.
    """

    def __init__(self, settings: LeaderSettings) -> None:
        task = TASKS[settings.task - 1]
        self._expert = ScriptedExpert(World(sample_scene(task, settings.seed, settings.randomise)), task)
        self._expert.plan()
        self._timing = HumanTiming(self._expert.duration_s, settings.timing, settings.hand_seed)
        self._tremor = Tremor(settings.tremor_rad, JOINTS, settings.hand_seed + 1)
        self._offset = np.array(settings.offset_rad)
        self._started_s: float | None = None
        self._last_s: float | None = None

    @property
    def duration_s(self) -> float:
        """How long the demonstration takes."""
        return self._timing.duration_s

    @property
    def expert(self) -> ScriptedExpert:
        """The plan behind it."""
        return self._expert

    def play(self, now_s: float) -> None:
        """Begin the demonstration, or begin it again."""
        self._started_s = now_s

    def rest(self) -> None:
        """End the demonstration and go back to the start pose."""
        self._started_s = self._last_s = None

    def finished(self, now_s: float) -> bool:
        """Whether the demonstration has been played to its end."""
        return self._started_s is not None and now_s - self._started_s >= self.duration_s

    def position(self, now_s: float) -> NDArray[np.float64]:
        """What the leader reports (8,): seven joints in rad and the opening."""
        progress_s = 0.0 if self._started_s is None else self._timing.progress_s(now_s - self._started_s)
        pose = np.array(self._expert.target(progress_s))
        step_s = 0.0 if self._last_s is None else max(0.0, now_s - self._last_s)
        self._last_s = now_s
        pose[:JOINTS] += self._tremor.advance(step_s) + self._offset
        pose[JOINTS] = min(1.0, max(0.0, pose[JOINTS]))
        return pose
