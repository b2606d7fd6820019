"""Intrinsics as the YAML file that ROS camera drivers and `camera_calibration` read and write."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from kine_cameras.source import Intrinsics
from kine_nodes.files import read_yaml

COEFFICIENTS = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}


def to_mapping(camera: str, intrinsics: Intrinsics) -> dict[str, Any]:
    """The content of the file, for a camera of this name."""
    i = intrinsics
    matrix = [i.fx, 0.0, i.cx, 0.0, i.fy, i.cy, 0.0, 0.0, 1.0]
    projection = [i.fx, 0.0, i.cx, 0.0, 0.0, i.fy, i.cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return {
        "image_width": i.width,
        "image_height": i.height,
        "camera_name": camera,
        "camera_matrix": {"rows": 3, "cols": 3, "data": [float(v) for v in matrix]},
        "distortion_model": i.model,
        "distortion_coefficients": {
            "rows": 1,
            "cols": len(i.distortion),
            "data": [float(v) for v in i.distortion],
        },
        "rectification_matrix": {"rows": 3, "cols": 3, "data": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]},
        "projection_matrix": {"rows": 3, "cols": 4, "data": [float(v) for v in projection]},
    }


def read(path: Path) -> Intrinsics:
    """Intrinsics of a file.

    Raises:
        ValueError: not there, no YAML, or a value missing, of the wrong length or out of range; names it.
    """
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"calibration file {path} cannot be read: {error}") from error
    try:
        return _intrinsics(content)
    except KeyError as error:
        raise ValueError(f"calibration file {path} lacks {error}") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"calibration file {path}: {error}") from error


def _intrinsics(content: dict[str, Any]) -> Intrinsics:
    if not isinstance(content, dict):
        raise ValueError("is no mapping")
    width, height = int(content["image_width"]), int(content["image_height"])
    matrix = [float(value) for value in content["camera_matrix"]["data"]]
    distortion = tuple(float(value) for value in content["distortion_coefficients"]["data"])
    model = content["distortion_model"]
    if model not in COEFFICIENTS:
        raise ValueError(f"distortion_model is '{model}', must be one of {', '.join(COEFFICIENTS)}")
    if len(matrix) != 9:
        raise ValueError(f"camera_matrix holds {len(matrix)} values, must hold 9")
    if len(distortion) != COEFFICIENTS[model]:
        raise ValueError(
            f"distortion_coefficients holds {len(distortion)} values, {model} needs {COEFFICIENTS[model]}"
        )
    if not all(math.isfinite(value) for value in (*matrix, *distortion)):
        raise ValueError("camera_matrix or distortion_coefficients holds a value that is not finite")
    if width < 1 or height < 1 or matrix[0] <= 0.0 or matrix[4] <= 0.0:
        raise ValueError(
            f"image {width}x{height} with focal lengths {matrix[0]}, {matrix[4]}: must be positive"
        )
    return Intrinsics(width, height, matrix[0], matrix[4], matrix[2], matrix[5], distortion, model)
