"""The driver's parameters: one frozen dataclass with default, description and bounds of each."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .arm_model import HOME_RAD, JOINT_COUNT, JOINT_NAMES, RATED_LIMITS
from .black_box import BlackBoxSettings
from .chunk_executor import ExecutorSettings
from .curve_planner import MotionLimits
from .following import FollowingBounds
from .gate import ChunkRules, SpaceBounds


def _parameter(default: Any, description: str, lower: float | None = None, upper: float | None = None) -> Any:
    """A dataclass field which carries what a ROS parameter descriptor needs."""
    bounds = None if lower is None or upper is None else (lower, upper)
    return field(default=default, metadata={"description": description, "bounds": bounds})


@dataclass(frozen=True)
class DriverConfig:
    """All parameters. SI units, radians; `udp_period_ms` is what the controller counts in."""

    autostart: bool = _parameter(True, "Configure and activate the node by itself when it starts.")
    stack_id: str = _parameter(
        "", "Who started this driver, told in its state; whoever asks can tell it from others."
    )
    robot_ip: str = _parameter("192.168.1.18", "IPv4 address of the controller (no host name).")
    robot_port: int = _parameter(8080, "TCP port of the controller.", 1, 65535)
    udp_host_ip: str = _parameter(
        "", "IPv4 address of this computer as the controller sees it; empty: found from the route."
    )
    udp_port: int = _parameter(8089, "UDP port for the state datagrams; 0: a free one is picked.", 0, 65535)
    udp_period_ms: int = _parameter(5, "Period of the state datagrams, a multiple of 5 ms.", 5, 100)
    connect_timeout_s: float = _parameter(1.0, "How long to wait for a TCP connection.", 0.1, 10.0)
    push_timeout_s: float = _parameter(1.0, "How long to wait for the first datagram.", 0.1, 10.0)
    state_timeout_s: float = _parameter(
        0.15, "Age of the newest state beyond which the link counts as lost.", 0.02, 1.0
    )
    max_unbelieved_states: int = _parameter(
        10, "State datagrams in a row that may go unbelieved while the arm may move; then it stops.", 1, 1000
    )
    max_following_error_rad: float = _parameter(
        0.05, "Largest distance of a joint from all it was sent within following_lag_s.", 0.01, 1.0
    )
    following_error_s: float = _parameter(0.1, "How long that distance may be exceeded.", 0.0, 2.0)
    following_lag_s: float = _parameter(0.15, "How far the arm may lag behind the joint stream.", 0.02, 2.0)
    max_setpoint_gap_rad: float = _parameter(
        0.4, "Largest distance of a joint from its present setpoint.", 0.05, 3.0
    )
    request_timeout_s: float = _parameter(
        1.0, "How long requests may fail before the link counts as lost.", 0.5, 10.0
    )
    reconnect_min_s: float = _parameter(0.25, "First pause between attempts to connect.", 0.05, 10.0)
    reconnect_max_s: float = _parameter(5.0, "Longest pause between attempts to connect.", 0.05, 60.0)
    realtime_priority: int = _parameter(
        40, "SCHED_FIFO priority of driver and SDK where the system permits it; 0: none.", 0, 99
    )
    stream_period_s: float = _parameter(0.01, "Time between two frames of the joint stream.", 0.005, 0.01)
    max_chunk_points: int = _parameter(50, "Most points of a chunk.", 1, 1000)
    max_chunk_duration_s: float = _parameter(10.0, "Longest duration of a chunk.", 0.1, 60.0)
    max_chunk_age_s: float = _parameter(1.0, "Oldest observation a chunk may come from.", 0.01, 10.0)
    joint_limit_margin_rad: float = _parameter(
        0.0175, "Distance chunks must keep from the joint limits.", 0.0, 0.5
    )
    max_first_step_rad: float = _parameter(
        0.35, "Largest distance of a chunk's first point from the present target, per joint.", 0.001, 1.0
    )
    max_start_jump_rad: float = _parameter(
        0.5, "Largest distance of a chunk's first point from the measured position, per joint.", 0.001, 1.0
    )
    max_velocity_rad_s: float = _parameter(2.5, "Highest joint speed a chunk may ask for.", 0.01, 3.14)
    max_acceleration_rad_s2: float = _parameter(
        25.0, "Largest change of the mean speed between points a chunk may ask for.", 0.1, 500.0
    )
    max_chunk_rate_hz: float = _parameter(100.0, "Most chunks within a second.", 1.0, 1000.0)
    source_hold_s: float = _parameter(
        1.0, "How long after its last chunk a source keeps the arm to itself.", 0.0, 10.0
    )
    workspace_lower_m: tuple[float, ...] = _parameter(
        (-0.5, -0.75, 0.0), "Lower corner of the box for the point between the finger tips, base frame."
    )
    workspace_upper_m: tuple[float, ...] = _parameter((0.8, 0.75, 1.1), "Upper corner of that box.")
    table_z_m: float = _parameter(0.0, "Height of the table in the arm's base frame.", -2.0, 2.0)
    table_clearance_m: float = _parameter(
        0.0, "Distance all links and the gripper must keep from the table.", -0.05, 0.5
    )
    self_clearance_m: float = _parameter(
        0.01, "Distance parts of the arm that are not neighbours must keep.", 0.0, 0.2
    )
    stream_max_acceleration_rad_s2: float = _parameter(
        10.4, "Highest acceleration of the streamed setpoint; the arm's own is 10.47.", 0.5, 30.0
    )
    stream_max_jerk_rad_s3: float = _parameter(500.0, "Highest jerk of the streamed setpoint.", 10.0, 5000.0)
    ensemble_newest_share: float = _parameter(
        1.0,
        "Weight of a new chunk where the one before speaks of the same moment; 1: the new one alone.",
        0.1,
        1.0,
    )
    gripper_poll_period_s: float = _parameter(0.1, "Period of reading the gripper.", 0.05, 1.0)
    gripper_deadband: float = _parameter(
        0.02, "Change of the gripper's target (opening 0..1) from which it is sent.", 0.001, 0.5
    )
    gripper_interval_s: float = _parameter(0.1, "Shortest time between two gripper commands.", 0.02, 1.0)
    home_joints_rad: tuple[float, ...] = _parameter(HOME_RAD, "Joint angles of the home position.")
    home_gripper: float = _parameter(
        1.0, "Gripper opening commanded when homing starts (0..1); -1: leave it as it is.", -1.0, 1.0
    )
    home_speed_percent: int = _parameter(20, "Speed of the home motion, percent of the arm's own.", 1, 100)
    home_timeout_s: float = _parameter(30.0, "Longest duration of the home motion.", 1.0, 120.0)
    black_box_folder: str = _parameter(
        "~/.ros/realman_black_box",
        "Folder for bags of the last seconds before a stop; empty: none.",
    )
    black_box_s: float = _parameter(30.0, "Seconds before a stop such a bag holds.", 1.0, 60.0)
    black_box_max_bags: int = _parameter(20, "Most such bags; the oldest go first.", 1, 1000)
    black_box_min_free_mb: float = _parameter(
        200.0, "Megabytes that stay free on that disk; with less no bag is written.", 0.0, 1e6
    )
    diagnostics_period_s: float = _parameter(0.5, "Period of the diagnostics.", 0.05, 5.0)

    def __post_init__(self) -> None:
        """Check all values. Raises ValueError naming parameter, value and bound."""
        for item in fields(self):
            bounds, value = item.metadata["bounds"], getattr(self, item.name)
            if bounds is not None and not bounds[0] <= value <= bounds[1]:
                raise ValueError(f"{item.name} is {value}, must be within [{bounds[0]}, {bounds[1]}]")
        _require_ipv4("robot_ip", self.robot_ip)
        if self.udp_host_ip:
            _require_ipv4("udp_host_ip", self.udp_host_ip)
        if self.udp_period_ms % 5:
            raise ValueError(f"udp_period_ms is {self.udp_period_ms}, must be a multiple of 5")
        if self.state_timeout_s * 1000.0 < 4 * self.udp_period_ms:
            raise ValueError(
                f"state_timeout_s is {self.state_timeout_s}, must be at least 4 datagram periods "
                f"({4 * self.udp_period_ms} ms)"
            )
        if self.reconnect_min_s > self.reconnect_max_s:
            raise ValueError(
                f"reconnect_min_s is {self.reconnect_min_s}, must be at most reconnect_max_s "
                f"({self.reconnect_max_s})"
            )
        if -1.0 < self.home_gripper < 0.0:
            raise ValueError(f"home_gripper is {self.home_gripper}, must be within [0, 1] or -1")
        self._check_home()
        self._check_workspace()

    def _check_workspace(self) -> None:
        lower, upper = self.workspace_lower_m, self.workspace_upper_m
        for name, corner in (("workspace_lower_m", lower), ("workspace_upper_m", upper)):
            if len(corner) != 3 or not all(map(math.isfinite, corner)):
                raise ValueError(f"{name} is {list(corner)}, must be 3 finite lengths (x, y, z)")
        for axis, low, high in zip("xyz", lower, upper, strict=True):
            if low >= high:
                raise ValueError(f"workspace_lower_m: {axis} is {low} m, must be less than {high} m")

    def _check_home(self) -> None:
        count = len(self.home_joints_rad)
        if count != JOINT_COUNT:
            raise ValueError(f"home_joints_rad has {count} values, must have {JOINT_COUNT}")
        for name, angle, (low, high) in zip(JOINT_NAMES, self.home_joints_rad, RATED_LIMITS, strict=True):
            low, high = low + self.joint_limit_margin_rad, high - self.joint_limit_margin_rad
            if not (math.isfinite(angle) and low <= angle <= high):
                raise ValueError(
                    f"home_joints_rad: {name} is {angle} rad, must be within [{low:.3f}, {high:.3f}] rad"
                )

    def executor_settings(self) -> ExecutorSettings:
        """The part the chunk executor needs."""
        limits = MotionLimits(
            self.max_velocity_rad_s, self.stream_max_acceleration_rad_s2, self.stream_max_jerk_rad_s3
        )
        return ExecutorSettings(limits, self.ensemble_newest_share, self.space_bounds())

    def space_bounds(self) -> SpaceBounds:
        """What the arm keeps clear of."""
        return SpaceBounds(
            workspace_lower_m=self.workspace_lower_m,
            workspace_upper_m=self.workspace_upper_m,
            table_z_m=self.table_z_m,
            table_clearance_m=self.table_clearance_m,
            self_clearance_m=self.self_clearance_m,
        )

    def following_bounds(self) -> FollowingBounds:
        """The part that tells whether the arm follows."""
        return FollowingBounds(
            self.max_following_error_rad,
            self.following_error_s,
            self.following_lag_s,
            self.max_setpoint_gap_rad,
        )

    def black_box(self) -> BlackBoxSettings | None:
        """The part the black box needs; None without a folder."""
        if not self.black_box_folder:
            return None
        folder = Path(self.black_box_folder).expanduser()
        return BlackBoxSettings(folder, self.black_box_s, self.black_box_max_bags, self.black_box_min_free_mb)

    def chunk_rules(self) -> ChunkRules:
        """The part the chunk rules need."""
        return ChunkRules(
            max_points=self.max_chunk_points,
            max_duration_s=self.max_chunk_duration_s,
            max_age_s=self.max_chunk_age_s,
            joint_limit_margin_rad=self.joint_limit_margin_rad,
            max_first_step_rad=self.max_first_step_rad,
            max_start_jump_rad=self.max_start_jump_rad,
            max_velocity_rad_s=self.max_velocity_rad_s,
            max_acceleration_rad_s2=self.max_acceleration_rad_s2,
            max_rate_hz=self.max_chunk_rate_hz,
        )


def _require_ipv4(name: str, text: str) -> None:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        raise ValueError(
            f"{name} is {text!r}, must be an IPv4 address such as 192.168.1.18 (the SDK takes no host names)"
        ) from None
