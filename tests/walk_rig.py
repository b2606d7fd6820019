"""Driver, policy and puppet as processes around an emulated controller, and all who ask them."""

from __future__ import annotations

import json
import math
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from kine_nodes.image_message import image_message
from kinevla_policy.demo_client import DemoClient
from kinevla_policy.messages import JOINT_NAMES

DRIVER_TESTS = Path(__file__).resolve().parents[1] / "ros2_ws" / "src" / "realman_driver" / "test"
sys.path.insert(0, str(DRIVER_TESTS))
from emulator_rig import Emulator, child_environment  # noqa: E402

HOME_RAD = (0.0, 0.349066, 0.0, 1.221730, 0.0, 1.570796, 0.0)
CALL_S, THERE_S = 20.0, 1.0
# On a busy computer a late datagram or picture must not end what the walk has begun.
DRIVER = {
    "state_timeout_s": 0.5,
    "request_timeout_s": 5.0,
    "connect_timeout_s": 5.0,
    "push_timeout_s": 3.0,
    "udp_port": 0,
    "reconnect_max_s": 0.5,
    "home_speed_percent": 60,
    "black_box_folder": '""',
}
POLICY = {"max_pair_gap_s": 0.3, "max_observation_age_s": 1.0, "max_plan_age_s": 3.0, "checkpoint": "none"}
PUPPET = {
    "require_drift_check": False,
    "deadman_timeout_s": 1.0,
    "leader_timeout_s": 1.0,
    "follower_timeout_s": 1.0,
    "max_step_rad": 0.3,
    "horizon_s": 0.15,
    "follow_error_s": 1.0,
}
COMMANDS = {
    "driver": ["-m", "realman_driver.driver_node"],
    "policy": [str(Path(__file__).with_name("restless_policy.py"))],
    "puppet": ["-m", "kine_teleop.puppet_node"],
}
NODES = {"driver": "/realman_driver", "policy": "/kinevla", "puppet": "/kine_teleop"}


