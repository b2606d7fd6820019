"""Parameters of the teleoperation's nodes: one table each, with text and bounds."""

from __future__ import annotations

from kine_nodes import AUTOSTART, Parameter
from realman_driver.arm_model import JOINT_NAMES

PUPPET = AUTOSTART | {
    "rate_hz": Parameter(50.0, "targets sent to the driver per second", 10.0, 100.0),
    "horizon_s": Parameter(0.06, "time the follower is given to reach a target, s", 0.02, 0.5),
    "leader_joints": Parameter(list(JOINT_NAMES), "the leader's names of what drives joint_1..joint_7"),
    "sign": Parameter([1.0] * 7, "per joint: 1, or -1 where the leader is mirrored"),
    "scale": Parameter([1.0] * 7, "per joint: factor on the leader's angle"),
    "offset_rad": Parameter([0.0] * 7, "per joint: added after sign and scale, rad"),
    "leader_gripper": Parameter("gripper", "the leader's name of its gripper; empty: it has none"),
    "gripper_closed": Parameter(0.0, "what the leader reports with the gripper closed"),
    "gripper_open": Parameter(1.0, "what the leader reports with the gripper open"),
    "gripper_slack": Parameter(0.05, "how far outside 0..1 an opening still counts as the end", 0.0, 0.3),
    "joint_margin_rad": Parameter(0.02, "distance kept from the joints' limits, rad", 0.0, 0.5),
    "max_speed_rad_s": Parameter(2.0, "fastest joint; faster stops the session, rad/s", 0.05, 2.5),
    "max_step_rad": Parameter(0.15, "largest step between two messages of the leader, rad", 0.01, 0.35),
    "deadman_timeout_s": Parameter(0.3, "oldest deadman message that counts, s", 0.05, 2.0),
    "leader_timeout_s": Parameter(0.2, "oldest leader message that counts, s", 0.02, 2.0),
    "follower_timeout_s": Parameter(0.2, "oldest follower message that counts, s", 0.02, 2.0),
    "align_by_moving": Parameter(
        True, "start moves the follower to the leader; false: refuses unless aligned"
    ),
    "align_tolerance_rad": Parameter(0.05, "aligned within this, per joint, rad", 0.005, 0.2),
    "align_speed_rad_s": Parameter(0.25, "speed of the motion to the leader, rad/s", 0.02, 1.0),
    "max_align_rad": Parameter(1.0, "largest distance of that motion, per joint, rad", 0.01, 6.0),
    "align_timeout_s": Parameter(15.0, "longest duration of that motion, s", 1.0, 120.0),
    "max_follow_error_rad": Parameter(0.5, "follower's largest distance from its target, rad", 0.05, 1.0),
    "follow_error_s": Parameter(0.3, "how long it may be further, s", 0.05, 5.0),
    "require_drift_check": Parameter(True, "start wants a passed drift check"),
    "drift_valid_s": Parameter(3600.0, "how long a passed drift check is valid, s", 1.0, 86400.0),
    "drift_joint_rad": Parameter(0.0175, "largest offset of a joint that passes, rad", 0.001, 0.2),
    "drift_tool_m": Parameter(0.015, "largest distance of the tools that passes, m", 0.001, 0.2),
    "drift_poses": Parameter(1, "poses of a drift check", 1, 20),
    "disable_on_stop": Parameter(True, "a stop nobody asked for also disables the driver"),
}

RECORDER = AUTOSTART | {
    "folder": Parameter("~/kine_episodes", "where the episodes go; made when missing"),
    "image_rate_hz": Parameter(30.0, "expected rate of both cameras; 0: not judged", 0.0, 120.0),
    "joint_rate_hz": Parameter(200.0, "expected rate of the joint states; 0: not judged", 0.0, 1000.0),
    "min_free_mb": Parameter(2000, "free space a recording needs to start, MiB", 1, 10_000_000),
    "stop_free_mb": Parameter(100, "a recording ends below this free space, MiB", 1, 1_000_000),
    "queue_mb": Parameter(256, "how much may wait for the disk, MiB", 1, 16_384),
    "calibration_file": Parameter("", "YAML or JSON file stored with each episode; empty: none"),
}

RM75_LEADER = AUTOSTART | {
    "robot_ip": Parameter("192.168.1.19", "IPv4 address of the leader's controller"),
    "robot_port": Parameter(8080, "TCP port of the leader's controller", 1, 65535),
    "udp_host_ip": Parameter(
        "", "IPv4 address of this computer as the leader sees it; empty: found by itself"
    ),
    "udp_port": Parameter(8090, "UDP port for its state, not the follower's; 0: any free one", 0, 65535),
    "rate_hz": Parameter(50.0, "messages per second", 10.0, 200.0),
    "sensitivity": Parameter(100, "of drag teach, 100: as delivered, less: heavier", 0, 100),
    "gripper": Parameter(True, "read the leader's gripper; false: it has none"),
    "state_timeout_s": Parameter(0.15, "older state is not published, s", 0.02, 1.0),
}

SIM_LEADER = AUTOSTART | {
    "task": Parameter(5, "task that is shown; the simulator's", 1, 7),
    "seed": Parameter(1, "of the scene; the simulator's", 0, 2**31 - 1),
    "randomise": Parameter(True, "the simulator's"),
    "rate_hz": Parameter(50.0, "messages per second", 10.0, 200.0),
    "hand_seed": Parameter(0, "of timing and tremor", 0, 2**31 - 1),
    "slowdown": Parameter(1.6, "time taken per second of the plan", 1.0, 5.0),
    "pause_share": Parameter(0.2, "share of the strokes that are followed by a pause", 0.0, 1.0),
    "tremor_rad": Parameter(0.002, "standard deviation of the tremor, rad", 0.0, 0.02),
    "offset_rad": Parameter([0.0] * 7, "added to what is reported: a leader out of calibration, rad"),
}
