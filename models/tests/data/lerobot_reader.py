"""Reads back what `kinevla data export lerobot` wrote, to compare it with what went in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.compute
import pyarrow.parquet as pq

from kinevla.data.images import decode_jpeg

CAMERAS = ("front", "wrist")


@dataclass(frozen=True)
class LeRobotEpisode:
    """Images (T, H, W, 3) per camera, state and action (T, D), and the three texts."""

    images: dict[str, np.ndarray]
    state: np.ndarray
    action: np.ndarray
    instruction: str
    coarse: str
    fine: str


def read_video(path: Path) -> np.ndarray:
    """All frames of a film, (T, H, W, 3) uint8 RGB."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def read_lerobot(directory: Path) -> list[LeRobotEpisode]:
    """All episodes, found by the paths and offsets of the data set's own description."""
    info = json.loads((directory / "meta/info.json").read_text())
    rows = pq.read_table(directory / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    found = [_read_episode(directory, info, row) for row in rows]
    assert len(found) == info["total_episodes"]
    assert sum(len(episode.state) for episode in found) == info["total_frames"]
    return found


def _read_episode(directory: Path, info: dict[str, Any], row: dict[str, Any]) -> LeRobotEpisode:
    place = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
    table = pq.read_table(directory / info["data_path"].format(**place))
    table = table.filter(pyarrow.compute.equal(table["episode_index"], row["episode_index"]))
    assert len(table) == row["length"]
    images = {}
    for camera in CAMERAS:
        key = f"observation.images.{camera}"
        if info["features"][key]["dtype"] == "image":
            images[camera] = np.stack([decode_jpeg(item["bytes"]) for item in table[key].to_pylist()])
            continue
        film = {name: row[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
        first = round(row[f"videos/{key}/from_timestamp"] * info["fps"])
        frames = read_video(directory / info["video_path"].format(video_key=key, **film))
        images[camera] = frames[first : first + row["length"]]
    return LeRobotEpisode(
        images=images,
        state=np.array(table["observation.state"].to_pylist(), dtype=np.float32),
        action=np.array(table["action"].to_pylist(), dtype=np.float32),
        instruction=row["tasks"][0],
        coarse=table["goal_reasoning"][0].as_py(),
        fine=table["kinematics_reasoning"][0].as_py(),
    )
