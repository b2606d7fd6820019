"""What the driver's logic needs from an arm: data in SI units and one protocol.

The SDK adapter implements it for the vendor's controller, tests implement it with a plain object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .arm_model import Limits


class ArmError(RuntimeError):
    """A request to the arm failed; the text names the request and what the controller or SDK said."""


# What a failed connect says when a TCP connection stands but the SDK gets no answer over it.
NO_CONTROLLER = "did not answer as a Realman controller"


@dataclass(frozen=True)
class LinkSettings:
    """Addresses. `udp_host_ip` empty: found from the route; `udp_port` 0: a free one is picked."""

    robot_ip: str
    robot_port: int
    udp_host_ip: str
    udp_port: int
    udp_period_ms: int
    connect_timeout_s: float = 1.0


@dataclass(frozen=True)
class RawState:
    """One state datagram as received, converted to SI units but not judged yet.

    Joint tuples have 7 entries: rad, A, degrees Celsius. `system_error_codes` has those that are not zero.
    `motion` is what the controller says the arm is doing, in its own words; empty: it does not say.
    `defect` says why the datagram cannot be read, under a short `defect_rule`; then the tuples are empty.
    `arrived_monotonic_s` and `arrived_ros_ns` are taken when the datagram reached this computer.
    """

    sender_ip: str
    position_rad: tuple[float, ...]
    current_a: tuple[float, ...]
    temperature_c: tuple[float, ...]
    joint_enabled: tuple[bool, ...]
    joint_error_codes: tuple[int, ...]
    system_error_codes: tuple[int, ...]
    motion: str
    defect_rule: str
    defect: str
    arrived_monotonic_s: float
    arrived_ros_ns: int


@dataclass(frozen=True)
class MotionEvent:
    """The controller reports the end of a planned motion. `device` 0 is the joints, 1 the gripper."""

    device: int
    success: bool


@dataclass(frozen=True)
class ArmInfo:
    """What a controller says about itself when the connection is made."""

    model: str
    generation: int
    controller_version: str
    sdk_version: str
    limits: Limits
    position_rad: tuple[float, ...]
    udp_port: int


StateCallback = Callable[[RawState], None]
EventCallback = Callable[[MotionEvent], None]


class Arm(Protocol):
    """A seven-axis arm with a gripper behind a network link. All angles in rad."""

    def set_callbacks(self, on_state: StateCallback, on_event: EventCallback) -> None:
        """Register the receivers of state datagrams and arrival events (called in foreign threads)."""

    def connect(self) -> ArmInfo:
        """Open the link and switch the state datagrams on. Raises ArmError."""

    def disconnect(self) -> None:
        """Close the link; harmless when there is none."""

    def send_setpoint_rad(self, position_rad: tuple[float, ...]) -> int:
        """Send one frame of the joint stream; 0 when the link took it. Never waits for an answer."""

    def stop(self) -> int:
        """Ask the controller for its fastest stop; 0 when it confirmed. Waits for no other request."""

    def start_move_rad(self, position_rad: tuple[float, ...], speed_percent: int) -> None:
        """Start a planned joint motion and return at once. Raises ArmError."""

    def set_gripper(self, opening: float) -> None:
        """Send a gripper target, 0 closed to 1 open, without waiting for the motion. Raises ArmError."""

    def gripper_opening(self) -> float:
        """Measured gripper opening, 0 closed to 1 open. Raises ArmError."""

    def measured_position_rad(self) -> tuple[float, ...]:
        """Measured joint angles (7,), asked for by a request. Raises ArmError."""

    def clear_errors(self, joint_numbers: tuple[int, ...]) -> None:
        """Clear system errors and the errors of the joints named (1..7). Raises ArmError."""

    def power_joints(self, joint_numbers: tuple[int, ...]) -> None:
        """Switch the power of the joints named (1..7) on. Raises ArmError."""

    def take_over(self) -> None:
        """Let the next `connect` take the arm's state back from another client."""

    def release(self) -> None:
        """Forget the callbacks; the object is not used afterwards."""
