"""What the recorder writes of a teleoperation becomes an episode: texts, verdict, joints, targets, images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from rclpy.serialization import serialize_message
from recording_helpers import T0, Clock
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from kine_teleop.recording.session import Recorder, RecorderSettings
from kine_teleop.recording.topics import episode_topics
from kinevla.data.audit import AuditConfig, audit_all
from kinevla.data.convert import ConvertConfig, Texts, convert_all
from kinevla.data.episodes import EpisodeReader
from kinevla.data.images import encode_jpeg
from kinevla.observation.images import ImagePipeline, network_image
from kinevla.text import load_task_texts

NAMES = [*(f"joint_{n}" for n in range(1, 8)), "gripper"]
TASK = load_task_texts("kine_realman")[4]
LAG_NS = 120_000_000


def pose(time_ns: int) -> np.ndarray:
    """Where the leader is: all joints move, the gripper closes half way."""
    time_s = max(0.0, (time_ns - T0) / 1e9)
    return np.array([*(0.2 * np.sin((n + 1) * time_s) for n in range(7)), float(time_s < 1.0)])


def stamped(message, stamp_ns: int):
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    return message


def joints(stamp_ns: int, values: np.ndarray) -> bytes:
    """As the driver and the puppet send them: without velocities."""
    return serialize_message(stamped(JointState(name=NAMES, position=values.tolist()), stamp_ns))


def pixels(stamp_ns: int, camera: str) -> np.ndarray:
    y, x = np.mgrid[0:144, 0:192]
    wave = np.sin(x / 30 + (stamp_ns - T0) / 4e8 + (camera == "wrist"))[..., None]
    return (120 + 80 * wave + y[..., None] / 5 + np.array([0, 10, 20])).astype(np.uint8)


def image(stamp_ns: int, camera: str) -> bytes:
    data = pixels(stamp_ns, camera)
    message = Image(height=144, width=192, encoding="rgb8", step=3 * 192, data=data.tobytes())
    return serialize_message(stamped(message, stamp_ns))


def chunk(stamp_ns: int) -> bytes:
    """As the puppet sends them: one point, to be reached in the horizon."""
    point = JointTrajectoryPoint(positions=pose(stamp_ns).tolist(), time_from_start=Duration(nanosec=LAG_NS))
    message = stamped(JointTrajectory(joint_names=NAMES, points=[point]), stamp_ns)
    return serialize_message(message)


def record(folder: Path, *, targets: bool, seconds: float = 2.0) -> None:
    clock = Clock()
    topics = episode_topics()
    recorder = Recorder(RecorderSettings(folder, min_free_mb=1, stop_free_mb=1), topics, clock)
    recorder.start(TASK.instruction)
    for tick in range(round(seconds * 600)):  # the least common multiple of the rates
        clock.now = T0 + tick * 10**9 // 600
        if tick % 3 == 0:
            recorder.receive("/joint_states", joints(clock.now, pose(clock.now - LAG_NS)))
        if tick % 12 == 0:
            recorder.receive("/realman_driver/joint_trajectory", chunk(clock.now))
            if targets:
                recorder.receive("/kine_teleop/target", joints(clock.now, pose(clock.now)))
        if tick % 20 == 0:
            for camera in ("front", "wrist"):
                recorder.receive(f"/{camera}/color/image_raw", image(clock.now, camera))
    done = recorder.stop("success", "steady hand")
    assert done.audit == "good", done.audit


@pytest.mark.parametrize("targets", [True, False], ids=["targets", "chunks"])
def test_a_recorded_teleoperation_becomes_an_episode(tmp_path, targets):
    record(tmp_path / "recordings", targets=targets)
    report = convert_all(
        (tmp_path / "recordings",), tmp_path / "set", ConvertConfig(), Texts(), workers=1, progress=False
    )
    assert report.converted == 1 and not report.errors
    audits = audit_all((tmp_path / "recordings", tmp_path / "set"), AuditConfig())
    assert not [problem for audit in audits for problem in audit.problems]
    episode = EpisodeReader(tmp_path / "set").read(0)
    assert (episode.task, episode.instruction) == (5, TASK.instruction)
    assert (episode.coarse, episode.fine) == (TASK.coarse, TASK.fine)
    assert episode.goal_success is True and episode.verdict_text == "steady hand"
    assert len(episode) >= 18
    # Without the puppet's targets the points on the wire stand for them; they are reached a horizon later.
    late_ns, first_ns = (0, T0) if targets else (LAG_NS, T0 + 10**8)
    for k in range(3, 17):
        now_ns = first_ns + k * 10**8
        np.testing.assert_allclose(episode.state[k, :7], pose(now_ns - LAG_NS)[:7], atol=1e-9)
        np.testing.assert_allclose(episode.target[k, :7], pose(now_ns + 10**8 - late_ns)[:7], atol=2e-3)
        for camera in ("front", "wrist"):
            expected = encode_jpeg(network_image(pixels(now_ns, camera), ImagePipeline()))
            assert getattr(episode, f"{camera}_jpeg")[k] == expected
    assert set(episode.state[:, 7]) == set(episode.target[3:, 7].round()) == {0.0, 1.0}
