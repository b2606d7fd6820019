"""A process of the stack, and the check of all its parameters before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from kine_nodes import Parameter, parameter_file
from kine_nodes.parameters import unknown

# Where the table of each of the stack's own nodes is, by executable; imported only when the node is wanted.
TABLES = {
    "policy_node": ("kinevla_policy.parameters", "TABLE"),
    "compressor_node": ("kinevla_policy.parameters", "COMPRESSOR"),
    "driver_node": ("realman_driver.parameters", "TABLE"),
    "camera_node": ("kine_cameras.parameters", "TABLE"),
    "console_node": ("kine_console.parameters", "TABLE"),
    "recorder_node": ("kine_teleop.parameters", "RECORDER"),
    "puppet_node": ("kine_teleop.parameters", "PUPPET"),
    "rm75_leader_node": ("kine_teleop.parameters", "RM75_LEADER"),
    "sim_leader_node": ("kine_teleop.parameters", "SIM_LEADER"),
    "sim_node": ("kine_sim.nodes.parameters", "TABLE"),
}
# A parameter file may have sections for several of these.
NAMES = (
    "realman_driver",
    "kinevla",
    "front",
    "wrist",
    "image_compressor",
    "kine_teleop",
    "rm75_leader",
    "sim_leader",
    "recorder",
    "kine_console",
    "kine_relay",
    "kine_sim",
)


@dataclass(frozen=True)
class NodeSpec:
    """One process of the stack."""

    package: str
    executable: str
    name: str
    lifecycle: bool = False
    parameter_file: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


def check(spec: NodeSpec) -> None:
    """Refuse a process whose parameters its node would refuse, or pass over.

    Raises:
        ValueError: one line that names file, parameter, value and bound.
    """
    if spec.executable not in TABLES:
        return
    module, name = TABLES[spec.executable]
    table: Mapping[str, Parameter] = getattr(import_module(module), name)
    for parameter, value in spec.parameters.items():
        problem = table[parameter].problem(value)
        if problem:
            raise ValueError(f"{spec.name}: {parameter} {problem}")
    if not spec.parameter_file:
        return
    for section, _ in parameter_file.read(spec.parameter_file):
        if not any(parameter_file.applies(section, f"/{name}") for name in NAMES):
            known = (f"/{name}" for name in NAMES)
            raise ValueError(f"parameter file {spec.parameter_file}: {unknown('node', section, known)}")
    parameter_file.check(spec.parameter_file, f"/{spec.name}", table)
