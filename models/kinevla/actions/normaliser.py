"""Scaling of actions to what a network likes, with statistics that travel beside every checkpoint.

Two modes. `min_max` maps the range seen in training to [-1, 1] and extends linearly beyond it: quantiles
would make joint angles outside the band unreachable. `quantile` maps the 1st..99th percentile to [-1, 1]
and clips, as usual for end-effector deltas (OpenVLA); rare motion beyond the percentiles is kept. Gripper
dimensions keep their own 0..1. What an encoder trembles is no range (`kinevla.ranges`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kinevla.bounded import read_json
from kinevla.manifest import json_sha256, write_json
from kinevla.ranges import floored, quantile_range

Mode = Literal["min_max", "quantile"]
# Guards the division of the quantile formula; a dead dimension is handled explicitly before.
_EPSILON = 1e-8


class StatisticsError(ValueError):
    """Action statistics are unusable, damaged or not the ones a model was trained with."""


@dataclass(frozen=True)
class ActionNormaliser:
    """Per-dimension affine map between actions (..., D) and normalised actions (..., D).

    Attributes:
        low: (D,) value mapped to -1.
        high: (D,) value mapped to +1; a dimension with low == high is dead: it normalises to 0 and comes
            back as `low`.
        keep: (D,) True where a dimension is passed through unchanged (gripper, 0..1).
        mode: "min_max" or "quantile" (which clips to [-1, 1]).
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    keep: tuple[bool, ...]
    mode: Mode = "min_max"

    def __post_init__(self) -> None:
        if not len(self.low) == len(self.high) == len(self.keep) or not self.low:
            raise StatisticsError(
                f"low, high and keep need one value per dimension, got {len(self.low)}, {len(self.high)}, "
                f"{len(self.keep)}"
            )
        if self.mode not in ("min_max", "quantile"):
            raise StatisticsError(f"mode {self.mode!r} is unknown, choose min_max or quantile")
        for index, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            if not (np.isfinite(low) and np.isfinite(high)) or low > high:
                raise StatisticsError(f"dimension {index} has bounds {low} .. {high}")

    @classmethod
    def fit(
        cls, actions: NDArray[np.floating], *, keep_dimensions: Sequence[int] = (-1,), mode: Mode = "min_max"
    ) -> ActionNormaliser:
        """Take the statistics of actions (..., D).

        Args:
            keep_dimensions: dimensions passed through (negative counts from the end); empty for none.

        Raises:
            StatisticsError: no or non-finite actions, or a dimension outside D.
        """
        dimensions = actions.shape[-1]
        flat = np.asarray(actions, dtype=np.float64).reshape(-1, dimensions)
        if len(flat) == 0:
            raise StatisticsError("statistics need at least one action")
        _check_finite(flat)
        keep = [False] * dimensions
        for index in keep_dimensions:
            if not -dimensions <= index < dimensions:
                raise StatisticsError(
                    f"kept dimension {index} lies outside an action of {dimensions} dimensions"
                )
            keep[index] = True
        low, high = floored(
            *(quantile_range(flat) if mode == "quantile" else (flat.min(axis=0), flat.max(axis=0)))
        )
        return cls(tuple(low.tolist()), tuple(high.tolist()), tuple(keep), mode)

    @property
    def dimensions(self) -> int:
        """Number of action dimensions D."""
        return len(self.low)

    @property
    def scale(self) -> NDArray[np.float64]:
        """Return (D,): action units per normalised unit; 0 for a dead dimension, 1 for a kept one."""
        half = (np.asarray(self.high) - np.asarray(self.low)) / 2.0
        return np.where(self.keep, 1.0, half)

    def normalise(self, actions: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map actions (..., D) to normalised ones.

        Raises:
            StatisticsError: wrong number of dimensions, or a value that is not finite (named).
        """
        values = self._checked(actions)
        low, high = np.asarray(self.low), np.asarray(self.high)
        live = high > low
        width = np.where(live, high - low + (_EPSILON if self.mode == "quantile" else 0.0), 1.0)
        scaled = np.where(live, 2.0 * (values - low) / width - 1.0, 0.0)
        if self.mode == "quantile":
            scaled = np.clip(scaled, -1.0, 1.0)
        return np.where(self.keep, values, scaled)

    def denormalise(self, normalised: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map normalised actions (..., D) back; a dead dimension becomes its constant.

        Raises:
            StatisticsError: wrong number of dimensions or a value that is not finite.
        """
        values = self._checked(normalised)
        low, high = np.asarray(self.low), np.asarray(self.high)
        width = high - low
        if self.mode == "quantile":
            values = np.where(self.keep, values, np.clip(values, -1.0, 1.0))
            width = np.where(width > 0.0, width + _EPSILON, 0.0)
        return np.where(self.keep, values, low + (values + 1.0) / 2.0 * width)

    def _checked(self, actions: NDArray[np.floating]) -> NDArray[np.float64]:
        values = np.asarray(actions, dtype=np.float64)
        if values.ndim == 0 or values.shape[-1] != self.dimensions:
            raise StatisticsError(
                f"actions of shape {values.shape} do not fit statistics of {self.dimensions} dimensions"
            )
        _check_finite(values)
        return values

    def to_json(self) -> dict[str, Any]:
        """Return the statistics as plain JSON values."""
        return {"mode": self.mode, "low": list(self.low), "high": list(self.high), "keep": list(self.keep)}

    @property
    def sha256(self) -> str:
        """Hash of the statistics: what a runtime compares with the ones a model was trained with."""
        return json_sha256(self.to_json())

    def require(self, expected_sha256: str, source: str) -> None:
        """Refuse to work with other statistics than a model was trained with.

        Raises:
            StatisticsError: the hashes differ.
        """
        if self.sha256 != expected_sha256:
            raise StatisticsError(
                f"action statistics {self.sha256[:12]}... are not those of {source} "
                f"({expected_sha256[:12]}...): "
                "every decoded motion would be wrong"
            )

    def save(self, path: Path) -> None:
        """Write the statistics and their hash as JSON."""
        write_json(path, self.to_json() | {"sha256": self.sha256})

    @classmethod
    def load(cls, path: Path) -> ActionNormaliser:
        """Read statistics written by `save`.

        Raises:
            StatisticsError: missing or damaged file, or values that do not match the hash inside.
        """
        try:
            content = read_json(Path(path))
            normaliser = cls(
                tuple(float(value) for value in content["low"]),
                tuple(float(value) for value in content["high"]),
                tuple(bool(value) for value in content["keep"]),
                content["mode"],
            )
            expected = str(content["sha256"])
        except StatisticsError as error:
            raise StatisticsError(f"{path}: {error}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StatisticsError(f"{path} holds no action statistics: {error!r}") from error
        normaliser.require(expected, str(path))
        return normaliser


def _check_finite(values: NDArray[np.float64]) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        where = tuple(np.argwhere(~finite)[0])
        raise StatisticsError(f"action value {values[where]} in dimension {where[-1]} is not finite")
