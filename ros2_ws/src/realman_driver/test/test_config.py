"""Parameters: their bounds, and that the parameter file tells the truth."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import yaml

from realman_driver.config import DriverConfig

CONFIG = Path(__file__).resolve().parents[1] / "config" / "driver.yaml"


def test_the_parameter_file_lists_every_parameter_with_its_default() -> None:
    values = yaml.safe_load(CONFIG.read_text())["realman_driver"]["ros__parameters"]
    defaults = {
        item.name: list(item.default) if isinstance(item.default, tuple) else item.default
        for item in dataclasses.fields(DriverConfig)
    }
    assert values == defaults


def test_every_parameter_has_a_description_and_every_number_bounds() -> None:
    for item in dataclasses.fields(DriverConfig):
        assert item.metadata["description"].endswith("."), item.name
        if isinstance(item.default, int | float) and not isinstance(item.default, bool):
            assert item.metadata["bounds"] is not None, item.name


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"robot_ip": "localhost"}, ["robot_ip", "localhost", "IPv4"]),
        ({"udp_host_ip": "here"}, ["udp_host_ip", "here"]),
        ({"robot_port": 0}, ["robot_port is 0", "[1, 65535]"]),
        ({"udp_period_ms": 7}, ["udp_period_ms is 7", "multiple of 5"]),
        ({"state_timeout_s": 0.05, "udp_period_ms": 20}, ["state_timeout_s is 0.05", "80 ms"]),
        ({"max_velocity_rad_s": 4.0}, ["max_velocity_rad_s is 4.0", "3.14"]),
        ({"max_velocity_rad_s": math.nan}, ["max_velocity_rad_s is nan"]),
        ({"stream_period_s": 0.02}, ["stream_period_s is 0.02", "0.01"]),
        ({"home_joints_rad": (0.0,) * 6}, ["home_joints_rad has 6 values", "7"]),
        ({"home_joints_rad": (0.0, 2.3, 0.0, 0.0, 0.0, 0.0, 0.0)}, ["joint_2 is 2.3 rad", "2.251"]),
        ({"home_gripper": -0.5}, ["home_gripper is -0.5"]),
        ({"reconnect_min_s": 6.0}, ["reconnect_min_s is 6.0", "reconnect_max_s"]),
    ],
)
def test_a_wrong_parameter_is_refused_with_name_value_and_bound(
    changes: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(ValueError) as caught:
        DriverConfig(**changes)  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value)
