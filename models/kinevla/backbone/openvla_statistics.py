"""Statistics of the data a public OpenVLA checkpoint was trained on, as this project's normalisers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinevla.actions.normaliser import ActionNormaliser, StatisticsError
from kinevla.backbone.openvla_format import CONFIG_NAME, PublicConfig, PublicWeightsError, read_json

STATISTICS_NAME = "dataset_statistics.json"


@dataclass(frozen=True)
class DatasetStatistics:
    """Statistics of one data set of a checkpoint.

    Attributes:
        actions: q01..q99 to -1..1 with clipping; dimensions outside the mask (gripper) pass unchanged.
        state_low: (D,) first percentile of the joint state, () when not recorded.
        state_high: (D,) 99th percentile.
        transitions: recorded steps, 0 when not told.
        trajectories: recorded episodes, 0 when not told.
    """

    actions: ActionNormaliser
    state_low: tuple[float, ...] = ()
    state_high: tuple[float, ...] = ()
    transitions: int = 0
    trajectories: int = 0


def read_statistics(directory: Path, config: PublicConfig) -> dict[str, DatasetStatistics]:
    """Return the statistics per data set.

    `dataset_statistics.json` wins over `norm_stats` in `config.json`: fine-tuning writes the former and
    leaves the base model's in the latter.

    Raises:
        PublicWeightsError: entries that are no statistics (all of them listed).
    """
    if (directory / STATISTICS_NAME).is_file():
        source, content = STATISTICS_NAME, read_json(directory, STATISTICS_NAME)
    else:
        source, content = CONFIG_NAME, config.norm_stats
    result: dict[str, DatasetStatistics] = {}
    problems = []
    for name, entry in content.items():
        try:
            result[name] = _dataset(entry)
        except (StatisticsError, KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(f"{name} ({error})")
    if problems:
        raise PublicWeightsError(
            f"{directory / source}: {len(problems)} of {len(content)} data sets have unusable statistics: "
            + "; ".join(problems[:5])
        )
    return result


def _dataset(entry: dict[str, Any]) -> DatasetStatistics:
    action = entry["action"]
    low, high = np.asarray(action["q01"], dtype=float), np.asarray(action["q99"], dtype=float)
    mask = np.asarray(action.get("mask", np.ones(low.shape)), dtype=bool)
    state = entry.get("proprio") or {}
    return DatasetStatistics(
        actions=ActionNormaliser(
            low=tuple(low.tolist()),
            high=tuple(high.tolist()),
            keep=tuple((~mask).tolist()),
            mode="quantile",
        ),
        state_low=tuple(float(value) for value in state.get("q01", ())),
        state_high=tuple(float(value) for value in state.get("q99", ())),
        transitions=int(entry.get("num_transitions", 0)),
        trajectories=int(entry.get("num_trajectories", 0)),
    )
