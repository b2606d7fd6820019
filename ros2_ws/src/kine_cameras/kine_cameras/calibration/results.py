"""Result files: YAML with units in the names and the errors beside the values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from scipy.spatial.transform import Rotation

from kine_cameras import intrinsics_file
from kine_cameras.calibration.board import Board, View
from kine_cameras.calibration.lens import LensCalibration
from kine_cameras.calibration.mount import MountCalibration


def lens_mapping(camera: str, result: LensCalibration, views: Sequence[View], board: Board) -> dict[str, Any]:
    """Content of an intrinsics file: readable by any ROS camera driver, with the errors as an extra entry."""
    fx, fy, cx, cy = result.std_px
    return intrinsics_file.to_mapping(camera, result.intrinsics) | {
        "calibration": {
            "views": len(views),
            "error_px": _rounded(result.error_px),
            "std_px": {"fx": _rounded(fx), "fy": _rounded(fy), "cx": _rounded(cx), "cy": _rounded(cy)},
            "coverage_width_height": [_rounded(value) for value in result.coverage],
            "tilt_deg": _rounded(result.tilt_deg),
            "board": asdict(board),
            "view_error_px": _by_view(views, result.view_error_px),
        }
    }


def mount_mapping(
    camera: str, parent: str, result: MountCalibration, views: Sequence[View], board: Board
) -> dict[str, Any]:
    """Content of a mount file, which `kine_description` reads."""
    return {
        "mount": {
            "parent_frame": parent,
            "child_frame": f"{camera}_color_optical_frame",
            **_pose(result.camera),
        },
        "calibration": {
            "views": len(views),
            "error_px": _rounded(result.error_px),
            "position_error_mm": _rounded(result.position_error_mm),
            "rotation_error_deg": _rounded(result.rotation_error_deg),
            "std_xyz_mm": [_rounded(value) for value in result.std_mm],
            "std_turn_xyz_deg": [_rounded(value) for value in result.std_deg],
            "turn_deg": _rounded(result.turn_deg),
            "board": asdict(board),
            "board_pose": _pose(result.board),
            "view_error_px": _by_view(views, result.view_error_px),
        },
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a result file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _pose(pose: Any) -> dict[str, list[float]]:
    turn = Rotation.from_matrix(pose[:3, :3])
    return {
        "translation_m": [round(float(value), 6) for value in pose[:3, 3]],
        "quaternion_xyzw": [round(float(value), 8) for value in turn.as_quat(canonical=True)],
    }


def _by_view(views: Sequence[View], errors_px: Sequence[float]) -> dict[str, float]:
    return {view.name: _rounded(error) for view, error in zip(views, errors_px, strict=True)}


def _rounded(value: float) -> float:
    return round(float(value), 4)
