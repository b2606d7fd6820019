"""The one place that calls the arm through the vendor's SDK; it and `state_datagram` alone know degrees.

Rules kept here and in `sdk_session`, each against a measured behaviour of SDK 1.1.6:

- every connect is preceded by a delete (a failed connect keeps one of five handles);
- methods a controller generation does not know are refused before the SDK sees them (`generation_gate`);
- request/answer calls share a lock (answers may be taken by another waiter); stream frames and stop do not
  take it, so neither waits for a silent controller;
- planned motions and gripper commands never block; the gripper's `timeout` is 1, since 0 sleeps a second;
- angles are rounded to the nearest 0.001 degree and nudged outwards, because the SDK truncates to that.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from Robotic_Arm.rm_robot_interface import rm_api_version, rm_realtime_push_config_t, rm_udp_custom_config_t

from . import generation_gate, link_probe, sdk_session
from .arm_interface import (
    NO_CONTROLLER,
    ArmError,
    ArmInfo,
    EventCallback,
    LinkSettings,
    MotionEvent,
    StateCallback,
)
from .arm_model import JOINT_COUNT, narrowed_limits
from .error_codes import describe_return_code
from .state_datagram import read_state
from .state_receiver import StateReceiver
from .unsent import discard_on_close

__all__ = ["LinkSettings", "RealmanArm", "gripper_opening", "gripper_position", "to_wire_degrees"]

UDP_TICK_MS = 5
GRIPPER_MIN_POSITION = 1
GRIPPER_MAX_POSITION = 1000
SDK_LOG_ERRORS_ONLY = 3
# Well under half a wire unit, well over the resolution of the SDK's 32-bit floats at 360 degrees.
_NUDGE_DEG = 0.0004


def to_wire_degrees(angle_rad: float) -> float:
    """Degrees to hand to the SDK so that its truncation yields the nearest 0.001 degree of `angle_rad`."""
    rounded = round(math.degrees(angle_rad) * 1000.0) / 1000.0
    if rounded == 0.0:
        return 0.0
    return rounded + math.copysign(_NUDGE_DEG, rounded)


def gripper_position(opening: float) -> int:
    """Wire position 1..1000 of an opening 0..1."""
    return GRIPPER_MIN_POSITION + round(opening * (GRIPPER_MAX_POSITION - GRIPPER_MIN_POSITION))


def gripper_opening(position: float) -> float:
    """Opening 0..1 of a measured position, which the controller reports as 0..1000."""
    span = GRIPPER_MAX_POSITION - GRIPPER_MIN_POSITION
    return min(1.0, max(0.0, (position - GRIPPER_MIN_POSITION) / span))


class RealmanArm:
    """The vendor's controller as an `Arm`: radians in and out, see the module text for the rules.

    Args:
        settings: addresses of the link.
        ros_clock_ns: the ROS time at which a datagram arrives, ns; called in the thread that reads them.
    """

    def __init__(self, settings: LinkSettings, ros_clock_ns: Callable[[], int]) -> None:
        self._settings = settings
        self._ros_clock_ns = ros_clock_ns
        self._robot = sdk_session.new_robot()
        self._has_handle = False
        self._usable = False
        self._generation: int | None = None
        self._request_lock = threading.Lock()
        self._push_target: tuple[str, int] | None = None
        self._on_state: StateCallback | None = None
        self._on_event: EventCallback | None = None
        self._receiver = StateReceiver(self._receive_state)

    def set_callbacks(self, on_state: StateCallback, on_event: EventCallback) -> None:
        """Register the receivers of state datagrams and arrival events (called in threads of their own)."""
        self._on_state, self._on_event = on_state, on_event
        sdk_session.add_receiver(self)

    def release(self) -> None:
        """Stop receiving; the object is not used afterwards."""
        self._receiver.close()
        sdk_session.remove_receiver(self)

    def _receive_state(self, data: bytes, sender_ip: str, arrived_s: float) -> None:
        """Thread of the receiver: read one datagram and pass it on."""
        if self._on_state is not None:
            self._on_state(read_state(data, sender_ip, arrived_s, self._ros_clock_ns()))

    def receive_event(self, data: Any) -> None:
        """Pass on one arrival event (called in the SDK's TCP thread)."""
        if self._on_event is not None:
            self._on_event(MotionEvent(device=int(data.device), success=bool(data.trajectory_state)))

    def connect(self) -> ArmInfo:
        """Delete the old handle, connect, check the model, switch the state datagrams on.

        Raises:
            ArmError: the controller cannot be reached, is no seven-axis RM75, or refuses a request.
        """
        self.disconnect()
        settings = self._settings
        link_probe.require_reachable(settings.robot_ip, settings.robot_port, settings.connect_timeout_s)
        with self._request_lock:
            self._has_handle = True  # even a failed create holds a handle until it is deleted
            try:
                handle = self._robot.rm_create_robot_arm(
                    settings.robot_ip, settings.robot_port, SDK_LOG_ERRORS_ONLY
                )
            except ValueError as error:  # a null pointer: this process already holds all five handles
                raise ArmError(f"the SDK has no handle left for {settings.robot_ip}: {error}") from error
        address = f"{settings.robot_ip}:{settings.robot_port}"
        if handle.id <= 0:
            self.disconnect()
            raise ArmError(f"{address} accepted the connection but {NO_CONTROLLER}")
        self._usable = True
        try:
            info = self._read_info(address)
            return replace(info, udp_port=self._start_state_push(address))
        except ArmError:
            self.disconnect()
            raise

    def take_over(self) -> None:
        """Let the next `connect` take the arm's state back from another client."""
        self._push_target = None

    def disconnect(self) -> None:
        """Delete the SDK's handle, and with it frames the network has not taken; harmless without one."""
        self._usable = False
        if not self._has_handle:
            return
        with self._request_lock:
            self._has_handle = False
            self._generation = None
            discard_on_close(self._settings.robot_ip, self._settings.robot_port)
            with suppress(ValueError):  # the SDK hands out a null pointer once all handles are taken
                self._robot.rm_delete_robot_arm()

    def send_setpoint_rad(self, position_rad: tuple[float, ...]) -> int:
        """Send one frame of the joint stream, high follow, passed through unfiltered; 0 when sent."""
        if not self._usable:
            return -1
        frame = [to_wire_degrees(angle) for angle in position_rad]
        return int(self._robot.rm_movej_canfd(frame, True, 0, 0, 0))

    def stop(self) -> int:
        """Send the fastest joint stop at once, past the request lock; 0 when the controller confirmed it."""
        if not self._usable:
            return -1
        return int(self._robot.rm_set_arm_stop())

    def start_move_rad(self, position_rad: tuple[float, ...], speed_percent: int) -> None:
        """Start a planned joint motion without waiting for its end. Raises ArmError."""
        target = [to_wire_degrees(angle) for angle in position_rad]
        self._request("rm_movej", target, speed_percent, 0, 0, 0)

    def set_gripper(self, opening: float) -> None:
        """Send a gripper target 0..1 without waiting for the motion. Raises ArmError."""
        self._request("rm_set_gripper_position", gripper_position(opening), False, 1)

    def gripper_opening(self) -> float:
        """Measured opening 0..1. Raises ArmError."""
        state = self._request("rm_get_gripper_state")
        return gripper_opening(float(state["actpos"]))

    def measured_position_rad(self) -> tuple[float, ...]:
        """Measured joint angles (7,), asked for by a request. Raises ArmError."""
        return tuple(math.radians(degrees) for degrees in self._request("rm_get_joint_degree"))

    def clear_errors(self, joint_numbers: tuple[int, ...]) -> None:
        """Clear the errors of the joints named (1..7), then the system errors. Raises ArmError."""
        for number in joint_numbers:
            self._request("rm_set_joint_clear_err", number)
        self._request("rm_clear_system_err")

    def power_joints(self, joint_numbers: tuple[int, ...]) -> None:
        """Switch the power of the joints named (1..7) on. Raises ArmError."""
        for number in joint_numbers:
            self._request("rm_set_joint_en_state", number, 1)

    def set_drag_sensitivity(self, percent: int) -> None:
        """How lightly the arm follows a hand in drag teach, 0..100 (100: as delivered). Raises ArmError."""
        self._request("rm_set_drag_teach_sensitivity", percent)

    def start_drag_teach(self) -> None:
        """Let the joints be led by hand, without recording a path. Raises ArmError."""
        self._request("rm_start_drag_teach", 0)

    def stop_drag_teach(self) -> None:
        """End drag teach: the joints hold where they are. Raises ArmError."""
        self._request("rm_stop_drag_teach")

    def _request(self, method: str, *arguments: Any) -> Any:
        """Call a request/answer method under the lock; the payload of its answer, or None."""
        if not self._usable:
            raise ArmError(f"{method}: there is no connection")
        with self._request_lock:
            generation_gate.check(method, self._generation)
            answer = getattr(self._robot, method)(*arguments)
        code, payload = answer if isinstance(answer, tuple) else (answer, None)
        if code != 0:
            raise ArmError(f"{method} failed: {describe_return_code(int(code))}")
        return payload

    def _read_info(self, address: str) -> ArmInfo:
        facts = self._request("rm_get_robot_info")
        self._generation = int(facts["robot_controller_version"])
        if facts["arm_model"] != "RM_75" or facts["arm_dof"] != JOINT_COUNT:
            raise ArmError(
                f"{address} is a {facts['arm_model']} with {facts['arm_dof']} joints; "
                f"this driver is for the RM_75 with {JOINT_COUNT}"
            )
        software = self._request("rm_get_arm_software_info")
        lower = [math.radians(degrees) for degrees in self._request("rm_get_joint_min_pos")]
        upper = [math.radians(degrees) for degrees in self._request("rm_get_joint_max_pos")]
        try:
            limits = narrowed_limits(lower, upper)
        except ValueError as error:
            raise ArmError(f"{address}: {error}") from error
        return ArmInfo(
            model=str(software.get("product_version") or facts["arm_model"]),
            generation=self._generation,
            controller_version=str((software.get("ctrl_info") or {}).get("version", "unknown")),
            sdk_version=str(rm_api_version()),
            limits=limits,
            position_rad=self.measured_position_rad(),
            udp_port=0,
        )

    def _start_state_push(self, address: str) -> int:
        settings = self._settings
        port = self._receiver.listen(settings.udp_port)
        host_ip = settings.udp_host_ip or link_probe.local_ip_towards(settings.robot_ip, settings.robot_port)
        self._require_own_push(address)
        push = rm_realtime_push_config_t(
            settings.udp_period_ms // UDP_TICK_MS,
            True,
            port,
            -1,
            host_ip,
            rm_udp_custom_config_t(joint_speed=0, arm_current_status=1),
        )
        try:
            self._request("rm_set_realtime_push", push)
        except ArmError as error:
            raise ArmError(f"{address} refuses to send its state to {host_ip}:{port}: {error}") from error
        self._push_target = (host_ip, port)
        return port

    def _require_own_push(self, address: str) -> None:
        """After a loss: refuse to fight over the arm with a client that had its state sent elsewhere."""
        if self._push_target is None:
            return
        present = self._request("rm_get_realtime_push")
        target = (str(present["ip"]), int(present["port"]))
        if present["enable"] and target != self._push_target:
            raise ArmError(
                f"another client has the state of {address} sent to {target[0]}:{target[1]}; "
                "end it, then call reset to take the arm back"
            )