class Rig:
    """All of it, in this program's ROS domain.

    Args:
        folder: for logs and the record of the wire.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.emulator = Emulator(folder / "wire.jsonl", generation=4)
        self.parameters: dict[str, dict[str, Any]] = {
            "driver": DRIVER | {"robot_ip": "127.0.0.1", "robot_port": self.emulator.port},
            "policy": dict(POLICY),
            "puppet": dict(PUPPET),
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[Any] = []
        self.client = DemoClient("random_walk")
        self._pool = ThreadPoolExecutor(8)
        self.pressed = False
        self.leading = False
        self._lead_from: tuple[float, np.ndarray] | None = None
        node = self.client.node
        self._images = {
            c: node.create_publisher(Image, f"/{c}/color/image_raw", 2) for c in ("front", "wrist")
        }
        self._leader = node.create_publisher(JointState, "/leader/joint_states", 10)
        self._deadman = node.create_publisher(Bool, "/kine_teleop/deadman", 10)
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(period_s, publish), daemon=True)
            for period_s, publish in ((1 / 15, self._film), (1 / 40, self._lead))
        ]
        for thread in self._threads:
            thread.start()

    # --- processes ----------------------------------------------------------------------------------------

    def start(self, name: str, **parameters: Any) -> None:
        """Start a node that does not run."""
        self.parameters[name] |= parameters
        command = [sys.executable, *COMMANDS[name], "--ros-args"]
        for key, value in self.parameters[name].items():
            command += ["-p", f"{key}:={str(value).lower() if isinstance(value, bool) else value}"]
        log = (self.folder / f"{name}.log").open("a")
        self._logs.append(log)
        self.processes[name] = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=child_environment(), start_new_session=True
        )

    def kill(self, name: str) -> None:
        """End a node with SIGKILL."""
        self.processes[name].kill()
        self.processes[name].wait()

    def alive(self, name: str) -> bool:
        """Whether a node's process runs."""
        return name in self.processes and self.processes[name].poll() is None

    def wait_for(self, what: str, ready: Callable[[], Any], timeout_s: float = 60.0) -> Any:
        """Wait until it is true."""
        return self.client.wait_for(what, ready, timeout_s, lambda: True)

    # --- requests -----------------------------------------------------------------------------------------

    def call(self, service: str, kind: Any, request: Any, timeout_s: float = CALL_S) -> Any:
        """The answer, or None when nobody is there to answer: its node is dead, or is being made anew."""
        client: Any = self.client.node.create_client(kind, service)
        try:
            if not client.wait_for_service(timeout_sec=THERE_S):
                return None
            done = threading.Event()
            future = client.call_async(request)
            future.add_done_callback(lambda _: done.set())
            return future.result() if done.wait(timeout_s) else None
        finally:
            self.client.node.destroy_client(client)

    def trigger(self, service: str, timeout_s: float = CALL_S) -> tuple[bool, str]:
        """A `std_srvs/Trigger`; whether it was granted, and what was said."""
        from std_srvs.srv import Trigger

        answer = self.call(service, Trigger, Trigger.Request(), timeout_s)
        return (False, "no answer") if answer is None else (bool(answer.success), str(answer.message))

    def later(self, service: str) -> Future[tuple[bool, str]]:
        """As `trigger`, without waiting."""
        return self._pool.submit(self.trigger, service)

    def transition(self, name: str, number: int) -> bool:
        """A lifecycle transition of a node."""
        request = ChangeState.Request()
        request.transition.id = number
        answer = self.call(f"{NODES[name]}/change_state", ChangeState, request)
        return bool(answer is not None and answer.success)

    def set_parameter(self, name: str, parameter: str, value: float) -> bool:
        """`ros2 param set` of a number."""
        typed = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
        request = SetParameters.Request(parameters=[Parameter(name=parameter, value=typed)])
        answer = self.call(f"{NODES[name]}/set_parameters", SetParameters, request)
        return bool(answer is not None and answer.results[0].successful)

    def controller(self, **command: Any) -> None:
        """Another client of the arm's controller sends one line."""
        with socket.create_connection(("127.0.0.1", self.emulator.port), timeout=10) as connection:
            connection.sendall(json.dumps(command).encode() + b"\r\n")
            connection.settimeout(1.0)
            try:
                connection.recv(4096)
            except TimeoutError:
                return

    def chunk(self, frame_id: str, reach_rad: float) -> None:
        """Another node sends a chunk of half a second that turns joint 1 by `reach_rad`."""
        node = self.client.node
        publisher = node.create_publisher(JointTrajectory, "/realman_driver/joint_trajectory", 5)
        try:
            end_s = time.monotonic() + 2.0
            while not publisher.get_subscription_count() and time.monotonic() < end_s:
                time.sleep(0.02)
            message = JointTrajectory(joint_names=list(JOINT_NAMES))
            message.header.stamp = node.get_clock().now().to_msg()
            message.header.frame_id = frame_id
            start = [*self.measured(), 1.0]
            for number in range(1, 6):
                target = [start[0] + reach_rad * number / 5.0, *start[1:]]
                point = JointTrajectoryPoint(positions=[float(value) for value in target])
                point.time_from_start = Duration(nanosec=number * 100_000_000)
                message.points.append(point)
            publisher.publish(message)
            time.sleep(0.2)  # until it has left
        finally:
            node.destroy_publisher(publisher)

    # --- what the arm does --------------------------------------------------------------------------------

    def measured(self) -> tuple[float, ...]:
        """(7,) joints at the emulated controller, rad."""
        return tuple(math.radians(value) for value in self.emulator.state()["joints_deg"])

    def joints(self, since_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Times (N,) and measured joints (N, 7) from a monotonic time on."""
        rows = np.array(self.emulator.ask(get="joints", since=since_s)["joints"], dtype=float).reshape(-1, 8)
        return rows[:, 0], rows[:, 1:]

    # --- what is published all the time -------------------------------------------------------------------

    def _repeat(self, period_s: float, publish: Callable[[], None]) -> None:
        while not self._done.wait(period_s):
            publish()

    def _film(self) -> None:
        rng = np.random.default_rng(0)
        now = self.client.node.get_clock().now().to_msg()
        for camera, publisher in self._images.items():
            pixels = rng.integers(40, 200, (48, 64, 3)).astype(np.uint8)
            publisher.publish(image_message(pixels, now, camera))

    def _lead(self) -> None:
        """The deadman, and a leader that rests where the follower is, or swings joint 1 while it leads."""
        self._deadman.publish(Bool(data=self.pressed))
        states = self.client.joint_states
        if not states:
            return
        if not self.leading:
            self._lead_from = (time.monotonic(), np.array(states[-1][1]))
        assert self._lead_from is not None
        since_s, pose = self._lead_from
        pose = pose.copy()
        pose[0] += 0.2 * math.sin(1.5 * (time.monotonic() - since_s)) if self.leading else 0.0
        message = JointState(name=list(JOINT_NAMES), position=[float(value) for value in pose])
        message.header.stamp = self.client.node.get_clock().now().to_msg()
        self._leader.publish(message)
        del states[:-2000]

    def close(self) -> None:
        """End everything."""
        self._done.set()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown(cancel_futures=True)
        self.client.close()
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.emulator.close()
        for log in self._logs:
            log.close()
