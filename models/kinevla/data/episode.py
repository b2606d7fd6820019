"""One demonstration: its arrays, its texts and its npz file.

Timing (the same for the simulator and a real arm): at frame t both images and `state[t]` are taken at
`t * period_s`; `target[t]` is the clean reference to be reached at `(t + 1) * period_s`; `executed[t]` is
the command that was really sent in that period, which differs from `target[t]` where disturbance was added.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinevla.data.images import decode_jpeg, encode_jpeg
from kinevla.data.packing import DataError, npz_bytes, pack_bytes, read_npz, unpack_bytes
from kinevla.manifest import write_atomically
from kinevla.observation.image_bounds import ImageError
from kinevla.observation.images import Image

CAMERAS = ("front", "wrist")
EPISODE_FORMAT = 1
_TEXTS = ("instruction", "coarse", "fine", "verdict_text")
_REQUIRED = (
    "format", "task", "seed", "period_s", "noisy", "goal_success", "kinematics_success", "instruction",
    "coarse", "fine", "verdict_text", "state", "target", "executed", "front_bytes", "front_offsets",
    "wrist_bytes", "wrist_offsets",
)  # fmt: skip
_PICTURES = ("front_bytes", "wrist_bytes")


@dataclass(frozen=True)
class Episode:
    """One demonstration of T frames with D action dimensions (D = 8 on the RM75: 7 joints rad, gripper 0..1).

    Attributes:
        task: task number.
        seed: seed of the scene; with the task it identifies the episode.
        instruction: the sentence given to the robot.
        coarse: goal-level reasoning text.
        fine: kinematics-level reasoning text.
        period_s: time between frames.
        front_jpeg: T JPEG images of the front camera, already at the model's size.
        wrist_jpeg: T JPEG images of the wrist camera.
        state: (T, D) measured.
        target: (T, D) clean reference for the end of the frame's period.
        executed: (T, D) command really sent.
        noisy: disturbance was added to the commands.
        goal_success: verdict of the goal, None where nobody judged.
        kinematics_success: verdict of the way it was done, None where nobody judged.
        verdict_text: why, in words.
    """

    task: int
    seed: int
    instruction: str
    coarse: str
    fine: str
    period_s: float
    front_jpeg: tuple[bytes, ...]
    wrist_jpeg: tuple[bytes, ...]
    state: NDArray[np.float64]
    target: NDArray[np.float64]
    executed: NDArray[np.float64]
    noisy: bool = False
    goal_success: bool | None = None
    kinematics_success: bool | None = None
    verdict_text: str = ""

    def __post_init__(self) -> None:
        frames = len(self.state)
        if frames == 0:
            raise ValueError("an episode needs at least one frame")
        if not self.period_s > 0.0:
            raise ValueError(f"period_s must be positive, got {self.period_s}")
        for name in ("state", "target", "executed"):
            array = getattr(self, name)
            if array.ndim != 2 or array.shape != self.state.shape:
                raise ValueError(f"{name} has shape {array.shape}, state has {self.state.shape}")
            if not np.isfinite(array).all():
                frame, dimension = np.argwhere(~np.isfinite(array))[0]
                raise ValueError(f"{name} is not finite at frame {frame}, dimension {dimension}")
        for name in ("front_jpeg", "wrist_jpeg"):
            if len(getattr(self, name)) != frames:
                raise ValueError(f"{name} has {len(getattr(self, name))} images for {frames} frames")

    def __len__(self) -> int:
        return len(self.state)

    @property
    def name(self) -> str:
        """File stem: unique per task and seed."""
        return f"task{self.task:02d}-seed{self.seed:08d}"

    def images(self, camera: str, frames: slice = slice(None)) -> Image:
        """Decode the images of 'front' or 'wrist', all or some: (T, H, W, 3) uint8 RGB."""
        if camera not in CAMERAS:
            raise ValueError(f"camera {camera!r} is unknown, choose from {', '.join(CAMERAS)}")
        return np.stack([decode_jpeg(item) for item in getattr(self, f"{camera}_jpeg")[frames]])


def write_episode(path: Path, episode: Episode) -> None:
    """Write one episode atomically."""
    arrays: dict[str, Any] = {
        "format": np.int64(EPISODE_FORMAT),
        "task": np.int64(episode.task),
        "seed": np.int64(episode.seed),
        "period_s": np.float64(episode.period_s),
        "noisy": np.bool_(episode.noisy),
        "goal_success": _tristate(episode.goal_success),
        "kinematics_success": _tristate(episode.kinematics_success),
        "state": episode.state.astype(np.float64),
        "target": episode.target.astype(np.float64),
        "executed": episode.executed.astype(np.float64),
    }
    arrays |= {name: np.array(getattr(episode, name)) for name in _TEXTS}
    for camera in CAMERAS:
        arrays[f"{camera}_bytes"], arrays[f"{camera}_offsets"] = pack_bytes(
            getattr(episode, f"{camera}_jpeg")
        )
    write_atomically(path, npz_bytes(arrays))


def read_episode(path: Path, *, motion_only: bool = False) -> Episode:
    """Read one episode, with `motion_only` without the bytes of its images: a thousandth of the memory.

    Raises:
        DataError: missing, damaged or inconsistent file, named in the text.
    """
    arrays: dict[str, Any] = read_npz(path, _REQUIRED, without=_PICTURES if motion_only else ())
    if int(arrays["format"]) != EPISODE_FORMAT:
        raise DataError(
            f"{path} has episode format {int(arrays['format'])}, this code reads {EPISODE_FORMAT}"
        )
    try:
        jpeg = {
            camera: (b"",) * len(arrays["state"])
            if motion_only
            else unpack_bytes(arrays[f"{camera}_bytes"], arrays[f"{camera}_offsets"])
            for camera in CAMERAS
        }
        return Episode(
            task=int(arrays["task"]),
            seed=int(arrays["seed"]),
            period_s=float(arrays["period_s"]),
            noisy=bool(arrays["noisy"]),
            goal_success=_from_tristate(arrays["goal_success"]),
            kinematics_success=_from_tristate(arrays["kinematics_success"]),
            front_jpeg=jpeg["front"],
            wrist_jpeg=jpeg["wrist"],
            state=arrays["state"],
            target=arrays["target"],
            executed=arrays["executed"],
            **{name: str(arrays[name]) for name in _TEXTS},
        )
    except (ValueError, ImageError) as error:
        raise DataError(f"{path} is inconsistent: {error}") from error


def _tristate(value: bool | None) -> np.int8:
    return np.int8(-1 if value is None else int(value))


def _from_tristate(value: Any) -> bool | None:
    return None if int(value) < 0 else bool(int(value))


def encode_frames(images: list[Image]) -> tuple[bytes, ...]:
    """Compress a list of model-size images for an `Episode`."""
    return tuple(encode_jpeg(image) for image in images)
