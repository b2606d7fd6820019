"""The simulated robot as a ROS node: camera topics, and an emulated controller on a TCP port."""

from __future__ import annotations

import json
import math
import sys
import time

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from numpy.typing import NDArray
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger

import kine_nodes
from kine_nodes import declare
from kine_nodes.image_message import camera_info_message, image_message
from kine_nodes.status import key_values
from kine_sim.controller import EmulatedController, WorldBackend
from kine_sim.live import LiveWorld
from kine_sim.nodes.parameters import TABLE
from kine_sim.table import laid_table
from kinevla.rendering import RenderingError

# A driver that ends at the same time stops its arm first, which takes it up to two seconds.
CLIENTS_END_S = 2.5


class SimNode(Node):
    """`/kine_sim`: publishes both cameras and answers `~/judge`."""

    def __init__(self) -> None:
        super().__init__("kine_sim")
        value = declare(self, TABLE)
        table = laid_table(
            value["task"], value["scene_for"], value["seed"], value["randomise"], value["camera_size_px"]
        )
        self._table, self._world = table, table.world
        self._world.render("front")  # here rather than in the thread of the cameras: can this machine draw?
        self._world.close_renderers()
        self._frames = {
            name: (
                self.create_publisher(Image, f"/{name}/color/image_raw", self._qos()),
                self.create_publisher(CameraInfo, f"/{name}/color/camera_info", self._qos()),
            )
            for name in ("front", "wrist")
        }
        backend = WorldBackend(self._world)
        self._live = LiveWorld(
            self._world,
            table.judge,
            backend.exchange,
            self._publish,
            lambda: self.get_clock().now().nanoseconds,
            value["camera_rate_hz"],
        )
        self._controller = EmulatedController(
            backend,
            host=value["robot_host"],
            port=value["robot_port"],
            generation=value["controller_generation"],
            log_path=value["frame_log"] or None,
        )
        self._controller.start()
        self._live.start()
        self.create_service(Trigger, "~/judge", self._judge)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(1.0, self._publish_diagnostics)
        self.get_logger().info(
            f"{table.name}, seed {value['seed']}; controller at {value['robot_host']}:{self._controller.port}"
        )

    @staticmethod
    def _qos() -> QoSProfile:
        return QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)

    def _publish(self, camera: str, stamp_ns: int, pixels: NDArray[np.uint8]) -> None:
        if not rclpy.ok():
            return
        stamp = rclpy.time.Time(nanoseconds=stamp_ns).to_msg()
        frame_id = f"{camera}_color_optical_frame"
        image, info = self._frames[camera]
        image.publish(image_message(pixels, stamp, frame_id))
        size = (pixels.shape[1], pixels.shape[0])
        matrix = _camera_matrix(size, self._world.camera_fovy_deg(camera))
        info.publish(camera_info_message(size, matrix, [0.0] * 5, "plumb_bob", stamp, frame_id))

    def _judge(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """The judge's verdict as JSON, for demonstrations and tests."""
        verdict = self._live.verdict()
        response.success = bool(verdict["goal_success"] and verdict["kinematics_success"])
        response.message = json.dumps(verdict | {"sim_time_lost_s": round(self._live.time_lost_s, 3)})
        return response

    def _publish_diagnostics(self) -> None:
        """What the judge thinks so far, for who watches."""
        verdict, table = self._live.verdict(), self._table
        if not verdict["goal_success"]:
            said = "goal not reached yet"
        elif verdict["kinematics_success"]:
            said = "goal reached, as the sentence says"
        else:
            said = "goal reached, but not as the sentence says"
        status = DiagnosticStatus(name="kine_sim: judge", hardware_id="simulated arm", message=said)
        reasons = {f"reason {number}": text for number, text in enumerate(verdict["reasons"], 1)}
        values = {"sentence": table.sentence, "things": ", ".join(table.things), **reasons}
        status.values = key_values(values)
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def close(self) -> None:
        """Let the driver stop its arm and leave, then stop controller, physics and cameras."""
        end_s = time.monotonic() + CLIENTS_END_S
        while self._controller.clients and time.monotonic() < end_s:
            time.sleep(0.02)
        self._controller.stop()
        self._live.stop()


def _camera_matrix(size: tuple[int, int], fovy_deg: float) -> NDArray[np.float64]:
    """(3, 3) of an ideal pinhole camera with the given (width, height) and vertical field of view."""
    width, height = size
    focal_px = 0.5 * height / math.tan(math.radians(fovy_deg) / 2)
    return np.array([[focal_px, 0.0, (width - 1) / 2], [0.0, focal_px, (height - 1) / 2], [0.0, 0.0, 1.0]])


def main() -> None:
    """Run the simulated robot until SIGINT or SIGTERM; code 2 when it cannot start, 1 when a part died."""
    kine_nodes.init()
    try:
        node = SimNode()
    except (OSError, ValueError, ParameterException, RenderingError) as error:
        print(f"sim_node: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        sys.exit(2)
    except KeyboardInterrupt:
        rclpy.try_shutdown()
        return
    code = kine_nodes.spin_until_signal(node)
    node.close()
    node.destroy_node()
    rclpy.try_shutdown()
    sys.exit(code)


if __name__ == "__main__":
    main()
