"""Kinematics inside the controller: poses in wire form, Jacobian and inverse kinematics of the RM75.

The chain comes from the modified Denavit-Hartenberg data the controller itself reports (`get_DH_data`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kine_sim import rm75

FloatArray = NDArray[np.float64]
DOF = rm75.JOINT_COUNT

# One row per joint: alpha of the previous link in degrees, d in metres; a and the joint offset are zero.
DH_ALPHA_DEG = (0.0, -90.0, 90.0, -90.0, 90.0, -90.0, 90.0)
DH_D_M = (
    rm75.BASE_TO_SHOULDER_M,
    0.0,
    rm75.SHOULDER_TO_ELBOW_M,
    0.0,
    rm75.ELBOW_TO_WRIST_M,
    0.0,
    rm75.WRIST_TO_FLANGE_M,
)

_POSITION_TOLERANCE_M = 2e-6
_ROTATION_TOLERANCE_RAD = 2e-5
_DAMPING = 1e-3
_MAX_STEP_RAD = 0.35


class UnreachableError(ValueError):
    """No joint angles within the limits reach the pose."""


def _fixed_parts() -> list[FloatArray]:
    parts = []
    for alpha_deg, d in zip(DH_ALPHA_DEG, DH_D_M, strict=True):
        c, s = round(math.cos(math.radians(alpha_deg)), 15), round(math.sin(math.radians(alpha_deg)), 15)
        parts.append(
            np.array([[1, 0, 0, 0], [0, c, -s, -d * s], [0, s, c, d * c], [0, 0, 0, 1]], dtype=float)
        )
    return parts


_FIXED = _fixed_parts()


def joint_frames(q: FloatArray) -> list[FloatArray]:
    """Frames (4, 4) of the seven joints at angles q (7,) rad; the last one is the flange."""
    frames: list[FloatArray] = []
    pose = np.eye(4)
    for fixed, angle in zip(_FIXED, q.tolist(), strict=True):
        base = pose @ fixed
        c, s = math.cos(angle), math.sin(angle)
        pose = base.copy()
        pose[:3, 0] = c * base[:3, 0] + s * base[:3, 1]
        pose[:3, 1] = c * base[:3, 1] - s * base[:3, 0]
        frames.append(pose)
    return frames


def flange_pose(q: FloatArray) -> FloatArray:
    """Flange frame (4, 4) in the base frame, metres."""
    return joint_frames(q)[-1]


def rotation_from_euler(rx: float, ry: float, rz: float) -> FloatArray:
    """Rotation (3, 3) = Rz Ry Rx, angles in rad, as the vendor defines its Euler angles."""
    cx, sx, cy, sy, cz, sz = (f(a) for a in (rx, ry, rz) for f in (math.cos, math.sin))
    return np.array(
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ]
    )


def euler_from_rotation(r: FloatArray) -> tuple[float, float, float]:
    """Angles (rx, ry, rz) in rad with R = Rz Ry Rx; at the pole rx is 0."""
    sy = -float(r[2, 0])
    ry = math.asin(min(1.0, max(-1.0, sy)))
    if abs(sy) > 1.0 - 1e-12:
        return 0.0, ry, math.atan2(-r[0, 1], r[1, 1])
    return math.atan2(r[2, 1], r[2, 2]), ry, math.atan2(r[1, 0], r[0, 0])


def quaternion_from_rotation(r: FloatArray) -> tuple[float, float, float, float]:
    """Unit quaternion (w, x, y, z) of a rotation (3, 3)."""
    w2, x2 = 1 + r[0, 0] + r[1, 1] + r[2, 2], 1 + r[0, 0] - r[1, 1] - r[2, 2]
    y2, z2 = 1 - r[0, 0] + r[1, 1] - r[2, 2], 1 - r[0, 0] - r[1, 1] + r[2, 2]
    a, b, c = r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]
    d, e, f = r[1, 0] + r[0, 1], r[0, 2] + r[2, 0], r[2, 1] + r[1, 2]
    rows = ((w2, (w2, a, b, c)), (x2, (a, x2, d, e)), (y2, (b, d, y2, f)), (z2, (c, e, f, z2)))
    # The largest of the four candidates keeps the division well away from zero.
    largest, quat = max(rows, key=lambda row: row[0])
    scale = 0.5 / math.sqrt(largest)
    return (float(quat[0] * scale), float(quat[1] * scale), float(quat[2] * scale), float(quat[3] * scale))


def rotation_from_quaternion(w: float, x: float, y: float, z: float) -> FloatArray:
    """Rotation (3, 3) of a quaternion, normalised here.

    Raises:
        ValueError: the quaternion is (almost) zero.
    """
    norm = math.sqrt(w * w + x * x + y * y + z * z)
    if norm < 1e-6:
        raise ValueError(f"quaternion {(w, x, y, z)} has no direction")
    w, x, y, z = w / norm, x / norm, y / norm, z / norm
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def make_pose(position: FloatArray, rotation: FloatArray) -> FloatArray:
    """Frame (4, 4) from a position (3,) in metres and a rotation (3, 3)."""
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = position
    return pose


def pose_from_wire(values: FloatArray) -> FloatArray:
    """Frame (4, 4) from wire numbers: 6 (1e-6 m, 1e-3 rad Euler) or 7 (1e-6 m, 1e-6 quaternion wxyz)."""
    if len(values) == 7:
        return make_pose(values[:3] * 1e-6, rotation_from_quaternion(*(values[3:] * 1e-6).tolist()))
    return make_pose(values[:3] * 1e-6, rotation_from_euler(*(values[3:] * 1e-3).tolist()))


def pose_to_wire(pose: FloatArray) -> list[int]:
    """Six integers of a frame: position in 1e-6 m, Euler angles in 1e-3 rad."""
    euler = euler_from_rotation(pose[:3, :3])
    return [round(float(v) * 1e6) for v in pose[:3, 3]] + [round(v * 1e3) for v in euler]


def rotation_vector(r: FloatArray) -> FloatArray:
    """Axis times angle (3,) of a rotation (3, 3), angle in [0, pi] rad."""
    w, x, y, z = quaternion_from_rotation(r)
    if w < 0.0:
        w, x, y, z = -w, -x, -y, -z
    vector = np.array([x, y, z])
    norm = float(np.linalg.norm(vector))
    if norm < 1e-12:
        return 2.0 * vector
    return vector * (2.0 * math.atan2(norm, w) / norm)


def solve(
    target: FloatArray,
    seed: FloatArray,
    low: FloatArray,
    high: FloatArray,
    iterations: int = 60,
    restarts: int = 0,
) -> FloatArray:
    """Damped least squares inverse kinematics of the flange.

    Args:
        target: wanted flange frame (4, 4).
        seed: joint angles (7,) rad to start from; the solution stays near them where possible.
        low: lower joint limits (7,), rad.
        high: upper joint limits (7,), rad.
        iterations: steps per attempt.
        restarts: further attempts from varied seeds when the first one fails.

    Raises:
        UnreachableError: no attempt came within the tolerances (2 um, 20 urad).
    """
    rng = np.random.default_rng(75)
    for attempt in range(restarts + 1):
        q = np.clip(seed, low, high)
        if attempt:
            q = np.clip(seed + rng.normal(0.0, 0.6, DOF), low, high)
        solution = _descend(target, q, low, high, iterations)
        if solution is not None:
            return solution
    x, y, z = target[:3, 3]
    raise UnreachableError(
        f"no joint angles within the limits reach the pose at ({x:.3f}, {y:.3f}, {z:.3f}) m"
    )


def _descend(
    target: FloatArray, q: FloatArray, low: FloatArray, high: FloatArray, iterations: int
) -> FloatArray | None:
    jacobian = np.empty((6, DOF))
    for _ in range(iterations):
        frames = joint_frames(q)
        tip = frames[-1]
        position_error = target[:3, 3] - tip[:3, 3]
        rotation_error = rotation_vector(target[:3, :3] @ tip[:3, :3].T)
        if (
            float(np.linalg.norm(position_error)) < _POSITION_TOLERANCE_M
            and float(np.linalg.norm(rotation_error)) < _ROTATION_TOLERANCE_RAD
        ):
            return q
        for i, frame in enumerate(frames):
            axis, lever = frame[:3, 2], tip[:3, 3] - frame[:3, 3]
            jacobian[0, i] = axis[1] * lever[2] - axis[2] * lever[1]
            jacobian[1, i] = axis[2] * lever[0] - axis[0] * lever[2]
            jacobian[2, i] = axis[0] * lever[1] - axis[1] * lever[0]
            jacobian[3:, i] = axis
        error = np.concatenate((position_error, rotation_error))
        # Damping fades with the error: robust far away and near singular poses, quadratic close to the goal.
        damping = _DAMPING * min(1.0, float(error @ error) * 10.0 + 1e-4)
        step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + damping * np.eye(6), error)
        largest = float(np.max(np.abs(step)))
        if largest > _MAX_STEP_RAD:
            step *= _MAX_STEP_RAD / largest
        q = np.clip(q + step, low, high)
    return None
