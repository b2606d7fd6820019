"""Pictures of a folder, the board in them, and the joints they were taken at."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kine_cameras.calibration.board import Board, View
from kine_cameras.recorded_frames import IMAGE_SUFFIXES
from kine_sim import rm75

JOINTS_FILE = "joints.csv"
"""Columns `image` and `joint_1` to `joint_7`, rad."""


@dataclass(frozen=True)
class FoundViews:
    """The views of a folder.

    Attributes:
        views: one per picture in which the board was found.
        missed: names of the pictures in which it was not.
    """

    views: tuple[View, ...]
    missed: tuple[str, ...]


def find_views(folder: Path, board: Board) -> FoundViews:
    """Look for the board in all pictures of a folder, in the order of their names.

    Raises:
        ValueError: no folder, no pictures in it, or a file that is no picture.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise ValueError(f"{folder} holds no pictures ({', '.join(IMAGE_SUFFIXES)})")
    views, missed = [], []
    for file in files:
        view = board.find(file.name, _read(file))
        if view is None:
            missed.append(file.name)
        else:
            views.append(view)
    return FoundViews(tuple(views), tuple(missed))


def read_joints(folder: Path) -> dict[str, NDArray[np.float64]]:
    """The joint angles (7,) in rad of each picture, by its name.

    Raises:
        ValueError: no such file, a column missing, no number, or a joint beyond its limit; names the picture.
    """
    path = folder / JOINTS_FILE
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    joints = {}
    for row in rows:
        try:
            values = [float(row[name]) for name in rm75.JOINT_NAMES]
            joints[row["image"]] = rm75.check_joints(values, f"{path}, {row['image']}")
        except KeyError as error:
            raise ValueError(f"{path} lacks the column {error}") from error
        except TypeError as error:
            raise ValueError(f"{path}: the line of {row.get('image')} is cut short") from error
    return joints


def write_joints(folder: Path, joints: dict[str, NDArray[np.float64]]) -> None:
    """The file that `read_joints` reads."""
    with (folder / JOINTS_FILE).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *rm75.JOINT_NAMES])
        for name, values in joints.items():
            writer.writerow([name, *(f"{value:.7f}" for value in values)])


def _read(file: Path) -> NDArray[np.uint8]:
    bgr = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"{file} is no picture that can be read")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
