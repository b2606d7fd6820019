"""Parameters of the relay: one table with text and bounds, and the relay they describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kine_nodes import AUTOSTART, Parameter
from kine_relay.mapping import GripperMap, JointMap
from kine_relay.relay import Relay, RelayRules

_SEVEN = [f"joint_{i}" for i in range(1, 8)]

TABLE = AUTOSTART | {
    "chunk_topic": Parameter("/realman_driver/joint_trajectory", "where the policy's chunks come from"),
    "driver_state_topic": Parameter(
        "/realman_driver/state", "tells the policy who may move the arm, as the driver does"
    ),
    "state_topic": Parameter("/arm/joint_states", "joint states of the other arm"),
    "policy_state_topic": Parameter("/joint_states", "joint states for the policy"),
    "controller_topic": Parameter(
        "/arm/joint_trajectory_controller/joint_trajectory", "topic of the arm's controller"
    ),
    "gripper_topic": Parameter(
        "/arm/gripper_controller/joint_trajectory", "topic of the gripper's controller"
    ),
    "chunk_joints": Parameter(_SEVEN, "joints of the chunks, without the gripper"),
    "joints": Parameter([f"arm_{name}" for name in _SEVEN], "the other arm's, in the same order"),
    "sign": Parameter([1.0] * 7, "1 or -1 for each joint: theirs = sign * ours + offset_rad"),
    "offset_rad": Parameter([0.0] * 7, "the other arm's angle where ours is zero, rad"),
    "lower_rad": Parameter([-1.5] * 7, "lower limits of the other arm, rad"),
    "upper_rad": Parameter([1.5] * 7, "upper limits of the other arm, rad"),
    "max_velocity_rad_s": Parameter([1.0] * 7, "fastest motion that is passed on, rad/s"),
    "gripper_joint": Parameter("", "the other gripper's joint; empty: it has none"),
    "gripper_closed": Parameter(0.0, "its position when closed, rad or m", -10.0, 10.0),
    "gripper_open": Parameter(0.04, "its position when open, rad or m", -10.0, 10.0),
    "max_chunk_age_s": Parameter(1.0, "oldest observation a chunk may come from", 0.01, 10.0),
    "max_state_age_s": Parameter(0.2, "oldest joint state of the other arm", 0.01, 2.0),
    "max_first_step_rad": Parameter(0.35, "largest distance of the first point from the arm", 0.001, 1.0),
    "source_hold_s": Parameter(1.0, "how long after its last chunk a source keeps the arm, s", 0.0, 10.0),
}


def make_relay(values: Mapping[str, Any]) -> Relay:
    """The relay that the parameters ask for.

    Raises:
        ValueError: lists of different lengths, or a value out of bounds; names it.
    """
    names = ("chunk_joints", "joints", "sign", "offset_rad", "lower_rad", "upper_rad", "max_velocity_rad_s")
    lengths = {name: len(values[name]) for name in names}
    if len(set(lengths.values())) != 1:
        text = ", ".join(f"{name} {count}" for name, count in lengths.items())
        raise ValueError(f"one value per joint is needed, there are: {text}")
    joints = [JointMap(*row) for row in zip(*(values[name] for name in names), strict=True)]
    gripper = GripperMap("gripper", values["gripper_joint"], values["gripper_closed"], values["gripper_open"])
    rules = RelayRules(
        values["max_chunk_age_s"],
        values["max_state_age_s"],
        values["max_first_step_rad"],
        values["source_hold_s"],
    )
    return Relay(joints, gripper, rules)
