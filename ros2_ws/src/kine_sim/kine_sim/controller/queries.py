"""Answers to the `get_...` requests, in the forms that vendor SDK 1.1.6 accepts.

The name in an answer often differs from the name of the request; both are part of the protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from . import kinematics, protocol
from .core import Core
from .settings import CUSTOM_REQUEST_NAMES, WIRE_RPM_PER_DEG

# Firmware versions: a number on generation 3, a text on generation 4.
JOINT_VERSION, JOINT_VERSION_TEXT = 0x13, "V1.3.0"
TOOL_VERSION, TOOL_VERSION_TEXT = 0x0A, "V1.0.0"

Request = dict[str, Any]
Answer = dict[str, Any]
Query = Callable[[Core, Request], Answer]


def _rpm(values_deg: Any) -> list[int]:
    return [round(float(v) * WIRE_RPM_PER_DEG) for v in values_deg]


def software_info(core: Core, request: Request) -> Answer:
    """Product, generation and version blocks."""
    answer: Answer = {"Product_version": core.settings.product_version}
    if core.settings.generation == 4:
        answer["robot_controller_version"] = "4.0"
    answer |= {
        "algorithm_info": {"version": "1.4.3"},
        "command": "arm_software_info",
        "ctrl_info": {"build_time": "2025/01/01 00:00:00", "version": "V1.6.5"},
        "dynamic_info": {"model_version": "2"},
    }
    if core.settings.generation == 4:
        return answer | {
            "communication_info": {"build_time": "2025/01/01", "version": "V1.0.1"},
            "program_info": {"build_time": "2025/01/01", "version": "V1.0.2"},
        }
    return answer | {"plan_info": {"build_time": "2025/01/01 00:00:00", "version": "V1.6.5"}}


def current_trajectory(core: Core, request: Request) -> Answer:
    """Type of the running motion and the measured joints.

    The list always has seven values, because the SDK takes the number of joints from its length at connect.
    """
    kind = core.motion.trajectory_type()
    return {"state": "arm_current_trajectory", "type": kind, "data": core.joints_wire()}


def realtime_push(core: Core, request: Request) -> Answer:
    """Present configuration of the UDP push."""
    push = core.settings.push
    renamed = {flag: name for name, flag in CUSTOM_REQUEST_NAMES.items()}
    return {
        "command": "get_realtime_push",
        "cycle": push.cycle,
        "enable": push.enable,
        "port": push.port,
        "force_coordinate": push.force_coordinate,
        "ip": push.ip,
        "custom": {renamed.get(flag, flag): on for flag, on in push.custom.items()},
    }


def current_work_frame(core: Core, request: Request) -> Answer:
    """Name and pose of the current work frame."""
    name = core.settings.work_frame
    pose = kinematics.pose_to_wire(core.settings.work_frames[name])
    return {"state": "current_work_frame", "frame_name": name, "pose": pose}


def current_tool_frame(core: Core, request: Request) -> Answer:
    """Name, pose, payload and centre of mass of the current tool."""
    return {"state": "current_tool_frame", "tool_name": core.settings.tool_frame} | _tool(
        core, core.settings.tool_frame
    )


def _tool(core: Core, name: str) -> Answer:
    tool = core.settings.tool_frames[name]
    pose = kinematics.pose_to_wire(tool.pose)
    return {"pose": pose, "payload": tool.payload, "position": list(tool.position)}


def _named(request: Request, key: str, known: Any) -> str:
    name = request.get(key)
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"'{key}' {name!r} is none of {sorted(known)}")
    return name


def given_tool_frame(core: Core, request: Request) -> Answer:
    """One tool frame by name."""
    name = _named(request, "tool_name", core.settings.tool_frames)
    return {"state": "given_tool_frame", "tool_name": name} | _tool(core, name)


def given_work_frame(core: Core, request: Request) -> Answer:
    """One work frame by name."""
    name = _named(request, "frame_name", core.settings.work_frames)
    pose = kinematics.pose_to_wire(core.settings.work_frames[name])
    return {"state": "given_work_frame", "frame_name": name, "pose": pose}


def dh_data(core: Core, request: Request) -> Answer:
    """Modified Denavit-Hartenberg rows: alpha (0.001 deg), a, d (1e-6 m), offset (0.001 deg)."""
    rows = zip(kinematics.DH_ALPHA_DEG, kinematics.DH_D_M, strict=True)
    joints = {f"joint_{i}": [round(a * 1000), 0, round(d * 1e6), 0] for i, (a, d) in enumerate(rows, start=1)}
    return {"command": "get_DH_data", **joints}


def arm_state(core: Core, request: Request) -> Answer:
    """Measured joints, pose and system errors."""
    state = {
        "joint": core.joints_wire(),
        "pose": kinematics.pose_to_wire(core.pose()),
        "err": core.errors.system_codes(),
    }
    return {"state": "current_arm_state", "arm_state": state}


def all_state(core: Core, request: Request) -> Answer:
    """Temperatures, currents, voltages, error codes and enable flags of the joints."""
    state = {
        "temperature": core.temperature_wire(),
        "current": core.current_wire(),
        "voltage": core.voltage_wire(),
        "err_flag": core.errors.joint_codes(),
        "en_flag": core.enabled_wire(),
        "err": core.errors.system_codes(),
    }
    return {"state": "arm_all_state", "all_state": state}


def joint_err_flag(core: Core, request: Request) -> Answer:
    """Joint error codes, and brakes: 0 = released."""
    brakes = [1 - v for v in core.enabled_wire()]
    return {"state": "joint_err_flag", "err_flag": core.errors.joint_codes(), "brake_state": brakes}


def controller_state(core: Core, request: Request) -> Answer:
    """Supply of the controller box and its error."""
    amperes = 0.5 + float(np.sum(core.backend.current_a()))
    return {
        "state": "controller_state",
        "voltage": 24000,
        "current": round(amperes * 1000),
        "temperature": 42000,
        "err_flag": core.errors.system_codes()[0],
    }


def system_runtime(core: Core, request: Request) -> Answer:
    """Time since the controller started."""
    seconds = int(time.monotonic() - core.start_s)
    days, rest = divmod(seconds, 86400)
    return {
        "command": "get_system_runtime",
        "day": days,
        "hour": rest // 3600,
        "min": rest % 3600 // 60,
        "sec": rest % 60,
    }


def _value(name: str, key: str, get: Callable[[Core], Any], by: str = "state") -> Query:
    return lambda core, request: {by: name, key: get(core)}


QUERIES: dict[str, Query] = {
    "get_arm_software_info": software_info,
    "get_arm_current_trajectory": current_trajectory,
    "get_realtime_push": realtime_push,
    "get_current_work_frame": current_work_frame,
    "get_current_tool_frame": current_tool_frame,
    "get_tool_frame": given_tool_frame,
    "get_work_frame": given_work_frame,
    "get_total_tool_frame": _value("total_tool_frame", "tool_names", lambda c: list(c.settings.tool_frames)),
    "get_total_work_frame": _value("total_work_frame", "frame_names", lambda c: list(c.settings.work_frames)),
    "get_install_pose": _value("install_pose", "pose", lambda c: list(c.settings.install_pose_mdeg)),
    "get_joint_min_pos": _value(
        "joint_min_pos", "min_pos", lambda c: protocol.thousandths(c.settings.min_pos_deg)
    ),
    "get_joint_max_pos": _value(
        "joint_max_pos", "max_pos", lambda c: protocol.thousandths(c.settings.max_pos_deg)
    ),
    "get_joint_max_acc": _value("joint_max_acc", "joint_acc", lambda c: _rpm(c.settings.max_acc_deg_s2)),
    "get_joint_max_speed": _value(
        "joint_max_speed", "joint_speed", lambda c: _rpm(c.settings.max_speed_deg_s)
    ),
    "get_joint_drive_min_pos": _value(
        "get_joint_drive_min_pos",
        "min_pos",
        lambda c: protocol.thousandths(c.settings.min_pos_deg),
        "command",
    ),
    "get_joint_drive_max_pos": _value(
        "get_joint_drive_max_pos",
        "max_pos",
        lambda c: protocol.thousandths(c.settings.max_pos_deg),
        "command",
    ),
    "get_joint_drive_max_speed": _value(
        "get_joint_drive_max_speed",
        "joint_speed",
        lambda c: _rpm(c.settings.drive_max_speed_deg_s),
        "command",
    ),
    "get_joint_drive_max_acc": _value(
        "get_joint_drive_max_acc", "joint_acc", lambda c: _rpm(c.settings.drive_max_acc_deg_s2), "command"
    ),
    "get_DH_data": dh_data,
    "get_current_arm_state": arm_state,
    "get_joint_degree": _value("joint_degree", "joint", lambda c: c.joints_wire()),
    "get_arm_all_state": all_state,
    "get_joint_err_flag": joint_err_flag,
    "get_joint_en_state": _value("joint_en_state", "en_state", lambda c: c.enabled_wire()),
    "get_controller_state": controller_state,
    "get_arm_power_state": _value("arm_power_state", "power_state", lambda c: c.settings.power),
    "get_arm_run_mode": _value("get_arm_run_mode", "mode", lambda c: c.settings.run_mode, "command"),
    "get_collision_stage": _value(
        "get_collision_stage", "collision_stage", lambda c: c.settings.collision_stage, "command"
    ),
    "get_gripper_state": lambda core, request: {"command": "get_gripper_state"} | core.gripper.state(),
    "get_rm_plus_mode": _value("get_rm_plus_mode", "mode", lambda c: c.settings.rm_plus_mode, "command"),
    "get_drag_teach_sensitivity": _value(
        "get_drag_teach_sensitivity", "grade", lambda c: c.settings.drag_sensitivity, "command"
    ),
    "get_joint_software_version": _value(
        "joint_software_version",
        "version",
        lambda c: [JOINT_VERSION_TEXT if c.settings.generation == 4 else JOINT_VERSION] * 7,
    ),
    "get_tool_software_version": _value(
        "tool_software_version",
        "version",
        lambda c: TOOL_VERSION_TEXT if c.settings.generation == 4 else TOOL_VERSION,
    ),
    "get_tool_voltage": _value("tool_voltage_state", "voltage_type", lambda c: c.settings.tool_voltage),
    "get_system_runtime": system_runtime,
    "get_init_pose": _value("arm_init_pose", "init_pose", lambda c: list(c.settings.init_pose_mdeg)),
    "get_current_joint_temperature": _value(
        "current_joint_temperature", "joint_temperature", lambda c: c.temperature_wire()
    ),
    "get_current_joint_current": _value("current_joint_current", "joint_current", lambda c: c.current_wire()),
    "get_current_joint_voltage": _value("current_joint_voltage", "joint_voltage", lambda c: c.voltage_wire()),
    "get_arm_max_line_speed": _value(
        "arm_max_line_speed", "arm_line_speed", lambda c: round(c.settings.line_speed_m_s * 1000)
    ),
    "get_arm_max_line_acc": _value(
        "arm_max_line_acc", "arm_line_acc", lambda c: round(c.settings.line_acceleration_m_s2 * 1000)
    ),
    "get_arm_max_angular_speed": _value(
        "arm_max_angular_speed", "arm_angular_speed", lambda c: round(c.settings.angular_speed_rad_s * 1000)
    ),
    "get_arm_max_angular_acc": _value(
        "arm_max_angular_acc",
        "arm_angular_acc",
        lambda c: round(c.settings.angular_acceleration_rad_s2 * 1000),
    ),
}
