"""The whole stack in motion: chunk boundaries on the wire, gaps between chunks, sentence to first motion.

Simulator, emulated controller, vendor's SDK, driver and policy run as processes, as in the demonstration. One
sentence after another is given until enough chunks were sent. What is measured comes from ROS topics and from
the packets on their way to the controller (root is needed), both on the machine's monotonic clock.

    python benchmarks/stack_motion.py --chunks 100
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field

import numpy as np
from stack_line import Frames, add_options, prepare
from trajectory_msgs.msg import JointTrajectory

from kine_sim.tasks import TASKS
from kinevla_policy.demo_client import DemoClient
from kinevla_policy.stack_process import StackProcess

# A frame that differs by less is at rest; frames nearer or further apart tell no velocity.
MOVING_RAD, BURST_S = 5e-5, (0.004, 0.03)
POLICY, DRIVER = "kinevla: policy", "realman_driver: arm"


@dataclass
class Record:
    """Monotonic times in s: of each chunk's arrival at this client, and of each instruction."""

    chunk_s: list[float] = field(default_factory=list)
    chunk_instruction: list[str] = field(default_factory=list)
    asked_s: list[float] = field(default_factory=list)

    def take(self, message: JointTrajectory) -> None:
        """Note a chunk."""
        self.chunk_s.append(time.monotonic())
        self.chunk_instruction.append(message.header.frame_id.rsplit("/", 1)[0])


def boundary_figures(frames: Frames, chunk_s: list[float]) -> dict[str, float]:
    """Gaps on the wire while the arm moves, and velocity jumps around the arrival of chunks and elsewhere.

    A velocity is that between two frames over the time between them on the wire; a jump is the change from
    one to the next. Pauses at rest (home motions, the end of an instruction) are no gaps.
    """
    gaps = np.diff(frames.time_s)
    steps = np.abs(np.diff(frames.joints_rad, axis=0)).max(axis=1)
    moving = steps > MOVING_RAD
    in_motion = np.zeros(len(gaps), bool)
    in_motion[1:-1] = moving[:-2] & moving[2:]
    velocity = np.diff(frames.joints_rad, axis=0) / gaps[:, None]
    jump = np.abs(np.diff(velocity, axis=0)).max(axis=1)
    number = np.searchsorted(frames.time_s, chunk_s)
    mask = np.zeros(len(jump), bool)
    for index in number:
        mask[max(0, index - 2) : index + 2] = True
    steady = in_motion[:-1] & in_motion[1:] & (gaps[:-1] < BURST_S[1]) & (gaps[1:] < BURST_S[1])
    steady &= (gaps[:-1] > BURST_S[0]) & (gaps[1:] > BURST_S[0])
    mask, inside = mask & steady, ~mask & steady
    return {
        "frames": float(len(frames.time_s)),
        "frames_in_motion": float(in_motion.sum()),
        "largest_gap_ms": float(gaps[in_motion].max() * 1e3),
        "gap_p99_ms": float(np.percentile(gaps[in_motion], 99) * 1e3),
        "gaps_over_20_ms": float((gaps[in_motion] > 0.02).sum()),
        "jump_at_boundaries_rad_s": float(jump[mask].max()),
        "jump_at_boundaries_p99_rad_s": float(np.percentile(jump[mask], 99)),
        "jump_inside_rad_s": float(jump[inside].max()),
        "jump_inside_p99_rad_s": float(np.percentile(jump[inside], 99)),
    }


def first_motion_s(frames: Frames, asked_s: list[float]) -> list[float]:
    """From each sentence to the first frame that moves."""
    moved = np.abs(np.diff(frames.joints_rad, axis=0)).max(axis=1) > 2e-5
    found = []
    for time_s in asked_s:
        index = np.flatnonzero(moved & (frames.time_s[1:] > time_s))
        if len(index):
            found.append(float(frames.time_s[index[0] + 1] - time_s))
    return found


