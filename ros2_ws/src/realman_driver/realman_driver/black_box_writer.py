"""Writes one recording of the black box as a bag: `black_box_writer FOLDER MAX_BAGS MIN_FREE_MB`.

The recording comes pickled on standard input, from the driver that started this process. The path of the bag
is printed; without room on the disk nothing is left behind, and the reason is the last line of the errors.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from .arm_model import AXIS_NAMES, JOINT_NAMES
from .black_box import Recording, read_recording

TARGETS, STATES = "/realman_driver/target", "/joint_states"
CHUNKS, REMARKS = "/realman_driver/joint_trajectory", "/realman_driver/log"
PREFIX = "stop_"
UNFINISHED = "unfinished"
_LEVELS = {"info": 20, "warning": 30, "error": 40}


def make_room(folder: Path, max_bags: int, min_free_mb: float) -> None:
    """Delete the oldest bags of `write` until one more fits.

    Raises:
        OSError: there is less than `min_free_mb` on the disk, even without any bag.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bags = sorted(path for path in folder.iterdir() if _is_bag(path))
    while bags and (len(bags) >= max_bags or _free_mb(folder) < min_free_mb):
        shutil.rmtree(bags.pop(0), ignore_errors=True)
    free_mb = _free_mb(folder)
    if free_mb < min_free_mb:
        raise OSError(f"{free_mb:.0f} MB are free in {folder}, at least {min_free_mb:.0f} MB must stay free")


def _is_bag(path: Path) -> bool:
    """Whether `write` made it: the folder is the user's choice, and holds what it may."""
    named = re.fullmatch(PREFIX + r"\d{8}-\d{6}-\d+", path.name)
    return bool(named) and not path.is_symlink() and (path / "metadata.yaml").is_file()


def write(recording: Recording, folder: Path) -> Path:
    """Write the bag and return its folder; a half-written one is removed.

    Raises:
        OSError: the disk failed.
    """
    final = folder / f"{PREFIX}{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    # The files of a bag are named after their folder: one that begins with a dot would hide them for good.
    partial = folder / UNFINISHED / final.name
    try:
        partial.parent.mkdir(exist_ok=True)
        with Writer(partial, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            _fill(writer, recording)
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        with suppress(OSError):  # another process is writing there
            partial.parent.rmdir()
    return final


def _fill(writer: Writer, recording: Recording) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    kinds = {
        TARGETS: "sensor_msgs/msg/JointState",
        STATES: "sensor_msgs/msg/JointState",
        CHUNKS: "trajectory_msgs/msg/JointTrajectory",
        REMARKS: "rcl_interfaces/msg/Log",
    }
    connections = {
        topic: writer.add_connection(topic, kind, typestore=store) for topic, kind in kinds.items()
    }
    maker = _Maker(store, recording.ros_offset_s)
    for topic in {topic for _, topic, _ in recording.messages}:
        store.register(get_types_from_msg(topic.definition, topic.kind))
        connections[topic.name] = writer.add_connection(topic.name, topic.kind, typestore=store)
    rows: list[tuple[float, str, Any]] = [(t, TARGETS, maker.joints(t, q, ())) for t, q in recording.targets]
    rows += [(t, STATES, maker.joints(t, q, current)) for t, q, current in recording.states]
    for time_s, chunk, refusal in recording.chunks:
        rows.append((time_s, CHUNKS, maker.chunk(chunk)))
        text = f"refused: {refusal}" if refusal else f"accepted: chunk of {len(chunk.points)} points"
        rows.append((time_s, REMARKS, maker.log(time_s, "warning" if refusal else "info", text)))
    rows += [(t, REMARKS, maker.log(t, level, text)) for t, level, text in recording.remarks]
    rows.append((time.monotonic(), REMARKS, maker.log(time.monotonic(), "error", recording.reason)))
    rows += [(t, topic.name, data) for t, topic, data in recording.messages]
    for time_s, name, message in sorted(rows, key=lambda row: row[0]):
        data = message if isinstance(message, bytes) else store.serialize_cdr(message, kinds[name])
        writer.write(connections[name], maker.ns(time_s), data)


class _Maker:
    """Makes messages of monotonic times."""

    def __init__(self, store: Any, ros_offset_s: float) -> None:
        self._types, self._offset_s = store.types, ros_offset_s

    def ns(self, time_s: float) -> int:
        """ROS time in ns."""
        return round((time_s + self._offset_s) * 1e9)

    def _stamp(self, ns: int) -> Any:
        return self._types["builtin_interfaces/msg/Time"](sec=ns // 10**9, nanosec=ns % 10**9)

    def _header(self, ns: int, frame_id: str = "") -> Any:
        return self._types["std_msgs/msg/Header"](stamp=self._stamp(ns), frame_id=frame_id)

    def joints(self, time_s: float, position_rad: tuple[float, ...], effort: tuple[float, ...]) -> Any:
        """Seven joints, with the currents (A) as effort."""
        return self._types["sensor_msgs/msg/JointState"](
            header=self._header(self.ns(time_s)),
            name=list(JOINT_NAMES),
            position=np.array(position_rad, dtype=np.float64),
            velocity=np.zeros(0),
            effort=np.array(effort, dtype=np.float64),
        )

    def chunk(self, chunk: Any) -> Any:
        """A chunk as it came; names and lengths may be wrong, that may be why it was refused."""
        points = [
            self._types["trajectory_msgs/msg/JointTrajectoryPoint"](
                positions=np.array(point.positions, dtype=np.float64),
                velocities=np.zeros(0),
                accelerations=np.zeros(0),
                effort=np.zeros(0),
                time_from_start=self._types["builtin_interfaces/msg/Duration"](
                    sec=int(point.time_s // 1), nanosec=int(point.time_s % 1 * 1e9)
                ),
            )
            for point in chunk.points[: 10 * len(AXIS_NAMES)]
        ]
        return self._types["trajectory_msgs/msg/JointTrajectory"](
            header=self._header(max(0, round(chunk.stamp_s * 1e9)), chunk.frame_id),
            joint_names=list(chunk.joint_names),
            points=points,
        )

    def log(self, time_s: float, level: str, text: str) -> Any:
        """A sentence of the log."""
        return self._types["rcl_interfaces/msg/Log"](
            stamp=self._stamp(self.ns(time_s)),
            level=_LEVELS.get(level, 20),
            name="realman_driver",
            msg=text,
            file="",
            function="",
            line=0,
        )


def _free_mb(folder: Path) -> float:
    return shutil.disk_usage(folder).free / 1e6


def main(arguments: list[str]) -> int:
    """Write the recording on standard input; 0, or 1 with the reason as the last line of standard error."""
    folder, max_bags, min_free_mb = Path(arguments[0]).expanduser(), int(arguments[1]), float(arguments[2])
    recording = read_recording(sys.stdin.buffer)
    try:
        make_room(folder, max_bags, min_free_mb)
        print(write(recording, folder))
    except OSError as error:
        print(f"{error.strerror or error}: {folder}" if error.strerror else str(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
