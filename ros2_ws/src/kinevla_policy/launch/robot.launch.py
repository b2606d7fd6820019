"""The whole robot: driver, cameras and policy.

    ros2 launch kinevla_policy robot.launch.py robot_ip:=192.168.1.18 checkpoint:=/path/to/checkpoint
    ros2 launch kinevla_policy robot.launch.py sim:=true

With sim:=true the simulated robot and its cameras replace the real ones; driver and policy stay the same.
"""

from __future__ import annotations

import os
from dataclasses import fields

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue

from kine_nodes.launch_arguments import refuse_unknown
from kinevla_policy.stack import NodeSpec, StackSettings, nodes

DESCRIPTIONS = {
    "sim": "simulated robot and cameras in place of the real ones",
    "robot_ip": "address of the arm's controller",
    "robot_port": "TCP port of the controller",
    "checkpoint": "folder of the trained policy; empty: the shipped one",
    "udp_host_ip": "address of this machine as the controller sees it; empty: found by itself",
    "driver_config": "parameter file of the driver; empty: the one of its package",
    "policy_config": "parameter file of the policy; empty: the one of its package",
    "cameras": "realsense, uvc, recorded, or realsense2_camera (the maker's own node)",
    "front_serial": "serial number of the front RealSense camera",
    "wrist_serial": "serial number of the wrist RealSense camera",
    "front_source": "UVC device or recording of the front camera",
    "wrist_source": "UVC device or recording of the wrist camera",
    "front_calibration": "calibration file of the front camera; empty: its own intrinsics",
    "wrist_calibration": "calibration file of the wrist camera; empty: its own intrinsics",
    "task": "scene of the simulation, 1..7",
    "scene_for": "sentence whose table the simulation lays out in place of a task's; empty: the task's",
    "seed": "placement, light and colours of the simulated scene",
    "frame_log": "file for all traffic with the simulated controller",
    "policy": "false: without the policy node",
    "robot": "false: without driver, cameras and simulation (they run on another machine)",
    "images": "raw, or compressed: jpegs, for a policy on another machine",
    "teleop": "leader of a teleoperation: none, sim, rm75 or topic (no policy then)",
    "teleop_config": "parameter file of puppet and leader; empty: those of their package",
    "leader_ip": "address of the leader arm's controller, with teleop:=rm75",
    "leader_port": "TCP port of the leader arm's controller",
    "record": "true: also start the recorder of demonstrations",
    "record_folder": "where the recorder's episodes go",
    "console": "true: also serve the operator's page",
    "console_port": "TCP port of the operator's page, on this machine only",
    "console_token_file": "file with the token that the page's commands need; made when missing",
    "stack_id": "who started the stack, told by driver and policy; demonstrations find theirs by it",
    "black_box_folder": "folder of the driver's black box; empty: the one of its parameter file",
}


def generate_launch_description() -> LaunchDescription:
    """Arguments, transport profile, then the nodes of `kinevla_policy.stack`."""
    arguments = [
        DeclareLaunchArgument(f.name, default_value=_text(f.default), description=DESCRIPTIONS[f.name])
        for f in fields(StackSettings)
    ]
    profile = os.path.join(get_package_share_directory("kinevla_policy"), "config", "fastdds_multi_host.xml")
    transport = (
        []
        if "FASTDDS_DEFAULT_PROFILES_FILE" in os.environ
        else [
            SetEnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", profile),
            # Also how these profiles hold memory, which rmw_fastrtps decides by itself otherwise.
            SetEnvironmentVariable("RMW_FASTRTPS_USE_QOS_FROM_XML", "1"),
        ]
    )
    return LaunchDescription([*arguments, *transport, OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> list[Node | RegisterEventHandler]:
    refuse_unknown(context.argv, list(DESCRIPTIONS), __file__)
    texts = {name: LaunchConfiguration(name).perform(context) for name in DESCRIPTIONS}
    actions: list[Node | RegisterEventHandler] = []
    for spec in nodes(StackSettings.from_texts(texts)):
        action = _action(spec)
        # First the handler: it is called last, when the node's last words are on the screen.
        actions += [RegisterEventHandler(OnProcessExit(target_action=action, on_exit=_end_all)), action]
    return actions


def _end_all(event: ProcessExited, context: LaunchContext) -> None:
    """A robot with a part missing is not left running: the error ends the launch with exit code 1."""
    if not context.is_shutdown:
        raise RuntimeError(
            f"{event.process_name} ended with exit code {event.returncode}; all others end too"
        )


def _action(spec: NodeSpec) -> Node:
    kind = LifecycleNode if spec.lifecycle else Node
    files = [spec.parameter_file] if spec.parameter_file else []
    return kind(
        package=spec.package,
        executable=spec.executable,
        name=spec.name,
        namespace="",
        output="screen",
        parameters=[*files, {name: _typed(value) for name, value in spec.parameters.items()}],
    )


def _typed(value: object) -> object:
    # Otherwise launch reads a serial number of digits as an integer.
    return ParameterValue(value, value_type=str) if isinstance(value, str) else value


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
