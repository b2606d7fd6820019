"""Recordings in place of a camera."""

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from camera_rig import Running, wait_for
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

from kine_cameras import recorded_frames
from kine_cameras.recorded import RecordedSettings, RecordedSource
from kine_cameras.worker import CameraState

SHADES = (40, 90, 140, 190)


def picture(shade: int) -> np.ndarray:
    """RGB: red differs from frame to frame, blue is constant."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = shade, 250
    return pixels


@pytest.fixture
def folder(tmp_path):
    for index, shade in enumerate(SHADES):
        cv2.imwrite(str(tmp_path / f"{index:03}.png"), picture(shade)[..., ::-1])
    return RecordedSettings(str(tmp_path), rate_hz=50.0, loop=False)


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "front.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    for shade in SHADES:
        writer.write(picture(shade)[..., ::-1])
    writer.release()
    return RecordedSettings(str(path), loop=False)


@pytest.fixture
def bag(tmp_path):
    types = get_typestore(Stores.ROS2_JAZZY)
    image, header, time_type = (
        types.types[f"{name}"]
        for name in ("sensor_msgs/msg/Image", "std_msgs/msg/Header", "builtin_interfaces/msg/Time")
    )
    path = tmp_path / "bag"
    with Writer(path, version=9) as writer:
        topics = [
            writer.add_connection(topic, "sensor_msgs/msg/Image", typestore=types)
            for topic in ("/front/color/image_raw", "/wrist/color/image_raw")
        ]
        for index, shade in enumerate(SHADES):
            for connection, turned in zip(topics, (1, -1), strict=True):
                stamp = time_type(sec=1_600_000_000, nanosec=index * 40_000_000)
                pixels = np.ascontiguousarray(picture(shade)[..., ::turned])
                message = image(header(stamp=stamp, frame_id="c"), 48, 64, "rgb8", 0, 192, pixels.reshape(-1))
                raw = types.serialize_cdr(message, "sensor_msgs/msg/Image")
                writer.write(connection, 1_600_000_000 * 10**9 + index * 40_000_000, raw)
    return RecordedSettings(str(path), topic="/front/color/image_raw", loop=False)


@pytest.mark.parametrize("kind", ["folder", "video", "bag"])
def test_a_recording_plays_all_frames_in_order_and_ends(kind, request):
    settings = request.getfixturevalue(kind)
    begun_ns = time.time_ns()
    with Running(RecordedSource(settings)) as running:
        wait_for(lambda: running.worker.report().state is CameraState.ENDED)
        assert "ended after 4 frames" in running.said[-1]
    reds = [float(frame.pixels[..., 0].mean()) for frame in running.frames]
    assert reds == pytest.approx(SHADES, abs=4)
    assert running.frames[0].pixels[..., 2].mean() > 240
    stamps = [frame.stamp_ns for frame in running.frames]
    assert stamps == sorted(stamps)
    assert stamps[-1] - begun_ns >= 60_000_000, "at the pace of the recording, not faster"


def test_a_recording_begins_again_when_asked_to(folder):
    with Running(RecordedSource(replace(folder, loop=True))) as running:
        running.wait_frames(9)
    reds = [int(frame.pixels[0, 0, 0]) for frame in running.frames[:8]]
    assert reds == [*SHADES, *SHADES]


def test_a_fault_inside_a_source_is_told_and_the_camera_is_opened_again(folder):
    class Faulty(RecordedSource):
        faults = 1

        def read(self, timeout_s):
            if self.faults:
                self.faults -= 1
                raise KeyError("a fault of a library")
            return super().read(timeout_s)

    with Running(Faulty(replace(folder, loop=True))) as running:
        running.wait_frames(2)
        assert running.worker.report().opened == 2
    assert any("failed unexpectedly: KeyError('a fault of a library')" in line for line in running.said)


def test_a_bag_without_the_topic_names_its_images(bag):
    with pytest.raises(
        RuntimeError, match=r"must be one of .*/front/color/image_raw, /wrist/color/image_raw"
    ):
        RecordedSource(replace(bag, topic="/depth")).open()


@pytest.mark.parametrize(("path", "text"), [("nothing", "does not exist"), ("", "neither images")])
def test_what_is_no_recording_is_refused(tmp_path, path, text):
    with pytest.raises(RuntimeError, match=text):
        RecordedSource(RecordedSettings(str(tmp_path / path))).open()


def stored_bag(path, plugin="mcap", *, encoding="rgb8", bad=(), stamps=None, definition="float64 x\n"):
    """A bag with a camera beside a topic that nobody needs."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    storage = StoragePlugin.MCAP if plugin == "mcap" else StoragePlugin.SQLITE3
    with Writer(path, version=9, storage_plugin=storage) as writer:
        writer.add_connection(
            "/state", "vendor_msgs/msg/State", msgdef=definition, rihs01="RIHS01_" + "0" * 64
        )
        kind = "sensor_msgs/msg/Image"
        topic = writer.add_connection("/a/image_raw", kind, typestore=store)
        for number in range(4):
            stamp = (stamps or [10**18 + k * 10**7 for k in range(4)])[number]
            time = types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
            header = types["std_msgs/msg/Header"](stamp=time, frame_id="")
            data = np.tile(np.array([200, 100, 50], np.uint8), 32 * 24)
            message = types[kind](header=header, height=24, width=32, encoding=encoding, is_bigendian=0,
                                  step=96, data=data[: 10 if number in bad else None])  # fmt: skip
            writer.write(topic, 10**18 + number, store.serialize_cdr(message, kind))
    return path


@pytest.mark.parametrize("plugin", ["mcap", "sqlite3"])
@pytest.mark.parametrize("definition", ["", "custom_msgs/Thing thing\n", "wstring name\n"])
def test_a_bag_is_played_whatever_else_is_in_it(tmp_path, plugin, definition):
    path = stored_bag(tmp_path / "bag", plugin, bad=(1,), definition=definition)
    found = list(recorded_frames.frames(path))
    assert len(found) == 3 and (found[0][1][0, 0] == (200, 100, 50)).all()


def test_a_clock_that_was_set_while_recording_makes_nobody_wait(tmp_path):
    stamps = [0, 10**18, 10**18 + 10**7, 10**18 - 86400 * 10**9]
    assert [t for t, _ in recorded_frames.frames(stored_bag(tmp_path / "bag", stamps=stamps))] == [
        0.0, 0.0, pytest.approx(0.01), pytest.approx(0.01),
    ]  # fmt: skip


def test_a_damaged_bag_is_one_error_of_the_camera(tmp_path):
    path = stored_bag(tmp_path / "bag")
    file = next(path.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ValueError, match="damaged or cut off"):
        recorded_frames.frames(path)
