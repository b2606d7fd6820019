"""Pictures of a board as a known camera sees it, distortion included: the truth a calibration must find."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from kine_cameras import Intrinsics
from kine_cameras.calibration import Board

LENS = Intrinsics(640, 480, 560.0, 558.0, 322.0, 236.0, (0.08, -0.12, 0.001, -0.0015, 0.0))
MARGIN = 0.15
"""White paper around the squares, as a share of the board's width."""


def draw(board: Board, pose: NDArray[np.float64], lens: Intrinsics = LENS) -> NDArray[np.uint8]:
    """RGB picture of the board at `pose` (4, 4) in the camera, on a grey wall, slightly blurred and noisy."""
    per_square = 60
    texture = board.picture(per_square)
    margin = int(MARGIN * texture.shape[1])
    texture = cv2.copyMakeBorder(texture, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=255)
    # The plane z = 0 of the board, as the undistorted camera sees it; and back, for every pixel.
    to_camera = np.column_stack([pose[:3, :2], pose[:3, 3]])
    metres = cv2.perspectiveTransform(_rays(lens), np.linalg.inv(to_camera))
    # The board's corner is half a pixel before the centre of its picture's first pixel.
    mapped = (metres / board.square_m * per_square + (margin - 0.5)).astype(np.float32)
    seen = cv2.remap(texture, mapped, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=110)
    rng = np.random.default_rng(int(1e6 * abs(pose[0, 3])))
    noisy = cv2.GaussianBlur(seen, (0, 0), 0.7) + rng.normal(0.0, 2.0, seen.shape)
    return cv2.cvtColor(np.clip(noisy, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2RGB)


@cache
def _rays(lens: Intrinsics) -> NDArray[np.float32]:
    """(height, width, 2) direction of each pixel, x and y at z = 1."""
    u, v = np.meshgrid(np.arange(lens.width, dtype=np.float32), np.arange(lens.height, dtype=np.float32))
    pixels = np.stack([u, v], axis=2).reshape(-1, 1, 2)
    flat = cv2.undistortPoints(pixels, lens.matrix(), np.array(lens.distortion))
    return flat.reshape(lens.height, lens.width, 2)


def corners_in_view(board: Board, pose: NDArray[np.float64], lens: Intrinsics = LENS) -> float:
    """Share of the board's outline that lies in the picture."""
    width, height = board.size_m
    outline = np.array([[x * width, y * height, 0.0] for x in (0, 0.5, 1) for y in (0, 0.5, 1)])
    local = outline @ pose[:3, :3].T + pose[:3, 3]
    if (local[:, 2] < 0.05).any():
        return 0.0
    pixels, _ = cv2.projectPoints(
        outline, cv2.Rodrigues(pose[:3, :3])[0], pose[:3, 3], lens.matrix(), np.array(lens.distortion)
    )
    inside = (pixels.reshape(-1, 2) > 0) & (pixels.reshape(-1, 2) < (lens.width, lens.height))
    return float(inside.all(axis=1).mean())
