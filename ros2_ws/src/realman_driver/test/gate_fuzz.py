"""Any number of chunks, sane and mad, through gate and executor to frames that an independent judge looks at.

    python ros2_ws/src/realman_driver/test/gate_fuzz.py --chunks 1000000 --processes 2

The gate, the executor and the stream are the driver's own; only threads, SDK and network are left out: the
clock is simulated, and a frame goes as the integers of the wire to the emulated controller's checker, which
has limits and arithmetic of its own. Exit code 1 when a single frame is unsafe.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

SOURCES = Path(__file__).resolve().parents[2]
for _package in ("realman_driver", "kine_sim"):
    sys.path.insert(0, str(SOURCES / _package))

from kine_sim.controller.frame_checker import FrameChecker  # noqa: E402
from realman_driver.arm_model import AXIS_NAMES, HOME_RAD, JOINT_COUNT, RATED_LIMITS  # noqa: E402
from realman_driver.config import DriverConfig  # noqa: E402
from realman_driver.gate import (  # noqa: E402
    Chunk,
    ChunkPoint,
    ReceivedChunk,
    Refusal,
    Situation,
    check_chunk,
)
from realman_driver.sdk_arm import to_wire_degrees  # noqa: E402
from realman_driver.streamer import Streamer  # noqa: E402

PERIOD_S = 0.01
KINDS = ("valid", "near_limit", "adversarial", "not_finite", "huge", "stale", "malformed", "into_things")
SHARES = (0.2, 0.12, 0.12, 0.13, 0.13, 0.13, 0.07, 0.1)
CHUNKS_PER_STREAM = 300
LOWER, UPPER = (np.array(side) for side in zip(*RATED_LIMITS, strict=True))


@dataclass
class Tally:
    """What came of it."""

    chunks: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    unsafe: list[str] = field(default_factory=list)
    unsafe_frames: int = 0

    def add(self, other: Tally) -> None:
        """Sum up."""
        self.chunks += other.chunks
        self.accepted += other.accepted
        self.refused += other.refused
        self.frames += other.frames
        self.unsafe += other.unsafe[: max(0, 20 - len(self.unsafe))]
        self.unsafe_frames += other.unsafe_frames


class ChunkMaker:
    """Makes chunks of all kinds around a setpoint.

    Args:
        chance: source of randomness.
    """

    def __init__(self, chance: np.random.Generator) -> None:
        self._chance = chance

    def make(self, kind: str, setpoint: tuple[float, ...], observed_s: float, now_s: float) -> ReceivedChunk:
        """One chunk of the kind, from the (8,) setpoint at its observation; both times are ROS times."""
        chance = self._chance
        count = int(chance.integers(1, 9))
        period_s = float(chance.choice((0.02, 0.05, 0.1, 0.1, 0.1, 0.2, 0.5)))
        speed = {"valid": 1.2, "near_limit": 2.55}.get(kind, 2.0)
        speeds = chance.uniform(-speed, speed, JOINT_COUNT)
        if kind == "near_limit":
            speeds = np.sign(speeds) * chance.uniform(0.9 * speed, speed, JOINT_COUNT)
            speeds *= chance.random(JOINT_COUNT) < 0.5
        turn = chance.normal(0.0, 0.2 * speed, (count, JOINT_COUNT)).cumsum(axis=0) * (kind == "valid")
        steps = (speeds + turn) * period_s
        if kind == "adversarial":
            steps = speed * period_s * chance.choice((-1.0, 0.0, 1.0), (count, JOINT_COUNT))
        joints = np.array(setpoint[:JOINT_COUNT]) + steps.cumsum(axis=0) if count > 1 else steps
        if count == 1:
            joints = np.array(setpoint[:JOINT_COUNT]) + steps.reshape(1, -1)
        if kind == "valid":
            joints = np.clip(joints, LOWER + 0.02, UPPER - 0.02)
        if kind == "into_things":
            goal = chance.uniform(LOWER, UPPER)
            joints = joints[:1] + np.linspace(0.0, 1.0, count + 1)[1:, None] * (goal - joints[:1]) * 0.3
        gripper = chance.uniform(0.0, 1.0, (count, 1))
        points = np.concatenate([joints.reshape(count, JOINT_COUNT), gripper], axis=1)
        times_s = period_s * np.arange(1, count + 1)
        stamp_s = observed_s
        names = AXIS_NAMES
        if kind == "adversarial" and chance.random() < 0.3:
            times_s = np.sort(chance.uniform(0.0, 1.0, count) ** 3)
        if kind == "not_finite":
            points.flat[int(chance.integers(points.size))] = float(chance.choice((np.nan, np.inf, -np.inf)))
        elif kind == "huge":
            points.flat[int(chance.integers(points.size))] = float(
                chance.choice((-1.0, 1.0)) * 10.0 ** chance.uniform(0.0, 308.0)
            )
        elif kind == "stale":
            stamp_s = float(
                chance.choice((0.0, now_s - 1.001, now_s + 0.06, now_s - 1e6, now_s + 1e6, -now_s))
            )
        made = ReceivedChunk(
            names,
            tuple(ChunkPoint(tuple(p), t) for p, t in zip(points.tolist(), times_s.tolist(), strict=True)),
            stamp_s,
        )
        return self._malform(made) if kind == "malformed" else made

    def _malform(self, chunk: ReceivedChunk) -> ReceivedChunk:
        chance, points = self._chance, list(chunk.points)
        number = int(chance.integers(len(points)))
        point = points[number]
        way = int(chance.integers(6))
        if way == 0:
            return replace(chunk, joint_names=tuple(chance.permutation(np.array(AXIS_NAMES)).tolist()))
        if way == 1:
            return replace(chunk, points=())
        if way == 2:
            return replace(chunk, points=chunk.points * 60)
        points[number] = {
            3: replace(point, positions=point.positions[: int(chance.integers(8))]),
            4: replace(point, time_s=float(chance.choice((-1.0, 0.0, np.nan, 1e9)))),
            5: replace(point, has_other_fields=True),
        }[way]
        return replace(chunk, points=tuple(points))


class Rig:
    """Gate, executor and stream on a simulated clock, with the judge at the end of the wire."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.maker = ChunkMaker(self.chance)
        self.rules = DriverConfig().chunk_rules()
        self.tally = Tally()
        self.now_s = 1000.0
        self._begin()

    def _begin(self) -> None:
        """A new enable, at home or anywhere within the limits."""
        self.checker = FrameChecker(paced_s=PERIOD_S)
        margin = self.rules.joint_limit_margin_rad
        anywhere = self.chance.uniform(LOWER + margin, UPPER - margin)
        start = HOME_RAD if self.chance.random() < 0.6 else tuple(anywhere.tolist())
        self.frame = start
        self.failures: list[str] = []
        self.streamer = Streamer(
            send=self._send,
            send_gripper=lambda target: None,
            watchdog=lambda now_s: None,
            on_failure=lambda text, gone: self.failures.append(text),
        )
        self.streamer.engage((*start, 1.0), self.now_s)
        self.newest_s = self.now_s

    def _send(self, frame: tuple[float, ...]) -> int:
        self.frame = frame
        # What the SDK does with degrees: cut to integers of 0.001.
        wire = [int(to_wire_degrees(angle) * 1000.0) for angle in frame]
        self.tally.frames += 1
        found = self.checker.frame(self.now_s, wire)
        if found:
            self.tally.unsafe_frames += 1
            self.tally.unsafe += [f"{v.rule}: {v.text}" for v in found][: max(0, 20 - len(self.tally.unsafe))]
        return 0

    def submit(self, kind: str, chunk: ReceivedChunk) -> Chunk | Refusal | None:
        """One chunk as the driver takes it, then some frames."""
        ros_s = self.now_s
        observed_s = self.now_s - max(0.0, ros_s - chunk.stamp_s)

        def check(setpoint: tuple[float, ...]) -> Chunk | Refusal:
            now = Situation(RATED_LIMITS, setpoint, ros_s, self.frame, 10)
            return check_chunk(chunk, self.rules, now)

        refusal = self.streamer.submit(check, self.now_s, observed_s)
        self.tally.chunks += 1
        if refusal is None:
            self.tally.accepted[kind] += 1
            self.newest_s = max(self.newest_s, observed_s)
        else:
            self.tally.refused[refusal.rule] += 1
            assert refusal.text and refusal.bound
        self.play(int(self.chance.integers(1, 12)) if refusal is None else int(self.chance.random() < 0.3))
        return refusal

    def play(self, count: int) -> None:
        """So many frames; now and then one is late."""
        for _ in range(count):
            late = self.chance.random() < 0.01
            self.now_s += PERIOD_S * (float(self.chance.uniform(1.0, 8.0)) if late else 1.0)
            self.streamer.tick(self.now_s)
        if self.failures:
            self.tally.unsafe_frames += 1
            self.tally.unsafe += self.failures
            self._begin()

    def run(self, chunks: int) -> Tally:
        """So many chunks of all kinds."""
        kinds = self.chance.choice(len(KINDS), chunks, p=SHARES)
        for index, number in enumerate(kinds.tolist()):
            if index % CHUNKS_PER_STREAM == CHUNKS_PER_STREAM - 1:
                self.play(400)
                self.now_s += 1.0
                self._begin()
            kind = KINDS[number]
            # Mostly newer than the chunk before it, as a policy's observations are.
            newest_s = self.newest_s if self.chance.random() < 0.95 else 0.0
            observed_s = max(newest_s, self.now_s - float(self.chance.uniform(0.0, 0.4)))
            setpoint = self.streamer._executor.setpoint_at(observed_s)
            self.submit(kind, self.maker.make(kind, setpoint, observed_s, self.now_s))
        self.play(400)
        return self.tally


def run(arguments: tuple[int, int]) -> Tally:
    """So many chunks with that seed."""
    seed, chunks = arguments
    return Rig(seed).run(chunks)


def main() -> int:
    """Run the fuzz; exit code 1 when a frame was unsafe."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    portion = 5000
    seeds = range(options.seed, options.seed + -(-options.chunks // portion))
    work = [(seed, min(portion, options.chunks - portion * (seed - options.seed))) for seed in seeds]
    total, begun_s = Tally(), time.monotonic()
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for number, tally in enumerate(pool.imap_unordered(run, work), 1):
            total.add(tally)
            if number % 5 == 0:
                print(f"{total.chunks} chunks, {total.unsafe_frames} unsafe frames", flush=True)
    accepted = sum(total.accepted.values())
    print(
        f"{total.chunks} chunks in {time.monotonic() - begun_s:.0f} s: {accepted} accepted "
        f"{dict(total.accepted)}, refused {dict(total.refused.most_common())}"
    )
    print(f"{total.frames} frames reached the controller, {total.unsafe_frames} of them unsafe")
    for text in total.unsafe:
        print(f"  {text}")
    return 1 if total.unsafe_frames else 0


if __name__ == "__main__":
    sys.exit(main())
