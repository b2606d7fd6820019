"""Where the time of one chunk goes: CPU time of each stage between camera and wire, one stage at a time.

CPU time of this process, so that other work on the machine does not count; waiting (for the next picture, for
the next frame of the stream) is not in it. `overhead.py` measures the whole way on the clock.

    python benchmarks/stage_costs.py --size 640 480
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from trajectory_msgs.msg import JointTrajectory

from kine_nodes.image_conversion import image_to_rgb
from kine_nodes.image_message import image_message
from kine_sim.tasks import TASKS
from kinevla_policy import messages
from kinevla_policy.camera_watch import CameraRules, CameraWatch
from kinevla_policy.loop_types import ChunkReport
from kinevla_policy.model import CheckpointPolicy
from kinevla_policy.observation_buffer import NS_PER_S, ObservationBuffer
from kinevla_policy.stack import default_checkpoint
from realman_driver.arm_model import HOME_RAD, RATED_LIMITS
from realman_driver.chunk_executor import ChunkExecutor
from realman_driver.gate import ChunkRules, Situation, check_chunk
from realman_driver.messages import to_chunk

T0_NS = 1_700_000_000 * NS_PER_S


def cpu_ms(call: Callable[[int], object], repeats: int) -> float:
    """Median CPU time of a call, ms; it is given its number."""
    call(0)
    found = []
    for number in range(1, repeats + 1):
        began_s = time.process_time()
        call(number)
        found.append(time.process_time() - began_s)
    return float(np.median(found) * 1e3)


def main() -> None:
    """Measure, print, write `stage_costs.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=[640, 480], help="of the pictures, px")
    parser.add_argument("--checkpoint", default=default_checkpoint())
    parser.add_argument("--out", type=Path, default=Path(".data/bench"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (options.size[1], options.size[0], 3), dtype=np.uint8)
    wire = serialize_message(image_message(pixels, Time(sec=1), "front"))
    image = deserialize_message(wire, Image)
    state = np.array([*HOME_RAD, 1.0])
    costs: dict[str, float] = {}
    costs["picture: message to pixels"] = cpu_ms(lambda _: image_to_rgb(image), 50)
    watch = CameraWatch(CameraRules())
    shifted = [np.roll(pixels, k, axis=0) for k in range(8)]
    costs["picture: watched (black, frozen, stamps)"] = cpu_ms(
        lambda k: watch.judge(T0_NS + k, T0_NS + k, shifted[k % 8], state[:7]), 100
    )
    buffer = ObservationBuffer(0.04)

    def pair(number: int) -> object:
        stamp_ns = T0_NS + number * 33_000_000
        buffer.add_state(stamp_ns, state)
        buffer.add_image("front", stamp_ns, pixels)
        buffer.add_image("wrist", stamp_ns, pixels)
        return buffer.newest()

    costs["pictures and joints paired"] = cpu_ms(pair, 100)
    found = buffer.newest()
    assert not isinstance(found, str)
    policy = CheckpointPolicy(options.checkpoint)
    instruction = policy.check_instruction(TASKS[4].instruction)
    plan = policy.plan_from(found, instruction, None)
    plan = policy.plan_from(found, instruction, plan)
    costs["model: one plan, reasoning kept"] = cpu_ms(lambda _: policy.plan_from(found, instruction, plan), 5)
    report = ChunkReport(instruction, 1, 0, found, plan, 0.1)
    costs["plan and chunk: to messages on the wire"] = cpu_ms(
        lambda _: (
            serialize_message(messages.trajectory_message(report)),
            serialize_message(messages.plan_message(report, T0_NS)),
        ),
        100,
    )
    chunk_wire = serialize_message(messages.trajectory_message(report))
    costs["chunk: from the wire"] = cpu_ms(
        lambda _: to_chunk(deserialize_message(chunk_wire, JointTrajectory)), 100
    )
    received = to_chunk(deserialize_message(chunk_wire, JointTrajectory))
    rules = ChunkRules()

    def gate(number: int) -> object:
        # Every chunk a little different: the gate keeps the geometry of the last one.
        setpoint = (*HOME_RAD[:6], HOME_RAD[6] + 1e-6 * number, 1.0)
        return check_chunk(received, rules, Situation(RATED_LIMITS, setpoint, received.stamp_s, HOME_RAD))

    costs["gate"] = cpu_ms(gate, 100)
    result = check_chunk(received, rules, Situation(RATED_LIMITS, tuple(state), received.stamp_s, HOME_RAD))
    if hasattr(result, "text"):
        raise SystemExit(f"the gate refused the chunk: {result.text}")
    executor = ChunkExecutor(tuple(state), 0.0)

    def load(number: int) -> object:
        executor.advance(0.01, 0.01 * number)
        return executor.load(result, 0.01 * number)

    costs["executor: going over to a chunk"] = cpu_ms(load, 100)
    costs["executor: one frame"] = cpu_ms(lambda k: executor.advance(0.001, 10.0 + 0.01 * k), 200)
    without = sum(value for name, value in costs.items() if not name.startswith("model"))
    without += costs["picture: message to pixels"] + costs["picture: watched (black, frozen, stamps)"]
    for name, value in costs.items():
        print(f"{name:45s} {value:8.3f} ms")
    print(f"{'all but the model, both pictures':45s} {without:8.3f} ms")
    (options.out / "stage_costs.json").write_text(json.dumps(costs, indent=1))


if __name__ == "__main__":
    main()
