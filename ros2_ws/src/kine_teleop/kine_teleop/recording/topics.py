"""Which topics an episode holds, and what is expected of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """One recorded topic.

    Attributes:
        name, type_name: as on the wire, the type as `package/msg/Name`.
        rate_hz: expected rate; 0: no rate is expected (events).
        required: an episode without it is bad.
        camera: losses are counted from gaps between stamps, because cameras stamp at capture.
    """

    name: str
    type_name: str
    rate_hz: float = 0.0
    required: bool = False
    camera: bool = False


def episode_topics(image_rate_hz: float = 30.0, joint_rate_hz: float = 200.0) -> tuple[Topic, ...]:
    """All topics of a demonstration with the rates of this robot."""
    cameras = [
        topic
        for camera in ("front", "wrist")
        for topic in (
            Topic(f"/{camera}/color/image_raw", "sensor_msgs/msg/Image", image_rate_hz, True, True),
            Topic(f"/{camera}/color/camera_info", "sensor_msgs/msg/CameraInfo", image_rate_hz, False, True),
        )
    ]
    return (
        *cameras,
        Topic("/joint_states", "sensor_msgs/msg/JointState", joint_rate_hz, True),
        Topic("/leader/joint_states", "sensor_msgs/msg/JointState"),
        Topic("/kine_teleop/target", "sensor_msgs/msg/JointState"),
        Topic("/realman_driver/joint_trajectory", "trajectory_msgs/msg/JointTrajectory"),
        Topic("/kinevla/plan", "kine_msgs/msg/BiLevelPlan"),
        Topic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray"),
    )


AUDIT_TOPIC = Topic("/recorder/audit", "diagnostic_msgs/msg/DiagnosticArray")
