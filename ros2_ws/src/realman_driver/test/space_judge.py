"""Looks at every pose that was played: over the table, in the box, clear of itself; on its own account.

It measures all distances exactly and at each frame, which the gate does not, and asks MuJoCo at some of them.
"""

from __future__ import annotations

import mujoco
import numpy as np

from kine_sim import mjcf, rm75
from realman_driver import arm_capsules, arm_geometry
from realman_driver.gate import SpaceBounds

# What the gate promises of poses between those it looks at.
TOLERANCE_M = 1e-3
MUJOCO_EVERY = 25


class SpaceJudge:
    """Judges streams of frames.

    Args:
        bounds: what must be kept.
        chance: picks the openings of the gripper.
    """

    def __init__(self, bounds: SpaceBounds, chance: np.random.Generator) -> None:
        self._bounds, self._chance = bounds, chance
        self._model = mjcf.build_model()
        self._data = mujoco.MjData(self._model)
        self._joints = [self._model.joint(name).qposadr[0] for name in rm75.JOINT_NAMES]
        self._fingers = [self._model.joint(f"finger_{side}").qposadr[0] for side in ("left", "right")]
        names = [self._model.body(number).name for number in self._model.geom_bodyid]
        self._body = names
        self._of_interest = {*arm_capsules.BODY_NAMES, "table"}
        self.frames = 0
        self.asked_mujoco = 0
        self.least_m = np.inf

    def margins(self, poses_rad: np.ndarray) -> np.ndarray:
        """(N, K) how much more than asked for is clear, of everything, exactly."""
        shape, bounds = arm_geometry.shape_of(poses_rad), self._bounds
        tool = shape.tool_m.T
        return np.concatenate(
            [
                arm_geometry.pair_distances(shape) - bounds.self_clearance_m,
                arm_geometry.table_heights(shape) - bounds.table_z_m - bounds.table_clearance_m,
                tool - bounds.workspace_lower_m,
                np.array(bounds.workspace_upper_m) - tool,
            ],
            axis=1,
        )

    def unsafe(self, frames_rad: np.ndarray) -> list[str]:
        """What is wrong with a stream (N, 7) that begins where the arm was enabled.

        Nothing may be nearer than asked for. What was nearer already may come no nearer than it has been.
        """
        moved = np.append(True, np.abs(np.diff(frames_rad, axis=0)).max(axis=1) > 0.0)
        frames_rad = frames_rad[moved]
        margin = self.margins(frames_rad)
        floor = np.minimum(np.maximum.accumulate(margin, axis=0), 0.0)
        short = (margin - floor).min(axis=1)
        self.frames += len(frames_rad)
        self.least_m = min(self.least_m, float(short.min()))
        bad = np.flatnonzero(short < -TOLERANCE_M).tolist()
        found = [f"frame {number}: nearer than allowed by {-short[number]:.4f} m" for number in bad]
        if margin[0].min() >= 0.0:
            for number in range(int(self._chance.integers(MUJOCO_EVERY)), len(frames_rad), MUJOCO_EVERY):
                text = self.collision(frames_rad[number])
                found += [f"frame {number}: {text}"] if text else []
        return found

    def collision(self, pose_rad: np.ndarray) -> str:
        """What of the arm touches itself or the table in the simulator, with any opening; empty: nothing."""
        model, data = self._model, self._data
        data.qpos[self._joints] = pose_rad
        data.qpos[self._fingers] = self._chance.uniform() * rm75.FINGER_TRAVEL_M
        mujoco.mj_kinematics(model, data)
        mujoco.mj_collision(model, data)
        self.asked_mujoco += 1
        for contact in data.contact:
            first, second = (self._body[geom] for geom in contact.geom)
            inside = contact.dist < -TOLERANCE_M and {first, second} <= self._of_interest
            if inside and {first, second} != {"base", "table"}:
                return f"{first} is {-contact.dist:.4f} m inside {second}"
        return ""
