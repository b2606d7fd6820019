"""Where a camera is fixed, from views of a board in known arm poses (hand-eye calibration).

With the camera on the flange and the board on the table, F_i X C_i is the same for all views: F_i is the
measured pose of the flange in the base, C_i the pose of the board in the camera, X the pose sought. With the
camera beside the arm and the board in the gripper the same holds with the inverse of F_i.

X starts from the closed form of Park and Martin (1994) and is refined on the corners' pixels, together with
the pose of the board. (OpenCV's `calibrateHandEye` stops at the closed form, and its version 5 lacks it.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from kine_cameras.calibration.board import View
from kine_cameras.source import Intrinsics

Array = NDArray[np.float64]

HOPELESS = 10.0
"""Beyond so many times the bound the refinement is not tried."""
_QUESTIONS = "was the arm at rest, do pictures and joints belong together, are square_m and the lens right?"


@dataclass(frozen=True)
class MountLimits:
    """What a calibration must fulfil to be believed.

    Attributes:
        min_views: fewest pictures with the board.
        min_turn_deg: spread (standard deviation) of the flange's turning about its second most used axis.
            Turned about one axis only, the position along it stays unknown.
        max_error_px: largest root mean square reprojection error.
        max_position_error_mm: largest mean distance between the board as each view alone sees it and its
            common place.
    """

    min_views: int = 8
    min_turn_deg: float = 5.0
    max_error_px: float = 2.0
    max_position_error_mm: float = 5.0


@dataclass(frozen=True)
class MountCalibration:
    """The result.

    Attributes:
        camera: (4, 4) pose of the camera's optical frame in the flange (or in the base, for a camera beside
            the arm).
        board: (4, 4) pose of the board in the base (or in the flange).
        error_px, view_error_px: root mean square reprojection error, of all and of each view.
        position_error_mm, rotation_error_deg: mean difference between the board as each view alone sees it
            and its common pose.
        std_mm, std_deg: standard deviations of the camera's position and turn, each (3,).
        turn_deg: the spread that `MountLimits.min_turn_deg` bounds.
    """

    camera: Array
    board: Array
    error_px: float
    view_error_px: tuple[float, ...]
    position_error_mm: float
    rotation_error_deg: float
    std_mm: tuple[float, ...]
    std_deg: tuple[float, ...]
    turn_deg: float


def calibrate_mount(
    views: Sequence[View],
    flange_poses: Sequence[Array],
    intrinsics: Intrinsics,
    on_flange: bool = True,
    limits: MountLimits | None = None,
) -> MountCalibration:
    """The camera's pose in the flange, or in the base with `on_flange` False (board in the gripper).

    Args:
        views: the board in each picture.
        flange_poses: (4, 4) measured pose of the flange in the base for each picture, m.
        intrinsics: of the camera.
        on_flange: False: the camera stands beside the arm and the board is held by the gripper.
        limits: bounds.

    Raises:
        ValueError: too few views, too little turning, intrinsics of another size or with a fisheye model, or
            errors above their bounds; names value and bound.
    """
    limits = limits or MountLimits()
    if len(views) < limits.min_views:
        raise ValueError(f"the board was found in {len(views)} pictures, needed are {limits.min_views}")
    if intrinsics.model not in ("plumb_bob", "rational_polynomial"):
        raise ValueError(
            f"the intrinsics have the model '{intrinsics.model}', must be plumb_bob or rational_polynomial"
        )
    for view in views:
        if view.size != (intrinsics.width, intrinsics.height):
            raise ValueError(
                f"{view.name} is {view.size[0]}x{view.size[1]}, the intrinsics are for "
                f"{intrinsics.width}x{intrinsics.height}"
            )
    turn_deg = _turn_deg(flange_poses)
    if turn_deg < limits.min_turn_deg:
        raise ValueError(
            f"the flange turned by {turn_deg:.1f} degrees about its second axis, needed are "
            f"{limits.min_turn_deg:.1f}: turn it about at least two axes between pictures"
        )
    hands: list[Array] = [np.asarray(p if on_flange else np.linalg.inv(p), float) for p in flange_poses]
    boards = [_board_in_camera(view, intrinsics) for view in views]
    start = _closed_form(hands, boards)
    scatter_mm = 1e3 * float(np.linalg.norm(_scatter_m(start, hands, boards), axis=1).mean())
    if scatter_mm > HOPELESS * limits.max_position_error_mm:
        raise ValueError(
            f"the views place the board {scatter_mm:.0f} mm from each other, bound "
            f"{limits.max_position_error_mm} mm ({_QUESTIONS})"
        )
    result = _refine(start, hands, boards, views, intrinsics)
    if result.error_px > limits.max_error_px:
        worst = int(np.argmax(result.view_error_px))
        raise ValueError(
            f"the reprojection error is {result.error_px:.2f} px, bound {limits.max_error_px} px; worst is "
            f"{views[worst].name} with {result.view_error_px[worst]:.2f} px ({_QUESTIONS})"
        )
    if result.position_error_mm > limits.max_position_error_mm:
        raise ValueError(
            f"the views place the board {result.position_error_mm:.1f} mm from each other, bound "
            f"{limits.max_position_error_mm} mm"
        )
    return result


def _turn_deg(poses: Sequence[Array]) -> float:
    turns = Rotation.from_matrix([pose[:3, :3] for pose in poses])
    spread = np.linalg.svd((turns.mean().inv() * turns).as_rotvec(), compute_uv=False)
    return float(np.degrees(spread[1] / np.sqrt(len(poses))))


def _board_in_camera(view: View, intrinsics: Intrinsics) -> Array:
    matrix, distortion = intrinsics.matrix(), np.array(intrinsics.distortion)
    _, turn, position = cv2.solvePnP(view.points_m, view.pixels, matrix, distortion, flags=cv2.SOLVEPNP_IPPE)
    _, turn, position = cv2.solvePnP(
        view.points_m, view.pixels, matrix, distortion, turn, position, useExtrinsicGuess=True
    )
    return _pose(np.concatenate([np.ravel(turn), np.ravel(position)]))


def _closed_form(hands: Sequence[Array], boards: Sequence[Array]) -> Array:
    """X from A X = X B for all pairs of views."""
    a = [np.linalg.inv(hands[j]) @ hands[i] for i, j in combinations(range(len(hands)), 2)]
    b = [boards[j] @ np.linalg.inv(boards[i]) for i, j in combinations(range(len(boards)), 2)]
    axes_a = Rotation.from_matrix([m[:3, :3] for m in a]).as_rotvec()
    axes_b = Rotation.from_matrix([m[:3, :3] for m in b]).as_rotvec()
    turn = Rotation.align_vectors(axes_a, axes_b)[0]
    left = np.concatenate([m[:3, :3] - np.eye(3) for m in a])
    right = np.concatenate([turn.apply(n[:3, 3]) - m[:3, 3] for m, n in zip(a, b, strict=True)])
    x = np.eye(4)
    x[:3, :3], x[:3, 3] = turn.as_matrix(), np.linalg.lstsq(left, right, rcond=None)[0]
    return x


def _scatter_m(camera: Array, hands: Sequence[Array], boards: Sequence[Array]) -> Array:
    """(n, 3) place of the board by each view, about their mean."""
    places = np.array([(hand @ camera @ seen)[:3, 3] for hand, seen in zip(hands, boards, strict=True)])
    return places - places.mean(axis=0)


def _refine(
    start: Array, hands: Sequence[Array], boards: Sequence[Array], views: Sequence[View], lens: Intrinsics
) -> MountCalibration:
    matrix, distortion = lens.matrix(), np.array(lens.distortion)

    def residuals(values: Array) -> Array:
        camera, board = _pose(values[:6]), _pose(values[6:])
        parts = []
        for hand, view in zip(hands, views, strict=True):
            seen = np.linalg.inv(hand @ camera) @ board
            turn = Rotation.from_matrix(seen[:3, :3]).as_rotvec()
            pixels, _ = cv2.projectPoints(view.points_m, turn, seen[:3, 3], matrix, distortion)
            parts.append((pixels.reshape(-1, 2) - view.pixels).ravel())
        return np.concatenate(parts)

    first = np.concatenate([_vector(start), _vector(hands[0] @ start @ boards[0])])
    found = least_squares(residuals, first, method="lm", x_scale="jac", max_nfev=1000)
    camera, board = _pose(found.x[:6]), _pose(found.x[6:])
    square_px = found.fun.reshape(-1, 2)
    square_px = (square_px**2).sum(axis=1)
    ends = np.cumsum([len(view.pixels) for view in views])[:-1]
    alone = [np.linalg.inv(board) @ hand @ camera @ seen for hand, seen in zip(hands, boards, strict=True)]
    variance = float((found.fun**2).sum()) / max(1, found.fun.size - found.x.size)
    deviations = np.sqrt(np.diag(np.linalg.pinv(found.jac.T @ found.jac)) * variance)
    return MountCalibration(
        camera=camera,
        board=board,
        error_px=float(np.sqrt(square_px.mean())),
        view_error_px=tuple(float(np.sqrt(part.mean())) for part in np.split(square_px, ends)),
        position_error_mm=float(np.mean([np.linalg.norm(m[:3, 3]) for m in alone]) * 1e3),
        rotation_error_deg=float(
            np.degrees(np.mean(Rotation.from_matrix([m[:3, :3] for m in alone]).magnitude()))
        ),
        std_mm=tuple(float(value) * 1e3 for value in deviations[3:6]),
        std_deg=tuple(float(value) for value in np.degrees(deviations[:3])),
        turn_deg=_turn_deg(hands),
    )


def _pose(values: Array) -> Array:
    """(4, 4) from rotation vector and position, (6,)."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = Rotation.from_rotvec(values[:3]).as_matrix(), values[3:]
    return pose


def _vector(pose: Array) -> Array:
    return np.concatenate([Rotation.from_matrix(pose[:3, :3]).as_rotvec(), pose[:3, 3]])
