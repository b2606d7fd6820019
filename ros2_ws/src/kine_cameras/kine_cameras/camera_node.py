"""The ROS shell of a camera: parameters, image and camera_info, diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image

import kine_nodes
from kine_cameras import intrinsics_file, parameters
from kine_cameras.config import make_source
from kine_cameras.diagnostics import describe
from kine_cameras.source import Frame, Intrinsics, Source
from kine_cameras.worker import CameraWorker, WorkerSettings
from kine_nodes import ManagedNode
from kine_nodes.image_message import camera_info_message, image_message
from kine_nodes.status import key_values
from kine_nodes.texts import printable

REMEDY = "Plug it in, or start with another `cameras:=`, or without any camera with `sim:=true`"


class CameraNode(ManagedNode):
    """A camera under its node's name: `~/color/image_raw` and `~/color/camera_info`.

    Args:
        name: of the node; `front` and `wrist` in the stack.
        make: the source for the parameters' values; tests give one with software devices.
    """

    def __init__(
        self, name: str = "camera", make: Callable[[Mapping[str, Any]], Source] = make_source
    ) -> None:
        super().__init__(name, parameters.TABLE)
        self._make = make
        self._worker: CameraWorker | None = None

    # --- lifecycle -----------------------------------------------------------------------------------
    def check(self) -> None:
        """The shortest pause is not longer than the longest."""
        shortest_s, longest_s = self.values["reconnect_min_s"], self.values["reconnect_max_s"]
        if shortest_s > longest_s:
            raise ValueError(
                f"reconnect_min_s is {shortest_s}, must be at most reconnect_max_s ({longest_s})"
            )

    def setup(self) -> None:
        """Read the calibration and open the topics; the camera is not opened yet."""
        values = self.values
        self._source = self._make(values)
        file = values["calibration_file"]
        self._calibrated = intrinsics_file.read(Path(file).expanduser()) if file else None
        self._frame_id = values["frame_id"] or f"{self.get_name()}_color_optical_frame"
        self._refused_size: tuple[int, int] | None = None
        self._message: Image | None = None
        self._dropped = 0
        qos = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
        self._images = self.create_publisher(Image, "~/color/image_raw", qos)
        self._infos = self.create_publisher(CameraInfo, "~/color/camera_info", qos)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(values["diagnostics_period_s"], self._publish_diagnostics)

    def begin(self) -> None:
        """Look for the camera; the diagnostics say when it streams."""
        values = self.values
        settings = WorkerSettings(
            rate_hz=float(values["rate_hz"]),
            frame_timeout_s=values["frame_timeout_s"],
            reconnect_min_s=values["reconnect_min_s"],
            reconnect_max_s=values["reconnect_max_s"],
        )
        self._worker = CameraWorker(self._source, self._publish, self._say, settings, self._warn)
        self._worker.start()

    def close(self) -> bool:
        """End the stream and free the camera; False when its library does not come back."""
        if self._worker is not None and self._worker.close():
            self._worker = None
        return self._worker is None

    def _say(self, text: str) -> None:
        self.get_logger().info(printable(text))

    def _warn(self, text: str) -> None:
        self.get_logger().warning(f"{printable(text)}; still looking. {REMEDY}")

    # --- outputs (images from the camera's thread) ------------------------------------------------------
    def _publish(self, frame: Frame, known: Intrinsics | None) -> None:
        if not rclpy.ok(context=self.context):
            return
        stamp = Time(nanoseconds=frame.stamp_ns).to_msg()
        self._message = image_message(frame.pixels, stamp, self._frame_id, reuse=self._message)
        self._images.publish(self._message)
        size = (frame.pixels.shape[1], frame.pixels.shape[0])
        intrinsics = self._calibrated or known
        if intrinsics is not None and (intrinsics.width, intrinsics.height) != size:
            if size != self._refused_size:
                self.get_logger().error(
                    f"images are {size[0]}x{size[1]} but the calibration is for "
                    f"{intrinsics.width}x{intrinsics.height}: camera_info says 'not calibrated'"
                )
            self._refused_size, intrinsics = size, None
        # Without intrinsics the message holds zeros, which is how ROS says 'not calibrated'.
        matrix = intrinsics.matrix() if intrinsics else None
        distortion = intrinsics.distortion if intrinsics else ()
        model = intrinsics.model if intrinsics else ""
        self._infos.publish(camera_info_message(size, matrix, distortion, model, stamp, self._frame_id))

    def _publish_diagnostics(self) -> None:
        status = DiagnosticStatus(name=f"{self.get_name()}: camera", hardware_id=self.get_name())
        if self._worker is None or not self.serving:
            status.level, status.message = DiagnosticStatus.WARN, "not active"
        else:
            report = self._worker.report()
            level, status.message, values = describe(
                report,
                float(self.values["rate_hz"]),
                self.values["max_age_s"],
                self._dropped,
            )
            self._dropped = report.frames.dropped
            status.level = bytes([level])
            status.message, status.values = printable(status.message), key_values(values)
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def run(make: Callable[[Mapping[str, Any]], Source] = make_source) -> None:
    """Run a camera node until SIGINT or SIGTERM; exit code 2 when it cannot be configured."""
    kine_nodes.run("camera_node", lambda: CameraNode(make=make))


def main() -> None:
    """Run a camera node; `--ros-args -r __node:=front` gives it its name."""
    run()


if __name__ == "__main__":
    main()
