"""Parameters of the policy node: one table with text and bounds."""

from __future__ import annotations

from kine_nodes import Parameter

TABLE = {
    "checkpoint": Parameter("", "folder of the trained policy"),
    "autostart": Parameter(True, "configure and activate without a lifecycle manager"),
    "threads": Parameter(1, "CPU threads of the model", 1, 64),
    "image_transport": Parameter("raw", "raw, or compressed: listen to <topic>/compressed"),
    "front_topic": Parameter("/front/color/image_raw", "images of the front camera"),
    "wrist_topic": Parameter("/wrist/color/image_raw", "images of the wrist camera"),
    "joint_state_topic": Parameter("/joint_states", "joint_1..joint_7 in rad and gripper 0..1"),
    "trajectory_topic": Parameter("/realman_driver/joint_trajectory", "where chunks are published"),
    "max_pair_gap_s": Parameter(0.04, "largest difference of the two capture times, s", 0.001, 0.5),
    "max_observation_age_s": Parameter(0.5, "older observations are not planned from, s", 0.05, 5.0),
    "settle_s": Parameter(0.05, "pause after a chunk before the next look, s", 0.0, 1.0),
    "max_instruction_s": Parameter(60.0, "an instruction ends after this time, s", 1.0, 600.0),
    "done_motion_rad": Parameter(0.03, "a chunk moving no joint further counts as rest, rad", 0.0, 0.2),
    "done_chunks": Parameter(3, "chunks of rest that end an instruction", 1, 20),
}
