"""A person is told that the arm is simulated only when that is sure."""

from __future__ import annotations

import pytest

from kine_nodes.which_arm import which_arm


@pytest.mark.parametrize(
    ("address", "simulator", "which"),
    [
        ("127.0.0.1:8080", True, "SIMULATED"),
        ("127.0.0.1:8080", False, "REAL"),
        ("192.168.1.18:8080", True, "REAL"),
        ("robot.local:8080", True, "REAL"),
        ("", True, ""),
    ],
)
def test_when_in_doubt_the_arm_is_real(address: str, simulator: bool, which: str) -> None:
    assert which_arm(address, simulator) == which
