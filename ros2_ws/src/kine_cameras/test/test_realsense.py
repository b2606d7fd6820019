"""The RealSense source on librealsense's own software device."""

import time
from dataclasses import replace

import numpy as np
import pyrealsense2 as rs
import pytest
from camera_rig import SMALL, Running, wait_for

from kine_cameras.realsense import RealsenseSettings, RealsenseSource
from kine_cameras.software_camera import SoftwareCamera, add_colour_stream, capture_ns, inject
from kine_cameras.source import CameraError, CameraLost
from kine_cameras.worker import CameraState

SETTINGS = RealsenseSettings(serial="0123", width=160, height=120, rate_hz=30)
THREE_HOURS_NS = 3 * 3600 * 10**9


@pytest.fixture
def camera():
    camera = SoftwareCamera("0123", SMALL, clock_offset_ns=-THREE_HOURS_NS, clock_drift=2e-4)
    camera.plug_in()
    yield camera
    camera.pull_out()


def source(camera: SoftwareCamera, **changes) -> RealsenseSource:
    return RealsenseSource(replace(SETTINGS, **changes), camera.context)


def test_frames_of_a_camera_with_a_clock_of_its_own_are_stamped_with_the_time_of_capture(camera):
    with Running(source(camera)) as running:
        running.wait_frames(45)
    # The first frames find the offset of the clocks.
    errors_ms = [abs(f.stamp_ns - capture_ns(f.pixels)) / 1e6 for f in running.frames[10:]]
    assert np.percentile(errors_ms, 90) < 5.0, errors_ms
    colours = running.frames[-1].pixels.reshape(-1, 3)
    assert (colours == (220, 180, 40)).all(axis=1).any(), "red and blue are where they belong"


def test_the_cameras_own_intrinsics_and_figures_are_passed_on(camera):
    with Running(source(camera)) as running:
        running.wait_frames(3)
        report = wait_for(
            lambda: (r := running.worker.report()).temperature_c is not None and r, what="temperature"
        )
    assert running.intrinsics is not None
    assert running.intrinsics.matrix() == pytest.approx(SMALL.matrix())
    assert running.intrinsics.distortion == pytest.approx(SMALL.distortion, abs=1e-6)
    assert report.temperature_c == pytest.approx(41.5)
    assert report.details["serial"] == "0123"
    assert "converted here" in report.details["stamps"]


def test_a_camera_that_is_pulled_out_comes_back_when_it_is_plugged_in(camera):
    with Running(source(camera)) as running:
        running.wait_frames(5)
        camera.pull_out()
        wait_for(
            lambda: (
                (r := running.worker.report()).state is CameraState.SEARCHING
                and "is not connected (connected: none)" in r.reason
            ),
            what=f"the camera missed: {running.said}",
        )
        silent = len(running.frames)
        time.sleep(0.3)
        assert len(running.frames) == silent
        camera.plug_in()
        running.wait_frames(5)
        report = running.worker.report()
    assert report.state is CameraState.STREAMING and report.opened == 2
    assert report.frames.dropped == 0, "the time without a camera is no drop"
    not_connected = [line for line in running.said if "is not connected" in line]
    assert len(not_connected) == 1, "one cause is said once, not at each attempt"


def test_a_camera_that_librealsense_reports_as_removed_is_lost_at_once(tmp_path):
    """The software device cannot be reported as removed; a recording of librealsense's own can."""
    file = str(tmp_path / "recording.db3")
    device = rs.software_device()
    device.register_info(rs.camera_info.serial_number, "0123")
    sensor = device.add_sensor("RGB Camera")
    profile = add_colour_stream(sensor, SMALL, 30)
    recorder = rs.recorder(file, device)
    recorded = recorder.query_sensors()[0]
    recorded.open(recorded.get_stream_profiles()[0])
    recorded.start(lambda frame: None)
    for number in range(90):
        inject(sensor, profile, number, number * 33.3, np.zeros((120, 160, 3), np.uint8))
    recorded.stop()
    recorded.close()
    del recorded, recorder

    context = rs.context()
    held = context.load_device(file)  # librealsense forgets it otherwise
    opened = RealsenseSource(SETTINGS, lambda: context)
    opened.open()
    assert opened.read(5.0).pixels.shape == (120, 160, 3)
    assert held.is_connected()
    context.unload_device(file)
    with pytest.raises(CameraLost, match="was unplugged"):
        while True:
            opened.read(5.0)
    opened.close()


def test_a_camera_that_is_not_there_is_named_with_those_that_are(camera):
    with pytest.raises(CameraError, match=r"not connected \(connected: 0123\)"):
        source(camera, serial="999").open()


def test_without_a_serial_number_the_only_camera_is_taken_and_two_are_refused(camera):
    only = source(camera, serial="")
    only.open()
    only.close()
    second = SoftwareCamera("0777", SMALL, context=camera.context())
    second.plug_in()
    try:
        with pytest.raises(CameraError, match="2 cameras are connected: 0123, 0777"):
            source(camera, serial="").open()
    finally:
        second.pull_out()


def test_a_mode_the_camera_lacks_is_refused_with_those_it_has(camera):
    with pytest.raises(CameraError, match=r"no colour mode 640x480x30 in rgb8 \(it has: 160x120x30\)"):
        source(camera, width=640, height=480).open()


def test_exposure_is_set_and_one_out_of_range_is_refused_with_the_range(camera):
    opened = source(camera, exposure_us=8300)
    opened.open()
    assert camera.exposure_us == pytest.approx(8300)
    opened.close()
    with pytest.raises(CameraError, match=r"exposure_us is 50, must be within \[100, 1000000\]"):
        source(camera, exposure_us=50).open()
