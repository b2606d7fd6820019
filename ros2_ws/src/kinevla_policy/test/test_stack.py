import ast
import dataclasses
import re
import shlex
from pathlib import Path

import pytest
import yaml

from kinevla_policy import runner, stack
from kinevla_policy.stack import StackSettings


def by_name(settings: StackSettings) -> dict[str, stack.NodeSpec]:
    return {spec.name: spec for spec in stack.nodes(settings)}


def test_the_simulated_robot_differs_only_by_its_sim_node_and_the_address_of_the_arm(tmp_path):
    real = by_name(StackSettings(sim=False, checkpoint=str(tmp_path)))
    sim = by_name(StackSettings(sim=True, checkpoint=str(tmp_path)))
    assert set(real) == {"front", "wrist", "realman_driver", "kinevla"}
    assert {real[name].package for name in ("front", "wrist")} == {"kine_cameras"}
    assert set(sim) == {"kine_sim", "realman_driver", "kinevla"}
    assert real["kinevla"] == sim["kinevla"]
    assert real["realman_driver"].parameter_file == sim["realman_driver"].parameter_file
    assert set(sim["realman_driver"].parameters) - set(real["realman_driver"].parameters) == {
        "udp_host_ip",
        "udp_port",
    }


def test_driver_and_simulator_agree_on_the_port(tmp_path):
    specs = by_name(StackSettings(sim=True, robot_port=12345, checkpoint=str(tmp_path)))
    assert specs["kine_sim"].parameters["robot_port"] == 12345
    assert specs["realman_driver"].parameters["robot_port"] == 12345


def test_without_a_checkpoint_the_stack_says_which_argument_is_missing(monkeypatch):
    monkeypatch.setattr(stack, "default_checkpoint", lambda: "")
    with pytest.raises(ValueError, match="checkpoint:="):
        stack.nodes(StackSettings(sim=True))


def test_a_workspace_without_its_sources_starts_with_the_shipped_checkpoint(monkeypatch, tmp_path):
    monkeypatch.setattr(
        stack, "__file__", str(tmp_path / "lib/python3/site-packages/kinevla_policy/stack.py")
    )
    monkeypatch.setattr(stack, "get_package_share_directory", lambda name: str(tmp_path / "share" / name))
    assert stack.default_checkpoint() == ""
    installed = tmp_path / "share" / "kinevla" / "checkpoints" / "nano"
    installed.mkdir(parents=True)
    assert stack.default_checkpoint() == str(installed)


def test_the_policy_can_run_on_another_machine(monkeypatch):
    monkeypatch.setattr(stack, "default_checkpoint", lambda: "")
    assert "kinevla" not in by_name(StackSettings(sim=True, policy=False))


def test_two_machines_share_the_nodes_of_one_and_images_go_compressed(tmp_path):
    both = by_name(StackSettings(sim=True, checkpoint=str(tmp_path), images="compressed"))
    robot_pc = by_name(StackSettings(sim=True, policy=False, images="compressed"))
    workstation = by_name(StackSettings(robot=False, checkpoint=str(tmp_path), images="compressed"))
    assert robot_pc | workstation == both
    assert set(workstation) == {"kinevla"}
    assert workstation["kinevla"].parameters["image_transport"] == "compressed"
    assert set(robot_pc) == {"kine_sim", "realman_driver", "image_compressor"}


def test_a_machine_with_nothing_to_run_says_so():
    with pytest.raises(ValueError, match="nothing to start"):
        stack.nodes(StackSettings(robot=False, policy=False))


def test_an_unknown_image_transport_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="images:=theora is unknown: raw, compressed"):
        stack.nodes(StackSettings(images="theora"))


def test_every_executable_is_installed_and_every_parameter_file_is_for_its_node(tmp_path):
    for spec in stack.nodes(StackSettings(sim=True, checkpoint=str(tmp_path), images="compressed")):
        assert runner.command(spec)[0].endswith(f"lib/{spec.package}/{spec.executable}")
        with open(spec.parameter_file) as file:
            assert spec.name in yaml.safe_load(file)


def test_a_text_value_with_spaces_and_digits_stays_text_on_the_command_line():
    spec = stack.NodeSpec("kine_sim", "sim_node", "kine_sim", parameters={"a": "12 o'clock", "b": "007"})
    line = shlex.split(shlex.join(runner.command(spec)))
    values = dict(item.split(":=", 1) for item in line if ":=" in item and not item.startswith("__"))
    assert yaml.safe_load(values["a"]) == "12 o'clock"
    assert yaml.safe_load(values["b"]) == "007"


def test_every_launch_argument_is_described():
    launch_file = Path(__file__).parents[1] / "launch" / "robot.launch.py"
    tree = ast.parse(launch_file.read_text())
    described = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DESCRIPTIONS"
    )
    assert set(described) == {field.name for field in dataclasses.fields(StackSettings)}
    assert all(described.values())


