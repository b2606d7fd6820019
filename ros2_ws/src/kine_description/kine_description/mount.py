"""Where a camera is fixed: nominal, or from a calibration file."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from kine_nodes.files import read_yaml


@dataclass(frozen=True)
class Mount:
    """Pose of a camera's optical frame (z forward, x right, y down) in the link it is fixed to.

    Attributes:
        parent: name of the link.
        translation_m: (3,) position.
        rotation: (3, 3) rotation matrix.
    """

    parent: str
    translation_m: NDArray[np.float64]
    rotation: NDArray[np.float64]

    def rpy_rad(self) -> NDArray[np.float64]:
        """Roll, pitch, yaw, (3,), with rotation = Rz(yaw) Ry(pitch) Rx(roll), as URDF has it."""
        with warnings.catch_warnings():
            # Looking along the axis, only the sum of roll and yaw is defined; any split of it will do.
            warnings.simplefilter("ignore", UserWarning)
            return np.asarray(Rotation.from_matrix(self.rotation).as_euler("xyz"))


def read_mount(path: Path, parents: tuple[str, ...]) -> Mount:
    """The mount in a file that `kine_cameras calibrate` wrote.

    Raises:
        ValueError: not there, a value missing, not finite or no unit quaternion, or an unknown parent.
    """
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"mount file {path} cannot be read: {error}") from error
    try:
        mount = content["mount"]
        parent = str(mount["parent_frame"])
        translation = np.array([float(value) for value in mount["translation_m"]])
        x, y, z, w = (float(value) for value in mount["quaternion_xyzw"])
    except KeyError as error:
        raise ValueError(f"mount file {path} lacks {error}") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"mount file {path} has no mount with translation_m and quaternion_xyzw") from error
    if parent not in parents:
        raise ValueError(
            f"mount file {path}: parent_frame is '{parent}', must be one of {', '.join(parents)}"
        )
    length = math.sqrt(x * x + y * y + z * z + w * w)
    if translation.shape != (3,) or not np.isfinite(translation).all() or not abs(length - 1.0) < 1e-3:
        raise ValueError(
            f"mount file {path}: needs 3 finite lengths and a unit quaternion (length {length:.4f})"
        )
    return Mount(parent, translation, Rotation.from_quat((x, y, z, w)).as_matrix())
