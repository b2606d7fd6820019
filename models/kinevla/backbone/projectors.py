"""What turns visual features and the joint state into decoder tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinevla.backbone.config import ModelConfig, VisionConfig
from kinevla.backbone.features import VisualFeatures, fourier
from kinevla.backbone.geometry import GeometryEncoder

KEYPOINT_FREQUENCIES = 6


class Projector(nn.Module):
    """Three linear layers with GELU between, as in the public OpenVLA weights (names fc1, fc2, fc3)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, 4 * inputs)
        self.fc2 = nn.Linear(4 * inputs, outputs)
        self.fc3 = nn.Linear(outputs, outputs)
        self.act_fn1 = nn.GELU()
        self.act_fn2 = nn.GELU()

    def forward(self, features: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return self.fc3(self.act_fn2(self.fc2(self.act_fn1(self.fc1(features)))))


class KeypointProjector(nn.Module):
    """One token per keypoint and camera from coordinates (Fourier features), confidence and local feature."""

    def __init__(self, config: VisionConfig, outputs: int) -> None:
        super().__init__()
        coordinates = 2 * 2 * (1 + 2 * KEYPOINT_FREQUENCIES) + 2
        self.mlp = nn.Sequential(
            nn.Linear(coordinates + config.local_width, outputs), nn.GELU(), nn.Linear(outputs, outputs)
        )
        self.identity = nn.Parameter(torch.randn(len(config.cameras), len(config.keypoints), outputs) * 0.02)

    def forward(self, features: VisualFeatures) -> Tensor:
        """Return (B, N * K, outputs)."""
        keypoints = features.keypoints.transpose(2, 3)  # (B, N, K, 2 towers, 3)
        position = fourier(keypoints[..., :2].flatten(-2), KEYPOINT_FREQUENCIES)
        inputs = torch.cat([position, keypoints[..., 2], features.local.to(position.dtype)], dim=-1)
        return (self.mlp(inputs) + self.identity).flatten(1, 2)


class ObservationProjector(nn.Module):
    """All observation tokens in order: patches per camera, keypoints per camera, geometry, state.

    Patches of several cameras follow one another in token order and the state comes last, as in OpenVLA-OFT;
    keypoints and geometry are ours, and everything but the patches can be switched off.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden = config.decoder.hidden_size
        vision = config.vision
        self.patch_count = len(vision.cameras) * vision.patch_grid**2
        if vision.patch_position:
            self.patch_position = nn.Parameter(torch.randn(self.patch_count, hidden) * 0.02)
        else:
            self.register_parameter("patch_position", None)
        self.keypoints = KeypointProjector(vision, hidden) if vision.keypoints else None
        self.geometry = (
            GeometryEncoder(config.geometry, vision, config.state_dim)
            if vision.keypoints and config.geometry.tokens
            else None
        )
        self.geometry_tokens = config.geometry.tokens
        self.constant_length = config.geometry.constant_length
        self.geometry_out = (
            nn.Linear(config.geometry.width, config.geometry.tokens * hidden)
            if self.geometry is not None
            else None
        )
        self.state = (
            nn.Sequential(
                nn.Linear(config.state_dim * (1 + 2 * KEYPOINT_FREQUENCIES), hidden),
                nn.GELU(),
                nn.Linear(hidden, hidden),
            )
            if config.state_token
            else None
        )

    @property
    def geometry_span(self) -> slice:
        """Where the geometry tokens stand among the observation tokens."""
        start = self.patch_count + (0 if self.keypoints is None else self.keypoints.identity[..., 0].numel())
        return slice(start, start + self.geometry_tokens)

    def geometry_slots(self, fused: Tensor) -> Tensor:
        """Turn fused geometry (B, width) into tokens (B, G, hidden), of constant length if so configured.

        The decoder normalises every token it reads. With a constant length that changes nothing but a factor,
        so what is linear in the tokens here is linear there.
        """
        assert self.geometry_out is not None, "there are no geometry tokens"
        tokens = self.geometry_out(fused).unflatten(-1, (self.geometry_tokens, -1))
        return nn.functional.rms_norm(tokens, tokens.shape[-1:]) if self.constant_length else tokens

    def forward(
        self, projector: Projector, features: VisualFeatures, state: Tensor, normalised_state: Tensor
    ) -> Tensor:
        """Return (B, V, hidden) for features of B observations and their state (B, D), raw and normalised."""
        patches = projector(features.patches.flatten(1, 2))
        parts = [patches if self.patch_position is None else patches + self.patch_position]
        if self.keypoints is not None:
            parts.append(self.keypoints(features))
        if self.geometry is not None and self.geometry_out is not None:
            # One vector per observation: full precision costs little here, half of it would cost millimetres.
            with torch.autocast(state.device.type, enabled=False):
                fused = self.geometry(features.keypoints, features.points, state, normalised_state)
                parts.append(self.geometry_slots(fused))
        if self.state is not None:
            parts.append(self.state(fourier(normalised_state, KEYPOINT_FREQUENCIES)).unsqueeze(1))
        return torch.cat([part.to(parts[0].dtype) for part in parts], dim=1)
