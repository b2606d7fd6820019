"""From keypoints in two images to points in space, and from those to what the decoder should know.

Where something is in space follows from where both cameras see it, from the joint angles (which say where
the wrist camera is) and, against a front camera that was mounted a few millimetres off, from where that
camera sees the tool. The relation is trigonometric; a perceptron on one vector per observation learns it
fast and costs less than one text token, while a few attention layers learn it slowly. All of this is ours;
the paper is silent.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinevla.actions.robot import DH_ALPHA_RAD, DH_D_M, JOINTS, TOOL_OFFSET_M
from kinevla.backbone.config import GeometryConfig, VisionConfig
from kinevla.backbone.features import fourier

_REACH_M = 0.3
_NEAR_M = 0.1
_MIN_LOG_SCALE, _MAX_LOG_SCALE = -7.0, 0.0


class ResidualMLP(nn.Module):
    """Pre-norm residual perceptron (..., inputs) -> (..., width)."""

    def __init__(self, inputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.input = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs to features."""
        x = self.input(x)
        for block in self.blocks:
            x = x + block(x)
        return self.norm(x)


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
    """What is known about the arm: sines and cosines of the joints, other state values, tool pose."""

    def __init__(self, config: GeometryConfig, state_dim: int) -> None:
        super().__init__()
        self.tool = ToolPose() if config.robot == "rm75" else None
        if self.tool is not None and state_dim < JOINTS:
            raise ValueError(f"robot 'rm75' has {JOINTS} joints, the state has {state_dim} dimensions")
        self.width = 3 * state_dim + (12 if self.tool is not None else 0)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return features (B, width), tool position (B, 3) and rotation (B, 3, 3) for raw states (B, D)."""
        parts = [state, state.sin(), state.cos()]
        if self.tool is None:
            eye = torch.eye(3, device=state.device).expand(len(state), 3, 3)
            return torch.cat(parts, dim=-1), state.new_zeros(len(state), 3), eye
        position, rotation = self.tool(state[:, :JOINTS])
        return torch.cat([*parts, position / _REACH_M, rotation.flatten(1)], dim=-1), position, rotation


def visible_positions(keypoints: Tensor) -> tuple[Tensor, Tensor]:
    """Split keypoints (B, N, 2, K, 3) into faded positions (B, 4NK) and confidences (B, 2NK).

    Positions fade with the confidence: what is not seen has no position; it must not mislead.
    """
    return (keypoints[..., :2] * keypoints[..., 2:]).flatten(1), keypoints[..., 2].flatten(1)


class PointLifter(nn.Module):
    """Estimates where each keypoint is in the base frame, with a scale of its own uncertainty.

    Args:
        config: sizes.
        vision: cameras and keypoints.
        state_dim: D.
    """

    def __init__(self, config: GeometryConfig, vision: VisionConfig, state_dim: int) -> None:
        super().__init__()
        self.frequencies = config.lifter_frequencies
        self.keypoints = len(vision.keypoints)
        self.robot = RobotFeatures(config, state_dim)
        seen = len(vision.cameras) * 2 * self.keypoints
        inputs = 2 * seen * (1 + 2 * config.lifter_frequencies) + seen + self.robot.width
        self.trunk = ResidualMLP(inputs, config.lifter_width, config.blocks)
        self.head = nn.Linear(config.lifter_width, self.keypoints * 8)

    def forward(self, keypoints: Tensor, state: Tensor) -> Tensor:
        """Lift.

        Args:
            keypoints: (B, N, 2, K, 3) as in `VisualFeatures`.
            state: (B, D) in its own units.

        Returns:
            (B, K, 4): x, y, z in metres and the natural logarithm of the error scale in metres.
        """
        robot, position, rotation = self.robot(state)
        where, confidence = visible_positions(keypoints)
        x = self.trunk(torch.cat([fourier(where, self.frequencies), confidence, robot], dim=-1))
        out = self.head(x).unflatten(-1, (self.keypoints, 8))
        # Two hypotheses, in the base frame (front camera) and in the tool frame (wrist camera), and a gate.
        fixed = out[..., 0:3] * _REACH_M
        moving = position.unsqueeze(1) + torch.einsum("bij,bkj->bki", rotation, out[..., 3:6] * _REACH_M)
        gate = out[..., 6:7].sigmoid()
        scale = (out[..., 7:8] - 4.0).clamp(_MIN_LOG_SCALE, _MAX_LOG_SCALE)
        return torch.cat([gate * fixed + (1 - gate) * moving, scale], dim=-1)


class GeometryEncoder(nn.Module):
    """Fuses points in space, points in the images and the joints into one feature vector per observation.

    Args:
        config: sizes.
        vision: cameras and keypoints.
        state_dim: D.
    """

    def __init__(self, config: GeometryConfig, vision: VisionConfig, state_dim: int) -> None:
        super().__init__()
        self.frequencies = config.frequencies
        self.robot = RobotFeatures(config, state_dim)
        points = len(vision.keypoints)
        seen = len(vision.cameras) * 2 * points
        inputs = (
            (6 * points + state_dim) * (1 + 2 * config.frequencies) + points + 3 * seen + self.robot.width
        )
        self.trunk = ResidualMLP(inputs, config.width, config.blocks)

    def forward(self, keypoints: Tensor, points: Tensor, state: Tensor, normalised_state: Tensor) -> Tensor:
        """Fuse.

        Args:
            keypoints: (B, N, 2, K, 3).
            points: (B, K, 4) from `PointLifter`.
            state: (B, D) in its own units.
            normalised_state: (B, D) in about -1..1.

        Returns:
            (B, width).
        """
        robot, position, rotation = self.robot(state)
        where, confidence = visible_positions(keypoints)
        space, scale = points[..., :3], points[..., 3]
        local = torch.einsum("bij,bki->bkj", rotation, space - position.unsqueeze(1))
        metric = torch.cat(
            [(space / _REACH_M).flatten(1), (local / _NEAR_M).clamp(-4, 4).flatten(1), normalised_state],
            dim=-1,
        )
        return self.trunk(
            torch.cat(
                [fourier(metric, self.frequencies), scale / 4.0 + 1.0, where, confidence, robot], dim=-1
            )
        )
