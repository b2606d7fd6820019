"""From a camera's picture to the wire, without the model: what the stack itself costs.

Simulator, emulated controller, SDK and driver run as processes; the policy node runs here, with a planner in
the model's place that answers at once with one small motion. The arm rests before each, so that the first
frame that moves is the first that comes of the picture. Waiting for the next frame of the 100 Hz stream is
part of it.

    python benchmarks/overhead.py --pictures 100
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from stack_line import Frames, add_options, prepare

from kinevla_policy import messages, policy_node
from kinevla_policy.demo_client import DemoClient
from kinevla_policy.observation_buffer import SyncedObservation

STEP_RAD, REACH_S = 0.02, 0.1
FIRST_MOVE_RAD = 1e-5


@dataclass
class Times:
    """Monotonic times, s: capture and arrival of each picture by stamp, planning, sending."""

    arrived_s: dict[int, float] = field(default_factory=dict)
    planned: list[tuple[int, float]] = field(default_factory=list)
    sent_s: list[float] = field(default_factory=list)


TIMES = Times()


@dataclass
class OneMotion:
    """A plan of one target."""

    actions: NDArray[np.float64]
    period_s: float = REACH_S
    goal_text: str = ""
    kinematics_text: str = ""
    goal_codes: tuple[int, ...] = ()
    kinematics_codes: tuple[int, ...] = ()
    reasoning_reused: bool = False
    tokens_reused: int = 0
    tokens_decoded: int = 0
    latency_s: dict[str, float] = field(default_factory=dict)
    unclear: str = ""


class Instant:
    """Stands where the model stands: joint 7 to and fro, without looking."""

    def __init__(self, checkpoint: str, threads: int) -> None:
        self._sign = 1.0

    def check_instruction(self, text: str) -> str:
        """Any text will do."""
        return text

    def understand(self, observation: SyncedObservation, instruction: str) -> None:
        """Whatever is asked is understood."""

    def check_reasoning(self, text: str) -> str:
        """Any text will do."""
        return text

    def plan_from(
        self, observation: SyncedObservation, instruction: str, draft: Any, forced: Any
    ) -> OneMotion:
        """A small motion from where the arm is."""
        TIMES.planned.append((observation.stamp_ns, time.monotonic()))
        target = observation.state.copy()
        target[6] += self._sign * STEP_RAD
        self._sign = -self._sign
        return OneMotion(target[None])


class TimedPolicyNode(policy_node.PolicyNode):
    """The policy node, with a note of when pictures arrive and chunks leave."""

    def _take_image(self, camera: str, message: Any) -> None:
        # Of a pair, the picture that comes last.
        TIMES.arrived_s[messages.to_ns(message.header.stamp)] = time.monotonic()
        super()._take_image(camera, message)

    def _send(self, report: Any) -> None:
        super()._send(report)
        TIMES.sent_s.append(time.monotonic())


def run_node(pictures: int, overrides: dict[str, Any]) -> None:
    """Serve the policy node in this process until enough pictures were used."""
    policy_node.CheckpointPolicy = Instant  # type: ignore[assignment,misc]
    rclpy.init()
    node = TimedPolicyNode()
    node.set_parameters([Parameter(name, value=value) for name, value in overrides.items()])
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    node.trigger_configure()
    node.trigger_activate()
    node._gate.admit("go", time.monotonic())
    assert node._loop is not None
    node._loop.start("go")
    end_s = time.monotonic() + 120.0
    while len(TIMES.sent_s) < pictures and time.monotonic() < end_s:
        executor.spin_once(timeout_sec=0.2)
    node.close()
    node.destroy_node()
    rclpy.try_shutdown()


def first_frames(frames: Frames, sent_s: list[float]) -> list[float]:
    """Time of the first frame after each sending that differs from the one before it."""
    moved = np.abs(np.diff(frames.joints_rad, axis=0)).max(axis=1) > FIRST_MOVE_RAD
    found = []
    for begin_s in sent_s:
        index = np.flatnonzero(moved & (frames.time_s[1:] >= begin_s - 0.002))
        found.append(float(frames.time_s[index[0] + 1]) if len(index) else np.nan)
    return found


def summary(values_s: list[float]) -> str:
    """Median and 99th percentile in ms."""
    values_ms = np.array(values_s) * 1e3
    values_ms = values_ms[np.isfinite(values_ms)]
    if not len(values_ms):
        return "nothing measured"
    return f"median {np.median(values_ms):6.2f} ms, p90 {np.percentile(values_ms, 90):6.2f} ms"


def main() -> None:
    """Run, print, write `overhead.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100)
    add_options(parser)
    options = parser.parse_args()
    if options.pictures < 3:
        parser.error("--pictures must be at least 3")
    line = prepare(options, "--no-policy", nodes=("driver",))
    overrides = {
        "execution": "sync",
        "settle_s": 0.3,
        "done_motion_rad": 0.0,
        "max_instruction_s": 600.0,
    }
    wire = line.listen()
    with line.start() as process:
        client = DemoClient(stack_id=process.stack_id)
        overrides["stack_id"] = process.stack_id
        try:
            client.wait_for("both images", lambda: len(client.images) == 2, 180, process.alive)
            client.enable(60.0)
            thread = threading.Thread(target=run_node, args=(options.pictures, overrides))
            thread.start()
            while thread.is_alive():
                if client.diagnostic("realman_driver: arm").get("state") == "CONNECTED":
                    client.enable(60.0)
                thread.join(0.2)
            arm = client.diagnostic("realman_driver: arm")
        finally:
            client.close()
    wall_minus_monotonic_s = time.time() - time.monotonic()
    planned = TIMES.planned[: len(TIMES.sent_s)]
    wire_s, out = first_frames(wire.close(), TIMES.sent_s), line.out
    stages: dict[str, list[float]] = {
        "capture to arrival (the simulator renders in it)": [],
        "arrival to planning": [],
        "planning to sending": [],
        "sending to the wire": [],
        "arrival to the wire": [],
        "capture to the wire": [],
    }
    for (stamp_ns, plan_s), sent_s, frame_s in zip(planned, TIMES.sent_s, wire_s, strict=True):
        capture_s, arrived_s = stamp_ns * 1e-9 - wall_minus_monotonic_s, TIMES.arrived_s[stamp_ns]
        steps = (
            arrived_s - capture_s,
            plan_s - arrived_s,
            sent_s - plan_s,
            frame_s - sent_s,
            frame_s - arrived_s,
            frame_s - capture_s,
        )
        for name, value in zip(stages, steps, strict=True):
            stages[name].append(value)
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {load:.1f}, {len(planned)} pictures")
    for name, values in stages.items():
        print(f"{name:50s} {summary(values)}")
    print(f"chunks refused {arm.get('chunks_refused')}, lateness p99 {arm.get('lateness_p99_ms')} ms")
    (out / "overhead.json").write_text(json.dumps({"load": load, "stages_s": stages}, indent=1))


if __name__ == "__main__":
    main()
