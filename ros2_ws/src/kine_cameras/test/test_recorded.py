"""Recordings in place of a camera."""

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from camera_rig import Running, wait_for
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

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
