"""What the controller remembers between commands: limits, frames, push configuration, modes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kine_sim import rm75

from . import kinematics

FloatArray = NDArray[np.float64]
DOF = rm75.JOINT_COUNT
JOINT_LIMIT_DEG = tuple(round(float(v), 6) for v in np.degrees(rm75.POSITION_LIMIT_RAD))
JOINT_SPEED_DEG_S = (180, 180, 225, 225, 225, 225, 225)
JOINT_ACCELERATION_DEG_S2 = 600
# Speeds and accelerations cross the wire in 0.001 RPM (per second): 1 RPM = 6 degrees per second.
WIRE_RPM_PER_DEG = 1000.0 / 6.0
PUSH_CYCLE_S = 0.005
CUSTOM_FLAGS = (
    "joint_speed",
    "lift_state",
    "expand_state",
    "hand_state",
    "arm_current_status",
    "aloha_state",
    "plus_base",
    "plus_state",
)
# Three flags have other names in requests and answers than in the state push.
CUSTOM_REQUEST_NAMES = {"hand": "hand_state", "rm_plus_base": "plus_base", "rm_plus_state": "plus_state"}


@dataclass
class PushSettings:
    """Configuration of the UDP state push.

    Attributes:
        enable: whether datagrams are sent.
        cycle: period in units of 5 ms.
        port: UDP port of the receiver.
        ip: address of the receiver.
        force_coordinate: -1 on an arm without force sensor.
        custom: which optional blocks a datagram carries.
    """

    enable: bool = False
    cycle: int = 1
    port: int = 8089
    ip: str = "127.0.0.1"
    force_coordinate: int = -1
    custom: dict[str, bool] = field(
        default_factory=lambda: {name: name in ("joint_speed", "arm_current_status") for name in CUSTOM_FLAGS}
    )

    @property
    def period_s(self) -> float:
        """Push period, s."""
        return self.cycle * PUSH_CYCLE_S


@dataclass
class ToolFrame:
    """A tool frame: pose on the flange (4, 4); payload (g) and centre of mass (3,) in wire units."""

    pose: FloatArray
    payload: int = 0
    position: list[int] = field(default_factory=lambda: [0, 0, 0])


@dataclass
class ControllerSettings:
    """Mutable memory of one controller; the owner serialises access."""

    generation: int = 3
    product_version: str = "RM75-BI"
    min_pos_deg: FloatArray = field(default_factory=lambda: -np.array(JOINT_LIMIT_DEG, dtype=float))
    max_pos_deg: FloatArray = field(default_factory=lambda: np.array(JOINT_LIMIT_DEG, dtype=float))
    max_speed_deg_s: FloatArray = field(default_factory=lambda: np.array(JOINT_SPEED_DEG_S, dtype=float))
    max_acc_deg_s2: FloatArray = field(default_factory=lambda: np.full(DOF, float(JOINT_ACCELERATION_DEG_S2)))
    drive_max_speed_deg_s: FloatArray = field(default_factory=lambda: np.full(DOF, 180.0))
    drive_max_acc_deg_s2: FloatArray = field(
        default_factory=lambda: np.full(DOF, float(JOINT_ACCELERATION_DEG_S2))
    )
    line_speed_m_s: float = 0.25
    line_acceleration_m_s2: float = 1.6
    angular_speed_rad_s: float = 0.6
    angular_acceleration_rad_s2: float = 4.0
    install_pose_mdeg: list[int] = field(default_factory=lambda: [0, 0, 0])
    work_frames: dict[str, FloatArray] = field(
        default_factory=lambda: {"World": np.eye(4), "Base": np.eye(4)}
    )
    work_frame: str = "World"
    tool_frames: dict[str, ToolFrame] = field(default_factory=lambda: {"Arm_Tip": ToolFrame(np.eye(4))})
    tool_frame: str = "Arm_Tip"
    init_pose_mdeg: list[int] = field(default_factory=lambda: [0] * DOF)
    collision_stage: int = 4
    run_mode: int = 1
    power: int = 1
    emergency_stop: bool = False
    drag_sensitivity: int = 100
    tool_voltage: int = 0
    rm_plus_mode: int = 0
    modbus_ports: dict[int, tuple[int, int]] = field(default_factory=dict)
    modbus_registers: dict[tuple[int, int, int], int] = field(default_factory=dict)
    push: PushSettings = field(default_factory=PushSettings)

    def __post_init__(self) -> None:
        if self.generation not in (3, 4):
            raise ValueError(f"controller generation {self.generation} must be 3 or 4")

    def joint_limits_rad(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper joint limits, each (7,) rad."""
        return np.radians(self.min_pos_deg), np.radians(self.max_pos_deg)

    def joint_speed_rad_s(self) -> FloatArray:
        """Largest joint speeds, (7,) rad/s."""
        return np.radians(self.max_speed_deg_s)

    def joint_acceleration_rad_s2(self) -> FloatArray:
        """Largest joint accelerations, (7,) rad/s^2."""
        return np.radians(self.max_acc_deg_s2)

    def check_joint_limits(self, q: FloatArray) -> None:
        """Refuse joint angles (7,) rad beyond a limit.

        Raises:
            ValueError: naming the joint, its value and the bound.
        """
        degrees = np.degrees(q)
        # A hair of slack: a limit that went through radians must not fail on rounding.
        beyond = (degrees < self.min_pos_deg - 1e-6) | (degrees > self.max_pos_deg + 1e-6)
        if np.any(beyond):
            i = int(np.argmax(beyond))
            low, high = self.min_pos_deg[i], self.max_pos_deg[i]
            raise ValueError(
                f"joint {i + 1} at {degrees[i]:.3f} deg is beyond its limits {low:.3f}..{high:.3f} deg"
            )

    def tool_pose(self, q: FloatArray) -> FloatArray:
        """Pose (4, 4) of the current tool in the current work frame at joint angles q (7,) rad."""
        work = self.work_frames[self.work_frame]
        return np.linalg.inv(work) @ kinematics.flange_pose(q) @ self.tool_frames[self.tool_frame].pose

    def flange_target(self, tool_pose: FloatArray) -> FloatArray:
        """Flange pose (4, 4) in the base that puts the current tool at `tool_pose` of the work frame."""
        tool = self.tool_frames[self.tool_frame].pose
        return self.work_frames[self.work_frame] @ tool_pose @ np.linalg.inv(tool)
