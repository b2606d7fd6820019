"""Chunks of all kinds, sane and mad, for the fuzz of gate and executor."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from realman_driver.arm_model import AXIS_NAMES, HOME_RAD, JOINT_COUNT, RATED_LIMITS
from realman_driver.gate import ChunkPoint, ReceivedChunk, Space, SpaceBounds

SHARES_OF_KINDS = {
    "valid": 0.22,
    "near_limit": 0.1,
    "adversarial": 0.1,
    "not_finite": 0.05,
    "huge": 0.05,
    "stale": 0.06,
    "malformed": 0.05,
    "into_things": 0.12,
    "to_tight_places": 0.15,
    "streamed": 0.1,
}
KINDS = tuple(SHARES_OF_KINDS)
SHARES = tuple(SHARES_OF_KINDS.values())
LOWER, UPPER = (np.array(side) for side in zip(*RATED_LIMITS, strict=True))
TIGHT_PLACES = 500


@lru_cache(maxsize=1)
def clear_poses() -> np.ndarray:
    """(N, 7) random poses that are clear of everything, the tightest first."""
    poses = np.random.default_rng(0).uniform(LOWER + 0.02, UPPER - 0.02, (12_000, JOINT_COUNT))
    margin = Space(SpaceBounds()).margins(poses).min(axis=1)
    order = np.argsort(margin)
    return np.asarray(poses[order[margin[order] > 0.001]])


def tight_places() -> np.ndarray:
    """(500, 7) poses that are clear by very little."""
    return clear_poses()[:TIGHT_PLACES]


class ChunkMaker:
    """Makes chunks of all kinds around a setpoint.

    Args:
        chance: source of randomness.
    """

    def __init__(self, chance: np.random.Generator) -> None:
        self._chance = chance
        self._goal = np.array(HOME_RAD)

    def make(self, kind: str, setpoint: tuple[float, ...], observed_s: float, now_s: float) -> ReceivedChunk:
        """One chunk of the kind, from the (8,) setpoint at its observation; both times are ROS times."""
        chance = self._chance
        if kind in ("to_tight_places", "streamed"):
            return self._towards(kind == "streamed", setpoint, observed_s)
        count = int(chance.integers(1, 9))
        period_s = float(chance.choice((0.02, 0.05, 0.1, 0.1, 0.1, 0.2, 0.5)))
        speed = {"valid": 1.2, "near_limit": 2.55}.get(kind, 2.0)
        speeds = chance.uniform(-speed, speed, JOINT_COUNT)
        if kind == "near_limit":
            speeds = np.sign(speeds) * chance.uniform(0.9 * speed, speed, JOINT_COUNT)
            speeds *= chance.random(JOINT_COUNT) < 0.5
        turn = chance.normal(0.0, 0.2 * speed, (count, JOINT_COUNT)).cumsum(axis=0) * (kind == "valid")
        steps = (speeds + turn) * period_s
        if kind == "adversarial":
            steps = speed * period_s * chance.choice((-1.0, 0.0, 1.0), (count, JOINT_COUNT))
        joints = np.array(setpoint[:JOINT_COUNT]) + steps.cumsum(axis=0) if count > 1 else steps
        if count == 1:
            joints = np.array(setpoint[:JOINT_COUNT]) + steps.reshape(1, -1)
        if kind == "valid":
            joints = np.clip(joints, LOWER + 0.02, UPPER - 0.02)
        if kind == "into_things":
            goal = chance.uniform(LOWER, UPPER)
            joints = joints[:1] + np.linspace(0.0, 1.0, count + 1)[1:, None] * (goal - joints[:1]) * 0.3
        gripper = chance.uniform(0.0, 1.0, (count, 1))
        points = np.concatenate([joints.reshape(count, JOINT_COUNT), gripper], axis=1)
        times_s = period_s * np.arange(1, count + 1)
        stamp_s = observed_s
        names = AXIS_NAMES
        if kind == "adversarial" and chance.random() < 0.3:
            times_s = np.sort(chance.uniform(0.0, 1.0, count) ** 3)
        if kind == "not_finite":
            points.flat[int(chance.integers(points.size))] = float(chance.choice((np.nan, np.inf, -np.inf)))
        elif kind == "huge":
            points.flat[int(chance.integers(points.size))] = float(
                chance.choice((-1.0, 1.0)) * 10.0 ** chance.uniform(0.0, 308.0)
            )
        elif kind == "stale":
            stamp_s = float(
                chance.choice((0.0, now_s - 1.001, now_s + 0.06, now_s - 1e6, now_s + 1e6, -now_s))
            )
        made = ReceivedChunk(
            names,
            tuple(ChunkPoint(tuple(p), t) for p, t in zip(points.tolist(), times_s.tolist(), strict=True)),
            stamp_s,
        )
        return self._malform(made) if kind == "malformed" else made

    def _towards(self, streamed: bool, setpoint: tuple[float, ...], observed_s: float) -> ReceivedChunk:
        """Some way on to a pose close to the table, the box or the arm itself, which stays the same for a
        while: in five points, or as one target of a stream."""
        chance = self._chance
        if chance.random() < 0.04:
            self._goal = tight_places()[int(chance.integers(TIGHT_PLACES))]
        here = np.array(setpoint[:JOINT_COUNT])
        way = self._goal - here
        speed = float(chance.uniform(0.2, 2.4))
        period_s = float(chance.choice((0.04, 0.06, 0.1))) if streamed else 0.1
        count = 1 if streamed else 5
        steps = np.minimum(speed * period_s * np.arange(1, count + 1) / max(1e-9, np.abs(way).max()), 1.0)
        joints = here + steps[:, None] * way + chance.normal(0.0, 0.004, (count, JOINT_COUNT))
        gripper = float(chance.uniform())
        points = tuple(
            ChunkPoint((*row, gripper), period_s * (k + 1)) for k, row in enumerate(joints.tolist())
        )
        return ReceivedChunk(AXIS_NAMES, points, observed_s)

    def _malform(self, chunk: ReceivedChunk) -> ReceivedChunk:
        chance, points = self._chance, list(chunk.points)
        number = int(chance.integers(len(points)))
        point = points[number]
        way = int(chance.integers(6))
        if way == 0:
            return replace(chunk, joint_names=tuple(chance.permutation(np.array(AXIS_NAMES)).tolist()))
        if way == 1:
            return replace(chunk, points=())
        if way == 2:
            return replace(chunk, points=chunk.points * 60)
        points[number] = {
            3: replace(point, positions=point.positions[: int(chance.integers(8))]),
            4: replace(point, time_s=float(chance.choice((-1.0, 0.0, np.nan, 1e9)))),
            5: replace(point, has_other_fields=True),
        }[way]
        return replace(chunk, points=tuple(points))
