"""Between ROS messages and the driver's own data."""

from __future__ import annotations

from array import array

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from kine_msgs.msg import DriverState
from kine_nodes.status import key_values
from kine_nodes.texts import printable

from .arm_model import AXIS_NAMES
from .diagnostics import Report
from .driver import Driver
from .gate import ChunkPoint, ReceivedChunk
from .state import ArmState
from .supervisor import State

HOME_SOURCE = "home"


def to_time(nanoseconds: int) -> Time:
    """A ROS time message."""
    return Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def to_chunk(message: JointTrajectory) -> ReceivedChunk:
    """A received message as it is: lengths, names and values are judged later."""
    points = tuple(
        ChunkPoint(
            positions=tuple(point.positions),
            time_s=point.time_from_start.sec + point.time_from_start.nanosec * 1e-9,
            has_other_fields=bool(len(point.velocities) or len(point.accelerations) or len(point.effort)),
        )
        for point in message.points
    )
    stamp = message.header.stamp
    stamp_s = stamp.sec + stamp.nanosec * 1e-9
    return ReceivedChunk(tuple(message.joint_names), points, stamp_s, message.header.frame_id)


def to_joint_state(state: ArmState, gripper_opening: float) -> JointState:
    """7 joints in rad and the gripper's opening, stamped with the arrival of the measurement."""
    message = JointState()
    message.header.stamp = to_time(state.arrived_ros_ns)
    message.name = list(AXIS_NAMES)
    message.position = array("d", (*state.position_rad, gripper_opening))
    return message


def to_driver_state(driver: Driver, now_s: float, now_ns: int) -> DriverState:
    """What the driver does and who may move the arm.

    Args:
        driver: the driver.
        now_s: monotonic time.
        now_ns: ROS time.
    """
    supervisor, chunks = driver.supervisor, driver.chunks
    state = supervisor.state
    message = DriverState(
        state=getattr(DriverState, state.value),
        reason=printable(supervisor.reason),
        epoch=supervisor.right.epoch,
        source=HOME_SOURCE if state is State.HOMING else supervisor.right.source(now_s),
        stack_id=driver.config.stack_id,
        chunks_accepted=chunks.accepted,
        chunks_refused=sum(chunks.refusals.values()),
        last_refused=chunks.last_refused,
        last_refusal=chunks.last_refusal,
    )
    message.header.stamp = to_time(now_ns)
    return message


def to_diagnostics(report: Report, name: str, hardware_id: str, now_ns: int) -> DiagnosticArray:
    """One diagnostic status in an array."""
    status = DiagnosticStatus(level=bytes([report.level]), name=name, message=printable(report.message))
    status.hardware_id = hardware_id
    status.values = key_values(report.values)
    message = DiagnosticArray(status=[status])
    message.header.stamp = to_time(now_ns)
    return message
