"""A simulated leader, the puppet, driver, SDK and emulated controller: a task is done by teleoperation."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import numpy as np
from sensor_msgs.msg import JointState

from running_stack import start_stack

TASK, SEED = 1, 4
# The hand takes twice the time of the plan, so a joint moves at about 0.7 rad/s at most; the follower lags by
# the horizon, the driver's period, the arm's own delay, and whatever a busy computer adds.
SLOWDOWN = 2.0
LATEST_S = 2.0
PATH_ERROR_RAD = 0.1
FOLLOW_ERROR_RAD = 0.2
THREE_DEGREES_RAD = 0.05236
# A stall of the computer must not look like a lost operator or a hand that jumps: time-outs as long as the
# node allows, steps and horizon for half a second without a message. The rules are the same ones.
PATIENT = {
    "deadman_timeout_s": 2.0,
    "leader_timeout_s": 2.0,
    "follower_timeout_s": 2.0,
    "max_step_rad": 0.3,
    "horizon_s": 0.15,
    "follow_error_s": 2.0,
}


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
        self.process.wait(30)


class Operator:
    """Holds the deadman, in a process of its own, and keeps what leader, target and follower do."""

    def __init__(self, client, domain: int) -> None:
        self.targets: deque[tuple[float, np.ndarray]] = deque(maxlen=20000)
        self.leader: deque[np.ndarray] = deque(maxlen=20000)
        script = Path(__file__).parent / "hold_deadman.py"
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
        self._thumb = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        client.node.create_subscription(JointState, "/kine_teleop/target", self._on_target, 50)
        client.node.create_subscription(JointState, "/leader/joint_states", self._on_leader, 50)

    def thumb(self, action: str) -> None:
        """`press` or `release` the deadman; returns when the first such message is out."""
        assert self._thumb.stdin is not None and self._thumb.stdout is not None
        self._thumb.stdin.write(action + "\n")
        self._thumb.stdin.flush()
        assert self._thumb.stdout.readline() == "done\n"

    def close(self) -> None:
        self._thumb.communicate(timeout=20)

    def _on_target(self, message: JointState) -> None:
        stamp_s = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        self.targets.append((stamp_s, np.array(message.position)))

    def _on_leader(self, message: JointState) -> None:
        self.leader.append(np.array(message.position))


def distances(operator: Operator, states, late_s: float) -> np.ndarray:
    """(n,) rad: each measured pose, its distance from the way between the targets of the last `late_s`.

    The way is straight between two targets: where a stalled computer sent none, the follower cuts across.
    """
    times = np.array([stamp for stamp, _ in operator.targets])
    targets = np.array([target[:7] for _, target in operator.targets])
    found = []
    for stamp_ns, position in states:
        now_s = stamp_ns * 1e-9
        recent = targets[(times >= now_s - late_s) & (times <= now_s)]
        if len(recent) < 2:
            continue
        start, way = recent[:-1], np.diff(recent, axis=0)
        length = np.maximum((way**2).sum(axis=1), 1e-12)
        share = np.clip(((position[:7] - start) * way).sum(axis=1) / length, 0.0, 1.0)
        nearest = start + share[:, None] * way
        found.append(np.abs(nearest - position[:7]).max(axis=1).min())
    return np.array(found)


def retry(action, timeout_s: float = 30.0):
    """Ask again until it is granted; the last answer."""
    end_s = time.monotonic() + timeout_s
    while True:
        answer = action()
        if answer.success or time.monotonic() > end_s:
            return answer
        time.sleep(0.3)


def checked_drift(client):
    """The answer of the first check that could be made."""
    for _ in range(60):
        answer = client.trigger("/kine_teleop/check_drift", 30.0)
        if not answer.message.startswith("no drift check"):
            break
        time.sleep(0.3)
    return answer


def test_a_task_is_teleoperated_and_the_deadman_ends_it_for_good(tmp_path):
    running = start_stack(tmp_path, "--task", str(TASK), "--seed", str(SEED), "--no-policy")
    client = running.client
    log = (tmp_path / "teleop.log").open("w")
    # A leader that is off by three degrees first, a sound one after it.
    wrong = f"[0.0, 0.0, {THREE_DEGREES_RAD}, 0.0, 0.0, 0.0, 0.0]"
    scene = {"task": TASK, "seed": SEED, "slowdown": SLOWDOWN}
    nodes = [Node("puppet_node", running.domain, log, **PATIENT)]
    nodes.append(Node("sim_leader_node", running.domain, log, **scene, offset_rad=wrong))
    operator = Operator(client, running.domain)

    def wait(what: str, ready) -> None:
        client.wait_for(what, ready, 60.0, running.process.alive)

    def puppet(key: str) -> str:
        return client.diagnostic("kine_teleop: puppet").get(key, "")

    def assert_it_rests_disabled() -> None:
        """After a stop: the driver is disabled, the arm rests and no target is sent."""
        wait("the driver disabled", lambda: driver_state() == "CONNECTED")
        time.sleep(0.5)  # what was on its way has arrived
        before, count = running.joints(), len(operator.targets)
        time.sleep(1.0)
        assert np.abs(np.subtract(running.joints(), before)[:7]).max() < 0.01
        assert len(operator.targets) == count

    def driver_state() -> str:
        return client.diagnostic("realman_driver: arm").get("state", "")

    try:
        wait("joint states", lambda: client.joint_states)
        wait("the leader", lambda: len(operator.leader) > 60)
        answer = checked_drift(client)
        assert not answer.success and "joint_3 is off by +" in answer.message, answer.message
        client.enable()
        refused = client.trigger("/kine_teleop/start", 30.0)
        assert not refused.success and "drift check failed" in refused.message, refused.message

        nodes.pop().close()
        operator.leader.clear()
        nodes.append(Node("sim_leader_node", running.domain, log, **scene))
        wait("the leader", lambda: len(operator.leader) > 75)
        checked = checked_drift(client)
        assert checked.success, checked.message
        started = retry(lambda: client.trigger("/kine_teleop/start", 30.0))
        assert started.success, started.message
        wait("following", lambda: puppet("state") == "FOLLOWING")
        client.joint_states.clear()
        message = client.trigger("/sim_leader/play", 30.0).message
        end_s = time.monotonic() + float(message.split()[3]) + 1.5
        while time.monotonic() < end_s:
            assert puppet("state") == "FOLLOWING", puppet("reason")
            time.sleep(0.1)
        verdict = client.verdict()
        assert verdict["goal_success"] and verdict["kinematics_success"], verdict["reasons"]
        states = list(client.joint_states)
        path, lag = distances(operator, states, LATEST_S), distances(operator, states, 0.1)
        off_path_rad, off_target_rad = np.percentile(path, 95), np.median(lag)
        print(
            f"off the path (95 %): {off_path_rad:.4f} rad; off the target (median): {off_target_rad:.4f} rad"
        )
        assert len(path) > 200 and off_path_rad < PATH_ERROR_RAD
        assert off_target_rad < FOLLOW_ERROR_RAD

        # The leader goes back to its start, a jump, and on with a new demonstration: the follower rests, and
        # a pressed deadman changes nothing.
        client.trigger("/sim_leader/play", 30.0)
        wait("the stop", lambda: "jumped" in puppet("reason"))
        assert_it_rests_disabled()

        # A new session from where the leader is now; the release ends it while the arm moves.
        client.enable()
        count = len(operator.targets)
        started = retry(lambda: client.trigger("/kine_teleop/start", 30.0))
        assert started.success, started.message
        wait("targets", lambda: len(operator.targets) > count + 20)
        operator.thumb("release")
        released_s = time.time()
        wait("the stop", lambda: "deadman was released" in puppet("reason"))
        assert operator.targets[-1][0] < released_s + 1.0, "targets after the release"
        operator.thumb("press")
        assert_it_rests_disabled()
        assert puppet("state") == "STOPPED"
    finally:
        operator.close()
        for node in nodes:
            node.close()
        client.close()
        running.process.stop()
        log.close()
        print((tmp_path / "teleop.log").read_text()[-2000:])
