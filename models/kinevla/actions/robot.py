"""Forward kinematics of the RM75-B, to express joint errors in millimetres at the tool.

Standard Denavit-Hartenberg table as returned by the vendor SDK's `rm_algo_get_dh` (RM_75, type B); all link
lengths a and joint offsets are zero. The tool centre point lies 150 mm beyond the flange.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

JOINTS = 7
DH_D_M = np.array([0.2405, 0.0, 0.256, 0.0, 0.21, 0.0, 0.144])
DH_ALPHA_RAD = np.deg2rad([-90.0, 90.0, -90.0, 90.0, -90.0, 90.0, 0.0])
TOOL_OFFSET_M = 0.15


def forward_kinematics(
    q_rad: NDArray[np.floating], tool_offset_m: float = TOOL_OFFSET_M
) -> NDArray[np.float64]:
    """Return the pose of the tool centre in the base frame.

    Args:
        q_rad: (..., 7) joint angles.
        tool_offset_m: distance of the tool centre beyond the flange, along the flange's z axis.

    Returns:
        (..., 4, 4) homogeneous transforms, metres.

    Raises:
        ValueError: the last dimension is not 7.
    """
    q = np.asarray(q_rad, dtype=np.float64)
    if q.shape[-1] != JOINTS:
        raise ValueError(f"the RM75 has {JOINTS} joints, got an array of shape {q.shape}")
    pose = np.broadcast_to(np.eye(4), (*q.shape[:-1], 4, 4))
    for joint in range(JOINTS):
        cos_q, sin_q = np.cos(q[..., joint]), np.sin(q[..., joint])
        cos_a, sin_a = np.cos(DH_ALPHA_RAD[joint]), np.sin(DH_ALPHA_RAD[joint])
        link = np.zeros((*q.shape[:-1], 4, 4))
        link[..., 0, 0], link[..., 0, 1], link[..., 0, 2] = cos_q, -sin_q * cos_a, sin_q * sin_a
        link[..., 1, 0], link[..., 1, 1], link[..., 1, 2] = sin_q, cos_q * cos_a, -cos_q * sin_a
        link[..., 2, 1], link[..., 2, 2] = sin_a, cos_a
        link[..., 2, 3] = DH_D_M[joint] + (tool_offset_m if joint == JOINTS - 1 else 0.0)
        link[..., 3, 3] = 1.0
        pose = pose @ link
    return np.asarray(pose)


def tool_position_m(q_rad: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the tool centre (..., 3) in the base frame for joint angles (..., 7)."""
    return forward_kinematics(q_rad)[..., :3, 3]
