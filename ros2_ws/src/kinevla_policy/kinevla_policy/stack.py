"""Which nodes make up the robot: one table for `ros2 launch` and for the process runner."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory


@dataclass(frozen=True)
class StackSettings:
    """Launch arguments of the stack.

    Attributes:
        sim: simulated robot and cameras in place of the real ones.
        robot_ip, robot_port: where the controller listens; `sim` always uses this machine.
        checkpoint: folder of the trained policy.
        udp_host_ip: address of this machine as the controller sees it; empty: found by the driver.
        front_serial, wrist_serial: RealSense serial numbers; empty: the only camera connected.
        task, seed: scene of the simulation.
        frame_log: file for all traffic of the emulated controller; empty: none.
        policy: false leaves the policy out (teaching, or a policy on another machine).
    """

    sim: bool = False
    robot_ip: str = "192.168.1.18"
    robot_port: int = 8080
    checkpoint: str = ""
    udp_host_ip: str = ""
    front_serial: str = ""
    wrist_serial: str = ""
    task: int = 5
    seed: int = 1
    frame_log: str = ""
    policy: bool = True


@dataclass(frozen=True)
class NodeSpec:
    """One process of the stack."""

    package: str
    executable: str
    name: str
    lifecycle: bool = False
    parameter_file: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


def default_checkpoint() -> str:
    """The shipped checkpoint when the workspace is linked to its sources, else an empty string."""
    folder = Path(__file__).resolve().parents[4] / "models" / "checkpoints" / "nano"
    return str(folder) if folder.is_dir() else ""


def nodes(settings: StackSettings) -> tuple[NodeSpec, ...]:
    """The processes to start.

    Raises:
        ValueError: the policy is wanted but there is no checkpoint.
    """
    specs = [*(_simulated(settings) if settings.sim else _cameras(settings)), _driver(settings)]
    if settings.policy:
        checkpoint = settings.checkpoint or default_checkpoint()
        if not checkpoint:
            raise ValueError("no checkpoint: give checkpoint:=/path/to/folder (a folder with manifest.json)")
        specs.append(
            NodeSpec(
                "kinevla_policy",
                "policy_node",
                "kinevla",
                lifecycle=True,
                parameter_file=_config("kinevla_policy", "policy.yaml"),
                parameters={"checkpoint": checkpoint},
            )
        )
    return tuple(specs)


def _config(package: str, file: str) -> str:
    return str(Path(get_package_share_directory(package)) / "config" / file)


def _driver(settings: StackSettings) -> NodeSpec:
    parameters: dict[str, Any] = {"robot_ip": settings.robot_ip, "robot_port": settings.robot_port}
    if settings.udp_host_ip:
        parameters["udp_host_ip"] = settings.udp_host_ip
    if settings.sim:
        parameters |= {"robot_ip": "127.0.0.1", "udp_host_ip": "127.0.0.1", "udp_port": 0}
    return NodeSpec(
        "realman_driver",
        "driver_node",
        "realman_driver",
        lifecycle=True,
        parameter_file=_config("realman_driver", "driver.yaml"),
        parameters=parameters,
    )


def _simulated(settings: StackSettings) -> list[NodeSpec]:
    parameters: dict[str, Any] = {
        "robot_port": settings.robot_port,
        "task": settings.task,
        "seed": settings.seed,
    }
    if settings.frame_log:
        parameters["frame_log"] = settings.frame_log
    return [
        NodeSpec(
            "kine_sim",
            "sim_node",
            "kine_sim",
            parameter_file=_config("kine_sim", "sim.yaml"),
            parameters=parameters,
        )
    ]


def _cameras(settings: StackSettings) -> list[NodeSpec]:
    """Two RealSense cameras by the maker's own ROS node, under the topic names the policy listens to."""
    specs = []
    for name, serial in (("front", settings.front_serial), ("wrist", settings.wrist_serial)):
        parameters: dict[str, Any] = {
            "camera_name": name,
            "enable_depth": False,
            "rgb_camera.color_profile": "640x480x30",
        }
        if serial:
            # The node reads a serial number of digits as an integer unless it starts with an underscore.
            parameters["serial_no"] = f"_{serial}"
        specs.append(NodeSpec("realsense2_camera", "realsense2_camera_node", name, parameters=parameters))
    return specs
