"""The calibration board, and finding it in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

MIN_CORNERS = 8
"""Fewer corners of a ChArUco board do not fix its pose well."""


@dataclass(frozen=True)
class View:
    """The board in one picture.

    Attributes:
        name: of the picture.
        points_m: (n, 3) corners on the board, z = 0.
        pixels: (n, 2) the same corners in the picture; the centre of the top left pixel is (0, 0).
        size: width and height of the picture.
    """

    name: str
    points_m: NDArray[np.float32]
    pixels: NDArray[np.float32]
    size: tuple[int, int]


@dataclass(frozen=True)
class Board:
    """A flat board of squares.

    Attributes:
        kind: `charuco` (may be partly hidden or out of the picture) or `chessboard` (must be seen whole).
        columns, rows: number of squares.
        square_m: side of a square. Measure it on the print: printers scale.
        marker_m: side of a ChArUco marker.
        dictionary: of the markers, as OpenCV names it.
    """

    kind: Literal["charuco", "chessboard"] = "charuco"
    columns: int = 8
    rows: int = 6
    square_m: float = 0.030
    marker_m: float = 0.022
    dictionary: str = "DICT_4X4_50"

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError naming value and bound."""
        if self.columns < 4 or self.rows < 4:
            raise ValueError(f"the board has {self.columns} x {self.rows} squares, needs at least 4 x 4")
        if not 0.002 <= self.square_m <= 0.5:
            raise ValueError(f"square_m is {self.square_m}, must be within [0.002, 0.5] m")
        if self.kind == "charuco" and not 0.3 * self.square_m <= self.marker_m < self.square_m:
            raise ValueError(
                f"marker_m is {self.marker_m}, must be from 0.3 times square_m to less than square_m "
                f"({self.square_m})"
            )
        # Otherwise it looks the same after half a turn, and its corners are counted from the wrong end.
        if self.kind == "chessboard" and self.columns % 2 == self.rows % 2:
            raise ValueError(
                f"the chessboard has {self.columns} x {self.rows} squares: one number must be even, one odd"
            )
        if self.kind == "charuco":
            self._detector  # noqa: B018 - says early that OpenCV is too old, or the dictionary unknown

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height of all squares."""
        return self.columns * self.square_m, self.rows * self.square_m

    def find(self, name: str, pixels: NDArray[np.uint8]) -> View | None:
        """The board in a (height, width, 3) RGB picture; None when it is not seen well enough."""
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        found = self._find_charuco(grey) if self.kind == "charuco" else self._find_chessboard(grey)
        if found is None:
            return None
        points, corners = found
        return View(
            name,
            np.asarray(points, np.float32).reshape(-1, 3),
            np.asarray(corners, np.float32).reshape(-1, 2),
            (pixels.shape[1], pixels.shape[0]),
        )

    def picture(self, pixels_per_square: int = 100) -> NDArray[np.uint8]:
        """The board for printing, (height, width) grey, without a margin."""
        width, height = self.columns * pixels_per_square, self.rows * pixels_per_square
        if self.kind == "charuco":
            return np.asarray(self._detector.getBoard().generateImage((width, height)), dtype=np.uint8)
        rows, columns = np.indices((height, width)) // pixels_per_square
        return np.where((rows + columns) % 2 == 0, 0, 255).astype(np.uint8)

    @cached_property
    def _detector(self) -> Any:
        if not hasattr(cv2, "aruco") or not hasattr(cv2.aruco, "CharucoDetector"):
            raise ValueError(
                f"OpenCV {cv2.__version__} has no ChArUco detector (4.7 or newer has): use a chessboard"
            )
        number = getattr(cv2.aruco, self.dictionary, None)
        if not self.dictionary.startswith("DICT_") or number is None:
            raise ValueError(
                f"dictionary is '{self.dictionary}', which OpenCV does not know (DICT_4X4_50 is one)"
            )
        size = (self.columns, self.rows)
        dictionary = cv2.aruco.getPredefinedDictionary(number)
        needed, has = self.columns * self.rows // 2, dictionary.bytesList.shape[0]
        if needed > has:
            raise ValueError(f"dictionary {self.dictionary} has {has} markers, the board needs {needed}")
        return cv2.aruco.CharucoDetector(
            cv2.aruco.CharucoBoard(size, self.square_m, self.marker_m, dictionary)
        )

    def _find_charuco(self, grey: Any) -> tuple[Any, Any] | None:
        corners, numbers, _, _ = self._detector.detectBoard(grey)
        if corners is None or len(corners) < MIN_CORNERS:
            return None
        points, pixels = self._detector.getBoard().matchImagePoints(corners, numbers)
        flat = np.asarray(points).reshape(-1, 3)[:, :2]
        # Corners on one line leave the board free to turn about it.
        return (points, pixels) if np.linalg.matrix_rank(flat - flat.mean(axis=0), tol=1e-6) == 2 else None

    def _find_chessboard(self, grey: Any) -> tuple[Any, Any] | None:
        inner = (self.columns - 1, self.rows - 1)
        found, corners = cv2.findChessboardCornersSB(grey, inner, flags=cv2.CALIB_CB_ACCURACY)
        if not found:
            return None
        columns, rows = np.meshgrid(np.arange(inner[0]), np.arange(inner[1]))
        points = np.stack([columns, rows, np.zeros_like(rows)], axis=2).reshape(-1, 3) * self.square_m
        return points, corners
