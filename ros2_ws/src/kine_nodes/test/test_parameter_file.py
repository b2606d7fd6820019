"""Parameter files: read as ROS reads them, and refused where ROS would pass something over."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kine_nodes import Parameter, parameter_file
from kine_nodes.launch_arguments import refuse_unknown

TABLE = {
    "speed_rad_s": Parameter(2.5, "speed, rad/s", 0.01, 3.14),
    "count": Parameter(3, "how many", 1, 20),
    "name": Parameter("front", "of the camera"),
    "on": Parameter(False, "whether"),
    "offsets": Parameter([0.0, 0.0], "per joint, rad"),
    "camera.profile": Parameter("640x480", "of the frames"),
}
NODE = "/kinevla"
ROS_READS = """
import sys, rclpy
rclpy.init()
node = rclpy.create_node("kinevla")
print({name: value.value for name, value in sorted(node._parameter_overrides.items())})
"""


def written(folder: Path, text: str) -> str:
    file = folder / "my.yaml"
    file.write_text(text)
    return str(file)


def of_node(folder: Path, values: str) -> str:
    return written(folder, "kinevla:\n  ros__parameters: {" + values + "}\n")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ("speed_rad_s: 5.0", "speed_rad_s is 5.0, must be within [0.01, 3.14]"),
        ("speed_rad_s: 1", "speed_rad_s is 1, must be a number with a decimal point"),
        ("speed_rad_s: fast", "speed_rad_s is 'fast', must be a number with a decimal point"),
        ("speed_rad_s: .nan", "speed_rad_s is nan, must be finite"),
        ("speed_rad_s: [1.0]", "speed_rad_s is [1.0], must be a number with a decimal point"),
        ("count: 2.0", "count is 2.0, must be a whole number"),
        ("count: true", "count is True, must be a whole number"),
        ("count: 21", "count is 21, must be within [1, 20]"),
        ("name: 0123", "name is 83, must be a text"),
        ('on: "true"', "on is 'true', must be true or false"),
        ("offsets: [0.0, 1]", "offsets is [0.0, 1], each value of it must be a number with a decimal point"),
        ("offsets: 0.0", "offsets is 0.0, must be a list"),
        ("speed_rads: 1.0", "parameter 'speed_rads' of /kinevla is unknown; did you mean 'speed_rad_s'?"),
        (
            "camera: {profil: x}",
            "parameter 'camera.profil' of /kinevla is unknown; did you mean 'camera.profile'",
        ),
        ("count: ", "line 2: there is no value"),
        ("count: 1, count: 2", "line 2: 'count' is given twice"),
        ("count: &a 1, speed_rad_s: *a", "aliases (*name) are not allowed"),
        ("offsets: [[1.0]]", "line 2: a list may hold only single values"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_file_parameter_and_bound(tmp_path, values, text):
    file = of_node(tmp_path, values)
    with pytest.raises(ValueError, match=re.escape(text)) as refused:
        parameter_file.check(file, NODE, TABLE)
    assert str(refused.value).startswith(f"parameter file {file}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kinevl:\n  ros__parameters: {count: 1}\n", "is not for /kinevla, but for '/kinevl'"),
        ("kinevla:\n  count: 1\n", "'/kinevla/count' is no mapping"),
        ("count: 1\n", "'/count' is no mapping"),
        ("- kinevla\n", "'the file' is no mapping"),
        ("kinevla: [1, 2\n", "while parsing"),
        ("", "'the file' is no mapping"),
        ("kinevla:\n  ros__parameters: {count: 1}\n---\nx: 1\n", "expected a single document"),
        ("\x00\x01", "unacceptable character"),
        ("[" * 5000 + "]" * 5000, "recursion"),
        ("#" * (parameter_file.MAX_BYTES + 1), "has more than 262144 bytes"),
    ],
)
def test_a_file_that_is_none_for_the_node_is_refused_in_one_line(tmp_path, text, reason):
    file = written(tmp_path, text)
    with pytest.raises(ValueError, match=re.escape(reason)) as refused:
        parameter_file.check(file, NODE, TABLE)
    assert file in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(("name", "reason"), [("nope.yaml", "No such file"), ("", "Is a directory")])
def test_a_file_that_is_not_there_is_refused_with_its_path(tmp_path, name, reason):
    with pytest.raises(ValueError, match=reason):
        parameter_file.read(str(tmp_path / name))


@pytest.mark.parametrize("section", ["kinevla", "/kinevla", "/**", "/*", "'*'", "/**/kinevla"])
def test_sections_apply_as_in_ros(tmp_path, section):
    file = written(tmp_path, f"{section}:\n  ros__parameters: {{count: 1, use_sim_time: false}}\n")
    parameter_file.check(file, NODE, TABLE)
    assert parameter_file.applies(section.strip("'"), NODE)
    assert not parameter_file.applies("/other", NODE)


def test_one_file_may_be_for_several_nodes(tmp_path):
    other = "realman_driver:\n  ros__parameters: {robot_port: 8080}\n"
    file = written(tmp_path, other + "kinevla:\n  ros__parameters: {count: 1}\n")
    parameter_file.check(file, NODE, TABLE)


def test_values_have_the_types_that_ros_gives_them(tmp_path):
    values = (
        "a: 1e-3, b: 0x10, c: 1_000, d: y, e: '1', f: -.inf, g: 010, h: 1., i: 2024-01-01, k: Off,"
        ' l: [1, 2], m: "yes", n: !!str 7, o: {p: 09}, q: -3, r: tRue, s: [a, b]'
    )
    file = of_node(tmp_path, values)
    read = dict(sorted(parameter_file.read(file)[0][1].items()))
    line = [sys.executable, "-c", ROS_READS, "--ros-args", "--params-file", file]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    lists = {name: list(value) if isinstance(value, list) else value for name, value in read.items()}
    assert done.stdout.strip().replace("array('q', [1, 2])", "[1, 2]") == str(lists), done.stderr


def test_the_files_of_a_command_line_are_those_given_to_ros():
    line = [
        "node",
        "--params-file",
        "no",
        "--ros-args",
        "--params-file",
        "a",
        "-p",
        "x:=1",
        "--",
        "--params-file",
        "b",
    ]
    assert parameter_file.given(line) == ["a"]
    assert parameter_file.given([*line, "--ros-args", "--params-file", "c"]) == ["a", "c"]


def test_an_unknown_launch_argument_is_refused_with_the_nearest_known_one():
    own = ["ros2", "launch", "kinevla_policy", "robot.launch.py"]
    with pytest.raises(ValueError, match=r"launch argument 'simm' is unknown; did you mean 'sim'\?"):
        refuse_unknown(["simm:=true"], ["sim", "seed"], "/share/robot.launch.py", own)
    refuse_unknown(["sim:=true", "launch-prefix:=nice"], ["sim", "seed"], "/share/robot.launch.py", own)


def test_the_arguments_of_a_launch_file_that_includes_ours_are_its_own():
    refuse_unknown(
        ["table:=2"], ["sim"], "/share/robot.launch.py", ["ros2", "launch", "lab", "lab.launch.xml"]
    )
