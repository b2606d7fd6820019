"""What the safety gate says to clean demonstrations, and its cost: false-refusal rate, time per chunk.

Each demonstration is cut into chunks of five targets 0.1 s apart, one chunk per step, as a policy would send
them, and judged with the bounds of the driver's parameter file. Perturbed demonstrations are counted apart.

    python benchmarks/gate_on_demonstrations.py --data .data/demos --episodes 350
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

DRIVER = Path(__file__).resolve().parents[1] / "ros2_ws" / "src" / "realman_driver"
sys.path.insert(0, str(DRIVER))

from realman_driver.arm_model import AXIS_NAMES, RATED_LIMITS  # noqa: E402
from realman_driver.config import DriverConfig  # noqa: E402
from realman_driver.gate import ChunkPoint, ReceivedChunk, Refusal, Situation, check_chunk  # noqa: E402

POINTS = 5
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


def judge(path: Path, config: DriverConfig, tally: Tally, times_s: list[float]) -> None:
    """Judge every chunk of one demonstration."""
    with np.load(path) as data:
        states, targets, period_s = data["state"], data["executed"], float(data["period_s"])
    rules, bad = config.chunk_rules(), False
    for step in range(len(targets) - POINTS + 1):
        points = tuple(
            ChunkPoint(tuple(map(float, targets[step + i])), (i + 1) * period_s) for i in range(POINTS)
        )
        before = targets[step - 1] if step else states[0]
        measured = tuple(map(float, states[step][:7]))
        now = Situation(RATED_LIMITS, tuple(map(float, before)), NOW_S, measured, 10)
        chunk = ReceivedChunk(AXIS_NAMES, points, NOW_S)
        begun_s = time.perf_counter()
        result = check_chunk(chunk, rules, now)
        times_s.append(time.perf_counter() - begun_s)
        tally.chunks += 1
        if isinstance(result, Refusal):
            bad = True
            tally.refused[result.rule] += 1
            if len(tally.examples) < 5:
                tally.examples.append(f"{path.name} step {step}: {result.text}")
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
    config, clean, noisy, times_s = bounds(), Tally(), Tally(), []
    for path in paths:
        with np.load(path) as data:
            tally = noisy if bool(data["noisy"]) else clean
        if tally.episodes < options.episodes:
            judge(path, config, tally, times_s)
    for name, tally in (("clean", clean), ("perturbed", noisy)):
        total = sum(tally.refused.values())
        print(
            f"{name}: {tally.episodes} episodes, {tally.chunks} chunks, {total} refused in "
            f"{tally.refused_episodes} episodes {dict(tally.refused) or ''}"
        )
        for example in tally.examples:
            print(f"  {example}")
    p50, p99 = np.percentile(times_s, [50, 99])
    print(f"cost per chunk: p50 {p50 * 1e3:.3f} ms, p99 {p99 * 1e3:.3f} ms, of {len(times_s)}")
    return 1 if clean.refused else 0


if __name__ == "__main__":
    sys.exit(main())
