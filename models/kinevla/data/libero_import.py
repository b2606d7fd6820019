"""LIBERO's demonstrations (HDF5) as training episodes with the relabelled instructions and texts.

State: end-effector position (m) and axis-angle (rad), gripper opening 0..1. Action: LIBERO's six deltas as
they are, gripper target 0 closed to 1 open. Images are turned by 180 degrees: LIBERO stores them upside down.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from kinevla.bounded import MIB, printable, require_size
from kinevla.data.convert import ConvertReport
from kinevla.data.episode import Episode, encode_frames
from kinevla.data.episodes import EpisodeWriter
from kinevla.data.identity import SourceRegister, fingerprint, task_number
from kinevla.data.images import stored_image
from kinevla.data.libero_texts import find_texts, language
from kinevla.data.packing import DataError
from kinevla.data.recorded_units import Meaning, check_commands, command_opening
from kinevla.observation.image_bounds import ImageError
from kinevla.observation.images import MODEL_IMAGE_SIZE, ImagePipeline
from kinevla.plain import to_plain
from kinevla.text.corpus import TaskTexts, load_task_texts

_CAMERAS = {"front": "agentview_rgb", "wrist": "eye_in_hand_rgb"}
_FINGER_SPAN_M = 0.08
_STILL = 1e-4
_MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_ARRAY_BYTES, MAX_CHUNK_BYTES = 2048 * MIB, 256 * MIB


class LinkError(ValueError):
    """A file takes its content from another one."""


@dataclass(frozen=True)
class LiberoConfig:
    """How LIBERO files are read; options of `kinevla data import libero`."""

    # Set of annotated tasks whose texts are used
    relabel: Literal["libero_goal_relabeled", "kine_libero"] = "libero_goal_relabeled"
    # Number in that set, which must fit the file's own instruction; None finds it by that
    task: int | None = None
    rate_hz: float = 20.0  # Frames per second of the recording
    image_size: int = MODEL_IMAGE_SIZE  # Side of the stored images, pixels
    drop_idle: bool = True  # Leave out frames in which nothing moves
    # What gripper commands mean: LIBERO's -1 open to 1 closed, or 0..1 with 1 open, or with 1 closed
    gripper: Meaning = "auto"


def import_libero(files: tuple[Path, ...], out: Path, config: LiberoConfig) -> ConvertReport:
    """Import files or folders of files; what is damaged is reported and the rest goes on."""
    load_task_texts(config.relabel)
    writer = EpisodeWriter(
        out, {"source": "libero", "libero": to_plain(config)}, ImagePipeline(config.image_size)
    )
    register = SourceRegister(writer.entries)
    errors: list[str] = []
    converted = held = frames = 0
    for path in _files(files):
        try:
            own = fingerprint(path)
            for item in read_libero(path, config):
                if isinstance(item, str):
                    errors.append(item)
                    continue
                name, episode = item
                source = hashlib.sha256(f"{own}/{name}".encode()).hexdigest()
                seed = register.seed_of(f"{path.stem}/{name}", source)
                if seed is None:
                    held += 1
                else:
                    writer.add(replace(episode, seed=seed), source)
                    converted, frames = converted + 1, frames + len(episode)
        except (DataError, OSError) as error:
            errors.append(str(error))
    writer.save_manifest()
    return ConvertReport(converted, held, frames, tuple(errors))


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in map(Path, paths):
        below = sorted(item for item in path.rglob("*") if _is_hdf5(item)) if path.is_dir() else [path]
        yield from below or [path]


def _is_hdf5(path: Path) -> bool:
    """Known by its first bytes; an overwritten one by its name, so that it is reported and not overlooked."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC or path.suffix.lower() in (".hdf5", ".h5")
    except OSError:
        return path.suffix.lower() in (".hdf5", ".h5")


def read_libero(path: Path, config: LiberoConfig) -> Iterator[tuple[str, Episode] | str]:
    """Yield name and episode of each demonstration; one that is damaged comes as the text of what is wrong.

    The episodes have no seed of their own: a name can occur in two files.

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
            texts = find_texts(path, *language(path, group), config.relabel, config.task)
            if config.gripper == "auto":
                check_commands(path, _commands(group, names))
            for name in names:
                try:
                    yield name, _episode(_own(group, name), texts, config)
                except (ValueError, KeyError, TypeError, OSError, RuntimeError, ImageError) as error:
                    yield f"{path}: {name}: {' '.join(str(error).split())}"
    except LinkError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path} is damaged or no HDF5 file: {' '.join(str(error).split())}") from error


def _number(name: str) -> tuple[int, str]:
    tail = name.removeprefix("demo_")
    return (int(tail) if tail.isdigit() else -1, name)


def _commands(group: h5py.Group, names: list[str]) -> NDArray[np.float64]:
    """Return the gripper commands of all demonstrations that can be read."""
    found = [np.zeros(0)]
    for name in names:
        with suppress(ValueError, KeyError, TypeError, OSError, RuntimeError):
            found.append(_array(_own(group, name), "actions", 7)[:, 6])
    return np.concatenate(found)


def _episode(demo: h5py.Group, texts: TaskTexts, config: LiberoConfig) -> Episode:
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
    keep = moving_actions(actions) if config.drop_idle else np.arange(len(actions))
    if len(keep) == 0:
        raise ValueError("all frames are idle")
    target = np.concatenate([actions[:, :6], command_opening(actions[:, 6:], config.gripper)], axis=1)[keep]
    opening = (fingers[:, :1] - fingers[:, 1:]) / _FINGER_SPAN_M
    # The files hold them upside down, which is no matter of how a camera is mounted.
    pipeline = ImagePipeline(config.image_size)
    jpeg = {
        camera: encode_frames([stored_image(np.asarray(images[int(i)])[::-1, ::-1], pipeline) for i in keep])
        for camera, images in pictures.items()
    }
    return Episode(
        task=task_number(texts.instruction, texts.coarse, texts.fine),
        seed=0,
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
