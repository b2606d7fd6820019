"""Settings of the conversion of recordings."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from kinevla.observation.images import ImagePipeline

MAX_RATE_HZ = 1000.0


@dataclass(frozen=True)
class ConvertConfig:
    """How recordings become episodes.

    Attributes:
        rate_hz: frames per second.
        max_image_age_s: oldest image a frame may show, s; an older one means frames were lost.
        max_pair_gap_s: largest difference of the capture times of a frame's two images, s; as the policy's.
        max_joint_gap_s: widest gap between joint states, s; twice what the live policy accepts as distance
            between an image and its joint state.
        images: what is done to the images; the data set records it, and its policies do the same.
        idle_rad: a frame is idle when since the last kept frame no joint moved further, rad; 0 keeps all.
        idle_gripper: the same bound for the gripper's opening.
        gripper_closed: recorded position of the gripper that means closed.
        gripper_open: the one that means open; None for 1, unless the positions look like others.
        accept_bad: also convert recordings whose own audit says "bad", or that are incomplete.
        accept_failures: also convert demonstrations that the operator judged a failure.
    """

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
