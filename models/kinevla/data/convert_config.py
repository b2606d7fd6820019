"""Settings of the conversion of recordings."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from kinevla.observation.images import ImagePipeline

MAX_RATE_HZ = 1000.0


@dataclass(frozen=True)
class ConvertConfig:
    """How recordings become episodes; the options of `kinevla data convert`, which say what each means."""

    rate_hz: float = 10.0
    max_image_age_s: float = 0.1
    max_pair_gap_s: float = 0.04
    max_joint_gap_s: float = 0.1
    images: ImagePipeline = field(default_factory=ImagePipeline)
    idle_rad: float = 1e-3
    idle_gripper: float = 0.01
    gripper_closed: float = 0.0
    gripper_open: float | None = None
    accept_bad: bool = False
    accept_failures: bool = False

    def __post_init__(self) -> None:
        for name in ("rate_hz", "max_image_age_s", "max_pair_gap_s", "max_joint_gap_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.rate_hz > MAX_RATE_HZ:
            raise ValueError(f"rate_hz must be at most {MAX_RATE_HZ:g}, got {self.rate_hz}")
        if self.gripper_open == self.gripper_closed:
            raise ValueError(f"gripper_open and gripper_closed must differ, got {self.gripper_open} twice")
        if self.idle_rad < 0 or self.idle_gripper < 0:
            raise ValueError(f"idle bounds must not be negative, got {self.idle_rad}, {self.idle_gripper}")