def test_each_kind_of_camera_publishes_under_the_same_two_names(tmp_path):
    for kind in ("realsense", "realsense2_camera", "uvc", "recorded"):
        settings = StackSettings(
            cameras=kind,
            checkpoint=str(tmp_path),
            front_serial="0123",
            front_source=str(tmp_path),
            wrist_source=str(tmp_path),
        )
        specs = by_name(settings)
        assert {"front", "wrist"} <= set(specs)
        ours = kind != "realsense2_camera"
        assert specs["front"].package == ("kine_cameras" if ours else "realsense2_camera")
    assert specs["wrist"].parameters["recording"] == str(tmp_path)
    assert specs["wrist"].parameters["recording_topic"] == "/wrist/color/image_raw"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (StackSettings(cameras="webcam"), "cameras:=webcam is unknown: realsense, uvc, recorded"),
        (StackSettings(cameras="uvc", front_source="/dev/video0"), "cameras:=uvc needs wrist_source:="),
    ],
)
def test_cameras_that_cannot_be_started_are_refused_with_the_argument(settings, text):
    with pytest.raises(ValueError, match=text):
        stack.nodes(settings)


def driver_file(folder: Path, text: str) -> str:
    file = folder / "driver.yaml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("realman_drver:\n  ros__parameters: {max_velocity_rad_s: 0.3}\n", "did you mean '/realman_driver'"),
        ("kinevla:\n  ros__parameters: {threads: 2}\n", "is not for /realman_driver, but for '/kinevla'"),
        (
            "realman_driver:\n  ros__parameters: {max_velocity: 0.3}\n",
            "'max_velocity' of /realman_driver",
        ),
        (
            "realman_driver:\n  ros__parameters: {max_velocity_rad_s: 9.0}\n",
            "must be within [0.01, 3.14]",
        ),
        ("realman_driver:\n  ros__parameters: {max_velocity_rad_s: '0.3'}\n", "'0.3', must be a number"),
        ("realman_driver: [\n", "while parsing"),
    ],
)
def test_a_parameter_file_that_would_be_passed_over_is_refused_before_anything_starts(tmp_path, text, reason):
    file = driver_file(tmp_path, text)
    with pytest.raises(ValueError, match=re.escape(reason)) as refused:
        stack.nodes(StackSettings(sim=True, policy=False, driver_config=file))
    assert file in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"driver_config": "~/nope.yaml"}, "driver_config:=/home/lab/nope.yaml does not exist"),
        ({"policy_config": "nope.yaml"}, "/nope.yaml does not exist"),
        ({"teleop_config": "~nobody_has_this_name/x.yaml"}, "names no user of this computer"),
        ({"driver_config": "/"}, "driver_config:=/ is no file"),
        ({"front_calibration": "nope"}, "nope does not exist"),
        ({"checkpoint": "/dev/null"}, "checkpoint:=/dev/null is no folder"),
        ({"console_token_file": "/"}, "console_token_file:=/ is a folder, must be a file"),
        ({"record_folder": "/dev/null"}, "record_folder:=/dev/null is no folder"),
        ({"robot_ip": "arm.local"}, "robot_ip:=arm.local is no IPv4 address"),
        ({"robot_port": 0}, "robot_port:=0 must be within [1, 65535]"),
        ({"teleop": "x"}, "teleop:=x is unknown: none, sim, rm75, topic"),
        ({"cameras": "x", "sim": True}, "cameras:=x is unknown"),
        ({"sim": True, "task": 9}, "kine_sim: task is 9, must be within [1, 7]"),
        ({"sim": True, "seed": -1}, "kine_sim: seed is -1, must be within [0, 2147483647]"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_its_name(monkeypatch, settings, text):
    monkeypatch.setenv("HOME", "/home/lab")
    with pytest.raises(ValueError, match=re.escape(text)):
        stack.nodes(StackSettings(**settings))


def test_paths_from_the_home_and_the_working_directory_are_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    file = driver_file(tmp_path, "realman_driver:\n  ros__parameters: {max_velocity_rad_s: 0.3}\n")
    for given in ("~/driver.yaml", "driver.yaml"):
        specs = by_name(StackSettings(sim=True, policy=False, driver_config=given))
        assert specs["realman_driver"].parameter_file == file


def test_a_teleoperation_file_may_be_for_one_of_its_two_nodes_but_not_for_none(tmp_path):
    file = tmp_path / "teleop.yaml"
    file.write_text("rm75_leader:\n  ros__parameters: {rate_hz: 60.0}\n")
    specs = by_name(StackSettings(sim=True, teleop="rm75", teleop_config=str(file)))
    assert specs["rm75_leader"].parameter_file == str(file)
    assert specs["kine_teleop"].parameter_file.endswith("puppet.yaml")
    with pytest.raises(ValueError, match="is not for /kine_teleop"):
        stack.nodes(StackSettings(sim=True, teleop="topic", teleop_config=str(file)))


def test_launch_arguments_come_as_texts_and_wrong_ones_are_named():
    settings = StackSettings.from_texts({"sim": "True", "robot_port": "8081", "front_serial": "0123"})
    assert (settings.sim, settings.robot_port, settings.front_serial) == (True, 8081, "0123")
    with pytest.raises(ValueError, match="robot_port:=abc is no whole number"):
        StackSettings.from_texts({"robot_port": "abc"})
    with pytest.raises(ValueError, match="sim:=ja is neither true nor false"):
        StackSettings.from_texts({"sim": "ja"})


def test_whoever_starts_a_stack_is_known_to_driver_and_policy(tmp_path):
    specs = by_name(StackSettings(sim=True, checkpoint=str(tmp_path), stack_id="mine"))
    assert specs["realman_driver"].parameters["stack_id"] == specs["kinevla"].parameters["stack_id"] == "mine"
