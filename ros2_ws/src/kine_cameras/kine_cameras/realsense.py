"""A RealSense colour camera through `pyrealsense2`."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyrealsense2 as rs

from kine_cameras.capture_mode import CaptureMode
from kine_cameras.device_clock import DeviceClock
from kine_cameras.source import CameraError, CameraLost, Frame, Intrinsics

NS_PER_MS = 1_000_000
FRAMES_THAT_WAIT = 4
# Colour sensors count exposure in 100 us, depth modules (which give the colour of a D405) in 1 us.
_EXPOSURE_UNIT_US = {"Stereo Module": 1.0}
_DISTORTION = {
    rs.distortion.kannala_brandt4: "equidistant",
    rs.distortion.ftheta: None,
}
_STAMPS = {
    rs.timestamp_domain.hardware_clock: "camera's clock, converted here",
    rs.timestamp_domain.global_time: "camera's clock, converted by librealsense",
    rs.timestamp_domain.system_time: "arrival (the kernel passes no stamps of the camera on)",
}


@dataclass(frozen=True, kw_only=True)
class RealsenseSettings(CaptureMode):
    """What is asked of the camera.

    Attributes:
        serial: serial number as printed on it; empty: the only one connected.
    """

    serial: str = ""


class RealsenseSource:
    """One colour stream.

    A few frames may wait, so that a recording loses none to a short pause of this machine; then the oldest
    goes.

    Args:
        settings: which camera and how.
        make_context: makes librealsense's context; tests give one with software devices.
    """

    def __init__(self, settings: RealsenseSettings, make_context: Callable[[], Any] = rs.context) -> None:
        self._settings, self._make_context = settings, make_context
        self._context: Any = None
        self._device: Any = None
        self._sensor: Any = None
        self._arrived = threading.Condition()
        self._frames: deque[Frame] = deque(maxlen=FRAMES_THAT_WAIT)
        self._removed = False
        self._clock = DeviceClock()
        self._stamps = ""

    @property
    def name(self) -> str:
        """RealSense and its serial number."""
        return f"RealSense {self._settings.serial or '(the only one)'}"

    def open(self) -> Intrinsics:
        """Find the camera by its serial number and start its colour stream.

        Raises:
            CameraError: not connected, more than one without a serial number, no such mode, or an exposure
                out of range; the text names what there is.
        """
        self.close()
        if self._context is None:
            self._context = self._make_context()
            self._context.set_devices_changed_callback(self._devices_changed)
        self._frames.clear()
        self._removed, self._clock = False, DeviceClock()
        try:
            device = self._find()
            sensor, profile = self._mode(device)
            self._set_options(sensor)
            sensor.open(profile)
            self._device, self._sensor = device, sensor
            sensor.start(self._take)
        except RuntimeError as error:
            if isinstance(error, CameraError):
                raise
            raise CameraError(f"cannot be opened: {error}") from error
        return _intrinsics(profile.as_video_stream_profile().get_intrinsics())

    def read(self, timeout_s: float) -> Frame:
        """The next frame; see `Source.read`."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._frames or self._removed, timeout_s)
            if self._removed:
                raise CameraLost("was unplugged")
            if not self._frames:
                raise CameraLost(f"gave no frame for {timeout_s} s")
            return self._frames.popleft()

    def temperature_c(self) -> float | None:
        """Temperature of the camera's ASIC, where it tells."""
        device = self._device
        if device is None:
            return None
        option = rs.option.asic_temperature
        with suppress(RuntimeError):
            for sensor in device.query_sensors():
                if sensor.supports(option):
                    return float(sensor.get_option(option))
        return None

    def details(self) -> dict[str, str]:
        """Model, serial number, firmware, USB type, and what the stamps are made of."""
        wanted = {
            "model": rs.camera_info.name,
            "serial": rs.camera_info.serial_number,
            "firmware": rs.camera_info.firmware_version,
            "usb": rs.camera_info.usb_type_descriptor,
        }
        device = self._device
        if device is None:
            return {}
        known = {key: device.get_info(info) for key, info in wanted.items() if device.supports(info)}
        return known | {"stamps": self._stamps}

    def close(self) -> None:
        """Stop the stream; see `Source.close`."""
        sensor, self._sensor, self._device = self._sensor, None, None
        if sensor is not None:
            # A camera that was pulled out refuses both.
            with suppress(RuntimeError):
                sensor.stop()
            with suppress(RuntimeError):
                sensor.close()

    def _find(self) -> Any:
        devices = {d.get_info(rs.camera_info.serial_number): d for d in self._context.query_devices()}
        serial = self._settings.serial
        known = ", ".join(sorted(devices)) or "none"
        if serial and serial not in devices:
            raise CameraError(f"is not connected (connected: {known})")
        if not serial and len(devices) != 1:
            raise CameraError(f"no serial number is set and {len(devices)} cameras are connected: {known}")
        return devices[serial] if serial else next(iter(devices.values()))

    def _mode(self, device: Any) -> tuple[Any, Any]:
        """The sensor and profile of the wanted colour stream."""
        wanted = (self._settings.width, self._settings.height, self._settings.rate_hz)
        modes = set()
        for sensor in device.query_sensors():
            for profile in sensor.get_stream_profiles():
                if profile.stream_type() != rs.stream.color or profile.format() != rs.format.rgb8:
                    continue
                video = profile.as_video_stream_profile()
                mode = (video.width(), video.height(), video.fps())
                if mode == wanted:
                    return sensor, profile
                modes.add(mode)
        text = ", ".join(f"{w}x{h}x{rate}" for w, h, rate in sorted(modes)) or "none"
        raise CameraError(f"has no colour mode {wanted[0]}x{wanted[1]}x{wanted[2]} in rgb8 (it has: {text})")

    def _set_options(self, sensor: Any) -> None:
        def set_where_known(option: Any, value: float) -> None:
            if sensor.supports(option) and not sensor.is_option_read_only(option):
                sensor.set_option(option, value)

        # Stamps of the camera's own clock, converted to this machine's by librealsense where it can.
        set_where_known(rs.option.global_time_enabled, 1)
        # Otherwise the camera lengthens the exposure in the dark beyond the period, and the rate falls.
        set_where_known(rs.option.auto_exposure_priority, 0)
        if self._settings.exposure_us == 0:
            set_where_known(rs.option.enable_auto_exposure, 1)
            return
        option = rs.option.exposure
        if not sensor.supports(option):
            raise CameraError(f"exposure_us is {self._settings.exposure_us}, but its exposure cannot be set")
        set_where_known(rs.option.enable_auto_exposure, 0)
        unit_us = _EXPOSURE_UNIT_US.get(sensor.get_info(rs.camera_info.name), 100.0)
        value, limits = self._settings.exposure_us / unit_us, sensor.get_option_range(option)
        if not limits.min <= value <= limits.max:
            raise CameraError(
                f"exposure_us is {self._settings.exposure_us}, must be within "
                f"[{limits.min * unit_us:.0f}, {limits.max * unit_us:.0f}], or 0 for automatic"
            )
        sensor.set_option(option, round(value / limits.step) * limits.step)

    def _take(self, frame: Any) -> None:
        """Called in librealsense's thread."""
        arrival_ns = time.time_ns()
        # The buffer goes back to librealsense when this returns.
        pixels = np.array(frame.get_data(), dtype=np.uint8)
        stamp_ns = round(frame.get_timestamp() * NS_PER_MS)
        domain = frame.get_frame_timestamp_domain()
        self._stamps = _STAMPS.get(domain, str(domain))
        if domain == rs.timestamp_domain.hardware_clock:
            stamp_ns = self._clock.to_system_ns(stamp_ns, arrival_ns)
        with self._arrived:
            self._frames.append(Frame(pixels, stamp_ns, int(frame.get_frame_number())))
            self._arrived.notify()

    def _devices_changed(self, information: Any) -> None:
        """Called in librealsense's thread when something was plugged in or pulled out."""
        device = self._device
        if device is not None and information.was_removed(device):
            with self._arrived:
                self._removed = True
                self._arrived.notify()


def _intrinsics(values: Any) -> Intrinsics:
    # The (nearly zero) inverse coefficients of colour sensors go out as plumb_bob, as realsense2_camera does.
    model = _DISTORTION.get(values.model, "plumb_bob")
    if model is None:
        raise CameraError(f"its distortion model {values.model} has no counterpart in camera_info")
    return Intrinsics(
        width=values.width,
        height=values.height,
        fx=values.fx,
        fy=values.fy,
        cx=values.ppx,
        cy=values.ppy,
        distortion=tuple(float(value) for value in values.coeffs[: 4 if model == "equidistant" else 5]),
        model=model,
    )
