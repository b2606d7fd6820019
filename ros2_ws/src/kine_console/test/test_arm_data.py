"""The console's own table of the arm is that of the rest of the stack."""

from __future__ import annotations

import json
from pathlib import Path

import kine_console
from kine_sim import rm75

TABLE = json.loads((Path(kine_console.__file__).parent / "data" / "rm75.json").read_text())


def test_the_joints_are_those_of_the_kinematic_table():
    for joint, name, frame, limit in zip(
        TABLE["joints"], rm75.JOINT_NAMES, rm75.JOINT_FRAMES, rm75.POSITION_LIMIT_RAD, strict=True
    ):
        assert joint["name"] == name
        assert tuple(joint["origin_m"]) == frame.origin_m
        assert abs(joint["roll_rad"] - frame.roll_rad) < 1e-9
        assert tuple(joint["axis"]) == frame.axis
        assert abs(joint["limit_rad"] - limit) < 1e-6
    assert TABLE["tool_m"] == rm75.FLANGE_TO_TOOL_M
    assert TABLE["finger_travel_m"] == rm75.FINGER_TRAVEL_M


def test_every_link_has_a_shape_that_can_be_drawn():
    assert len(TABLE["links"]) == rm75.JOINT_COUNT + 1
    fingers = [finger["shapes"] for finger in TABLE["fingers"].values()]
    assert len(fingers) == 2
    for shapes in [*TABLE["links"], *fingers]:
        assert shapes
        for shape in shapes:
            size = shape["half_m"] if shape["kind"] == "box" else [shape["radius_m"]]
            assert all(0.001 < value < 0.3 for value in size)
            assert shape["look"] in ("shell", "joint", "accent", "pad")
