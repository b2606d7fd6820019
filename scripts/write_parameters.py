"""Writes docs/reference/parameters.md from the nodes' own tables.

Run it with `scripts/run python scripts/write_parameters.py`; `make docs` does too. With `--check` nothing is
written, and the exit status is 1 when the page is not what the tables say.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kine_cameras import parameters as cameras
from kine_console import parameters as console
from kine_nodes import Parameter
from kine_relay import parameters as relay
from kine_sim.nodes import parameters as sim
from kine_teleop import parameters as teleop
from kinevla_policy import parameters as policy
from kinevla_policy.stack import StackSettings
from realman_driver import parameters as driver

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "ros2_ws" / "src"
PAGE = ROOT / "docs" / "reference" / "parameters.md"
LAUNCH_FILE = SOURCES / "kinevla_policy" / "launch" / "robot.launch.py"
HEAD = """# Parameters and launch arguments

<!-- Written by scripts/write_parameters.py from the tables in the code: do not edit. -->

The nodes' parameters with unit, default and bounds (both included). The same stands in the parameter files of
the packages, and `ros2 param describe` tells it of a running node. `make docs` writes this page anew.

What does not fit is refused with one line that names file, parameter, value and bound, and an exit code: a
value outside its bounds or of another type (`1` where `1.0` is meant), an unknown parameter or launch
argument, and a parameter file that is missing, no YAML, or names no section for its node or one for a node
that does not exist. Launch file and process runner look before they start anything, a node when it starts. A
file may have sections for several nodes; what stands under `/**` must be known to each node that reads the
file. `~` and paths from the working directory are expanded in launch arguments. A node that ends ends all
others, and the exit code of launch and runner is not 0; Ctrl-C gives 0 (the runner: 130).
"""


# Title, parameter file, table.
NODES: list[tuple[str, str, Mapping[str, Parameter]]] = [
    ("Policy, `/kinevla`", "kinevla_policy/config/policy.yaml", policy.TABLE),
    (
        "Image compressor, `/image_compressor`",
        "kinevla_policy/config/image_compressor.yaml",
        policy.COMPRESSOR,
    ),
    ("Driver, `/realman_driver`", "realman_driver/config/driver.yaml", driver.TABLE),
    ("Cameras, `/front` and `/wrist`", "kine_cameras/config/cameras.yaml", cameras.TABLE),
    ("Operator's page, `/kine_console`", "kine_console/config/console.yaml", console.TABLE),
    ("Recorder, `/recorder`", "kine_teleop/config/recorder.yaml", teleop.RECORDER),
    ("Puppet, `/kine_teleop`", "kine_teleop/config/puppet.yaml", teleop.PUPPET),
    ("Leader arm, `/rm75_leader`", "kine_teleop/config/rm75_leader.yaml", teleop.RM75_LEADER),
    ("Simulated leader, `/sim_leader`", "kine_teleop/config/sim_leader.yaml", teleop.SIM_LEADER),
    ("Relay to another arm, `/kine_relay`", "kine_relay/config/relay.yaml", relay.TABLE),
    ("Simulated robot, `/kine_sim`", "kine_sim/config/sim.yaml", sim.TABLE),
]


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, _launch_arguments(), *(_node(*node) for node in NODES)])


def _launch_arguments() -> str:
    tree = ast.parse(LAUNCH_FILE.read_text())
    texts = next(
        ast.literal_eval(item.value)
        for item in tree.body
        if isinstance(item, ast.Assign) and getattr(item.targets[0], "id", "") == "DESCRIPTIONS"
    )
    rows = [
        (f"`{field.name}`", _shown(field.default), texts[field.name])
        for field in dataclasses.fields(StackSettings)
    ]
    intro = (
        "`ros2 launch kinevla_policy robot.launch.py NAME:=VALUE ...`. Without a ROS installation the\n"
        "process runner takes the same as options:\n"
        "`scripts/run python -m kinevla_policy.runner --sim --no-policy`.\n"
    )
    return "\n".join(["## Launch arguments\n", intro, _table(("argument", "default", "meaning"), rows), ""])


def _node(title: str, file: str, table: Mapping[str, Parameter]) -> str:
    rows = [
        (
            f"`{name}`",
            _shown(parameter.default),
            "" if parameter.low is None else f"{_number(parameter.low)} .. {_number(parameter.high)}",
            parameter.text,
        )
        for name, parameter in table.items()
    ]
    head = ("parameter", "default", "bounds", "meaning")
    return "\n".join([f"## {title}\n", f"`{file}`\n", _table(head, rows), ""])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _shown(value: Any) -> str:
    if value == "":
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (list, tuple)):
        return "`[" + ", ".join(str(item) for item in value) + "]`"
    return f"`{value}`"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    text = page()
    if not parser.parse_args().check:
        PAGE.write_text(text)
    elif not PAGE.is_file() or PAGE.read_text() != text:
        sys.exit(f"{PAGE.relative_to(ROOT)} is out of date: run `make docs`")


if __name__ == "__main__":
    main()
