"""Commands that change the controller's memory: enabling, errors, modes, frames, limits, push, tool port."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import numpy as np

from . import kinematics, protocol
from .core import Core
from .settings import CUSTOM_FLAGS, CUSTOM_REQUEST_NAMES, WIRE_RPM_PER_DEG, ToolFrame

Request = dict[str, Any]
Run = Callable[[Core, Request, str], None]
RM_PLUS_BAUD_RATES = (0, 9600, 115200, 256000, 460800)
MAX_FRAMES = 10
# Speeds, accelerations and limits may be lowered and restored, not raised beyond what the arm can do.
MAX_SPEED_DEG_S = 225.0
MAX_ACCELERATION_DEG_S2 = 600.0


def clear_system_error(core: Core, request: Request, client: str) -> None:
    """Forget system errors; joint errors are cleared one by one with `set_joint_clear_err`."""
    core.errors.clear_system()


def clear_joint_error(core: Core, request: Request, client: str) -> None:
    """Forget the error of one joint."""
    core.errors.clear_joint(protocol.integer(request, "joint_clear_err", 1, 7))


def enable_joint(core: Core, request: Request, client: str) -> None:
    """Switch the motor of one joint."""
    joint, state = protocol.numbers(request.get("joint_en_state"), 2, "joint_en_state").astype(int).tolist()
    if not 1 <= joint <= 7 or state not in (0, 1):
        raise ValueError(f"'joint_en_state' must be [1..7, 0 or 1], got {[joint, state]}")
    core.motion.set_joint_enabled(joint - 1, bool(state))


def arm_power(core: Core, request: Request, client: str) -> None:
    """Switch all motors."""
    power = protocol.integer(request, "arm_power", 0, 1)
    if power == 0:
        core.motion.stop()
    for index in range(7):
        core.motion.set_joint_enabled(index, bool(power))
    core.settings.power = power


def run_mode(core: Core, request: Request, client: str) -> None:
    """0 simulation, 1 real."""
    core.settings.run_mode = protocol.integer(request, "mode", 0, 1)


def collision_stage(core: Core, request: Request, client: str) -> None:
    """Sensitivity 0..8."""
    core.settings.collision_stage = protocol.integer(request, "collision_stage", 0, 8)


def drag_sensitivity(core: Core, request: Request, client: str) -> None:
    """Ease of leading by hand, 0..100 %."""
    core.settings.drag_sensitivity = protocol.integer(request, "grade", 0, 100)


def tool_voltage(core: Core, request: Request, client: str) -> None:
    """Supply of the tool port: 0 off, 2 = 12 V, 3 = 24 V."""
    core.settings.tool_voltage = protocol.integer(request, "voltage_type", 0, 3)


def rm_plus_mode(core: Core, request: Request, client: str) -> None:
    """Baud rate of the end-tool protocol, 0 = off."""
    mode = protocol.integer(request, "mode", 0, max(RM_PLUS_BAUD_RATES))
    if mode not in RM_PLUS_BAUD_RATES:
        raise ValueError(f"'mode' must be one of {RM_PLUS_BAUD_RATES}, got {mode}")
    core.settings.rm_plus_mode = mode


def modbus_mode(core: Core, request: Request, client: str) -> None:
    """Open a Modbus RTU port of a generation 3 controller."""
    _need_generation_3(core)
    port = protocol.integer(request, "port", 0, 2)
    baud = protocol.integer(request, "baudrate", 9600, 460800)
    core.settings.modbus_ports[port] = (baud, protocol.integer(request, "timeout", 1, 600))


def close_modbus(core: Core, request: Request, client: str) -> None:
    """Close a Modbus port."""
    _need_generation_3(core)
    core.settings.modbus_ports.pop(protocol.integer(request, "port", 0, 2), None)


def write_register(core: Core, request: Request, client: str) -> None:
    """Write one holding register of an imagined device behind an open port."""
    _need_generation_3(core)
    port = protocol.integer(request, "port", 0, 2)
    if port not in core.settings.modbus_ports:
        raise ValueError(f"Modbus port {port} is not open")
    device, address = (
        protocol.integer(request, "device", 0, 255),
        protocol.integer(request, "address", 0, 65535),
    )
    core.settings.modbus_registers[(port, device, address)] = protocol.integer(request, "data", -32768, 65535)


def _need_generation_3(core: Core) -> None:
    if core.settings.generation != 3:
        raise ValueError("this Modbus command exists on generation 3 controllers only")


def realtime_push(core: Core, request: Request, client: str) -> None:
    """Configure the UDP push; fields that are absent keep their value."""
    push = core.settings.push
    enable = request.get("enable", push.enable)
    if not isinstance(enable, bool):
        raise ValueError(f"'enable' must be true or false, got {enable!r}")
    cycle = protocol.integer({"cycle": push.cycle} | request, "cycle", 1, 2000)
    port = protocol.integer({"port": push.port} | request, "port", 1, 65535)
    ip = str(ipaddress.IPv4Address(request.get("ip", push.ip)))
    custom = request.get("custom", {})
    if not isinstance(custom, dict):
        raise ValueError(f"'custom' must be an object, got {custom!r}")
    flags = dict(push.custom)
    for key, value in custom.items():
        name = CUSTOM_REQUEST_NAMES.get(key, key)
        if name in CUSTOM_FLAGS and isinstance(value, bool):
            flags[name] = value
    push.enable, push.cycle, push.port, push.ip, push.custom = enable, cycle, port, ip, flags


def install_pose(core: Core, request: Request, client: str) -> None:
    """Three installation angles, 0.001 degree."""
    core.settings.install_pose_mdeg = [int(v) for v in protocol.numbers(request.get("pose"), 3, "pose")]


def init_pose(core: Core, request: Request, client: str) -> None:
    """Joint angles the teach pendant calls initial."""
    core.settings.init_pose_mdeg = [
        int(v) for v in protocol.numbers(request.get("init_pose"), 7, "init_pose")
    ]


def change_work_frame(core: Core, request: Request, client: str) -> None:
    """Choose the work frame by name."""
    core.settings.work_frame = _existing(request, ("frame_name", "work_name"), core.settings.work_frames)


def change_tool_frame(core: Core, request: Request, client: str) -> None:
    """Choose the tool frame by name."""
    core.settings.tool_frame = _existing(request, ("tool_name",), core.settings.tool_frames)


def set_work_frame(core: Core, request: Request, client: str) -> None:
    """Add or replace a work frame given by its pose."""
    name = _new_name(request, ("frame_name", "work_name"), core.settings.work_frames, ("World", "Base"))
    values = request.get("frame_pose", request.get("pose"))
    core.settings.work_frames[name] = kinematics.pose_from_wire(protocol.numbers(values, 6, "pose"))


def set_tool_frame(core: Core, request: Request, client: str) -> None:
    """Add or replace a tool frame given by its pose, payload and centre of mass."""
    name = _new_name(request, ("tool_name",), core.settings.tool_frames, ("Arm_Tip",))
    values = request.get("tool_pose", request.get("pose"))
    pose = kinematics.pose_from_wire(protocol.numbers(values, 6, "pose"))
    payload = protocol.integer({"payload": 0} | request, "payload", 0, 10_000_000)
    centre = protocol.numbers(request.get("position", [0, 0, 0]), 3, "position")
    core.settings.tool_frames[name] = ToolFrame(pose, payload, [int(v) for v in centre])


def delete_work_frame(core: Core, request: Request, client: str) -> None:
    """Forget a work frame."""
    name = _existing(request, ("frame_name", "work_name"), core.settings.work_frames)
    if name in ("World", "Base", core.settings.work_frame):
        raise ValueError(f"work frame {name!r} is built in or in use")
    del core.settings.work_frames[name]


def delete_tool_frame(core: Core, request: Request, client: str) -> None:
    """Forget a tool frame."""
    name = _existing(request, ("tool_name",), core.settings.tool_frames)
    if name in ("Arm_Tip", core.settings.tool_frame):
        raise ValueError(f"tool frame {name!r} is built in or in use")
    del core.settings.tool_frames[name]


def _text(request: Request, keys: tuple[str, ...]) -> str:
    value = next((request[key] for key in keys if key in request), None)
    if not isinstance(value, str) or not 0 < len(value) <= 10:
        raise ValueError(f"'{keys[0]}' must be a name of 1..10 characters, got {value!r}")
    return value


def _existing(request: Request, keys: tuple[str, ...], known: Any) -> str:
    name = _text(request, keys)
    if name not in known:
        raise ValueError(f"frame {name!r} is none of {sorted(known)}")
    return name


def _new_name(request: Request, keys: tuple[str, ...], known: Any, built_in: tuple[str, ...]) -> str:
    name = _text(request, keys)
    if name in built_in:
        raise ValueError(f"frame {name!r} is built in and cannot be changed")
    if name not in known and len(known) >= MAX_FRAMES:
        raise ValueError(f"no room for frame {name!r}: {MAX_FRAMES} frames are stored already")
    return name


def _joint_value(attribute: str, key: str, per_unit: float, low: float, high: float) -> Run:
    """A setter of one joint's limit: `[joint, value]` on the wire, `per_unit` wire units to the degree."""

    def run(core: Core, request: Request, client: str) -> None:
        joint, raw = protocol.numbers(request.get(key), 2, key)
        value = raw / per_unit
        if joint not in range(1, 8) or not low <= value <= high:
            raise ValueError(f"'{key}' [{joint:g}, {value:g} deg] must be a joint 1..7 within {low}..{high}")
        values = np.array(getattr(core.settings, attribute))
        values[int(joint) - 1] = value
        setattr(core.settings, attribute, values)

    return run


