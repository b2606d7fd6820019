"""The whole road of a demonstration: leader, puppet, driver, recorder, bag, conversion, one set with others.

Slow: each episode starts the simulated stack, is led by the simulated hand in real time and recorded.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from sensor_msgs.msg import JointState

from kine_msgs.srv import StartEpisode, StopEpisode
from kinevla.data.audit import AuditConfig, audit_all
from kinevla.data.chunks import ChunkConfig, build_chunks
from kinevla.data.convert import ConvertConfig, Texts, convert_all
from kinevla.data.demonstrations import DemonstrationConfig, DemonstrationJob, record_demonstration
from kinevla.data.episodes import EpisodeReader, EpisodeWriter
from kinevla.data.merge import merge
from kinevla.text import load_task_texts
from kinevla_policy.demo_client import DemoClient
from running_stack import RunningStack, start_stack

ROOT = Path(__file__).resolve().parents[1]
DEADMAN = ROOT / "ros2_ws/src/kine_teleop/test/puppet/hold_deadman.py"
SCENES = ((1, 4), (5, 3))
SLOWDOWN = 3.0
# As long as the node allows: a stall of the computer must not look like a lost operator.
PATIENT = {
    "deadman_timeout_s": 2.0, "leader_timeout_s": 2.0, "follower_timeout_s": 2.0, "max_step_rad": 0.3,
    "horizon_s": 0.15, "follow_error_s": 2.0, "max_speed_rad_s": 2.5,
}  # fmt: skip


def start_node(module: str, domain: int, log: IO[str], **parameters: object) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", f"kine_teleop.{module}", "--ros-args"]
    for name, value in parameters.items():
        line += ["-p", f"{name}:={value}"]
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONPATH": paths}
    return subprocess.Popen(line, stdout=log, stderr=log, env=environment)


def granted(client: DemoClient, service: str) -> str:
    """Ask until it is granted; the answer's text."""
    for _ in range(60):
        answer = client.trigger(service, 30.0)
        if answer.success:
            return str(answer.message)
        time.sleep(0.5)
    raise AssertionError(f"{service}: {answer.message}")


def lead_and_record(running: RunningStack, folder: Path, log: IO[str], task: int, seed: int) -> Path:
    """Lead one demonstration of a running scene and record it; returns the bag."""
    client, domain = running.client, running.domain
    scene = {"task": task, "seed": seed, "slowdown": SLOWDOWN}
    nodes = [
        start_node("puppet_node", domain, log, **PATIENT),
        start_node("sim_leader_node", domain, log, **scene),
        start_node("recorder_node", domain, log, folder=folder, image_rate_hz=15.0, min_free_mb=100),
    ]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    thumb = subprocess.Popen(
        [sys.executable, str(DEADMAN)], stdin=subprocess.PIPE, stdout=log, env=environment
    )
    leader: list[JointState] = []
    client.node.create_subscription(JointState, "/leader/joint_states", leader.append, 50)

    def wait(what: str, ready: object) -> None:
        client.wait_for(what, ready, 90.0, running.process.alive)  # type: ignore[arg-type]

    def puppet(key: str) -> str:
        return client.diagnostic("kine_teleop: puppet").get(key, "")

    try:
        wait("both images", lambda: len(client.images) == 2)
        wait("the leader", lambda: len(leader) > 60)
        granted(client, "/kine_teleop/check_drift")
        client.enable()
        granted(client, "/kine_teleop/start")
        wait("following", lambda: puppet("state") == "FOLLOWING")
        instruction = load_task_texts("kine_realman")[task - 1].instruction
        started = client.call("/recorder/start", StartEpisode, StartEpisode.Request(instruction=instruction))
        assert started.success, started.message
        time.sleep(1.0)
        message = granted(client, "/sim_leader/play")
        end_s = time.monotonic() + float(message.split()[3]) + 1.5
        while time.monotonic() < end_s:
            assert puppet("state") == "FOLLOWING", puppet("reason")
            time.sleep(0.2)
        verdict = client.verdict()
        success = verdict["goal_success"] and verdict["kinematics_success"]
        request = StopEpisode.Request(
            verdict=StopEpisode.Request.VERDICT_SUCCESS if success else StopEpisode.Request.VERDICT_FAILURE
        )
        stopped = client.call("/recorder/stop", StopEpisode, request, 60.0)
        assert stopped.success, stopped.message
        print(f"task {task} seed {seed}: {stopped.duration_s:.1f} s, {stopped.audit}; {verdict['reasons']}")
        assert success, verdict["reasons"]
        return next(
            path.parent for path in folder.rglob("episode.json") if path.parent.name == stopped.episode_id
        )
    finally:
        thumb.communicate(timeout=20)
        for node in nodes:
            node.send_signal(signal.SIGINT)
        for node in nodes:
            node.wait(30)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_led_demonstrations_train_beside_generated_ones(tmp_path: Path) -> None:
    bags = []
    for task, seed in SCENES:
        place = tmp_path / f"task{task}"
        place.mkdir()
        running = start_stack(place, "--task", str(task), "--seed", str(seed), "--no-policy")
        with (place / "teleop.log").open("w") as log:
            try:
                bags.append(lead_and_record(running, tmp_path / "recordings", log, task, seed))
            finally:
                running.client.close()
                running.process.stop()
        print((place / "teleop.log").read_text()[-1500:])

    # On a busy computer the simulated cameras stumble; that is not what is tested here.
    config = ConvertConfig(max_image_age_s=0.5, max_joint_gap_s=0.5, max_pair_gap_s=0.1, accept_bad=True)
    report = convert_all(tuple(bags), tmp_path / "led", config, Texts(), workers=1, progress=False)
    print(report.text())
    assert report.converted == len(SCENES) and not report.errors

    generated = EpisodeWriter(tmp_path / "generated", {"made": "by the expert"})
    for task, seed in SCENES:
        generated.add(record_demonstration(DemonstrationJob(DemonstrationConfig(), task, seed)))
    assert not any(
        audit.problems for audit in audit_all((tmp_path / "led", tmp_path / "generated"), AuditConfig())
    )

    merge((tmp_path / "generated", tmp_path / "led"), tmp_path / "all")
    reader = EpisodeReader(tmp_path / "all")
    episodes = list(reader)
    assert len(episodes) == 2 * len(SCENES)
    for task, _ in SCENES:
        expert, led = sorted((e for e in episodes if e.task == task), key=lambda e: e.verdict_text == "")
        assert led.goal_success and expert.goal_success
        assert (led.instruction, led.coarse, led.fine) == (expert.instruction, expert.coarse, expert.fine)
        # The same scene, seen at the start from the same pose by the same cameras.
        assert np.abs(led.state[0] - expert.state[0])[:7].max() < 0.05
        for camera in ("front", "wrist"):
            difference = np.abs(led.images(camera)[0].astype(int) - expert.images(camera)[0]).mean()
            assert difference < 6.0, f"{camera}: {difference:.2f}"
        # The hand takes its time on the same way; what it asks for is what the arm then does.
        assert len(led) > 0.8 * len(expert)
        assert np.abs(led.target[:-3, :7] - led.state[3:, :7]).mean() < 0.05
        assert {0.0, 1.0} >= set(led.target[:, 7].round()) and len(set(led.target[:, 7].round())) == 2
    chunks = build_chunks(episodes, ChunkConfig())
    shares = [np.abs(chunks.chunks[chunks.task == task]).max() for task, _ in SCENES]
    assert max(shares) < 1.5 and len(chunks) == sum(len(episode) for episode in episodes)
