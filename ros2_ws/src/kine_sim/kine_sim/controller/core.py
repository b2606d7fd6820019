"""The controller's shared parts, and the truthful figures that queries and pushes report."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import kinematics, protocol
from .backend import ArmBackend
from .errors import ErrorState
from .gripper import Gripper
from .log import MessageLog
from .motion import MotionEngine
from .settings import ControllerSettings

SUPPLY_V = 24.0


@dataclass
class Core:
    """Everything a request handler may touch."""

    backend: ArmBackend
    settings: ControllerSettings
    errors: ErrorState
    motion: MotionEngine
    gripper: Gripper
    log: MessageLog
    start_s: float = field(default_factory=time.monotonic)

    def joints_wire(self) -> list[int]:
        """Measured joints, seven integers of 0.001 degree."""
        return protocol.joints_to_wire(self.backend.measured_rad())

    def pose(self) -> NDArray[np.float64]:
        """Measured pose (4, 4) of the current tool in the current work frame."""
        return self.settings.tool_pose(self.backend.measured_rad())

    def current_wire(self) -> list[int]:
        """Motor currents, seven integers of 0.001 mA."""
        return protocol.thousandths(self.backend.current_a() * 1000.0)

    def temperature_wire(self) -> list[int]:
        """Joint temperatures, seven integers of 0.001 degrees Celsius."""
        return protocol.thousandths(self.backend.temperature_c())

    def voltage_wire(self) -> list[int]:
        """Joint supply voltages, seven integers of 0.001 V."""
        return [int(SUPPLY_V * 1000 * self.settings.power)] * 7

    def enabled_wire(self) -> list[int]:
        """Joint enable flags as 0/1."""
        return [int(v) for v in self.backend.joint_enabled()]

    def speed_wire(self) -> list[int]:
        """Joint speeds, seven integers of 0.01 RPM."""
        rpm = np.degrees(self.backend.measured_velocity_rad_s()) / 6.0
        return [round(float(v) * 100.0) for v in rpm]

    def waypoint_wire(self) -> dict[str, list[int]]:
        """Measured pose as the push carries it: Euler 0.001 rad, position 1e-6 m, quaternion wxyz 1e-6."""
        pose = self.pose()
        values = kinematics.pose_to_wire(pose)
        quaternion = kinematics.quaternion_from_rotation(pose[:3, :3])
        return {
            "euler": values[3:],
            "position": values[:3],
            "quat": [round(v * 1e6) for v in quaternion],
        }

    def realtime_state(self) -> dict[str, Any]:
        """Content of one UDP state push with the optional blocks chosen by the client."""
        custom = self.settings.push.custom
        joints: dict[str, Any] = {
            "joint_current": self.current_wire(),
            "joint_en_flag": self.enabled_wire(),
            "joint_err_code": self.errors.joint_codes(),
            "joint_position": self.joints_wire(),
            "joint_temperature": self.temperature_wire(),
            "joint_voltage": self.voltage_wire(),
        }
        if custom["joint_speed"]:
            joints["joint_speed"] = self.speed_wire()
        state: dict[str, Any] = {
            "state": "realtime_arm_joint_state",
            "joint_status": joints,
            "waypoint": self.waypoint_wire(),
            "err": self.errors.system_codes(),
        }
        if custom["arm_current_status"]:
            state["arm_current_status"] = self.motion.status()
        if custom["lift_state"]:
            state["lift_state"] = {"height": 0, "pos": 0, "current": 0, "err_flag": 0, "en_flag": 0}
        if custom["expand_state"]:
            state["expand_state"] = {
                "pos": 0,
                "current": 0,
                "err_flag": 0,
                "en_flag": 0,
                "joint_id": 8,
                "mode": 0,
            }
        if custom["hand_state"]:
            zeros = [0] * 6
            state["hand"] = {
                "hand_pos": zeros,
                "hand_angle": zeros,
                "hand_force": zeros,
                "hand_state": zeros,
                "hand_err": 0,
            }
        if custom["aloha_state"]:
            state["aloha_state"] = {"io1_state": 1, "io2_state": 1}
        if custom["plus_state"]:
            # No device speaks the end-tool protocol here: the port is off or nobody answers on it.
            state["rm_plus_state"] = "offline" if self.settings.rm_plus_mode else "disable"
        return state
