"""LIBERO's demonstrations (HDF5) as training episodes with the relabelled instructions and texts.

State: end-effector position (m) and axis-angle (rad), gripper opening 0..1. Action: LIBERO's six deltas as
they are, gripper target 0 closed to 1 open. Images are turned by 180 degrees: LIBERO
stores them upside down.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from kinevla.bounded import MIB, printable, require_size
from kinevla.data.convert import ConvertReport
from kinevla.data.episode import Episode, encode_frames
from kinevla.data.episodes import EpisodeWriter
from kinevla.data.identity import name_seed, task_number
from kinevla.data.packing import DataError
from kinevla.manifest import to_plain
from kinevla.observation.image_bounds import ImageError
from kinevla.observation.images import MODEL_IMAGE_SIZE, ImagePipeline, network_image
from kinevla.text.corpus import TaskTexts, load_task_texts

_CAMERAS = {"front": "agentview_rgb", "wrist": "eye_in_hand_rgb"}
_FINGER_SPAN_M = 0.08
_STILL = 1e-4
MAX_ARRAY_BYTES, MAX_CHUNK_BYTES = 2048 * MIB, 256 * MIB


class LinkError(ValueError):
    """A file takes its content from another one."""


@dataclass(frozen=True)
class LiberoConfig:
    """How LIBERO files are read.

    Attributes:
        relabel: set of annotated tasks whose texts are used.
        task: number in that set; None finds it by the file's own instruction.
        rate_hz: frames per second of the recording.
        image_size: side of the stored images, pixels.
        drop_idle: leave out frames whose deltas are below 1e-4 while the gripper's command stays.
    """

    relabel: str = "libero_goal_relabeled"
    task: int | None = None
    rate_hz: float = 20.0
    image_size: int = MODEL_IMAGE_SIZE
    drop_idle: bool = True


def import_libero(files: tuple[Path, ...], out: Path, config: LiberoConfig) -> ConvertReport:
    """Import files or folders of files; what is damaged is reported and the rest goes on."""
    load_task_texts(config.relabel)
    writer = EpisodeWriter(
        out, {"source": "libero", "libero": to_plain(config)}, ImagePipeline(config.image_size)
    )
    held_before = {(entry.task, entry.seed) for entry in writer.entries}
    errors: list[str] = []
    converted = held = frames = 0
    for path in _files(files):
        try:
            for item in read_libero(path, config):
                if isinstance(item, str):
                    errors.append(item)
                elif (item.task, item.seed) in held_before:
                    held += 1
                else:
                    writer.add(item)
                    converted, frames = converted + 1, frames + len(item)
        except DataError as error:
            errors.append(str(error))
    writer.save_manifest()
    return ConvertReport(converted, held, frames, tuple(errors))


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in map(Path, paths):
        below = sorted([*path.rglob("*.hdf5"), *path.rglob("*.h5")]) if path.is_dir() else [path]
        yield from below or [path]


def read_libero(path: Path, config: LiberoConfig) -> Iterator[Episode | str]:
    """Yield the demonstrations of one file; one that is damaged comes as the text of what is wrong.

    Raises:
        DataError: the file is missing, truncated, no HDF5, of another layout, or its task has no texts.
    """
    if not path.is_file():
        raise DataError(f"{path} {'holds no hdf5 files' if path.is_dir() else 'does not exist'}")
    try:
        with h5py.File(path, "r") as file:
            group = _own(file, "data")
            if not isinstance(group, h5py.Group):
                raise DataError(f"{path} is no LIBERO file: it has no group 'data'")
            names = sorted((n for n in group if n.startswith("demo_")), key=_number)
            if not names:
                raise DataError(f"{path} holds no demonstrations")
            texts = find_texts(path, _language(path, group), config)
            for name in names:
                try:
                    yield _episode(_own(group, name), f"{path.stem}/{name}", texts, config)
                except (ValueError, KeyError, TypeError, OSError, RuntimeError, ImageError) as error:
                    yield f"{path}: {name}: {' '.join(str(error).split())}"
    except LinkError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path} is damaged or no HDF5 file: {' '.join(str(error).split())}") from error


def _number(name: str) -> tuple[int, str]:
    tail = name.removeprefix("demo_")
    return (int(tail) if tail.isdigit() else -1, name)


def _language(path: Path, group: h5py.Group) -> str:
    if "problem_info" in group.attrs:
        try:
            spoken: Any = json.loads(group.attrs["problem_info"])["language_instruction"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"{path} has unreadable problem_info: {error!r}") from error
        return " ".join((spoken if isinstance(spoken, str) else "".join(spoken)).strip('"').lower().split())
    return path.stem.removesuffix("_demo").replace("_", " ").lower()


def find_texts(path: Path, language: str, config: LiberoConfig) -> TaskTexts:
    """Return the annotated task whose goal is LIBERO's own instruction, or the one chosen by number.

    Raises:
        DataError: none fits, or several do and none was chosen.
    """
    tasks = load_task_texts(config.relabel)
    fitting = [
        task
        for task in tasks
        if (task.number == config.task if config.task is not None else task.coarse.lower() == language)
    ]
    if len(fitting) != 1:
        numbers = ", ".join(str(task.number) for task in fitting) or "none"
        raise DataError(
            f"{path}: {language!r} fits tasks of {config.relabel}: {numbers}; choose one of "
            f"1..{len(tasks)} with --task"
        )
    return fitting[0]


def _episode(demo: h5py.Group, name: str, texts: TaskTexts, config: LiberoConfig) -> Episode:
    if not isinstance(demo, h5py.Group):
        raise ValueError("it is no group")
    actions = _array(demo, "actions", 7)
    ee_states, fingers = _array(demo, "obs/ee_states", 6), _array(demo, "obs/gripper_states", 2)
    pictures = {}
    for camera, key in _CAMERAS.items():
        pictures[camera] = _dataset(demo, f"obs/{key}")
    counts = {len(item) for item in (actions, ee_states, fingers, *pictures.values())}
    if len(counts) != 1:
        raise ValueError(f"actions, states and images have different lengths: {sorted(counts)}")
    if len(actions) == 0:
        raise ValueError("there are no frames")
    if abs(actions[:, 6]).max() > 1.0:
        raise ValueError(f"a gripper command is {abs(actions[:, 6]).max():.3f}, bound 1")
    keep = moving_actions(actions) if config.drop_idle else np.arange(len(actions))
    if len(keep) == 0:
        raise ValueError("all frames are idle")
    # LIBERO commands -1 to open and +1 to close.
    target = np.concatenate([actions[:, :6], (1.0 - actions[:, 6:]) / 2.0], axis=1)[keep]
    opening = (fingers[:, :1] - fingers[:, 1:]) / _FINGER_SPAN_M
    # The files hold them upside down, which is no matter of how a camera is mounted.
    pipeline = ImagePipeline(config.image_size)
    jpeg = {
        camera: encode_frames([network_image(np.asarray(images[int(i)])[::-1, ::-1], pipeline) for i in keep])
        for camera, images in pictures.items()
    }
    return Episode(
        task=task_number(texts.instruction, texts.coarse, texts.fine),
        seed=name_seed(name),
        instruction=texts.instruction,
        coarse=texts.coarse,
        fine=texts.fine,
        period_s=1.0 / config.rate_hz,
        front_jpeg=jpeg["front"],
        wrist_jpeg=jpeg["wrist"],
        state=np.concatenate([ee_states, opening], axis=1)[keep],
        target=target,
        executed=target,
        goal_success=True,
        verdict_text="LIBERO demonstration",
    )


def moving_actions(actions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the frames to keep of (T, 7) delta actions: those that move or switch the gripper."""
    before = np.concatenate([actions[:1, 6], actions[:-1, 6]])
    moves = np.linalg.norm(actions[:, :6], axis=1) >= _STILL
    return np.flatnonzero(moves | (actions[:, 6] != before))


