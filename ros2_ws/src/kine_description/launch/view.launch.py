"""The robot in RViz, from its joint states: also on another machine than the stack.

    ros2 launch kine_description view.launch.py
    ros2 launch kine_description view.launch.py rviz:=false wrist_mount:=/path/to/wrist_mount.yaml

robot_state_publisher publishes `/robot_description` and the transforms, which RViz, Foxglove and others read.
"""

from __future__ import annotations

import os
import subprocess

from ament_index_python.packages import get_package_prefix, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from kine_nodes.launch_arguments import refuse_unknown

MOUNTS = ("front_mount", "wrist_mount")


def generate_launch_description() -> LaunchDescription:
    """Arguments, then robot_state_publisher and RViz."""
    arguments = [
        DeclareLaunchArgument(
            name, default_value="", description="file of `kine_cameras calibrate`; empty: as in the simulator"
        )
        for name in MOUNTS
    ]
    view = os.path.join(get_package_share_directory("kine_description"), "rviz", "rm75.rviz")
    return LaunchDescription(
        [
            *arguments,
            DeclareLaunchArgument("rviz", default_value="true", description="false: only publish"),
            OpaqueFunction(function=_publisher),
            Node(
                package="rviz2",
                executable="rviz2",
                name="rviz",
                arguments=["-d", view],
                condition=IfCondition(LaunchConfiguration("rviz")),
            ),
        ]
    )


def _publisher(context: LaunchContext) -> list[Node]:
    refuse_unknown(context.argv, (*MOUNTS, "rviz"), __file__)
    files = {name: LaunchConfiguration(name).perform(context) for name in MOUNTS}
    description = ParameterValue(_urdf(files), value_type=str)
    return [
        Node(
            package="robot_state_publisher",
            executable="robot_state_publisher",
            output="screen",
            parameters=[{"robot_description": description}],
        )
    ]


def _urdf(mounts: dict[str, str]) -> str:
    """The URDF, written by this package's program, whose interpreter has what that takes."""
    program = os.path.join(get_package_prefix("kine_description"), "lib", "kine_description", "make_urdf")
    line = [program]
    for name, file in mounts.items():
        line += [f"--{name.replace('_', '-')}", file] if file else []
    done = subprocess.run(line, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise ValueError(done.stderr.strip() or f"{program} ended with exit code {done.returncode}")
    return done.stdout
