"""A simulated leader, the puppet, driver, SDK and emulated controller: a task is done by teleoperation."""

import os
import signal
import subprocess
import sys
import time
from collections import deque

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from running_stack import start_stack

TASK, SEED = 1, 4
# The follower lags by the horizon, the driver's period and the arm's own delay, up to 0.2 s on a busy
# computer; the hand moves a joint at about 1 rad/s at most.
FOLLOW_ERROR_RAD = 0.2
THREE_DEGREES_RAD = 0.05236


class Node:
    """One node of the package as a process."""

    def __init__(self, module: str, domain: int, log, **parameters: object) -> None:
        command = [sys.executable, "-m", f"kine_teleop.{module}", "--ros-args"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        paths = os.pathsep.join(path for path in sys.path if path)
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONPATH": paths}
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)


class Operator:
    """Holds the deadman and keeps what leader, target and follower do."""

    def __init__(self, client) -> None:
        self.pressed = True
        self.targets: deque[tuple[float, np.ndarray]] = deque(maxlen=20000)
        self.leader: deque[np.ndarray] = deque(maxlen=20000)
        self._deadman = client.node.create_publisher(Bool, "/kine_teleop/deadman", 10)
        client.node.create_timer(0.05, lambda: self._deadman.publish(Bool(data=self.pressed)))
        client.node.create_subscription(JointState, "/kine_teleop/target", self._on_target, 50)
        client.node.create_subscription(JointState, "/leader/joint_states", self._on_leader, 50)

    def _on_target(self, message: JointState) -> None:
        stamp_s = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        self.targets.append((stamp_s, np.array(message.position)))

    def _on_leader(self, message: JointState) -> None:
        self.leader.append(np.array(message.position))


def largest_errors(operator: Operator, states) -> np.ndarray:
    """Largest distance of a joint between each measured pose and the target of that time."""
    measured = np.array([stamp * 1e-9 for stamp, _ in states])
    poses = np.array([position[:7] for _, position in states])
    times = np.array([stamp for stamp, _ in operator.targets])
    targets = np.array([target[:7] for _, target in operator.targets])
    inside = (measured > times[0] + 0.2) & (measured < times[-1])
    wanted = np.column_stack([np.interp(measured[inside], times, targets[:, j]) for j in range(7)])
    return np.abs(wanted - poses[inside]).max(axis=1)


def retry(action, timeout_s: float = 10.0):
    """Ask again until it is granted; the last answer."""
    end_s = time.monotonic() + timeout_s
    while True:
        answer = action()
        if answer.success or time.monotonic() > end_s:
            return answer
        time.sleep(0.3)


def checked_drift(client):
    """The answer of the first check that could be made."""
    for _ in range(20):
        answer = client.trigger("/kine_teleop/check_drift")
        if not answer.message.startswith("no drift check"):
            break
        time.sleep(0.3)
    return answer


def test_a_task_is_teleoperated_and_the_deadman_ends_it_for_good(tmp_path, monkeypatch):
    # A domain of its own, put back after the test: the client of the driver's tests lives as long as the
    # test process and publishes chunks too, and the puppet refuses to share the arm.
    monkeypatch.setenv("ROS_DOMAIN_ID", str(20 + (os.getpid() + 40) % 80))
    running = start_stack(tmp_path, "--task", str(TASK), "--seed", str(SEED), "--no-policy")
    client = running.client
    log = (tmp_path / "teleop.log").open("w")
    # A leader that is off by three degrees first, a sound one after it.
    wrong = f"[0.0, 0.0, {THREE_DEGREES_RAD}, 0.0, 0.0, 0.0, 0.0]"
    scene = {"task": TASK, "seed": SEED, "slowdown": 1.5}
    nodes = [Node("puppet_node", running.domain, log)]
    nodes.append(Node("sim_leader_node", running.domain, log, **scene, offset_rad=wrong))
    try:
        client.wait_for("joint states", lambda: client.joint_states, 60, running.process.alive)
        operator = Operator(client)
        client.wait_for("the leader", lambda: len(operator.leader) > 60, 20, running.process.alive)
        answer = checked_drift(client)
        assert not answer.success and "joint_3 is off by +" in answer.message, answer.message
        client.enable()
        refused = client.trigger("/kine_teleop/start")
        assert not refused.success and "drift check failed" in refused.message, refused.message

        nodes.pop().close()
        operator.leader.clear()
        nodes.append(Node("sim_leader_node", running.domain, log, **scene))
        client.wait_for("the leader", lambda: len(operator.leader) > 75, 20, running.process.alive)
        checked = checked_drift(client)
        assert checked.success, checked.message
        started = retry(lambda: client.trigger("/kine_teleop/start"))
        assert started.success, started.message
        client.wait_for(
            "following",
            lambda: client.diagnostic("kine_teleop: puppet").get("state") == "FOLLOWING",
            10,
            running.process.alive,
        )
        client.joint_states.clear()
        message = client.trigger("/sim_leader/play").message
        end_s = time.monotonic() + float(message.split()[3]) + 1.0
        while time.monotonic() < end_s:
            status = client.diagnostic("kine_teleop: puppet")
            assert status["state"] == "FOLLOWING", status["reason"]
            time.sleep(0.1)
        verdict = client.verdict()
        assert verdict["goal_success"] and verdict["kinematics_success"], verdict["reasons"]
        errors = largest_errors(operator, list(client.joint_states))
        assert len(errors) > 200 and np.percentile(errors, 99) < FOLLOW_ERROR_RAD, np.percentile(
            errors, [50, 99, 100]
        )
        print(f"follow error: median {np.median(errors):.4f} rad, 99 % {np.percentile(errors, 99):.4f} rad")

        client.trigger(
            "/sim_leader/play"
        )  # the leader goes back to its start: a jump, and a new demonstration
        client.wait_for(
            "the stop",
            lambda: "jumped" in client.diagnostic("kine_teleop: puppet").get("reason", ""),
            5,
            running.process.alive,
        )
        time.sleep(0.3)
        # The leader has gone on; the follower rests, is disabled, and a pressed deadman changes nothing.
        before, count = running.joints(), len(operator.targets)
        time.sleep(1.0)
        assert np.abs(np.subtract(running.joints(), before)[:7]).max() < 0.01
        assert len(operator.targets) == count
        assert client.diagnostic("realman_driver: arm")["state"] == "CONNECTED"

        # A new session from where the leader is now; the release ends it while the arm moves.
        client.enable()
        started = retry(lambda: client.trigger("/kine_teleop/start"), 5.0)
        assert started.success, started.message
        time.sleep(1.0)
        assert len(operator.targets) > count
        operator.pressed = False
        released_s = time.time()
        time.sleep(0.5)
        assert operator.targets[-1][0] < released_s + 0.15, "targets after the release"
        before, count = running.joints(), len(operator.targets)
        operator.pressed = True
        time.sleep(1.0)
        assert np.abs(np.subtract(running.joints(), before)[:7]).max() < 0.01
        assert len(operator.targets) == count
        assert "deadman was released" in client.diagnostic("kine_teleop: puppet")["reason"]
    finally:
        for node in nodes:
            node.close()
        client.close()
        running.process.stop()
        log.close()
        print((tmp_path / "teleop.log").read_text()[-2000:])
