"""Watches a live world and judges it by one instruction, as the judge of the seven tasks does."""

from __future__ import annotations

from typing import Any

import numpy as np

from kine_sim.bench.judge import judge
from kine_sim.bench.record import new_trace, observe
from kine_sim.bench.scene import BenchScene
from kine_sim.bench.trace import MAX_PERIOD_S
from kine_sim.rm75 import Array
from kine_sim.world import World
from kinevla.text.language import Instruction

PERIOD_S = 0.04
MAX_MOVING_S = 120.0
"""A trial takes half a minute. What moves for longer is watched no more, so that no trace grows for ever."""
_STILL_M = 1e-4


class BenchWatch:
    """Traces a world while something moves in it: what waits for an instruction is no part of the trial.

    Args:
        asked: what is judged.
        scene: as it is at the start.
    """

    def __init__(self, asked: Instruction, scene: BenchScene) -> None:
        self._asked, self._trace = asked, new_trace(scene)
        self._passed_s = 0.0  # of the world
        self._moving_s = 0.0
        self._last: Array | None = None
        self._still = False

    def observe(self, world: World) -> None:
        """See the world as it is now; more often than `PERIOD_S` is not needed."""
        passed_s = world.time_s - self._passed_s
        if self._last is not None and (passed_s < PERIOD_S or self._moving_s > MAX_MOVING_S):
            return
        self._passed_s = world.time_s
        places = np.array([world.object_pose(name)[:3] for name in ("tool", *self._trace.shapes)])
        opening = np.full((1, 3, 4), world.gripper_opening)
        now = np.concatenate([places, opening])
        still = self._last is not None and bool(np.abs(now - self._last).max() < _STILL_M)
        if still and self._still:
            return
        self._last, self._still = now, still
        self._moving_s += min(passed_s, MAX_PERIOD_S) if self._trace.samples else 0.0
        observe(self._trace, world, self._moving_s)

    def told(self) -> dict[str, Any]:
        """Return the verdict so far as plain values, each attribute apart."""
        verdict = judge(self._asked, self._trace)
        watched = self._moving_s <= MAX_MOVING_S
        late = () if watched else (f"things moved for {MAX_MOVING_S:.0f} s: what came after is not judged",)
        return {
            "goal_success": bool(verdict.goal.passed),
            "kinematics_success": bool(verdict.as_told),
            "reasons": [*verdict.reasons, *late],
            "attributes": {name: bool(outcome.passed) for name, outcome in verdict.attributes.items()},
        }
