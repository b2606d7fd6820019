"""Methods that would lock up the SDK never reach it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from Robotic_Arm.rm_robot_interface import RoboticArm

from realman_driver import generation_gate as gate

PACKAGE = Path(gate.__file__).parent
SDK_FILES = ("sdk_arm.py", "sdk_session.py")


def test_the_emergency_stop_call_is_forbidden_on_generation_3_only() -> None:
    with pytest.raises(gate.ForbiddenCallError, match=r"rm_set_arm_emergency_stop .* generation 3"):
        gate.check("rm_set_arm_emergency_stop", 3)
    gate.check("rm_set_arm_emergency_stop", 4)


def test_generation_4_has_its_own_table() -> None:
    with pytest.raises(gate.ForbiddenCallError, match="generation 4"):
        gate.check("rm_set_modbus_mode", 4)
    gate.check("rm_set_modbus_mode", 3)


def test_destroy_is_never_allowed_and_an_unknown_generation_allows_neither_table() -> None:
    for generation in (None, 3, 4):
        with pytest.raises(gate.ForbiddenCallError):
            gate.check("rm_destroy", generation)
    for method in gate.FORBIDDEN_ON_GENERATION_3 | gate.FORBIDDEN_ON_GENERATION_4:
        with pytest.raises(gate.ForbiddenCallError):
            gate.check(method, None)
    with pytest.raises(gate.ForbiddenCallError, match="neither 3 nor 4"):
        gate.check("rm_movej", 5)


def test_the_tables_have_the_measured_size_and_name_methods_the_sdk_has() -> None:
    assert len(gate.FORBIDDEN_ON_GENERATION_3) == 30
    assert len(gate.FORBIDDEN_ON_GENERATION_4) == 17
    for method in gate.FORBIDDEN_ON_GENERATION_3 | gate.FORBIDDEN_ON_GENERATION_4:
        assert hasattr(RoboticArm, method), method


def imported_modules(text: str) -> set[str]:
    """Top-level names of the modules that a source imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_the_adapter_uses_no_forbidden_method_and_only_it_calls_the_sdk() -> None:
    forbidden = gate.FORBIDDEN_ON_GENERATION_3 | gate.FORBIDDEN_ON_GENERATION_4 | gate.FORBIDDEN_ALWAYS
    for path in PACKAGE.glob("*.py"):
        text = path.read_text()
        if path.name in SDK_FILES:
            nodes = list(ast.walk(ast.parse(text)))
            attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            strings = {node.value for node in nodes if isinstance(node, ast.Constant)}
            assert not forbidden & (attributes | strings), path.name
        else:
            assert "Robotic_Arm" not in imported_modules(text), path.name
        if path.name not in ("sdk_arm.py", "state_datagram.py"):
            assert "math.degrees" not in text, path.name
            assert "math.radians" not in text, path.name
