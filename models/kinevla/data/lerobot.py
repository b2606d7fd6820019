"""Export to the LeRobotDataset format, version 3.0.

One parquet file and one film per camera for each episode. Beside LeRobot's own columns every frame carries
`goal_reasoning` and `kinematics_reasoning`; the instruction is LeRobot's task.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from kinevla.data.episode import CAMERAS, Episode
from kinevla.data.episodes import EpisodeReader
from kinevla.data.images import decode_jpeg
from kinevla.data.packing import DataError
from kinevla.data.video import check_film_size, write_video
from kinevla.data.whole_folder import whole_folder
from kinevla.manifest import write_json
from kinevla.observation.images import Image

CODEBASE_VERSION = "v3.0"
ImageStore = Literal["video", "lossless", "png"]
_CHUNK = 1000
_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
_DATA, _VIDEO = f"data/{_FILE}.parquet", f"videos/{{video_key}}/{_FILE}.mp4"
_EPISODES, _TASKS = "meta/episodes/chunk-000/file-000.parquet", "meta/tasks.parquet"
_KEYS = {camera: f"observation.images.{camera}" for camera in CAMERAS}
_COUNTERS = ("frame_index", "episode_index", "index", "task_index")
_JOINTS = [*(f"joint_{number}" for number in range(1, 8)), "gripper"]


def export_lerobot(
    reader: EpisodeReader, out: Path, *, store: ImageStore = "video", robot: str = "realman_rm75",
    progress: bool = False,
) -> int:  # fmt: skip
    """Write a data set as a LeRobotDataset; returns the number of frames. One episode is in memory at a time.

    Args:
        reader: episodes of one rate and one number of dimensions.
        out: a directory that does not exist yet, or is empty; without an end it is left as it was.
        store: films with H.264, films that keep every pixel, or png images inside the parquet files.

    Raises:
        DataError: no episodes, a directory in use, episodes that differ in rate or dimensions, or images
            with a side of an odd number of pixels for films.
    """
    if len(reader) == 0:
        raise DataError(f"{reader.directory} holds no episodes")
    first = reader.read(0)
    fps, shape = round(1.0 / first.period_s), decode_jpeg(first.front_jpeg[0]).shape
    if abs(fps * first.period_s - 1.0) > 1e-6:
        raise DataError(f"a period of {first.period_s} s is no whole number of frames per second")
    if store != "png":
        try:
            check_film_size(shape[0], shape[1], lossless=store == "lossless")
        except ValueError as error:
            raise DataError(f"{error}: export with store lossless or png") from error
    with whole_folder(Path(out)) as folder:
        return _write(reader, folder, store, robot, first, shape, fps, progress)


def _write(
    reader: EpisodeReader, out: Path, store: ImageStore, robot: str, first: Episode, shape: tuple[int, ...],
    fps: int, progress: bool,
) -> int:  # fmt: skip
    features = _features(first.target.shape[1], shape, fps, store)
    tasks: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    gathered: dict[str, list[dict[str, NDArray[np.float64]]]] = {}
    start = 0
    for number in tqdm(range(len(reader)), disable=not progress, unit="episode"):
        episode = reader.read(number)
        if (episode.period_s, episode.target.shape[1]) != (first.period_s, first.target.shape[1]):
            raise DataError(f"episode {episode.name} differs from {first.name} in rate or dimensions")
        place = {"chunk_index": number // _CHUNK, "file_index": number % _CHUNK}
        task = tasks.setdefault(episode.instruction, len(tasks))
        columns = _columns(episode, number, start, task)
        images = {camera: episode.images(camera) for camera in CAMERAS}
        path = _parent(out / _DATA.format(**place))
        pq.write_table(_table(columns, images if store == "png" else {}, features), path)
        row: dict[str, Any] = {
            "episode_index": number, "tasks": [episode.instruction], "length": len(episode),
            "data/chunk_index": place["chunk_index"], "data/file_index": place["file_index"],
            "dataset_from_index": start, "dataset_to_index": start + len(episode),
            "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0,
        }  # fmt: skip
        for camera, key in _KEYS.items():
            if store == "png":
                continue
            film = _parent(out / _VIDEO.format(video_key=key, **place))
            write_video(film, images[camera], fps, lossless=store == "lossless")
            row |= {f"videos/{key}/{name}": value for name, value in place.items()}
            row |= {f"videos/{key}/from_timestamp": 0.0, f"videos/{key}/to_timestamp": len(episode) / fps}
        own = _episode_stats(columns, images)
        for name, item in own.items():
            gathered.setdefault(name, []).append(item)
            row |= {f"stats/{name}/{figure}": values.tolist() for figure, values in item.items()}
        rows.append(row)
        start += len(episode)
    pq.write_table(pa.Table.from_pylist(rows), _parent(out / _EPISODES))
    pq.write_table(_task_table(tasks), out / _TASKS)
    write_json(out / "meta/stats.json", {name: _merge(items) for name, items in gathered.items()})
    info = {
        "codebase_version": CODEBASE_VERSION, "robot_type": robot, "total_episodes": len(reader),
        "total_frames": start, "total_tasks": len(tasks), "chunks_size": _CHUNK,
        "data_files_size_in_mb": 100, "video_files_size_in_mb": 200, "fps": fps,
        "splits": {"train": f"0:{len(reader)}"}, "data_path": _DATA,
        "video_path": None if store == "png" else _VIDEO, "features": features,
    }  # fmt: skip
    write_json(out / "meta/info.json", info)
    return start


def _features(dimensions: int, shape: tuple[int, ...], fps: int, store: ImageStore) -> dict[str, Any]:
    names = _JOINTS if dimensions == len(_JOINTS) else [f"action_{d}" for d in range(dimensions)]
    picture: dict[str, Any] = {
        "dtype": "image" if store == "png" else "video",
        "shape": list(shape),
        "names": ["height", "width", "channels"],
    }
    if store != "png":
        picture["info"] = {
            "video.height": shape[0], "video.width": shape[1], "video.channels": shape[2],
            "video.codec": "h264", "video.pix_fmt": "gbrp" if store == "lossless" else "yuv420p",
            "video.fps": fps, "video.is_depth_map": False, "has_audio": False,
        }  # fmt: skip
    single = {"shape": [1], "names": None}
    return {
        **dict.fromkeys(_KEYS.values(), picture),
        "observation.state": {"dtype": "float32", "shape": [dimensions], "names": names},
        "action": {"dtype": "float32", "shape": [dimensions], "names": names},
        "goal_reasoning": {"dtype": "string", **single},
        "kinematics_reasoning": {"dtype": "string", **single},
        "timestamp": {"dtype": "float32", **single},
        **{name: {"dtype": "int64", **single} for name in _COUNTERS},
    }


def _columns(episode: Episode, number: int, start: int, task: int) -> dict[str, Any]:
    count = len(episode)
    return {
        "observation.state": episode.state.astype(np.float32),
        "action": episode.target.astype(np.float32),
        "goal_reasoning": [episode.coarse] * count,
        "kinematics_reasoning": [episode.fine] * count,
        "timestamp": (np.arange(count) * episode.period_s).astype(np.float32),
        "frame_index": np.arange(count),
        "episode_index": np.full(count, number),
        "index": np.arange(start, start + count),
        "task_index": np.full(count, task),
    }


def _table(columns: dict[str, Any], images: dict[str, Image], features: dict[str, Any]) -> pa.Table:
    arrays: dict[str, Any] = {}
    for camera, frames in images.items():
        stored = [{"bytes": _png(frame), "path": None} for frame in frames]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        arrays[_KEYS[camera]] = pa.array(stored, kind)
    for name, values in columns.items():
        if isinstance(values, np.ndarray) and values.ndim == 2:
            flat = pa.array(values.ravel())
            arrays[name] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        else:
            arrays[name] = pa.array(values)
    return pa.table({name: arrays[name] for name in features if name in arrays})


def _png(frame: Image) -> bytes:
    ok, content = cv2.imencode(".png", frame[:, :, ::-1])
    if not ok:
        raise DataError(f"an image of {frame.shape} cannot be stored as png")
    return content.tobytes()


def _task_table(tasks: dict[str, int]) -> pa.Table:
    # LeRobot finds a task's number by the row label, which pandas keeps in this description.
    label = "__index_level_0__"
    text = {"pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    number = {"pandas_type": "int64", "numpy_type": "int64", "metadata": None}
    described = {
        "index_columns": [label],
        "column_indexes": [{"name": None, "field_name": None, **text, "metadata": {"encoding": "UTF-8"}}],
        "columns": [
            {"name": "task_index", "field_name": "task_index", **number},
            {"name": None, "field_name": label, **text},
        ],
        "pandas_version": "2.2.0",
    }
    table = pa.table(
        {"task_index": pa.array(tasks.values(), pa.int64()), label: pa.array(tasks, pa.string())}
    )
    return table.replace_schema_metadata({"pandas": json.dumps(described)})


def _episode_stats(
    columns: dict[str, Any], images: dict[str, Image]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return LeRobot's figures; images as values 0..1 per channel, shaped (3, 1, 1)."""
    found = {}
    for name, values in columns.items():
        if isinstance(values, np.ndarray):
            found[name] = _figures(values.reshape(len(values), -1).astype(np.float64), len(values))
    for camera, frames in images.items():
        pixels = frames[:, ::2, ::2].reshape(-1, 3) / 255.0
        item = _figures(pixels, len(frames))
        found[_KEYS[camera]] = {k: v if k == "count" else v.reshape(3, 1, 1) for k, v in item.items()}
    return found


def _figures(values: NDArray[np.float64], count: int) -> dict[str, NDArray[np.float64]]:
    low, high = np.quantile(values, (0.01, 0.99), axis=0)
    return {
        "min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0),
        "count": np.array([count]), "q01": low, "q99": high,
    }  # fmt: skip


def _merge(items: list[dict[str, NDArray[np.float64]]]) -> dict[str, Any]:
    """Join the figures of episodes; quantiles as count-weighted means, which is an estimate."""
    weight = np.array([item["count"][0] for item in items], dtype=np.float64)
    share = weight / weight.sum()

    def mean(name: str, power: int = 1) -> NDArray[np.float64]:
        return np.asarray(sum(s * item[name] ** power for s, item in zip(share, items, strict=True)))

    middle = mean("mean")
    spread = mean("std", 2) + sum(
        s * (item["mean"] - middle) ** 2 for s, item in zip(share, items, strict=True)
    )
    return {
        "min": np.min([item["min"] for item in items], axis=0),
        "max": np.max([item["max"] for item in items], axis=0),
        "mean": middle, "std": np.sqrt(spread), "count": [int(weight.sum())],
        "q01": mean("q01"), "q99": mean("q99"),
    }  # fmt: skip


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
