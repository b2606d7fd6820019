"""The policy node: a lifecycle shell around the plan loop."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

import kine_nodes
from kine_msgs.msg import BiLevelPlan, DriverState
from kine_msgs.srv import Approve, Instruct
from kine_nodes import IMAGE_BYTES, SMALL_BYTES, ManagedNode, StopLane, bounded_subscription, not_read
from kine_nodes.driver_watch import DRIVER_STATE_QOS, DriverWatch
from kine_nodes.image_conversion import ImageError, compressed_to_rgb, image_to_rgb
from kine_nodes.texts import printable
from kinevla_policy import messages, parameters
from kinevla_policy.camera_watch import CameraRules, CameraWatch
from kinevla_policy.instruction_gate import InstructionGate
from kinevla_policy.loop_types import CANNOT_SEE, ChunkReport, LoopSettings
from kinevla_policy.model import CheckpointPolicy
from kinevla_policy.observation_buffer import ObservationBuffer
from kinevla_policy.plan_loop import PlanLoop
from kinevla_policy.policy_diagnostics import STACK_ID, policy_status

IMAGE_TYPES: dict[str, type] = {"raw": Image, "compressed": CompressedImage}
MAX_ANSWER = 2000
# Cameras and driver that are started together with this node are there by then.
PATIENCE_S = 15.0


class PolicyNode(ManagedNode):
    """`/kinevla`: instruction service in, plans and joint target chunks out."""

    _stop_lane: StopLane | None = None  # until it is made: a bad parameter ends the node before

    def __init__(self) -> None:
        super().__init__("kinevla", parameters.TABLE)
        # Never the same again while the node lives: an approval can't mean another instruction.
        self._instruction_ids = itertools.count(1)
        self._policy: CheckpointPolicy | None = None
        self._buffer: ObservationBuffer | None = None
        self._loop: PlanLoop | None = None
        self._ending: PlanLoop | None = None
        # A stop comes on a thread of its own, also while a sentence is still being understood.
        self._stops, self._starting = 0, threading.Lock()
        self._stop_lane = StopLane(self)
        self._stop_lane.serve(Trigger, "/kinevla/stop", self._stop)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _value(self, name: str) -> Any:
        return self.values[name]

    # --- lifecycle -----------------------------------------------------------------------------------
    def check(self) -> None:
        """The settings of the loop fit together, and the transport exists."""
        self._settings = LoopSettings(**{name: self._value(name) for name in parameters.LOOP_SETTINGS})
        if self._value("image_transport") not in IMAGE_TYPES:
            named = f"image_transport is '{self._value('image_transport')}'"
            raise ValueError(f"{named}, must be {' or '.join(IMAGE_TYPES)}")

    def setup(self) -> None:
        """Load the checkpoint and open topics and services."""
        self._rules = CameraRules(**{name: self._value(name) for name in parameters.CAMERA_RULES})
        self._watches = {camera: CameraWatch(self._rules) for camera in ("front", "wrist")}
        self._counts: Counter[str] = Counter()
        self._last_refusal = ""
        self._last_image_refusal = ""
        self._latency_s: float | None = None
        self._driver = DriverWatch(messages.SOURCE)
        checkpoint = self._value("checkpoint")
        started_s = time.monotonic()
        try:
            self._policy = CheckpointPolicy(checkpoint, self._value("threads"))
        except Exception as error:
            self.get_logger().error(
                f"cannot load the checkpoint '{printable(checkpoint)}': {printable(error)}"
            )
            raise ValueError(f"cannot start with the checkpoint '{checkpoint}'") from error
        self.get_logger().info(f"loaded {checkpoint} in {time.monotonic() - started_s:.1f} s")
        transport = self._value("image_transport")
        self._buffer = ObservationBuffer(self._value("max_pair_gap_s"))
        self._plan_publisher = self.create_publisher(BiLevelPlan, "/kinevla/plan", 10)
        self._chunk_publisher = self.create_publisher(JointTrajectory, self._value("trajectory_topic"), 5)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        newest = QoSProfile(
            depth=1, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE
        )
        for camera in ("front", "wrist"):
            topic = self._value(f"{camera}_topic") + ("/compressed" if transport == "compressed" else "")
            take = partial(self._take_image, camera)
            bounded_subscription(self, IMAGE_TYPES[transport], topic, take, newest, IMAGE_BYTES)
        states = self._value("joint_state_topic")
        bounded_subscription(self, JointState, states, self._take_state, qos_profile_sensor_data, SMALL_BYTES)
        driver_states = self._value("driver_state_topic")
        bounded_subscription(
            self, DriverState, driver_states, self._take_driver_state, DRIVER_STATE_QOS, SMALL_BYTES
        )
        self.create_service(Instruct, "/kinevla/instruct", self._instruct)
        self.create_service(Approve, "/kinevla/approve", self._approve)
        self._gate = InstructionGate(self._understood, self._value("min_instruction_interval_s"))
        self.create_timer(1.0, self._publish_diagnostics)
        self.create_timer(1.0, self.while_active(self._tell_what_is_missing))
        self.create_timer(0.2, self._look_at_driver)

    def begin(self) -> None:
        """Accept instructions; an earlier one is not gone on with."""
        assert self._policy is not None and self._buffer is not None
        self._loop = PlanLoop(
            self._policy,
            self._buffer,
            self._send,
            self._ended,
            self._now_ns,
            self._settings,
            self._instruction_ids,
        )
        self._begun_s, self._missed = time.monotonic(), False
        self.get_logger().info("ready for instructions")

    def close(self) -> bool:
        """End the instruction and the loop's thread; the arm holds. False while a plan is computed."""
        loop = self._loop or self._ending
        if loop is None:
            return True
        self._end_instruction("the policy node is closing")
        self._loop = None
        ended = loop.close()
        self._ending = None if ended else loop
        return ended

    def forget(self) -> None:
        """Let the checkpoint go."""
        self._policy = self._buffer = None

    def destroy_node(self) -> None:
        """End the stop's own service too."""
        if self._stop_lane is not None:
            self._stop_lane.close()
        super().destroy_node()

    # --- inputs --------------------------------------------------------------------------------------
    def _take_image(self, camera: str, message: Image | CompressedImage) -> None:
        assert self._buffer is not None
        try:
            if isinstance(message, CompressedImage):
                pixels = compressed_to_rgb(bytes(message.data), message.format)
            else:
                pixels = image_to_rgb(message)
        except ImageError as error:
            self._refuse_image(camera, str(error))
            return
        stamp_ns, newest = messages.to_ns(message.header.stamp), self._buffer.latest_state()
        joints = None if newest is None else newest[1][:7]
        doubt = self._watches[camera].judge(stamp_ns, self._now_ns(), pixels, joints)
        if doubt is not None:
            self._refuse_image(camera, f"an image is not used, {doubt}")
            return
        self._counts[f"{camera} images"] += 1
        self._buffer.add_image(camera, stamp_ns, pixels)

    def _refuse_image(self, camera: str, reason: str) -> None:
        self._counts[f"{camera} images refused"] += 1
        self._last_image_refusal = printable(f"{camera} camera: {reason}")
        self.get_logger().warning(self._last_image_refusal, throttle_duration_sec=2.0)

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

    def _take_driver_state(self, message: DriverState) -> None:
        before = self._driver.newest
        self._driver.take(message, time.monotonic())
        loop = self._loop
        if loop is None:
            return
        if before is not None and message.chunks_accepted != before.chunks_accepted:
            loop.chunk_accepted()
        if before is not None and message.chunks_refused != before.chunks_refused:
            instruction_id = messages.instruction_of(message.last_refused)
            if instruction_id is not None:
                loop.chunk_refused(instruction_id, message.last_refusal)
        self._look_at_driver()

    def _look_at_driver(self) -> None:
        """End the running instruction when the right to move the arm for which it was given has ended."""
        running = None if self._loop is None else self._loop.running
        if running is not None and self._loop is not None:
            reason = self._driver.ended(running.epoch, time.monotonic())
            if reason:
                self._loop.stop(reason)

    def _obstacles(self) -> list[str]:
        """Why no instruction can begin now, whatever it says."""
        return [text for text in (self._driver.obstacle(time.monotonic()), self._silence()) if text]

    def _silence(self) -> str:
        """Which camera is silent, or the joint states; empty: none."""
        assert self._buffer is not None
        return self._buffer.silence(self._now_ns() - int(self._settings.max_observation_age_s * 1e9))

    def _tell_what_is_missing(self) -> None:
        """Once, when the robot has had the time to come up: what an instruction would be refused for."""
        if self._missed or time.monotonic() - self._begun_s < PATIENCE_S:
            return
        self._missed = True
        found = [text for text in (self._driver.missing(time.monotonic()), self._silence()) if text]
        if found:
            self.get_logger().warning(f"no instruction can begin yet: {printable('; '.join(found))}")

    # --- services ------------------------------------------------------------------------------------
    def _instruct(self, request: Instruct.Request, response: Instruct.Response) -> Instruct.Response:
        if self._loop is None or self._policy is None:
            response.message = "the policy node is not active"
            return response
        stops, epoch = self._stops, self._driver.epoch
        try:
            text = self._gate.admit(request.instruction, time.monotonic(), self._obstacles())
            with self._starting:
                if self._stops != stops:
                    raise ValueError("stopped before it began: give the instruction again")
                response.instruction_id = self._loop.start(text, epoch)
        except ValueError as error:
            self._counts["instructions refused"] += 1
            response.message = self._last_refusal = printable(error)
            self.get_logger().warning(f"instruction refused: {self._last_refusal}")
            return response
        self._counts["instructions"] += 1
        response.accepted = True
        waits = ", waits for /kinevla/approve" if self._settings.require_approval else ""
        response.message = f"started: {text}{waits}"
        self.get_logger().info(f"instruction {response.instruction_id}: {text}")
        return response

    def _understood(self, text: str, hindered: bool) -> str:
        """Let the policy say what it makes of a sentence before anything moves, and return it normalised.

        Args:
            text: what was asked.
            hindered: something else keeps the instruction from beginning, so that its form may be enough.

        Raises:
            ValueError: what is wrong with the sentence or not understood of it, or why nothing is seen.
        """
        assert self._policy is not None and self._buffer is not None
        checked = self._policy.check_instruction(text)
        seen = self._buffer.newest(self._now_ns() - int(self._settings.max_observation_age_s * 1e9))
        if not isinstance(seen, str):
            self._policy.understand(seen, checked)
        elif not hindered:
            raise ValueError(f"{CANNOT_SEE}: {seen}")
        return checked

    def _approve(self, request: Approve.Request, response: Approve.Response) -> Approve.Response:
        if self._loop is None:
            response.message = "the policy node is not active"
            return response
        answer = self._loop.approve(request.instruction_id, request.kinematics_reasoning)
        response.accepted, response.message = answer.accepted, printable(answer.text, MAX_ANSWER)
        response.instruction_id = answer.instruction_id
        self._counts["approvals" if answer.accepted else "approvals refused"] += 1
        self.get_logger().info(f"approve: {response.message}")
        return response

    def _stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._starting:
            self._stops += 1
            running = self._end_instruction("stopped")
        response.success = True
        response.message = "instruction ended, the arm holds" if running else "no instruction was running"
        return response

    # --- outputs (called from the loop's thread) -----------------------------------------------------
    def _send(self, report: ChunkReport) -> None:
        if not report.awaiting_approval:
            self._chunk_publisher.publish(messages.trajectory_message(report))
        self._plan_publisher.publish(messages.plan_message(report, self._now_ns()))
        if report.awaiting_approval:
            self._counts["plans shown"] += 1
            return
        self._counts["chunks"] += 1
        self._latency_s = report.latency_s

    def _ended(self, instruction_id: int, reason: str) -> None:
        self._counts["instructions ended"] += 1
        self.get_logger().info(f"instruction {instruction_id} ended: {printable(reason)}")
        self._publish_diagnostics()

    def _end_instruction(self, reason: str) -> bool:
        """End what runs, and replace what is left of its chunk by the pose the arm has; False: none ran."""
        loop, buffer = self._loop, self._buffer  # this may be the stop's thread: others change them meanwhile
        running = None if loop is None else loop.running
        if running is None or loop is None or buffer is None or not loop.stop(reason):
            return False
        newest = buffer.latest_state()
        if newest is not None:
            pose = [float(value) for value in newest[1]]
            hold = messages.hold_message(pose, newest[0], running.instruction_id, running.epoch)
            self._chunk_publisher.publish(hold)
        return True

    def _publish_diagnostics(self) -> None:
        if not rclpy.ok():
            return
        now_ns = self._now_ns()
        values: dict[str, Any] = dict(self._counts) | not_read(self)
        rates = {camera: watch.rate_hz(now_ns) for camera, watch in self._watches.items()}
        for camera, watch in self._watches.items():
            values[f"{camera} camera Hz"] = f"{rates[camera]:.0f}"
            values[f"{camera} stamps backwards"] = watch.jumps_back
        if self._last_refusal:
            values["last refusal"] = self._last_refusal[:300]
        if self._last_image_refusal:
            values["last image refusal"] = self._last_image_refusal[:300]
        if self._latency_s is not None:
            values["chunk latency s"] = f"{self._latency_s:.3f}"
        slow = {camera: rate for camera, rate in rates.items() if rate < self._rules.min_camera_rate_hz}
        values[STACK_ID] = self._value("stack_id")
        status = policy_status(None if self._loop is None else self._loop.status(), values, slow)
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def main() -> None:
    """Run the node until SIGINT or SIGTERM; exit code 2 when it cannot start."""
    kine_nodes.run("policy_node", PolicyNode)


if __name__ == "__main__":
    main()
