"""Which nodes make up the robot: one table for `ros2 launch` and for the process runner."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory

from kine_nodes import parameter_file
from kinevla_policy.stack_checks import NodeSpec, check
from kinevla_policy.stack_settings import StackSettings

__all__ = ["NodeSpec", "StackSettings", "default_checkpoint", "nodes"]


def default_checkpoint() -> str:
    """The shipped checkpoint, of linked sources or as installed, else an empty string."""
    shipped = Path("checkpoints", "nano")
    homes = [Path(__file__).resolve().parents[4] / "models"]
    with suppress(LookupError):
        homes.append(Path(get_package_share_directory("kinevla")))
    return next((str(home / shipped) for home in homes if (home / shipped).is_dir()), "")


def nodes(settings: StackSettings) -> tuple[NodeSpec, ...]:
    """The processes to start.

    Raises:
        ValueError: a setting or a parameter file is not allowed, the policy is wanted but there is no
            checkpoint, or nothing is left to start; one line that names it.
    """
    settings = settings.checked()
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
        parameters: dict[str, Any] = {"checkpoint": checkpoint, "image_transport": settings.images}
        if settings.stack_id:
            parameters["stack_id"] = settings.stack_id
        specs.append(
            NodeSpec(
                "kinevla_policy",
                "policy_node",
                "kinevla",
                lifecycle=True,
                parameter_file=settings.policy_config or _config("kinevla_policy", "policy.yaml"),
                parameters=parameters,
            )
        )
    if settings.record:
        specs.append(_recorder(settings))
    if settings.console:
        specs.append(_console(settings))
    if not specs:
        raise ValueError("nothing to start: robot:=false and no policy")
    for spec in specs:
        check(spec)
    return tuple(specs)


def _config(package: str, file: str) -> str:
    return str(Path(get_package_share_directory(package)) / "config" / file)


def _driver(settings: StackSettings) -> NodeSpec:
    parameters: dict[str, Any] = {"robot_ip": settings.robot_ip, "robot_port": settings.robot_port}
    for name in ("udp_host_ip", "stack_id", "black_box_folder"):
        if getattr(settings, name):
            parameters[name] = getattr(settings, name)
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
    file = _teleop_file(settings, "kine_teleop", "puppet.yaml")
    specs = [
        NodeSpec("kine_teleop", "puppet_node", "kine_teleop", lifecycle=True, parameter_file=file),
    ]
    if settings.teleop != "topic":
        name = f"{settings.teleop}_leader"
        file = _teleop_file(settings, name, f"{name}.yaml")
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
    if settings.teleop_config and settings.teleop_config not in [spec.parameter_file for spec in specs]:
        names = " or ".join(f"/{spec.name}" for spec in specs)
        raise ValueError(f"parameter file {settings.teleop_config}: is not for {names}")
    return specs


def _teleop_file(settings: StackSettings, name: str, default: str) -> str:
    """The given file where it has a section for the node: it is for two nodes, but need not name both."""
    given = settings.teleop_config
    sections = parameter_file.read(given) if given else []
    mine = any(parameter_file.applies(section, f"/{name}") for section, _ in sections)
    return given if mine else _config("kine_teleop", default)


def _simulated(settings: StackSettings) -> list[NodeSpec]:
    parameters: dict[str, Any] = {
        "robot_port": settings.robot_port,
        "task": settings.task,
        "scene_for": settings.scene_for,
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