def _tip_value(attribute: str, key: str, high: float) -> Run:
    """A setter of a tool speed or acceleration in thousandths, above zero and at most `high`."""

    def run(core: Core, request: Request, client: str) -> None:
        setattr(core.settings, attribute, protocol.integer(request, key, 1, round(high * 1000)) / 1000)

    return run


CONFIG_RUNNERS: dict[str, tuple[Run, str]] = {
    "clear_system_err": (clear_system_error, "clear_state"),
    "set_joint_clear_err": (clear_joint_error, "joint_clear_err"),
    "set_joint_en_state": (enable_joint, "joint_en_state"),
    "set_arm_power": (arm_power, "arm_power"),
    "set_arm_run_mode": (run_mode, "mode"),
    "set_collision_stage": (collision_stage, "collision_state"),
    "set_drag_teach_sensitivity": (drag_sensitivity, "set_state"),
    "set_tool_voltage": (tool_voltage, "state"),
    "set_rm_plus_mode": (rm_plus_mode, "set_state"),
    "set_modbus_mode": (modbus_mode, "set_state"),
    "close_modbus_mode": (close_modbus, "set_state"),
    "write_single_register": (write_register, "write_state"),
    "set_realtime_push": (realtime_push, "state"),
    "set_install_pose": (install_pose, "set_state"),
    "set_init_pose": (init_pose, "init_pose"),
    "set_change_work_frame": (change_work_frame, "change_work_frame"),
    "set_change_tool_frame": (change_tool_frame, "change_tool_frame"),
    "set_manual_work_frame": (set_work_frame, "manual_work_frame"),
    "set_manual_tool_frame": (set_tool_frame, "manual_tool_frame"),
    "update_work_frame": (set_work_frame, "update_state"),
    "update_tool_frame": (set_tool_frame, "update_state"),
    "set_delete_work_frame": (delete_work_frame, "delete_work_frame"),
    "set_delete_tool_frame": (delete_tool_frame, "delete_tool_frame"),
    "set_joint_max_speed": (
        _joint_value("max_speed_deg_s", "joint_max_speed", WIRE_RPM_PER_DEG, 0.1, MAX_SPEED_DEG_S),
        "joint_max_speed",
    ),
    "set_joint_max_acc": (
        _joint_value("max_acc_deg_s2", "joint_max_acc", WIRE_RPM_PER_DEG, 1.0, MAX_ACCELERATION_DEG_S2),
        "joint_max_acc",
    ),
    "set_arm_max_line_speed": (_tip_value("line_speed_m_s", "arm_line_speed", 0.5), "arm_line_speed"),
    "set_arm_max_line_acc": (_tip_value("line_acceleration_m_s2", "arm_line_acc", 3.0), "arm_line_acc"),
    "set_arm_max_angular_speed": (
        _tip_value("angular_speed_rad_s", "arm_angular_speed", 1.5),
        "arm_angular_speed",
    ),
    "set_arm_max_angular_acc": (
        _tip_value("angular_acceleration_rad_s2", "arm_angular_acc", 8.0),
        "arm_angular_acc",
    ),
    "set_joint_min_pos": (_joint_value("min_pos_deg", "joint_min_pos", 1000.0, -360.0, 0.0), "joint_min_pos"),
    "set_joint_max_pos": (_joint_value("max_pos_deg", "joint_max_pos", 1000.0, 0.0, 360.0), "joint_max_pos"),
}
