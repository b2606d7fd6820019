"""The launch arguments of the stack, and which of their values are refused before anything is started."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

CHOICES = {
    "cameras": ("realsense", "uvc", "recorded", "realsense2_camera"),
    "images": ("raw", "compressed"),
    "teleop": ("none", "sim", "rm75", "topic"),
}
ADDRESSES = ("robot_ip", "udp_host_ip", "leader_ip")
FILES = ("driver_config", "policy_config", "teleop_config", "front_calibration", "wrist_calibration")
FOLDERS = ("checkpoint", "record_folder", "black_box_folder")
NEW_FILES = ("frame_log", "console_token_file")
RECORDINGS = ("front_source", "wrist_source")


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
        scene_for: a sentence of the language: the simulation lays out its table in place of the task's.
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
        stack_id: who started the stack, told by driver and policy; empty: nobody.
        black_box_folder: of the driver; empty: as its parameter file says.
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
    scene_for: str = ""
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
    stack_id: str = ""
    black_box_folder: str = ""

    @classmethod
    def from_texts(cls, texts: dict[str, str]) -> Self:
        """The settings from texts, as `ros2 launch` has them.

        Raises:
            ValueError: a text is no value of its argument; names both.
        """
        kinds = {field.name: type(field.default) for field in fields(cls)}
        return cls(**{name: _value(name, text, kinds[name]) for name, text in texts.items()})

    def checked(self) -> Self:
        """The same with whole paths: `~` and paths from the working directory are expanded.

        Raises:
            ValueError: an unknown choice, no address, a port outside 1..65535, or a file or folder that does
                not exist; names the argument and its value.
        """
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}:={getattr(self, name)} is unknown: {', '.join(choices)}")
        for name in ADDRESSES:
            _check_address(name, getattr(self, name))
        for name in ("robot_port", "leader_port", "console_port"):
            if not 1 <= getattr(self, name) <= 65535:
                raise ValueError(f"{name}:={getattr(self, name)} must be within [1, 65535]")
        if self.scene_for and self.teleop == "sim":
            raise ValueError("scene_for:= has no simulated leader: teleop:=sim shows the tasks")
        recordings = RECORDINGS if self.cameras == "recorded" else ()
        whole: dict[str, Any] = {
            name: _whole(name, getattr(self, name)) for name in (*FILES, *FOLDERS, *NEW_FILES, *recordings)
        }
        for name, path in whole.items():
            if path:
                _check_path(name, Path(path), recordings)
        return replace(self, **whole)


def _value(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(f"{name}:={text} is neither true nor false")
        return text.lower() in ("true", "1")
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{name}:={text} is no whole number") from None


def _whole(name: str, path: str) -> str:
    if not path:
        return ""
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise ValueError(f"{name}:={path} names no user of this computer")
    return os.path.abspath(expanded)


def _check_address(name: str, address: str) -> None:
    try:
        if address:
            ipaddress.IPv4Address(address)
    except ValueError:
        raise ValueError(f"{name}:={address} is no IPv4 address") from None


def _check_path(name: str, path: Path, recordings: tuple[str, ...]) -> None:
    if name in (*FILES, "checkpoint", *recordings) and not path.exists():
        raise ValueError(f"{name}:={path} does not exist")
    if name in FILES and not path.is_file():
        raise ValueError(f"{name}:={path} is no file")
    if name in FOLDERS and path.exists() and not path.is_dir():
        raise ValueError(f"{name}:={path} is no folder")
    if name in NEW_FILES and path.is_dir():
        raise ValueError(f"{name}:={path} is a folder, must be a file")
