"""How even the motion is where one chunk meets the next: demonstrations replayed with injected latency.

The scripted expert's motion is cut into chunks of five targets, each handed to the driver's executor
`latency` after its observation, in virtual time at 100 Hz, with the noise that four codes leave. Two ways of
asking: `pipelined`, a new observation every 0.1 s whatever the latency, and `one at a time`, as the policy
node does. For comparison: straight lines between the points from wherever the setpoint is, as chunks were
played before.

    python benchmarks/chunk_boundaries.py --out .data/bench
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kine_sim.expert import ScriptedExpert
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS
from kine_sim.world import World
from kinevla_policy.chunk_timeline import ChunkTimeline
from kinevla_policy.observation_buffer import NS_PER_S
from realman_driver.chunk_executor import ChunkExecutor
from realman_driver.gate import Chunk

Array = NDArray[np.float64]
FRAME_S, PERIOD_S, ROWS = 0.01, 0.1, 5
TIMES_S = tuple(PERIOD_S * (k + 1) for k in range(ROWS))
LATENCIES_S = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)


class StraightLines:
    """Plays a chunk in straight lines from its arrival on: the baseline, not aligned and not smoothed."""

    def __init__(self, setpoint: tuple[float, ...], now_s: float) -> None:
        self.setpoint, self.motion_s = setpoint, 0.0
        self._points: list[tuple[float, tuple[float, ...]]] = []
        self._elapsed_s = 0.0

    def load(self, chunk: Chunk, observed_s: float) -> None:
        """Replace what is left, from the present setpoint."""
        self._points = [(0.0, self.setpoint), *zip(chunk.times_s, chunk.points, strict=True)]
        self._elapsed_s = 0.0

    def advance(self, step_s: float, now_s: float) -> tuple[float, ...]:
        """Move on and return the setpoint."""
        if self._points and self._elapsed_s < self._points[-1][0]:
            self._elapsed_s += step_s
            self.motion_s += step_s
            times = [t for t, _ in self._points]
            values = np.array([p for _, p in self._points])
            self.setpoint = tuple(
                float(np.interp(self._elapsed_s, times, values[:, j])) for j in range(values.shape[1])
            )
        return self.setpoint


Player = ChunkExecutor | StraightLines


@dataclass(frozen=True)
class Row:
    """Figures of one latency; velocities rad/s, so a velocity jump is the change between two frames."""

    player: str
    asking: str
    latency_s: float
    boundaries: int
    refused: int
    jump_at_boundary_rad_s: float
    jump_inside_rad_s: float
    peak_acceleration_rad_s2: float
    peak_jerk_rad_s3: float
    rests_share: float
    error_median_mrad: float
    error_p99_mrad: float
    load_median_ms: float
    frame_median_us: float


def experts(seed: int) -> list[ScriptedExpert]:
    """A planned demonstration of each task."""
    found = []
    for task in TASKS:
        expert = ScriptedExpert(World(sample_scene(task, seed)), task)
        expert.plan()
        found.append(expert)
    return found


@dataclass
class Replay:
    """What one demonstration left: frames (N, 7), the frame numbers of boundaries, motion times."""

    frames: Array
    boundaries: list[int]
    motion_s: list[float]
    refused: int
    load_s: list[float]
    frame_s: list[float]


def replay(
    expert: ScriptedExpert, player: Player, latency_s: float, one_at_a_time: bool, noise: float
) -> Replay:
    """Play a demonstration; one at a time waits for an answer before it looks again, as the policy node."""
    rng = np.random.default_rng(1)
    timeline, waiting = ChunkTimeline(), []
    out = Replay(np.zeros((0, 7)), [], [], 0, [], [])
    frames: list[tuple[float, ...]] = []
    next_look = 0
    late = round(latency_s / FRAME_S)
    while player.motion_s < expert.duration_s and len(frames) < 4 * expert.duration_s / FRAME_S:
        frame = len(frames)
        now_s = frame * FRAME_S
        if frame >= next_look and not (one_at_a_time and waiting):
            begin_s = player.motion_s
            rows = np.array([expert.target(begin_s + t) for t in TIMES_S])
            rows[:, :7] += rng.normal(0.0, noise, (ROWS, 7))
            waiting.append((frame + late, frame, Chunk(TIMES_S, tuple(map(tuple, rows.tolist())))))
            next_look = frame + round(PERIOD_S / FRAME_S)
        if waiting and waiting[0][0] <= frame:
            _, observed, chunk = waiting.pop(0)
            began_s = time.perf_counter()
            refusal = player.load(chunk, observed * FRAME_S)
            out.load_s.append(time.perf_counter() - began_s)
            out.refused += refusal is not None
            out.boundaries.append(frame)
            timeline.sent(round(observed * FRAME_S * NS_PER_S), round(now_s * NS_PER_S), ROWS, PERIOD_S)
            if one_at_a_time:
                next_look = max(frame, round(timeline.next_look_ns(latency_s, 0.03) / NS_PER_S / FRAME_S))
        began_s = time.perf_counter()
        frames.append(player.advance(FRAME_S, now_s + FRAME_S)[:7])
        out.frame_s.append(time.perf_counter() - began_s)
        out.motion_s.append(player.motion_s)
    out.frames = np.array(frames)
    return out


def measure(
    name: str,
    make: Callable[[tuple[float, ...], float], Player],
    all_experts: list[ScriptedExpert],
    latency_s: float,
    one_at_a_time: bool,
    noise: float,
) -> tuple[Row, Replay]:
    """Replay all demonstrations and put their figures together."""
    runs = []
    for expert in all_experts:
        runs.append(replay(expert, make(tuple(expert.target(0.0)), 0.0), latency_s, one_at_a_time, noise))
    at, inside, accelerations, jerks, rests, errors = [], [], [], [], [], []
    for expert, run in zip(all_experts, runs, strict=True):
        velocity = np.diff(run.frames, axis=0) / FRAME_S
        change = np.abs(np.diff(velocity, axis=0)).max(axis=1)
        mask = np.zeros(len(change), bool)
        for frame in run.boundaries[1:]:
            mask[max(0, frame - 2) : frame + 1] = True
        begin = run.boundaries[0] + 1  # the start from rest belongs to neither
        at.append(change[begin:][mask[begin:]].max())
        inside.append(change[begin:][~mask[begin:]].max())
        accelerations.append(change.max() / FRAME_S)
        jerks.append(np.abs(np.diff(velocity, n=2, axis=0)).max() / FRAME_S**2)
        wanted = np.array([expert.target(min(t, expert.duration_s))[:7] for t in run.motion_s])
        errors.append(np.abs(run.frames - wanted).max(axis=1))
        # It rests where the demonstration moves.
        speed = np.abs(np.diff(wanted, axis=0)).max(axis=1) / FRAME_S
        still = (np.abs(velocity).max(axis=1) < 1e-3) & (np.diff(run.motion_s) < FRAME_S / 2)
        rests.append(float(still[run.boundaries[0] :].mean()) if len(speed) else 0.0)
    error = np.concatenate(errors)
    row = Row(
        name,
        "one at a time" if one_at_a_time else "pipelined",
        latency_s,
        sum(len(run.boundaries) - 1 for run in runs),
        sum(run.refused for run in runs),
        float(max(at)),
        float(max(inside)),
        float(max(accelerations)),
        float(max(jerks)),
        float(np.mean(rests)),
        float(np.median(error) * 1e3),
        float(np.percentile(error, 99) * 1e3),
        float(np.median([s for run in runs for s in run.load_s]) * 1e3),
        float(np.median([s for run in runs for s in run.frame_s]) * 1e6),
    )
    return row, runs[0]


def picture(path: Path, shown: dict[str, Replay], joint: int) -> None:
    """Position, velocity and acceleration of one joint with the boundaries marked."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(3, len(shown), figsize=(6 * len(shown), 7), sharex="col", sharey="row")
    for column, (title, run) in enumerate(shown.items()):
        position = run.frames[:300, joint]
        velocity = np.diff(position) / FRAME_S
        for axis, values, label in zip(
            axes[:, column],
            (position, velocity, np.diff(velocity) / FRAME_S),
            ("rad", "rad/s", "rad/s²"),
            strict=True,
        ):
            axis.plot(np.arange(len(values)) * FRAME_S, values, linewidth=1)
            axis.set_ylabel(f"joint {joint + 1}, {label}")
            for frame in run.boundaries:
                if frame < 300:
                    axis.axvline(frame * FRAME_S, color="0.85", linewidth=0.8, zorder=0)
        axes[0, column].set_title(title)
        axes[2, column].set_xlabel("s (lines: a new chunk)")
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main() -> None:
    """Measure, print the table, write `chunk_boundaries.json` and `.png`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(".data/bench"))
    parser.add_argument("--seed", type=int, default=4, help="placements of the seven demonstrations")
    parser.add_argument("--noise-mrad", type=float, default=4.0, help="what the codes leave, per joint")
    options = parser.parse_args()
    if not (math.isfinite(options.noise_mrad) and 0.0 <= options.noise_mrad <= 50.0):
        parser.error("--noise-mrad must be within 0..50")
    options.out.mkdir(parents=True, exist_ok=True)
    demonstrations, noise = experts(options.seed), options.noise_mrad * 1e-3
    rows, shown = [], {}
    players: tuple[tuple[str, Callable[..., Player]], ...] = (
        ("executor", ChunkExecutor),
        ("straight lines", StraightLines),
    )
    print(
        "player          asking         latency  jump at boundary / inside  peak acc  peak jerk  rest  error"
    )
    for name, make in players:
        for one_at_a_time in (False, True):
            for latency_s in LATENCIES_S:
                row, first = measure(name, make, demonstrations, latency_s, one_at_a_time, noise)
                rows.append(row)
                if one_at_a_time and latency_s == 0.1:
                    shown[f"{name}, latency {latency_s:.1f} s"] = first
                print(
                    f"{name:15s} {row.asking:14s} {latency_s * 1e3:4.0f} ms  "
                    f"{row.jump_at_boundary_rad_s:.3f} / {row.jump_inside_rad_s:.3f} rad/s       "
                    f"{row.peak_acceleration_rad_s2:6.1f}   {row.peak_jerk_rad_s3:7.0f}  "
                    f"{row.rests_share:5.1%}  {row.error_median_mrad:.1f} (p99 {row.error_p99_mrad:.0f}) mrad"
                    f"{f'  {row.refused} of {row.boundaries} refused' if row.refused else ''}"
                )
    load_ms = np.median([row.load_median_ms for row in rows if row.player == "executor"])
    frame_us = np.median([row.frame_median_us for row in rows if row.player == "executor"])
    print(f"taking a chunk {load_ms:.2f} ms, a frame {frame_us:.0f} us (medians)")
    (options.out / "chunk_boundaries.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
    picture(options.out / "chunk_boundaries.png", shown, joint=0)


if __name__ == "__main__":
    main()
