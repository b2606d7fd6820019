"""What the safety gate says to clean demonstrations, and its cost: false-refusal rate, time per chunk.

Each demonstration is cut into chunks of five targets 0.1 s apart, one chunk per step, as a policy would send
them, judged with the bounds of the driver's parameter file, curve and all, and played. Perturbed
demonstrations are counted apart.

    python benchmarks/gate_on_demonstrations.py --data .data/demos --episodes 350
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

DRIVER = Path(__file__).resolve().parents[1] / "ros2_ws" / "src" / "realman_driver"
sys.path.insert(0, str(DRIVER))

from realman_driver.arm_model import AXIS_NAMES, RATED_LIMITS  # noqa: E402
from realman_driver.chunk_executor import ChunkExecutor  # noqa: E402
from realman_driver.config import DriverConfig  # noqa: E402
from realman_driver.gate import ChunkPoint, ReceivedChunk, Refusal, Situation, check_chunk  # noqa: E402

POINTS = 5
# Of a policy: a chunk comes so much later than its observation.
LATENCY_S = 0.05
NOW_S = 100.0


@dataclass
class Tally:
    """Counts of one kind of demonstrations."""

    episodes: int = 0
    chunks: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refused_episodes: int = 0
    examples: list[str] = field(default_factory=list)


def bounds() -> DriverConfig:
    """The driver's parameters as its file has them."""
    text = (DRIVER / "config" / "driver.yaml").read_text()
    values = yaml.safe_load(text)["realman_driver"]["ros__parameters"]
    return DriverConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


@dataclass
class Costs:
    """Processor time of each chunk, s: the rules, on message and curve; and all, with planning."""

    gate_s: list[float] = field(default_factory=list)
    all_s: list[float] = field(default_factory=list)

    def text(self) -> str:
        """Median and 99 % of both."""
        figures = [
            "{}: p50 {:.2f} ms, p99 {:.2f} ms".format(what, *np.percentile(costs, [50, 99]) * 1e3)
            for what, costs in (("the gate", self.gate_s), ("with the planning of its curve", self.all_s))
        ]
        return f"processor time of a chunk, {'; '.join(figures)}"


def judge(episode: Path, config: DriverConfig, tally: Tally, costs: Costs) -> None:
    """Judge every chunk of one demonstration, and play it: an observation at each point, a chunk later."""
    with np.load(episode) as data:
        states, targets, period_s = data["state"], data["executed"], float(data["period_s"])
    rules, bad = config.chunk_rules(), False
    start = tuple(map(float, (*states[0][:7], targets[0][7])))
    executor, now_s = ChunkExecutor(start, NOW_S, config.executor_settings()), NOW_S
    breach, in_space_s = executor._space.breach, 0.0

    def timed(ways: Any) -> Any:
        nonlocal in_space_s
        since_s = time.thread_time()
        found = breach(ways)
        in_space_s = time.thread_time() - since_s
        return found

    executor._space.breach = timed  # type: ignore[method-assign]
    frames = round(period_s / config.stream_period_s)
    latency = round(LATENCY_S / config.stream_period_s)
    path = np.concatenate([np.array(start)[None], targets])
    times_s = period_s * np.arange(len(path))
    for _ in range(2 * len(targets)):
        # The demonstration goes on where the arm is: it has rested until the first chunk came.
        asked_s = executor.motion_s + period_s * np.arange(1, POINTS + 1)
        if asked_s[-1] > times_s[-1]:
            break
        rows = np.stack([np.interp(asked_s, times_s, path[:, axis]) for axis in range(8)], axis=1)
        points = tuple(ChunkPoint(tuple(row), (i + 1) * period_s) for i, row in enumerate(rows.tolist()))
        observed_s = now_s
        for frame in range(frames):
            if frame == latency:
                measured = executor.setpoint[:7]
                now = Situation(RATED_LIMITS, executor.setpoint_at(observed_s), now_s, measured, 10)
                chunk = ReceivedChunk(AXIS_NAMES, points, observed_s)
                in_space_s, begun_s = 0.0, time.thread_time()
                result = check_chunk(chunk, rules, now)
                checked_s = time.thread_time()
                refusal = result if isinstance(result, Refusal) else executor.load(result, observed_s)
                costs.all_s.append(time.thread_time() - begun_s)
                costs.gate_s.append(checked_s - begun_s + in_space_s)
                tally.chunks += 1
                if refusal is not None:
                    bad = True
                    tally.refused[refusal.rule] += 1
                    if len(tally.examples) < 5:
                        tally.examples.append(f"{episode.name} at {executor.motion_s:.2f} s: {refusal.text}")
            now_s += config.stream_period_s
            executor.advance(config.stream_period_s, now_s)
    tally.episodes += 1
    tally.refused_episodes += bad


def main() -> int:
    """Run the measurement; exit code 1 when a clean demonstration was refused."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(".data/demos"), help="folder with demonstrations")
    parser.add_argument("--episodes", type=int, default=350, help="most clean ones to look at")
    options = parser.parse_args()
    paths = sorted((options.data / "episodes").glob("*.npz"))
    if not paths:
        parser.error(f"no episodes in {options.data}/episodes")
    config, clean, noisy, costs = bounds(), Tally(), Tally(), Costs()
    for path in paths:
        with np.load(path) as data:
            tally = noisy if bool(data["noisy"]) else clean
        if tally.episodes < options.episodes:
            judge(path, config, tally, costs)
    for name, tally in (("clean", clean), ("perturbed", noisy)):
        total = sum(tally.refused.values())
        print(
            f"{name}: {tally.episodes} episodes, {tally.chunks} chunks, {total} refused in "
            f"{tally.refused_episodes} episodes {dict(tally.refused) or ''}"
        )
        for example in tally.examples:
            print(f"  {example}")
    print(costs.text())
    return 1 if clean.refused else 0


if __name__ == "__main__":
    sys.exit(main())
