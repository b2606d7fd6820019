"""Parameters of the policy node and of the image compressor: a table each, with text and bounds."""

from __future__ import annotations

from kine_nodes import AUTOSTART, Parameter

TABLE = {
    "checkpoint": Parameter("", "folder of the trained policy"),
    "autostart": Parameter(True, "configure and activate without a lifecycle manager"),
    "stack_id": Parameter("", "who started this policy, told in its diagnostics"),
    "threads": Parameter(1, "CPU threads of the model", 1, 64),
    "image_transport": Parameter("raw", "raw, or compressed: listen to <topic>/compressed"),
    "front_topic": Parameter("/front/color/image_raw", "images of the front camera"),
    "wrist_topic": Parameter("/wrist/color/image_raw", "images of the wrist camera"),
    "joint_state_topic": Parameter("/joint_states", "joint_1..joint_7 in rad and gripper 0..1"),
    "trajectory_topic": Parameter("/realman_driver/joint_trajectory", "where chunks are published"),
    "driver_state_topic": Parameter("/realman_driver/state", "what the driver does and who may move the arm"),
    "max_pair_gap_s": Parameter(0.04, "largest difference of the two capture times, s", 0.001, 0.5),
    "max_observation_age_s": Parameter(0.5, "older observations are not planned from, s", 0.05, 5.0),
    "execution": Parameter("async", "async: look while the arm moves; sync: play a chunk to its end first"),
    "latency_quantile": Parameter(0.9, "async: share of recent latencies to reckon with", 0.0, 1.0),
    "look_margin_s": Parameter(0.03, "async: a chunk is wanted so long before the arm brakes, s", 0.0, 0.3),
    "settle_s": Parameter(0.1, "sync: pause after a chunk before the next look, s", 0.0, 1.0),
    "max_plan_age_s": Parameter(1.0, "a plan from an older observation is not sent, s", 0.1, 10.0),
    "max_blind_s": Parameter(2.0, "an instruction ends without a usable observation so long, s", 0.2, 60.0),
    "max_instruction_s": Parameter(60.0, "an instruction ends after this time, s", 1.0, 600.0),
    "min_instruction_interval_s": Parameter(0.2, "instructions closer together are refused, s", 0.0, 10.0),
    "done_motion_rad": Parameter(0.03, "a chunk moving no joint further counts as rest, rad", 0.0, 0.2),
    "done_chunks": Parameter(3, "chunks of rest that end an instruction", 1, 20),
    "require_approval": Parameter(False, "show a plan first, move only after /kinevla/approve"),
    "approval_timeout_s": Parameter(120.0, "a plan not approved within this time is dropped, s", 1.0, 3600.0),
    "dark_level": Parameter(8.0, "mean brightness 0..255 below which an image counts as black", 0.0, 128.0),
    "frozen_motion_rad": Parameter(0.1, "an image unchanged over such a motion is frozen, rad", 0.01, 3.0),
    "max_stamp_ahead_s": Parameter(0.05, "images stamped further in the future are refused, s", 0.0, 1.0),
    "min_camera_rate_hz": Parameter(10.0, "slower cameras are reported, Hz", 0.0, 120.0),
}

COMPRESSOR = AUTOSTART | {
    "topics": Parameter(
        ["/front/color/image_raw", "/wrist/color/image_raw"], "images to publish again as <topic>/compressed"
    ),
    "jpeg_quality": Parameter(90, "quality of the jpegs", 1, 100),
}

LOOP_SETTINGS = (
    "execution",
    "max_observation_age_s",
    "latency_quantile",
    "look_margin_s",
    "settle_s",
    "max_plan_age_s",
    "max_blind_s",
    "max_instruction_s",
    "done_motion_rad",
    "done_chunks",
    "require_approval",
    "approval_timeout_s",
)
CAMERA_RULES = ("dark_level", "frozen_motion_rad", "max_stamp_ahead_s", "min_camera_rate_hz")
