"""A RealSense camera made of software, by librealsense's own software device: to try things without a camera.

It can be pulled out and plugged in, and its clock can differ from this machine's, as that of a real one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyrealsense2 as rs
from numpy.typing import NDArray

from kine_cameras.source import Intrinsics

STAMP_BYTES = 8


class SoftwareContext:
    """A librealsense context in which software devices stay until they are taken away.

    librealsense itself forgets a software device as soon as nobody holds the news of its arrival.
    """

    def __init__(self) -> None:
        self._context = rs.context()
        self._news: list[Any] = []
        self._listener: Callable[[Any], None] | None = None
        self._context.set_devices_changed_callback(self._changed)

    def query_devices(self) -> Any:
        """As of `pyrealsense2.context`."""
        return self._context.query_devices()

    def set_devices_changed_callback(self, listener: Callable[[Any], None]) -> None:
        """As of `pyrealsense2.context`."""
        self._listener = listener

    def add(self, device: Any) -> Any:
        """Let a software device appear; drop what is returned to let it disappear."""
        device.add_to(self._context)
        news, self._news = self._news, []
        return news

    def _changed(self, information: Any) -> None:
        self._news.append(information)
        if self._listener is not None:
            self._listener(information)


class SoftwareCamera:
    """One colour camera made of software.

    Every frame carries its time of capture in its first pixels; `capture_ns` reads it, so a receiver can tell
    how good the stamp is.

    Args:
        serial: its serial number.
        intrinsics: also give the image size.
        rate_hz: frames per second.
        clock_offset_ns, clock_drift: how its clock differs from this machine's; both 0: `global_time` stamps,
            as of a camera whose clock librealsense converts.
        context: where it is connected; None: to one of its own.
    """

    def __init__(
        self,
        serial: str,
        intrinsics: Intrinsics,
        rate_hz: int = 30,
        clock_offset_ns: int = 0,
        clock_drift: float = 0.0,
        context: SoftwareContext | None = None,
    ) -> None:
        self._serial, self._intrinsics, self._rate_hz = serial, intrinsics, rate_hz
        self._offset_ns, self._drift = clock_offset_ns, clock_drift
        self._context = context or SoftwareContext()
        self._started_ns = time.time_ns()
        self._device: Any = None
        self._sensor: Any = None
        self._connection: Any = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.captured = 0

    def context(self) -> SoftwareContext:
        """The context to look for it in."""
        return self._context

    def plug_in(self) -> None:
        """Connect it; it takes pictures from now on."""
        device = rs.software_device()
        device.register_info(rs.camera_info.serial_number, self._serial)
        device.register_info(rs.camera_info.name, "software camera")
        sensor = device.add_sensor("RGB Camera")
        self._profile = add_colour_stream(sensor, self._intrinsics, self._rate_hz)
        sensor.add_read_only_option(rs.option.asic_temperature, 41.5)
        sensor.add_option(rs.option.exposure, rs.option_range(1.0, 10_000.0, 156.0, 1.0), True)
        self._connection = self._context.add(device)
        self._device, self._sensor = device, sensor
        self._stop.clear()
        self._thread = threading.Thread(target=self._take_pictures, daemon=True)
        self._thread.start()

    def pull_out(self) -> None:
        """Disconnect it: no more frames, and gone from the context once nobody holds on to it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._device = self._sensor = self._thread = self._connection = None

    @property
    def exposure_us(self) -> float:
        """What its exposure is set to."""
        return float(self._sensor.get_option(rs.option.exposure)) * 100.0

    def _take_pictures(self) -> None:
        period_s, next_s, number = 1.0 / self._rate_hz, time.monotonic(), 0
        own_clock = bool(self._offset_ns or self._drift)
        while not self._stop.is_set():
            now_ns = time.time_ns()
            device_ns = now_ns + self._offset_ns + int(self._drift * (now_ns - self._started_ns))
            pixels = _picture(self._intrinsics.height, self._intrinsics.width, number, now_ns)
            inject(self._sensor, self._profile, number, device_ns / 1e6, pixels, own_clock)
            number, self.captured = number + 1, self.captured + 1
            next_s = max(next_s + period_s, time.monotonic() - period_s)
            self._stop.wait(max(0.0, next_s - time.monotonic()))


def add_colour_stream(sensor: Any, wanted: Intrinsics, rate_hz: int) -> Any:
    """Give a software sensor one rgb8 stream; its profile."""
    stream = rs.video_stream()
    stream.type, stream.fmt, stream.index, stream.uid = rs.stream.color, rs.format.rgb8, 0, 1
    stream.width, stream.height, stream.fps, stream.bpp = wanted.width, wanted.height, rate_hz, 3
    values = rs.intrinsics()
    values.width, values.height, values.fx, values.fy = wanted.width, wanted.height, wanted.fx, wanted.fy
    values.ppx, values.ppy, values.model = wanted.cx, wanted.cy, rs.distortion.brown_conrady
    values.coeffs = list(wanted.distortion)
    stream.intrinsics = values
    return sensor.add_video_stream(stream, True).as_video_stream_profile()


def inject(
    sensor: Any, profile: Any, number: int, time_ms: float, pixels: NDArray[np.uint8], own_clock: bool = True
) -> None:
    """Let a software sensor deliver a frame, stamped `time_ms` by its own clock or by librealsense."""
    frame = rs.software_video_frame()
    frame.pixels, frame.stride, frame.bpp = pixels, pixels.strides[0], 3
    frame.frame_number, frame.timestamp, frame.profile = number, time_ms, profile
    domains = rs.timestamp_domain
    frame.domain = domains.hardware_clock if own_clock else domains.global_time
    sensor.on_video_frame(frame)


def _picture(height: int, width: int, number: int, now_ns: int) -> NDArray[np.uint8]:
    pixels = np.full((height, width, 3), (60, 90, 120), dtype=np.uint8)
    column = 4 * number % max(1, width - 20)
    pixels[height // 3 : 2 * height // 3, column : column + 20] = (220, 180, 40)
    pixels.reshape(-1)[:STAMP_BYTES] = np.frombuffer(now_ns.to_bytes(STAMP_BYTES, "little"), np.uint8)
    return pixels


def capture_ns(pixels: NDArray[np.uint8]) -> int:
    """When the picture was taken, ns since the epoch, from the picture itself."""
    return int.from_bytes(pixels.reshape(-1)[:STAMP_BYTES].tobytes(), "little")
