"""Parameters of the policy node: one table with text and bounds."""

from __future__ import annotations

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

# name: default, description, lowest, highest (bounds only for numbers)
TABLE: dict[str, tuple[Any, str, float | None, float | None]] = {
    "checkpoint": ("", "folder of the trained policy", None, None),
    "autostart": (True, "configure and activate without a lifecycle manager", None, None),
    "threads": (1, "CPU threads of the model", 1, 64),
    "front_topic": ("/front/color/image_raw", "images of the front camera", None, None),
    "wrist_topic": ("/wrist/color/image_raw", "images of the wrist camera", None, None),
    "joint_state_topic": ("/joint_states", "joint_1..joint_7 in rad and gripper 0..1", None, None),
    "trajectory_topic": ("/realman_driver/joint_trajectory", "where chunks are published", None, None),
    "max_pair_gap_s": (0.04, "largest difference of the two capture times, s", 0.001, 0.5),
    "max_observation_age_s": (0.5, "older observations are not planned from, s", 0.05, 5.0),
    "settle_s": (0.05, "pause after a chunk before the next look, s", 0.0, 1.0),
    "max_instruction_s": (60.0, "an instruction ends after this time, s", 1.0, 600.0),
    "done_motion_rad": (0.01, "a chunk moving no joint further counts as rest, rad", 0.0, 0.2),
    "done_chunks": (3, "chunks of rest that end an instruction", 1, 20),
}


def declare(node: Any) -> None:
    """Declare all parameters of the table, read-only once the node is configured."""
    for name, (default, text, low, high) in TABLE.items():
        descriptor = ParameterDescriptor(description=text)
        if isinstance(default, bool) or low is None or high is None:
            pass
        elif isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=0)]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
        node.declare_parameter(name, default, descriptor)
