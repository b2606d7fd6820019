"""Speed of `kinevla data convert` on recordings as the recorder writes them, in GB per minute.

Each bag holds two cameras of 640 x 480 rgb8 at 30 frames per second and joint states and targets at 200 Hz,
in mcap chunks of 4 MiB with checksums, uncompressed. The bags are read once before, so that the disk does not
count.

    python benchmarks/convert_bag.py --bags 4 --seconds 10 --workers 2
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

import mcap.writer
import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from kinevla.data.convert import ConvertConfig, Texts, convert_all

STORE = get_typestore(Stores.ROS2_JAZZY)
NAMES = [*(f"joint_{n}" for n in range(1, 8)), "gripper"]
START_NS = 1_700_000_000 * 10**9
IMAGE_HZ, JOINT_HZ, SIZE = 30, 200, (480, 640)


def header(stamp_ns: int) -> object:
    """A header with this stamp."""
    stamp = STORE.types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return STORE.types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")


def pictures(rng: np.random.Generator, number: int) -> list[np.ndarray]:
    """Pictures with edges, gradients and sensor noise: JPEG has as much to do as with a real scene."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] / 100.0
    found = []
    for k in range(number):
        base = 120 + 60 * np.sin(x[..., None] + y[..., None] * 0.7 + k + np.arange(3))
        base[100 + 10 * k : 220 + 10 * k, 200:360] = rng.uniform(0, 255, 3)
        found.append((base + rng.normal(0, 4, base.shape)).clip(0, 255).astype(np.uint8))
    return found


def write_bag(path: Path, seconds: float, rng: np.random.Generator) -> None:
    """Write one recording."""
    image, joint = STORE.types["sensor_msgs/msg/Image"], STORE.types["sensor_msgs/msg/JointState"]
    scene = pictures(rng, 8)
    messages: list[tuple[int, str, object]] = []
    for k in range(int(seconds * JOINT_HZ)):
        stamp = START_NS + k * 10**9 // JOINT_HZ
        pose = np.append(np.sin(k / JOINT_HZ * np.arange(1, 8) * 0.3), float(k % 1000 > 500))
        for topic in ("/joint_states", "/kine_teleop/target"):
            none = np.zeros(0)
            messages.append(
                (
                    stamp,
                    topic,
                    joint(header=header(stamp), name=NAMES, position=pose, velocity=none, effort=none),
                )
            )
    for k in range(int(seconds * IMAGE_HZ)):
        stamp = START_NS + k * 10**9 // IMAGE_HZ
        for number, camera in enumerate(("front", "wrist")):
            pixels = scene[(k + number) % len(scene)]
            messages.append(
                (stamp, f"/{camera}/color/image_raw", image(
                    header=header(stamp), height=SIZE[0], width=SIZE[1], encoding="rgb8", is_bigendian=0,
                    step=3 * SIZE[1], data=pixels.reshape(-1)))
            )  # fmt: skip
    messages.sort(key=lambda item: item[0])
    # The folder and its metadata from rosbags, the file itself as the recorder lays it out.
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Connection] = {}
        for stamp, topic, message in messages:
            kind = message.__msgtype__  # type: ignore[attr-defined]
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], stamp, STORE.serialize_cdr(message, kind))
    file = next(path.glob("*.mcap"))
    with file.open("wb") as sink:
        laid_out = mcap.writer.Writer(sink, 4 * 2**20, mcap.writer.CompressionType.NONE)
        laid_out.start("ros2")
        channels: dict[str, int] = {}
        for stamp, topic, message in messages:
            kind = message.__msgtype__  # type: ignore[attr-defined]
            if topic not in channels:
                text, _ = STORE.generate_msgdef(kind, ros_version=2)
                schema = laid_out.register_schema(kind, "ros2msg", text.encode())
                channels[topic] = laid_out.register_channel(topic, "cdr", schema)
            laid_out.add_message(channels[topic], stamp, bytes(STORE.serialize_cdr(message, kind)), stamp)
        laid_out.finish()
    text = {"format": 1, "instruction": "pick up the bread and move it to the front"}
    (path / "episode.json").write_text(json.dumps(text))


def main() -> None:
    """Write the bags, convert them and print one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bags", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each recording")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the bags go; a temporary folder by default")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(dir=args.folder))
    try:
        rng = np.random.default_rng(0)
        for number in range(args.bags):
            write_bag(root / "bags" / f"bag_{number}", args.seconds, rng)
        files = sorted((root / "bags").rglob("*.mcap"))
        size = sum(len(file.read_bytes()) for file in files)
        begin, before = time.monotonic(), os.times()
        report = convert_all(
            (root / "bags",), root / "set", ConvertConfig(), Texts(), workers=args.workers, progress=False
        )
        time_s, after = time.monotonic() - begin, os.times()
        if report.errors:
            raise SystemExit("\n".join(report.errors))
        cpu_s = (after.user + after.system + after.children_user + after.children_system) - (
            before.user + before.system + before.children_user + before.children_system
        )
        print(
            json.dumps(
                {
                    "bags": args.bags, "gigabytes": round(size / 1e9, 2), "workers": args.workers,
                    "frames": report.frames, "time_s": round(time_s, 1), "cpu_s": round(cpu_s, 1),
                    "gb_per_minute": round(size / 1e9 / time_s * 60, 2),
                    "gb_per_cpu_minute": round(size / 1e9 / cpu_s * 60, 2),
                    "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1),
                    "machine": platform.processor() or platform.machine(),
                }
            )
        )  # fmt: skip
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
