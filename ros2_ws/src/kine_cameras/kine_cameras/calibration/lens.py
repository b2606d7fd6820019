"""Intrinsics of a camera from views of a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from kine_cameras.calibration.board import View
from kine_cameras.source import Intrinsics


@dataclass(frozen=True)
class LensLimits:
    """What a calibration must fulfil to be believed.

    Attributes:
        min_views: fewest pictures with the board.
        min_coverage: share of width and height that the corners of all pictures together must span. The
            distortion is known only where corners were.
        min_tilt_deg: largest angle between two views of the board's plane. Without it focal length and
            distance cannot be told apart.
        max_error_px: largest root mean square reprojection error.
    """

    min_views: int = 10
    min_coverage: float = 0.6
    min_tilt_deg: float = 20.0
    max_error_px: float = 1.0


@dataclass(frozen=True)
class LensCalibration:
    """The result.

    Attributes:
        intrinsics: of the camera, plumb_bob with k3 = 0.
        error_px: root mean square distance of seen and computed corners.
        view_error_px: the same for each view, in their order.
        std_px: standard deviations of fx, fy, cx, cy.
        coverage: share of width and height that the corners span.
        tilt_deg: largest angle between two views of the board.
    """

    intrinsics: Intrinsics
    error_px: float
    view_error_px: tuple[float, ...]
    std_px: tuple[float, float, float, float]
    coverage: tuple[float, float]
    tilt_deg: float


def calibrate_lens(views: Sequence[View], limits: LensLimits | None = None) -> LensCalibration:
    """Intrinsics by OpenCV's `calibrateCameraExtended`.

    Raises:
        ValueError: too few views, pictures of different sizes, too little coverage or tilt, or an error above
            the bound; names value and bound.
    """
    limits = limits or LensLimits()
    if len(views) < limits.min_views:
        raise ValueError(f"the board was found in {len(views)} pictures, needed are {limits.min_views}")
    sizes = {view.size for view in views}
    if len(sizes) != 1:
        text = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
        raise ValueError(f"the pictures have different sizes: {text}")
    size = sizes.pop()
    coverage = _coverage(views, size)
    if min(coverage) < limits.min_coverage:
        raise ValueError(
            f"the board covers {coverage[0]:.0%} of the width and {coverage[1]:.0%} of the height, needed "
            f"are {limits.min_coverage:.0%}: show it near all edges of the picture"
        )
    error_px, matrix, distortion, turns, _, deviations, _, view_errors = cv2.calibrateCameraExtended(
        [view.points_m for view in views],
        [view.pixels for view in views],
        size,
        np.eye(3),
        np.zeros(5),
        flags=cv2.CALIB_FIX_K3,
    )
    tilt_deg = _tilt_deg(turns)
    if tilt_deg < limits.min_tilt_deg:
        raise ValueError(
            f"the board was tilted by {tilt_deg:.0f} degrees between pictures, needed are "
            f"{limits.min_tilt_deg:.0f}: tilt it about both axes"
        )
    view_error_px = tuple(float(value) for value in np.ravel(view_errors))
    if error_px > limits.max_error_px:
        worst = int(np.argmax(view_error_px))
        raise ValueError(
            f"the reprojection error is {error_px:.2f} px, bound {limits.max_error_px} px; worst is "
            f"{views[worst].name} with {view_error_px[worst]:.2f} px"
        )
    d = tuple(float(value) for value in np.ravel(distortion)[:5])
    intrinsics = Intrinsics(
        size[0],
        size[1],
        float(matrix[0, 0]),
        float(matrix[1, 1]),
        float(matrix[0, 2]),
        float(matrix[1, 2]),
        d,
    )
    std = tuple(float(value) for value in np.ravel(deviations)[:4])
    return LensCalibration(
        intrinsics, float(error_px), view_error_px, (std[0], std[1], std[2], std[3]), coverage, tilt_deg
    )


def _coverage(views: Sequence[View], size: tuple[int, int]) -> tuple[float, float]:
    corners = np.concatenate([view.pixels for view in views])
    span = (corners.max(axis=0) - corners.min(axis=0)) / np.array(size)
    return float(span[0]), float(span[1])


def _tilt_deg(turns: Sequence[Any]) -> float:
    normals = np.array([cv2.Rodrigues(turn)[0][:, 2] for turn in turns])
    return float(np.degrees(np.arccos(np.clip(normals @ normals.T, -1.0, 1.0)).max()))
