"""A stack whose cameras pass through a node that can spoil them, and whose processes can be broken singly.

Simulated robot, driver and policy are the real nodes. The policy listens to `/spoilt/...`, as it would to any
topics named in its parameters.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from kine_nodes.own_domain import OwnDomain
from kine_sim.controller.frame_checker import peak_acceleration_rad_s2
from kine_sim.controller.record_judge import undisturbed
from kine_sim.tasks import TASKS
from kinevla_policy import runner, stack
from kinevla_policy.demo_client import DemoClient
from kinevla_policy.free_ports import free_tcp_port
from kinevla_policy.handshake import new_stack_id
from running_stack import PATIENT_DRIVER, PATIENT_POLICY

POLICY, ARM = "kinevla: policy", "realman_driver: arm"
TASK, SEED = 5, 3
# The arm's figure, 600 degrees per second squared, and what the record's own resolution adds.
MAX_ACCELERATION_RAD_S2 = 10.47 + 0.5
# Of the speeds: in a shorter one, late frames of a fast motion look like acceleration.
WINDOW_S = 0.12
# Lost by a simulation that this computer could not keep up with: its joints stood still and moved on.
LOST_S = 0.02
Spoil = Callable[[str, Image], Image | None]


def leave(camera: str, image: Image) -> Image | None:
    """Nothing is wrong with it."""
    return image


class FaultyStack:
    """Processes, a client, the cameras' detour and the emulated controller's record.

    Args:
        folder: for logs and parameter files.
        policy: parameters of the policy beside the patient ones of the tests.
    """

    def __init__(self, folder: Path, **policy: Any) -> None:
        self.folder = folder
        self._domain, self.port = OwnDomain(), free_tcp_port()
        parameters = yaml.safe_load(PATIENT_POLICY.read_text())
        topics = {f"{camera}_topic": f"/spoilt/{camera}" for camera in ("front", "wrist")}
        parameters["kinevla"]["ros__parameters"] |= topics | policy
        policy_file = folder / "policy.yaml"
        policy_file.write_text(yaml.safe_dump(parameters))
        self.settings = stack.StackSettings(
            sim=True,
            robot_port=self.port,
            task=TASK,
            seed=SEED,
            driver_config=str(PATIENT_DRIVER),
            policy_config=str(policy_file),
            stack_id=new_stack_id(),
            black_box_folder=str(folder / "black_box"),
        )
        self._logs: list[Any] = []
        sim = [sys.executable, str(Path(__file__).with_name("recorded_sim.py")), str(folder / "side_port")]
        sim += ["--ros-args", "-r", "__node:=kine_sim", "-p", f"robot_port:={self.port}"]
        sim += ["-p", f"task:={TASK}", "-p", f"seed:={SEED}", "-p", f"frame_log:='{folder / 'wire.jsonl'}'"]
        self.processes = {"sim": self._start("sim", sim), "driver": self._start_node("realman_driver")}
        self.start_policy()
        self.client = DemoClient(stack_id=self.settings.stack_id)
        self.spoil: Spoil = leave
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        for camera in ("front", "wrist"):
            out = self.client.node.create_publisher(Image, f"/spoilt/{camera}", 2)
            self.client.node.create_subscription(
                Image, f"/{camera}/color/image_raw", lambda m, c=camera, o=out: self._pass_on(c, m, o), newest
            )

    def _pass_on(self, camera: str, image: Image, out: Any) -> None:
        spoilt = self.spoil(camera, image)
        if spoilt is not None:
            out.publish(spoilt)

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{name}.log").open("a")
        self._logs.append(log)
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def _start_node(self, name: str, **parameters: Any) -> subprocess.Popen[bytes]:
        spec = next(spec for spec in stack.nodes(self.settings) if spec.name == name)
        spec.parameters.update(parameters)
        return self._start(name, runner.command(spec))

    def start_policy(self, **parameters: Any) -> subprocess.Popen[bytes]:
        """Start the policy node, which was not started or has ended."""
        self.processes["policy"] = self._start_node("kinevla", **parameters)
        return self.processes["policy"]

    def kill_policy(self) -> None:
        """End the policy node with SIGKILL."""
        self.processes["policy"].kill()
        self.processes["policy"].wait()

    def restart_policy(self) -> None:
        """Start the policy node after its end, and wait until it takes instructions."""
        self.client.diagnostics.pop(POLICY, None)
        self.start_policy()
        self.wait_ready()

    def log(self, name: str = "kinevla") -> str:
        """What a node has written so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def alive(self) -> bool:
        """Whether simulation and driver run."""
        return all(self.processes[name].poll() is None for name in ("sim", "driver"))

    def wait_for(self, what: str, ready: Callable[[], Any], timeout_s: float = 90.0) -> Any:
        """Wait until it is true."""
        return self.client.wait_for(what, ready, timeout_s, self.alive)

    def wait_ready(self) -> None:
        """Wait until the policy takes instructions."""
        self.wait_for("policy", lambda: self.client.diagnostic(POLICY).get("message") == "idle", 120.0)

    # --- motion -------------------------------------------------------------------------------------------

    def start_motion(self) -> int:
        """From home, enable and instruct; returns the instruction's id when the arm moves on its plans."""
        client = self.client
        if self.processes["policy"].poll() is not None:
            self.restart_policy()
        client.trigger("/kinevla/stop")
        client.enable()
        answers: list[Any] = []

        def at_home() -> bool:
            answers.append(client.trigger("/realman_driver/home", 90.0))
            assert answers[-1].success or "being executed" in answers[-1].message, answers[-1].message
            return bool(answers[-1].success)

        self.wait_for("the arm at home", at_home)
        number = self.instruct()
        start = client.joint_states[-1][1][:7]
        self.wait_for("two plans", lambda: len(self.plans(number)) >= 2)
        self.wait_for("motion", lambda: np.abs(client.joint_states[-1][1][:7] - start).max() > 0.02)
        return number

    def instruct(self, task: int = TASK) -> int:
        """Give the instruction of a task; its id."""
        answers: list[Any] = []

        def accepted() -> bool:
            answers.append(self.client.instruct(TASKS[task - 1].instruction))
            return bool(answers[-1].accepted)

        self.wait_for("an instruction to be accepted", accepted)
        return int(answers[-1].instruction_id)

    def plans(self, instruction_id: int) -> list[Any]:
        """Plans of an instruction so far."""
        return [plan for plan in tuple(self.client.plans) if plan.instruction_id == instruction_id]

    # --- judgement ----------------------------------------------------------------------------------------

    def ask(self, what: str, **more: Any) -> Any:
        """A question to the emulated controller's side port."""
        port = int((self.folder / "side_port").read_text())
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(json.dumps({"get": what, **more}).encode() + b"\n")
            answer = json.loads(connection.makefile().readline())
        assert answer["ok"], answer
        return answer[what]

    def joints(self, since_s: float) -> tuple[list[float], NDArray[np.float64]]:
        """Times (N,) and measured joints (N, 7) from a monotonic time on."""
        rows = self.ask("joints", since=since_s)
        return [row[0] for row in rows], np.array([row[1:] for row in rows]).reshape(-1, 7)

    def received(self, command: str, since_s: float) -> list[dict[str, Any]]:
        """Records of the wire with this command, from a monotonic time on."""
        lines = (self.folder / "wire.jsonl").read_text().split("\n")
        records = [json.loads(line) for line in lines if line.endswith("}") and f'{command}\\"' in line]
        return [r for r in records if r["direction"] == "rx" and r["time_s"] >= since_s]

    def lost_s(self) -> float:
        """Simulated time behind the clock so far."""
        return float(self.client.verdict()["sim_time_lost_s"])

    def assert_safe(self, since_s: float, lost_before_s: float) -> None:
        """No unsafe frame, no acceleration beyond the arm's limit, no stop: the driver saw nothing wrong."""
        state = self.ask("state")
        assert state["unsafe_frames"] == 0, state["violations"]
        assert self.received("set_arm_stop", since_s) == []
        assert self.client.diagnostic(ARM)["state"] == "ENABLED"
        if self.lost_s() - lost_before_s > LOST_S:
            return
        times, joints = self.joints(since_s)
        arrivals = [record["time_s"] for record in self.received("movej_canfd", since_s)]
        assert len(times) > 50
        peaks = np.zeros(7)
        for part in undisturbed(times, arrivals):
            peaks = np.maximum(peaks, peak_acceleration_rad_s2(times[part], joints[part], WINDOW_S))
        assert peaks.max() <= MAX_ACCELERATION_RAD_S2, f"the joints accelerated by {peaks.round(1)} rad/s2"

    def assert_holds(self, duration_s: float = 1.0) -> None:
        """The arm rests, with frames that say so."""
        self.wait_for("the end of the chunk", lambda: self.client.diagnostic(ARM)["chunk_active"] == "false")
        time.sleep(0.5)
        since_s = time.monotonic()
        time.sleep(duration_s)
        _, joints = self.joints(since_s)
        assert np.ptp(joints, axis=0).max() < 3e-3, "the arm moved"
        assert self.received("movej_canfd", since_s), "the stream ended"

    def close(self) -> None:
        """End everything."""
        self.client.close()
        for process in reversed(tuple(self.processes.values())):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGINT)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for log in self._logs:
            log.close()
        self._domain.close()


class Throttle:
    """A process that gets only a share of the time, as on a computer so much slower.

    Args:
        process: the process.
        share: 0..1 of each tenth of a second.
    """

    def __init__(self, process: subprocess.Popen[bytes], share: float) -> None:
        self._process, self._share = process, share
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._done.is_set():
            self._process.send_signal(signal.SIGSTOP)
            time.sleep(0.1 * (1.0 - self._share))
            self._process.send_signal(signal.SIGCONT)
            time.sleep(0.1 * self._share)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self._process.send_signal(signal.SIGCONT)
