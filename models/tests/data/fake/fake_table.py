"""A table for tests: a point follows commands at once, 'seeds' ending in 3 fail, images show where it is.

Asked by a task's number, or by a sentence of the language, whose attributes are then judged apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import gymnasium
import numpy as np

from kinevla.data.plugins import NoSceneError
from kinevla.text.language import parse_sentence, write_goal, write_kinematics

SIZE = 32
BROKEN_SEEDS: set[int] = set()
"""Scenes for which the machine fails, as of now."""
EMPTY_SEEDS: set[int] = set()
"""Seeds without a scene."""


@dataclass(frozen=True)
class Outcome:
    passed: bool


@dataclass(frozen=True)
class Verdict:
    goal_success: bool
    kinematics_success: bool
    reasons: tuple[str, ...]
    attributes: dict[str, Outcome] = field(default_factory=dict)


class World:
    def __init__(self) -> None:
        self.state = np.zeros(8)


class FakeTable(gymnasium.Env):
    observation_space = gymnasium.spaces.Dict({"state": gymnasium.spaces.Box(-10.0, 10.0, (8,))})
    action_space = gymnasium.spaces.Box(-10.0, 10.0, (8,))

    def __init__(self) -> None:
        self.world = World()

    def _observation(self):
        image = np.full((SIZE * 8, SIZE * 8, 3), 40, np.uint8)
        image[:, int(self.world.state[0] * 80) :, 0] = 200
        return {"front": image, "wrist": image[::-1].copy(), "state": self.world.state.copy()}

    def _info(self):
        failed = self.seed_now % 10 == 3
        reason = f"failed: seed {self.seed_now} ends in 3" if failed else "ok: it arrived"
        if self.sentence is not None:
            asked = parse_sentence(self.sentence)
            said = {"contact": Outcome(True), "path": Outcome(not failed)}
            return {
                "instruction": self.sentence,
                "coarse": write_goal(asked),
                "fine": write_kinematics(asked),
                "verdict": Verdict(True, not failed, (reason,), said),
            }
        return {
            "instruction": f"do task {self.task}",
            "coarse": "go",
            "fine": "go straight",
            "verdict": Verdict(not failed, not failed, (reason,)),
        }

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.task, self.seed_now = options.get("task"), seed
        self.sentence = options.get("instruction")
        if seed in EMPTY_SEEDS:
            raise NoSceneError(f"no scene for seed {seed}")
        if seed in BROKEN_SEEDS:
            raise RuntimeError("no picture can be drawn on this machine")
        self.world.state = np.zeros(8)
        self.world.state[[1, 3, 5]] = np.deg2rad([20.0, 70.0, 90.0])
        self.world.state[7] = 1.0
        return self._observation(), self._info()

    def step(self, action):
        self.world.state = np.array(action, dtype=np.float64)
        return self._observation(), 0.0, False, False, self._info()


class Expert:
    duration_s = 1.6

    def __init__(self, env: FakeTable) -> None:
        self.env = env

    def plan(self) -> None:
        self.start = self.env.world.state.copy()
        self.reach = 0.2 + 0.01 * (self.env.seed_now % 7)

    def target(self, t_s: float):
        target = self.start.copy()
        target[0] += self.reach * min(1.0, t_s / self.duration_s)
        target[7] = 1.0 if t_s < 0.8 else 0.0
        return target


class BrokenExpert(Expert):
    def plan(self) -> None:
        raise ValueError("no way to the bread")


gymnasium.register(id="fake/Table-v0", entry_point="fake_table:FakeTable")