def _own(group: h5py.Group, key: str) -> Any:
    """What lies at a key in this very file; None when there is nothing.

    Raises:
        LinkError: it is a link, which could lead to any file of this computer.
    """
    place: Any = group
    for part in key.split("/"):
        link = place.get(part, getlink=True) if isinstance(place, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise LinkError(f"{printable(key)} is a link to elsewhere")
        place = place[part]
    return place


def _dataset(demo: h5py.Group, key: str) -> h5py.Dataset:
    """The numbers at a key, after a look at what they declare."""
    found = _own(demo, key)
    if found is None:
        raise ValueError(f"{key} is missing")
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        raise ValueError(f"{key} is no array of numbers")
    if found.dtype.kind not in "iuf":
        raise ValueError(f"{key} holds {found.dtype}: no appropriate function for conversion to numbers")
    if found.external or found.is_virtual:
        raise LinkError(f"{key} takes its values from another file")
    require_size(key, found.size * found.dtype.itemsize, MAX_ARRAY_BYTES)
    if found.chunks is not None:
        require_size(f"a chunk of {key}", math.prod(found.chunks) * found.dtype.itemsize, MAX_CHUNK_BYTES)
    return found


def _array(demo: h5py.Group, key: str, width: int) -> NDArray[np.float64]:
    found = _dataset(demo, key)
    if found.ndim != 2 or found.shape[1] != width:
        raise ValueError(f"{key} has shape {found.shape}, expected (T, {width})")
    values = np.asarray(found, dtype=np.float64)
    if not np.isfinite(values).all():
        frame, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"{key} is {values[frame, column]} at frame {frame}, column {column}")
    return values
