"""What is said where Python modules are missing: the ones that this program needs, and no others."""

from __future__ import annotations

import pytest

from kine_nodes import start

GONE = {"Robotic_Arm", "rosbags", "torch", "transformers", "matplotlib", "scipy", "cv2", "peft"}


@pytest.fixture(autouse=True)
def nothing_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_lacks", lambda module: module in GONE)


def told(package: str, module: str) -> set[str]:
    lines = start.missing(package, ModuleNotFoundError(f"No module named {module!r}", name=module))
    return {line.split("'")[1] for line in lines}


def test_the_driver_names_what_the_driver_needs_and_nothing_of_the_policy() -> None:
    assert told("realman_driver", "Robotic_Arm") == {"Robotic_Arm", "rosbags", "cv2"}


def test_the_policy_names_everything_at_once() -> None:
    assert {"torch", "transformers", "cv2", "scipy"} <= told("kinevla_policy", "torch")


def test_what_stops_a_program_is_named_with_the_way_to_get_it() -> None:
    [line] = [
        line
        for line in start.missing("realman_driver", ModuleNotFoundError("scipy", name="scipy"))
        if "scipy" in line
    ]
    assert "which kinevla needs: install it by rosdep (key python3-scipy)" in line
