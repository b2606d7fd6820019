"""The policy node: a lifecycle shell around the plan loop."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

import kine_nodes
from kine_msgs.msg import BiLevelPlan
from kine_msgs.srv import Instruct
from kine_nodes import declare
from kine_nodes.image_conversion import ImageError, compressed_to_rgb, image_to_rgb
from kinevla_policy import messages, parameters
from kinevla_policy.model import CheckpointPolicy
from kinevla_policy.observation_buffer import ObservationBuffer
from kinevla_policy.plan_loop import ChunkReport, LoopSettings, PlanLoop

IMAGE_TYPES: dict[str, type] = {"raw": Image, "compressed": CompressedImage}
_OK = TransitionCallbackReturn.SUCCESS
_FAILED = TransitionCallbackReturn.FAILURE


class PolicyNode(LifecycleNode):
    """`/kinevla`: instruction service in, plans and joint target chunks out."""

    def __init__(self) -> None:
        super().__init__("kinevla")
        declare(self, parameters.TABLE)
        self._policy: CheckpointPolicy | None = None
        self._buffer: ObservationBuffer | None = None
        self._loop: PlanLoop | None = None
        self._counts: Counter[str] = Counter()
        self._last_refusal = ""
        self._last_report: ChunkReport | None = None

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    # --- lifecycle -----------------------------------------------------------------------------------
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the checkpoint and open topics and services."""
        checkpoint = self._value("checkpoint")
        started_s = time.monotonic()
        try:
            self._policy = CheckpointPolicy(checkpoint, self._value("threads"))
        except Exception as error:
            self.get_logger().error(f"cannot load the checkpoint '{checkpoint}': {error}")
            return _FAILED
        self.get_logger().info(f"loaded {checkpoint} in {time.monotonic() - started_s:.1f} s")
        transport = self._value("image_transport")
        if transport not in IMAGE_TYPES:
            self.get_logger().error(f"image_transport is '{transport}', must be {' or '.join(IMAGE_TYPES)}")
            return _FAILED
        self._buffer = ObservationBuffer(self._value("max_pair_gap_s"))
        self._plan_publisher = self.create_publisher(BiLevelPlan, "/kinevla/plan", 10)
        self._chunk_publisher = self.create_publisher(JointTrajectory, self._value("trajectory_topic"), 5)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        newest = QoSProfile(
            depth=1, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE
        )
        for camera in ("front", "wrist"):
            topic = self._value(f"{camera}_topic") + ("/compressed" if transport == "compressed" else "")
            self.create_subscription(
                IMAGE_TYPES[transport], topic, lambda m, c=camera: self._take_image(c, m), newest
            )
        self.create_subscription(
            JointState, self._value("joint_state_topic"), self._take_state, qos_profile_sensor_data
        )
        self.create_service(Instruct, "/kinevla/instruct", self._instruct)
        self.create_service(Trigger, "/kinevla/stop", self._stop)
        self.create_timer(1.0, self._publish_diagnostics)
        return _OK

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Accept instructions."""
        assert self._policy is not None and self._buffer is not None
        names = ("max_observation_age_s", "settle_s", "max_instruction_s", "done_motion_rad", "done_chunks")
        settings = LoopSettings(**{name: self._value(name) for name in names})
        self._loop = PlanLoop(
            self._policy,
            self._buffer,
            self._send,
            self._ended,
            lambda: self.get_clock().now().nanoseconds,
            settings,
        )
        self.get_logger().info("ready for instructions")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the running instruction; the arm holds."""
        self.close()
        return super().on_deactivate(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As `on_deactivate`."""
        self.close()
        return _OK

    def close(self) -> None:
        """End the running instruction and the loop's thread; the arm holds."""
        if self._loop is not None:
            if self._loop.stop():
                self._hold()
            self._loop.close()
            self._loop = None

    # --- inputs --------------------------------------------------------------------------------------
    def _take_image(self, camera: str, message: Image | CompressedImage) -> None:
        assert self._buffer is not None
        try:
            if isinstance(message, CompressedImage):
                pixels = compressed_to_rgb(message.data)
            else:
                pixels = image_to_rgb(message)
        except ImageError as error:
            self._counts[f"{camera} images refused"] += 1
            self.get_logger().warning(f"{camera} camera: {error}", throttle_duration_sec=2.0)
            return
        self._counts[f"{camera} images"] += 1
        self._buffer.add_image(camera, messages.to_ns(message.header.stamp), pixels)

    def _take_state(self, message: JointState) -> None:
        assert self._buffer is not None
        by_name = dict(zip(message.name, message.position, strict=False))
        missing = [name for name in messages.JOINT_NAMES if name not in by_name]
        state = np.array([by_name.get(name, np.nan) for name in messages.JOINT_NAMES])
        if missing or not np.isfinite(state).all():
            self._counts["joint states refused"] += 1
            what = f"lacks {', '.join(missing)}" if missing else "holds a value that is not finite"
            self.get_logger().warning(f"joint state {what}", throttle_duration_sec=2.0)
            return
        self._counts["joint states"] += 1
        self._buffer.add_state(messages.to_ns(message.header.stamp), state)

    # --- services ------------------------------------------------------------------------------------
    def _instruct(self, request: Instruct.Request, response: Instruct.Response) -> Instruct.Response:
        if self._loop is None or self._policy is None:
            response.message = "the policy node is not active"
            return response
        try:
            text = self._policy.check_instruction(request.instruction)
        except ValueError as error:
            self._counts["instructions refused"] += 1
            response.message = self._last_refusal = str(error)
            self.get_logger().warning(f"instruction refused: {error}")
            return response
        self._counts["instructions"] += 1
        response.accepted = True
        response.instruction_id = self._loop.start(text)
        response.message = f"started: {text}"
        self.get_logger().info(f"instruction {response.instruction_id}: {text}")
        return response

    def _stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        running = self._loop is not None and self._loop.stop()
        if running:
            self._hold()
        response.success = True
        response.message = "instruction ended, the arm holds" if running else "no instruction was running"
        return response

    # --- outputs (called from the loop's thread) -----------------------------------------------------
    def _send(self, report: ChunkReport) -> None:
        self._chunk_publisher.publish(messages.trajectory_message(report))
        self._plan_publisher.publish(messages.plan_message(report, self.get_clock().now().nanoseconds))
        self._counts["chunks"] += 1
        self._last_report = report

    def _ended(self, instruction_id: int, reason: str) -> None:
        self._counts["instructions ended"] += 1
        self.get_logger().info(f"instruction {instruction_id} ended: {reason}")
        self._publish_diagnostics()

    def _hold(self) -> None:
        """Replace what is left of the running chunk by the pose the arm has now."""
        assert self._buffer is not None
        newest = self._buffer.latest_state()
        if newest is not None:
            last = self._last_report.instruction_id if self._last_report else 0
            self._chunk_publisher.publish(
                messages.hold_message([float(v) for v in newest[1]], newest[0], last)
            )

    def _publish_diagnostics(self) -> None:
        if not rclpy.ok():
            return
        status = DiagnosticStatus(name="kinevla: policy", hardware_id="kinevla", level=DiagnosticStatus.OK)
        values: dict[str, Any] = dict(self._counts)
        if self._loop is None:
            status.level, status.message = DiagnosticStatus.WARN, "not active"
        else:
            loop = self._loop.status()
            status.message = loop.phase
            values |= {
                "instruction": loop.instruction,
                "instruction id": loop.instruction_id,
                "chunks of instruction": loop.chunks,
                "last instruction ended": loop.ended_because,
                **{f"waited: {reason}": count for reason, count in loop.waits.items()},
            }
            if loop.phase.startswith("waiting"):
                status.level = DiagnosticStatus.WARN
        if self._last_refusal:
            values["last refusal"] = self._last_refusal[:300]
        if self._last_report is not None:
            values["chunk latency s"] = f"{self._last_report.latency_s:.3f}"
        status.values = [KeyValue(key=str(key), value=str(value)) for key, value in values.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def main() -> None:
    """Run the node until SIGINT or SIGTERM; exit code 1 when the checkpoint cannot be loaded."""
    kine_nodes.init()
    node, ready = None, False
    try:
        node = PolicyNode()
        wanted = node.get_parameter("autostart").value
        ready = not wanted or (node.trigger_configure() == _OK and node.trigger_activate() == _OK)
    except KeyboardInterrupt:
        print("policy_node: interrupted while loading", file=sys.stderr)
        ready = True  # asked to end, and ends: not a failure
    else:
        if ready:
            kine_nodes.spin_until_signal(node)
    if node is not None:
        node.close()
        node.destroy_node()
    rclpy.try_shutdown()
    sys.exit(0 if ready else 1)


if __name__ == "__main__":
    main()
