"""Commands: what each request does, and the key under which its answer says true or false.

A handler returns nothing on success and raises `ValueError` with the reason on refusal; the server turns that
into the documented answer. Streamed frames (canfd) have no answer at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import errors as codes
from . import kinematics, protocol
from .config_commands import CONFIG_RUNNERS
from .core import Core
from .paths import PlannedPath, plan_joint_path, plan_line_path

Request = dict[str, Any]
Run = Callable[[Core, Request, str], None]


@dataclass(frozen=True)
class Command:
    """How a command is run and answered.

    Attributes:
        run: the effect; raises ValueError to refuse.
        key: key of the true/false value in the answer.
        name: value of `command` in the answer when it differs from the request's.
        plans: the effect takes long enough (inverse kinematics) to be kept off the network thread.
    """

    run: Run
    key: str
    name: str = ""
    plans: bool = False


def _speed(request: Request) -> int:
    return protocol.integer(request, "v", 1, 100)


def _connect(request: Request) -> int:
    protocol.integer(request | {"r": request.get("r", 0)}, "r", 0, 100)
    return protocol.integer(request, "trajectory_connect", 0, 1)


def _launch(core: Core, request: Request, client: str, plan: Callable[[], PlannedPath]) -> None:
    connect, epoch = _connect(request), core.motion.epoch
    core.motion.check_ready()
    core.motion.start(plan(), client, connect, epoch)


def movej(core: Core, request: Request, client: str) -> None:
    """Joint motion to seven angles."""
    goal, speed = protocol.joints_from_wire(request.get("joint")), _speed(request)
    try:
        core.settings.check_joint_limits(goal)
    except ValueError:
        core.errors.raise_system(codes.SYSTEM_TARGET_BEYOND_LIMIT)
        raise
    start = core.motion.planning_start_rad()
    _launch(core, request, client, lambda: plan_joint_path(start, goal, speed, core.settings))


def _target_pose(core: Core, request: Request) -> kinematics.FloatArray:
    if "pose_quat" in request:
        values = protocol.numbers(request["pose_quat"], 7, "pose_quat")
    else:
        values = protocol.numbers(request.get("pose"), 6, "pose")
    return core.settings.flange_target(kinematics.pose_from_wire(values))


def movej_p(core: Core, request: Request, client: str) -> None:
    """Joint motion to a pose."""
    target, speed = _target_pose(core, request), _speed(request)
    start, (low, high) = core.motion.planning_start_rad(), core.settings.joint_limits_rad()

    def plan() -> PlannedPath:
        goal = kinematics.solve(target, start, low, high, restarts=8)
        return plan_joint_path(start, goal, speed, core.settings)

    _launch_to_pose(core, request, client, plan)


def movel(core: Core, request: Request, client: str) -> None:
    """Straight motion to a pose."""
    target, speed = _target_pose(core, request), _speed(request)
    start = core.motion.planning_start_rad()
    _launch_to_pose(core, request, client, lambda: plan_line_path(start, target, speed, core.settings))


def _launch_to_pose(core: Core, request: Request, client: str, plan: Callable[[], PlannedPath]) -> None:
    try:
        _launch(core, request, client, plan)
    except kinematics.UnreachableError:
        core.errors.raise_system(codes.SYSTEM_UNREACHABLE)
        raise


def stop(core: Core, request: Request, client: str) -> None:
    """Fastest stop."""
    core.motion.stop()


def slow_stop(core: Core, request: Request, client: str) -> None:
    """Stop on the path."""
    core.motion.slow_stop()


def pause(core: Core, request: Request, client: str) -> None:
    """Rest on the path."""
    core.motion.pause()


def resume(core: Core, request: Request, client: str) -> None:
    """Continue a paused path."""
    core.motion.resume()


def delete_trajectory(core: Core, request: Request, client: str) -> None:
    """Drop a paused motion."""
    if not core.motion.delete_trajectories():
        raise ValueError("a trajectory can be deleted only while it is paused")


def emergency_stop(core: Core, request: Request, client: str) -> None:
    """Latch or release the emergency stop of a generation 4 controller."""
    if core.settings.generation != 4:
        raise ValueError("only generation 4 controllers have this emergency stop")
    active = bool(protocol.integer(request, "emergency_stop", 0, 1))
    core.settings.emergency_stop = active
    if active:
        core.motion.stop()


def gripper_position(core: Core, request: Request, client: str) -> None:
    """Go to a position 1..1000."""
    core.gripper.move_to(protocol.integer(request, "position", 1, 1000), _block(request), client)


def gripper_pick(core: Core, request: Request, client: str) -> None:
    """Close until a force is met; `pick_on` keeps pressing, which the backend does in both cases."""
    speed, force = protocol.integer(request, "speed", 1, 1000), protocol.integer(request, "force", 50, 1000)
    core.gripper.pick(speed, force, _block(request), client)


def gripper_release(core: Core, request: Request, client: str) -> None:
    """Open fully."""
    core.gripper.release(protocol.integer(request, "speed", 1, 1000), _block(request), client)


def gripper_route(core: Core, request: Request, client: str) -> None:
    """Limit the stroke."""
    core.gripper.set_route(
        protocol.integer(request, "min", 0, 1000), protocol.integer(request, "max", 0, 1000)
    )


def _block(request: Request) -> bool:
    value = request.get("block")
    if not isinstance(value, bool):
        raise ValueError(f"'block' must be true or false, got {value!r}")
    return value


def start_drag(core: Core, request: Request, client: str) -> None:
    """Let the arm be led by hand."""
    protocol.integer(request, "trajectory_record", 0, 1)
    core.motion.start_drag()


def stop_drag(core: Core, request: Request, client: str) -> None:
    """Hold the arm again."""
    core.motion.stop_drag()


COMMANDS: dict[str, Command] = {
    "movej": Command(movej, "receive_state"),
    "movej_p": Command(movej_p, "receive_state", plans=True),
    "movel": Command(movel, "receive_state", plans=True),
    "set_arm_stop": Command(stop, "arm_stop"),
    "set_arm_slow_stop": Command(slow_stop, "arm_slow_stop"),
    "set_arm_pause": Command(pause, "arm_pause"),
    "set_arm_continue": Command(resume, "arm_continue"),
    "set_delete_current_trajectory": Command(delete_trajectory, "delete_current_trajectory"),
    "set_arm_delete_trajectory": Command(delete_trajectory, "arm_delete_trajectory"),
    "set_arm_emergency_stop": Command(emergency_stop, "set_state"),
    "set_gripper_position": Command(gripper_position, "state", "set_gripper"),
    "set_gripper_pick": Command(gripper_pick, "state", "set_gripper"),
    "set_gripper_pick_on": Command(gripper_pick, "state", "set_gripper"),
    "set_gripper_release": Command(gripper_release, "state", "set_gripper"),
    "set_gripper_route": Command(gripper_route, "state"),
    "start_drag_teach": Command(start_drag, "drag_teach"),
    "stop_drag_teach": Command(stop_drag, "drag_teach"),
    **{name: Command(run, key) for name, (run, key) in CONFIG_RUNNERS.items()},
}

# Motions this controller understands but does not carry out; the SDK expects this key in the refusal.
REFUSED_MOTIONS = ("movec", "moves", "movel_offset")


def streamed_joints(core: Core, request: Request) -> tuple[np.ndarray, str]:
    """Apply a streamed frame (`STREAM_COMMANDS`); returns its joints (7,) rad and what became of them.

    Raises:
        ValueError: the frame is malformed or its pose is unreachable.
    """
    if request["command"] == "movej_follow":
        joints = protocol.joints_from_wire(request.get("joint"))
        return joints, core.motion.follow_target(joints)
    follow = request.get("follow")
    if not isinstance(follow, bool):
        raise ValueError(f"'follow' must be true or false, got {follow!r}")
    mode = protocol.integer({"trajectory_mode": 0} | request, "trajectory_mode", 0, 2)
    radio = protocol.integer({"radio": 0} | request, "radio", 0, 1000)
    if request["command"] == "movej_canfd":
        joints = protocol.joints_from_wire(request.get("joint"))
        return joints, core.motion.stream_frame(joints, follow, mode, radio, "move_through_joint")
    low, high = core.settings.joint_limits_rad()
    try:
        joints = kinematics.solve(
            _target_pose(core, request), core.motion.setpoint_rad(), low, high, iterations=40
        )
    except kinematics.UnreachableError:
        core.errors.raise_system(codes.SYSTEM_UNREACHABLE)
        raise
    return joints, core.motion.stream_frame(joints, follow, mode, radio, "move_through_pose")


STREAM_COMMANDS = ("movej_canfd", "movep_canfd", "movej_follow")
