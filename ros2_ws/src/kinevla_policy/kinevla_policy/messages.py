"""Plans as ROS messages."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from kine_msgs.msg import BiLevelPlan
from kine_nodes.motion_right import tagged
from kinevla_policy.loop_types import ChunkReport
from kinevla_policy.observation_buffer import NS_PER_S

SOURCE = "kinevla"
JOINT_NAMES = (*(f"joint_{i}" for i in range(1, 8)), "gripper")


def to_time(stamp_ns: int) -> Time:
    """Nanoseconds since the epoch as a ROS time."""
    return Time(sec=stamp_ns // NS_PER_S, nanosec=stamp_ns % NS_PER_S)


def to_ns(stamp: Time) -> int:
    """A ROS time in nanoseconds since the epoch."""
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def trace_id(report: ChunkReport) -> str:
    """The name under which a chunk finds its plan, and the right to move for which it was made."""
    return tagged(f"{SOURCE}/{report.instruction_id}/{report.chunk_id}", report.epoch)


def trajectory_message(report: ChunkReport) -> JointTrajectory:
    """The chunk as positions-only points: absolute targets in rad, gripper 0..1."""
    message = JointTrajectory(joint_names=list(JOINT_NAMES))
    message.header.stamp = to_time(report.observation.stamp_ns)
    message.header.frame_id = trace_id(report)
    for index, action in enumerate(report.plan.actions):
        point = JointTrajectoryPoint(positions=[float(value) for value in action])
        _set_time_from_start(point, (index + 1) * report.plan.period_s)
        message.points.append(point)
    return message


def hold_message(
    state: list[float], stamp_ns: int, instruction_id: int, epoch: int, reach_s: float = 0.2
) -> JointTrajectory:
    """One point at the measured pose, which replaces what is left of a running chunk."""
    message = JointTrajectory(joint_names=list(JOINT_NAMES))
    message.header.stamp = to_time(stamp_ns)
    message.header.frame_id = tagged(f"{SOURCE}/{instruction_id}/hold", epoch)
    point = JointTrajectoryPoint(positions=state)
    _set_time_from_start(point, reach_s)
    message.points.append(point)
    return message


def instruction_of(frame_id: str) -> int | None:
    """The instruction to which a chunk of this frame belongs; None when it is not one of the policy's."""
    source, _, rest = frame_id.partition("/")
    number = rest.partition("/")[0]
    return int(number) if source == SOURCE and number.isascii() and number.isdigit() else None


def plan_id(report: ChunkReport) -> str:
    """`trace_id`, or `kinevla/<instruction>/proposal` for a plan that waits for approval."""
    if report.awaiting_approval:
        return f"{SOURCE}/{report.instruction_id}/proposal"
    return trace_id(report)


def plan_message(report: ChunkReport, published_ns: int) -> BiLevelPlan:
    """Reasoning, codes, stamps and latencies of one chunk."""
    plan, observation = report.plan, report.observation
    message = BiLevelPlan()
    message.header.stamp = to_time(observation.stamp_ns)
    message.header.frame_id = plan_id(report)
    message.awaiting_approval = report.awaiting_approval
    message.instruction = report.instruction
    message.instruction_id = report.instruction_id
    message.chunk_id = report.chunk_id
    message.goal_reasoning = plan.goal_text
    message.kinematics_reasoning = plan.kinematics_text
    message.goal_codes = [int(code) for code in plan.goal_codes]
    message.kinematics_codes = [int(code) for code in plan.kinematics_codes]
    reused = BiLevelPlan.REASONING_REUSED if plan.reasoning_reused else BiLevelPlan.REASONING_FRESH
    message.reasoning_state = reused
    message.tokens_reused = int(plan.tokens_reused)
    message.tokens_decoded = int(plan.tokens_decoded)
    message.actions = len(plan.actions)
    message.period_s = float(plan.period_s)
    message.front_stamp = to_time(observation.front_stamp_ns)
    message.wrist_stamp = to_time(observation.wrist_stamp_ns)
    message.joint_state_stamp = to_time(observation.state_stamp_ns)
    message.latency_vision_s = float(plan.latency_s.get("vision", 0.0))
    message.latency_generation_s = float(plan.latency_s.get("generation", 0.0))
    message.latency_decoder_s = float(plan.latency_s.get("action_decoder", 0.0))
    message.latency_total_s = float(report.latency_s)
    message.observation_age_s = max(0.0, (published_ns - observation.stamp_ns) / NS_PER_S)
    return message


def _set_time_from_start(point: JointTrajectoryPoint, time_s: float) -> None:
    total_ns = round(time_s * NS_PER_S)
    point.time_from_start.sec = total_ns // NS_PER_S
    point.time_from_start.nanosec = total_ns % NS_PER_S