def drive(client: DemoClient, process: StackProcess, record: Record, chunks: int, limit_s: float) -> None:
    """Give sentences in turn until enough chunks were sent or the time is up; the arm goes home between."""

    def idle() -> bool:
        return client.diagnostic(POLICY).get("message") == "idle"

    def at_rest() -> bool:
        return client.diagnostic(DRIVER).get("chunk_active", "").lower() == "false"

    client.wait_for("both images", lambda: len(client.images) == 2, 180, process.alive)
    client.wait_for("the policy", idle, 180, process.alive)
    client.enable(60.0)
    end_s = time.monotonic() + limit_s
    while len(record.chunk_s) < chunks and time.monotonic() < end_s:
        if client.diagnostic(DRIVER).get("state") == "CONNECTED":
            client.enable(60.0)
        client.wait_for("the chunk's end", at_rest, 30, process.alive)
        client.trigger("/realman_driver/home", 60.0)
        time.sleep(0.5)
        record.asked_s.append(time.monotonic())
        number = client.instruct(TASKS[4].instruction).instruction_id

        def over(number: int = number) -> bool:
            ended = idle() and client.diagnostic(POLICY).get("instruction id") == str(number)
            return ended or len(record.chunk_s) >= chunks or time.monotonic() > end_s

        client.wait_for("the end of the instruction", over, 120, process.alive)
    client.trigger("/kinevla/stop", 30.0)


def main() -> None:
    """Run, print, write `stack_motion.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=100)
    parser.add_argument("--limit-s", type=float, default=150.0, help="no new sentence after this time")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--policy-config", default="")
    add_options(parser)
    options = parser.parse_args()
    if options.chunks < 2:
        parser.error("--chunks must be at least 2")
    extra = ["--policy-config", options.policy_config] if options.policy_config else []
    line = prepare(options, "--seed", str(options.seed), *extra, nodes=("driver", "policy"))
    record = Record()
    wire = line.listen()
    with line.start() as process:
        client = DemoClient(stack_id=process.stack_id)
        topic = "/realman_driver/joint_trajectory"
        client.node.create_subscription(JointTrajectory, topic, record.take, 20)
        try:
            drive(client, process, record, options.chunks, options.limit_s)
            policy, driver = client.diagnostic(POLICY), client.diagnostic(DRIVER)
        finally:
            client.close()
    frames, out = wire.close(), line.out
    if len(record.chunk_s) < 2 or len(frames.time_s) < 100:
        counts = f"{len(record.chunk_s)} chunks and {len(frames.time_s)} frames"
        raise SystemExit(f"only {counts}; see {out / 'stack.log'}")
    figures = boundary_figures(frames, record.chunk_s)
    same = [a == b for a, b in zip(record.chunk_instruction, record.chunk_instruction[1:], strict=False)]
    between = np.diff(record.chunk_s)[np.array(same, bool)]
    latencies = [plan.latency_total_s for plan in client.plans]
    ages = [plan.observation_age_s - plan.latency_total_s for plan in client.plans]
    first = first_motion_s(frames, record.asked_s)
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}",
        "chunks": len(record.chunk_s),
        "instructions": len(record.asked_s),
        **figures,
        "between_chunks_median_s": float(np.median(between)),
        "between_chunks_p99_s": float(np.percentile(between, 99)),
        "plan_latency_median_s": float(np.median(latencies)),
        "observation_age_less_planning_median_s": float(np.median(ages)),
        "instruction_to_first_motion_s": first,
        "chunks_after_the_arm_had_stopped": policy.get("chunks after the arm had stopped", ""),
        "chunks_refused": driver.get("chunks_refused", ""),
        "last_refusal": driver.get("last_refusal", ""),
        "stages_median_ms": {
            name: float(np.median([getattr(plan, f"latency_{name}_s") for plan in client.plans]) * 1e3)
            for name in ("vision", "generation", "decoder", "total")
        },
    }
    (out / "stack_motion.json").write_text(json.dumps(result, indent=1))
    (out / "stack_motion_times.json").write_text(json.dumps(asdict(record)))
    np.savez(out / "stack_motion_frames.npz", time_s=frames.time_s, joints_rad=frames.joints_rad)
    for name, value in result.items():
        print(f"{name:40s} {value:.4g}" if isinstance(value, float) else f"{name:40s} {value}")


if __name__ == "__main__":
    main()
