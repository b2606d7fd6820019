"""How a motion looks: jerk, pauses, and its distance from a reference path. Joint motion only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IDLE_STEP_RAD = 1e-3  # A step in which no joint moves further counts as standing still (0.06 degrees)
IDLE_STEP_OPENING = 0.01  # A step in which the gripper opens or closes by less counts as standing still


@dataclass(frozen=True)
class MotionFigures:
    """Figures of one episode's measured motion."""

    rms_jerk_rad_s3: float  # root mean square of the third difference over all joints
    idle_s: float  # time the arm and gripper stood still between the first and the last motion
    longest_idle_s: float  # the longest of these pauses
    path_length_m: float | None  # way of the tool centre; None for other arms than the RM75
    # mean distance of the tool from the nearest point of the reference path, or None
    path_deviation_mm: float | None


def rms_jerk(joints_rad: NDArray[np.floating], period_s: float) -> float:
    """Root mean square jerk of a motion (T, J) sampled every period_s; 0 for fewer than four samples."""
    if len(joints_rad) < 4:
        return 0.0
    jerk = np.diff(np.asarray(joints_rad, dtype=np.float64), n=3, axis=0) / period_s**3
    return float(np.sqrt(np.mean(jerk**2)))


def pauses_s(states: NDArray[np.floating], joints: int, period_s: float) -> tuple[float, ...]:
    """Return the lengths of all pauses between the first and the last motion of states (T, D)."""
    step = np.abs(np.diff(states, axis=0))
    moves = step[:, :joints].max(1, initial=0.0) > IDLE_STEP_RAD
    if step.shape[1] > joints:
        moves |= step[:, joints:].max(1) > IDLE_STEP_OPENING
    if not moves.any():
        return ()
    first, last = np.flatnonzero(moves)[[0, -1]]
    pauses, running = [], 0
    for moving in moves[first : last + 1]:
        if moving and running:
            pauses.append(running * period_s)
        running = 0 if moving else running + 1
    return tuple(pauses)


def path_deviation_m(path: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Mean distance of the points of a path (T, 3) from the nearest point of a reference path (R, 3)."""
    distance = np.linalg.norm(path[:, None] - reference[None], axis=-1)
    return float(distance.min(1).mean())


def motion_figures(
    states: NDArray[np.floating],
    period_s: float,
    joints: int,
    reference: NDArray[np.floating] | None = None,
    tool_m: NDArray[np.floating] | None = None,
) -> MotionFigures:
    """Measure an episode.

    Args:
        states: (T, D) measured joints in rad, then the gripper.
        joints: leading dimensions that are joints.
        reference: (R, D) reference motion of the same scene, or None.
        tool_m: (T, 3) positions of the tool of another arm than the RM75.
    """
    from kinevla.actions.robot import JOINTS, tool_position_m

    pauses = pauses_s(states, joints, period_s)
    length, deviation = None, None
    if tool_m is not None:
        length = float(np.linalg.norm(np.diff(tool_m, axis=0), axis=-1).sum())
    elif joints == JOINTS:
        path = tool_position_m(states[:, :JOINTS])
        length = float(np.linalg.norm(np.diff(path, axis=0), axis=-1).sum())
        if reference is not None:
            deviation = path_deviation_m(path, tool_position_m(reference[:, :JOINTS])) * 1e3
    return MotionFigures(
        rms_jerk_rad_s3=rms_jerk(states[:, :joints], period_s),
        idle_s=float(sum(pauses)),
        longest_idle_s=float(max(pauses, default=0.0)),
        path_length_m=length,
        path_deviation_mm=deviation,
    )
