"""What is known about the arm beside the pictures: joints, their sines and cosines, and where the tool is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinevla.actions.robot import DH_ALPHA_RAD, DH_D_M, JOINTS, TOOL_OFFSET_M

_REACH_M = 0.3


class ToolPose(nn.Module):
    """Pose of the tool centre from the joint angles by the vendor's Denavit-Hartenberg table."""

    cos_alpha: Tensor
    sin_alpha: Tensor
    offset_m: Tensor

    def __init__(self) -> None:
        super().__init__()
        alpha = torch.tensor(DH_ALPHA_RAD, dtype=torch.float32)
        self.register_buffer("cos_alpha", alpha.cos(), persistent=False)
        self.register_buffer("sin_alpha", alpha.sin(), persistent=False)
        offset = torch.tensor(DH_D_M, dtype=torch.float32)
        offset[-1] += TOOL_OFFSET_M
        self.register_buffer("offset_m", offset, persistent=False)

    def forward(self, joints_rad: Tensor) -> tuple[Tensor, Tensor]:
        """Return position (B, 3) in metres and rotation (B, 3, 3) for joints (B, 7)."""
        cos_q, sin_q = joints_rad.cos(), joints_rad.sin()
        rotation = torch.eye(3, device=joints_rad.device).expand(len(joints_rad), 3, 3)
        position = joints_rad.new_zeros(len(joints_rad), 3)
        for joint in range(JOINTS):
            # All link lengths are zero: each link is a turn about z, a shift along z and a turn about x.
            position = position + rotation[..., 2] * self.offset_m[joint]
            c, s = cos_q[:, joint, None], sin_q[:, joint, None]
            x, y, z = rotation.unbind(-1)
            x, y = x * c + y * s, y * c - x * s
            ca, sa = self.cos_alpha[joint], self.sin_alpha[joint]
            rotation = torch.stack([x, y * ca + z * sa, z * ca - y * sa], dim=-1)
        return position, rotation


class RobotFeatures(nn.Module):
    """Features of a state; of a robot other than the RM75 they leave the pose of the tool out.

    Args:
        robot: 'rm75' or 'none'.

    Raises:
        ValueError: a state with fewer dimensions than the robot has joints.
    """

    def __init__(self, state_dim: int, robot: str) -> None:
        super().__init__()
        self.tool = ToolPose() if robot == "rm75" else None
        if self.tool is not None and state_dim < JOINTS:
            raise ValueError(f"robot 'rm75' has {JOINTS} joints, the state has {state_dim} dimensions")
        self.width = 3 * state_dim + (12 if self.tool is not None else 0)

    def forward(self, state: Tensor, normalised: Tensor) -> Tensor:
        """Return features (B, width) of states (B, D) in their own units and in about -1..1."""
        parts = [normalised, state.sin(), state.cos()]
        if self.tool is not None:
            position, rotation = self.tool(state[:, :JOINTS])
            parts += [position / _REACH_M, rotation.flatten(1)]
        return torch.cat(parts, dim=-1)
