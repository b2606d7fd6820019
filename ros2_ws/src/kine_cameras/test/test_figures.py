"""Clock, counts, diagnostics and the intrinsics file: plain rules."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from camera_rig import SMALL

from kine_cameras import Frame, intrinsics_file
from kine_cameras.config import make_source
from kine_cameras.device_clock import DeviceClock
from kine_cameras.diagnostics import ERROR, OK, WARN, describe
from kine_cameras.parameters import TABLE
from kine_cameras.statistics import FrameReport, FrameStatistics
from kine_cameras.worker import CameraReport, CameraState

MS = 1_000_000
DEFAULTS = {name: parameter.default for name, parameter in TABLE.items()}
PIXELS = np.zeros((2, 2, 3), np.uint8)
HEALTHY = FrameReport(frames=100, dropped=0, repeated=0, rate_hz=29.8, age_s=0.01, max_age_s=0.02)


def report(state=CameraState.STREAMING, frames=HEALTHY, reason=""):
    return CameraReport(state, reason, frames, 1, None, {})


def test_stamps_of_a_drifting_clock_stay_within_a_millisecond_though_frames_arrive_late():
    rng, clock, errors_ms = np.random.default_rng(0), DeviceClock(), []
    for k in range(3000):
        true_ns = k * 33 * MS
        device_ns = int(true_ns * (1 + 5e-5)) + 777_000 * MS
        arrival_ns = true_ns + int(MS * (0.2 + rng.exponential(4.0)))
        errors_ms.append((clock.to_system_ns(device_ns, arrival_ns) - true_ns) / MS)
    assert np.abs(errors_ms[100:]).max() < 1.0


def test_a_clock_that_was_set_back_is_followed_at_once():
    clock = DeviceClock()
    for k in range(50):
        clock.to_system_ns(k * 33 * MS, k * 33 * MS + 2 * MS)
    assert clock.to_system_ns(5 * MS, 100_000 * MS) == 100_000 * MS


def test_gaps_in_the_count_of_the_camera_are_drops():
    statistics = FrameStatistics(30.0)
    for number in (0, 1, 4, 5):
        assert statistics.take(Frame(PIXELS, number * 33 * MS, number), number * 33 * MS)
    assert statistics.report(5 * 33 * MS).dropped == 2


def test_without_a_count_gaps_in_time_are_drops():
    statistics = FrameStatistics(30.0)
    for time_ms in (0, 33, 67, 200, 233):
        statistics.take(Frame(PIXELS, time_ms * MS), time_ms * MS)
    assert statistics.report(233 * MS).dropped == 3


def test_a_frame_with_the_same_stamp_is_not_delivered_twice():
    statistics = FrameStatistics(30.0)
    assert statistics.take(Frame(PIXELS, 50 * MS), 60 * MS)
    assert not statistics.take(Frame(PIXELS, 50 * MS), 90 * MS)
    assert statistics.report(90 * MS).repeated == 1


@pytest.mark.parametrize(
    ("change", "dropped_before", "level", "text"),
    [
        ({}, 0, OK, "streaming"),
        ({"rate_hz": 20.0}, 0, WARN, "20.0 frames per second where 30 were asked for"),
        ({"dropped": 7}, 4, WARN, "3 frames dropped"),
        ({"dropped": 7}, 7, OK, "streaming"),
        ({"max_age_s": 0.3}, 0, WARN, "0.300 s old, bound 0.1 s"),
    ],
)
def test_diagnostics_say_what_is_wrong(change, dropped_before, level, text):
    frames = FrameReport(**(vars(HEALTHY) | change))
    found, sentence, values = describe(report(frames=frames), 30.0, 0.1, dropped_before)
    assert found == level and text in sentence
    assert values["dropped"] == str(frames.dropped)


def test_a_camera_that_is_not_streaming_is_an_error_with_its_reason():
    level, sentence, _ = describe(report(CameraState.SEARCHING, reason="was unplugged"), 30.0, 0.1, 0)
    assert (level, sentence) == (ERROR, "was unplugged")


def test_intrinsics_survive_the_file(tmp_path):
    path = tmp_path / "front.yaml"
    path.write_text(yaml.safe_dump(intrinsics_file.to_mapping("front", SMALL)))
    assert intrinsics_file.read(path) == SMALL


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"distortion_model": "fancy"}, "distortion_model is 'fancy', must be one of plumb_bob"),
        ({"camera_matrix": {"data": [1.0] * 8}}, "camera_matrix holds 8 values, must hold 9"),
        ({"distortion_coefficients": {"data": [0.0] * 4}}, "holds 4 values, plumb_bob needs 5"),
        ({"camera_matrix": {"data": [float("nan")] * 9}}, "not finite"),
        ({"image_width": 0}, "image 0x120"),
    ],
)
def test_a_bad_intrinsics_file_is_refused_with_value_and_bound(tmp_path, change, text):
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(intrinsics_file.to_mapping("front", SMALL) | change))
    with pytest.raises(ValueError, match=r"bad\.yaml") as error:
        intrinsics_file.read(path)
    assert text in str(error.value)


def test_a_recording_that_is_not_named_is_asked_for():
    values = DEFAULTS | {"source": "recorded"}
    with pytest.raises(ValueError, match="set recording to a video file"):
        make_source(values)


def test_an_unknown_source_is_refused_with_the_known_ones():
    values = DEFAULTS | {"source": "webcam"}
    with pytest.raises(ValueError, match="source is 'webcam', must be one of realsense, uvc, recorded"):
        make_source(values)


def test_the_parameter_file_names_every_parameter_with_its_default():
    file = Path(__file__).parents[1] / "config" / "cameras.yaml"
    values = yaml.safe_load(file.read_text())["/**"]["ros__parameters"]
    assert values == DEFAULTS
