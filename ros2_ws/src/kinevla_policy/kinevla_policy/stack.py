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
        driver_config: parameter file of the driver; empty: the one of its package.
        policy_config: likewise of the policy.
        cameras: where the images come from: `realsense`, `uvc` or `recorded` (kine_cameras), or
            `realsense2_camera` (the maker's own ROS node).
        front_serial, wrist_serial: RealSense serial numbers; empty: the only camera connected.
        front_source, wrist_source: UVC devices, or recordings (video, folder of images, bag).
        front_calibration, wrist_calibration: files of `calibrate`; empty: the cameras' own intrinsics.
        task, seed: scene of the simulation.
        frame_log: file for all traffic of the emulated controller; empty: none.
        policy: false leaves the policy out (teaching, or a policy on another machine).
        robot: false leaves driver, cameras and simulation out (they run on another machine).
        images: how the policy gets its images: `raw`, or `compressed` when they come from another machine;
            then a node beside the cameras makes jpegs of them.
        teleop: leader of a teleoperation: none, sim, rm75, or topic (any node that publishes
            `/leader/joint_states`). With a leader the policy is left out: only one source may drive the arm.
        teleop_config: parameter file of puppet and leader; empty: those of their package.
        leader_ip, leader_port: controller of the leader arm, with `teleop` rm75.
        record: also start the recorder of demonstrations.
        record_folder: where its episodes go.
        console: also serve the operator's page.
        console_port: TCP port of the page, on this machine only.
        console_token_file: file with the token that commands need; made when missing.
    """

    sim: bool = False
    robot_ip: str = "192.168.1.18"
    robot_port: int = 8080
    checkpoint: str = ""
    udp_host_ip: str = ""
    driver_config: str = ""
    policy_config: str = ""
    cameras: str = "realsense"
    front_serial: str = ""
    wrist_serial: str = ""
    front_source: str = ""
    wrist_source: str = ""
    front_calibration: str = ""
    wrist_calibration: str = ""
    task: int = 5
    seed: int = 1
    frame_log: str = ""
    policy: bool = True
    robot: bool = True
    images: str = "raw"
    teleop: str = "none"
    teleop_config: str = ""
    leader_ip: str = "192.168.1.19"
    leader_port: int = 8080
    record: bool = False
    record_folder: str = "~/kine_episodes"
    console: bool = False
    console_port: int = 8090
    console_token_file: str = "~/.kine_console/token"


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
        ValueError: the policy is wanted but there is no checkpoint, nothing is left to start, or `teleop` or
            `images` is unknown.
    """
    if settings.images not in ("raw", "compressed"):
        raise ValueError(f"images:={settings.images} is unknown: raw, compressed")
    specs: list[NodeSpec] = []
    if settings.robot:
        specs += [*(_simulated(settings) if settings.sim else _cameras(settings)), _driver(settings)]
        if settings.images == "compressed":
            specs.append(_compressor())
    specs += _teleoperation(settings)
    if settings.policy and settings.teleop == "none":
        checkpoint = settings.checkpoint or default_checkpoint()
        if not checkpoint:
            raise ValueError("no checkpoint: give checkpoint:=/path/to/folder (a folder with manifest.json)")
        specs.append(
            NodeSpec(
                "kinevla_policy",
                "policy_node",
                "kinevla",
                lifecycle=True,
                parameter_file=settings.policy_config or _config("kinevla_policy", "policy.yaml"),
                parameters={"checkpoint": checkpoint, "image_transport": settings.images},
            )
        )
    if settings.record:
        specs.append(_recorder(settings))
    if settings.console:
        specs.append(_console(settings))
    if not specs:
        raise ValueError("nothing to start: robot:=false and no policy")
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
        parameter_file=settings.driver_config or _config("realman_driver", "driver.yaml"),
        parameters=parameters,
    )


def _compressor() -> NodeSpec:
    file = _config("kinevla_policy", "image_compressor.yaml")
    return NodeSpec(
        "kinevla_policy", "compressor_node", "image_compressor", lifecycle=True, parameter_file=file
    )


def _recorder(settings: StackSettings) -> NodeSpec:
    parameters: dict[str, Any] = {"folder": settings.record_folder}
    if settings.sim:
        parameters["image_rate_hz"] = 15.0  # of the simulated cameras
    return NodeSpec(
        "kine_teleop",
        "recorder_node",
        "recorder",
        lifecycle=True,
        parameter_file=_config("kine_teleop", "recorder.yaml"),
        parameters=parameters,
    )


def _console(settings: StackSettings) -> NodeSpec:
    return NodeSpec(
        "kine_console",
        "console_node",
        "kine_console",
        lifecycle=True,
        parameter_file=_config("kine_console", "console.yaml"),
        parameters={
            "port": settings.console_port,
            "token_file": settings.console_token_file,
            "checkpoint": settings.checkpoint or default_checkpoint(),
            "image_transport": settings.images,
        },
    )


def _teleoperation(settings: StackSettings) -> list[NodeSpec]:
    """The puppet and its leader; nothing without teleoperation."""
    if settings.teleop == "none":
        return []
    leaders: dict[str, dict[str, Any]] = {
        "topic": {},
        "sim": {"task": settings.task, "seed": settings.seed},
        "rm75": {"robot_ip": settings.leader_ip, "robot_port": settings.leader_port},
    }
    if settings.teleop not in leaders:
        raise ValueError(f"teleop:={settings.teleop} is unknown: none, {', '.join(leaders)}")
    file = settings.teleop_config or _config("kine_teleop", "puppet.yaml")
    specs = [
        NodeSpec("kine_teleop", "puppet_node", "kine_teleop", lifecycle=True, parameter_file=file),
    ]
    if settings.teleop != "topic":
        name = f"{settings.teleop}_leader"
        file = settings.teleop_config or _config("kine_teleop", f"{name}.yaml")
        parameters = leaders[settings.teleop]
        specs.append(
            NodeSpec(
                "kine_teleop",
                f"{name}_node",
                name,
                lifecycle=True,
                parameter_file=file,
                parameters=parameters,
            )
        )
    return specs


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
    """Two cameras, named `front` and `wrist`."""
    if settings.cameras == "realsense2_camera":
        return _realsense2_cameras(settings)
    if settings.cameras not in ("realsense", "uvc", "recorded"):
        raise ValueError(
            f"cameras:={settings.cameras} is unknown: realsense, uvc, recorded, realsense2_camera"
        )
    specs = []
    for name in ("front", "wrist"):
        source = getattr(settings, f"{name}_source")
        if settings.cameras != "realsense" and not source:
            raise ValueError(f"cameras:={settings.cameras} needs {name}_source:=")
        parameters: dict[str, Any] = {
            "source": settings.cameras,
            "serial": getattr(settings, f"{name}_serial"),
            "calibration_file": getattr(settings, f"{name}_calibration"),
        }
        if settings.cameras == "uvc":
            parameters["device"] = source
        if settings.cameras == "recorded":
            parameters |= {"recording": source, "recording_topic": f"/{name}/color/image_raw"}
        file = _config("kine_cameras", "cameras.yaml")
        specs.append(
            NodeSpec(
                "kine_cameras",
                "camera_node",
                name,
                lifecycle=True,
                parameter_file=file,
                parameters=parameters,
            )
        )
    return specs


def _realsense2_cameras(settings: StackSettings) -> list[NodeSpec]:
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
