"""Any number of chunks, sane and mad, through gate and executor to frames that independent judges look at.

    python ros2_ws/src/realman_driver/test/gate_fuzz.py --chunks 1000000 --processes 2 --out fuzz.jsonl

The gate, the executor and the stream are the driver's own; only threads, SDK and network are left out: the
clock is simulated, and a frame goes as the integers of the wire to the emulated controller's checker, which
has limits and arithmetic of its own. Every pose is looked at for its distance to table, box and the arm.

Chunks are judged in portions, one per seed; with `--out` each portion is noted, and what is noted is not done
again: a run that was interrupted goes on, and another machine may do other seeds. Exit code 1 when a single
frame is unsafe.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SOURCES = Path(__file__).resolve().parents[2]
for _package in ("realman_driver", "kine_sim"):
    sys.path.insert(0, str(SOURCES / _package))

from fuzz_chunks import KINDS, LOWER, SHARES, UPPER, ChunkMaker, clear_poses  # noqa: E402
from space_judge import SpaceJudge  # noqa: E402

from kine_sim.controller.frame_checker import FrameChecker  # noqa: E402
from realman_driver.arm_model import HOME_RAD, RATED_LIMITS  # noqa: E402
from realman_driver.chunk_executor import ExecutorSettings  # noqa: E402
from realman_driver.config import DriverConfig  # noqa: E402
from realman_driver.gate import Chunk, ReceivedChunk, Refusal, Situation, check_chunk  # noqa: E402
from realman_driver.sdk_arm import to_wire_degrees  # noqa: E402
from realman_driver.streamer import Streamer  # noqa: E402

PERIOD_S = 0.01
CHUNKS_PER_STREAM = 300
PORTION = 5000


@dataclass
class Tally:
    """What came of it; `cost_ms` (time of the processor) of chunks that the message's rules let pass."""

    chunks: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    poses_judged: int = 0
    asked_mujoco: int = 0
    unsafe: list[str] = field(default_factory=list)
    unsafe_frames: int = 0
    cost_ms: list[float] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Sum up."""
        self.chunks += other.chunks
        self.accepted += Counter(other.accepted)
        self.refused += Counter(other.refused)
        self.frames += other.frames
        self.poses_judged += other.poses_judged
        self.asked_mujoco += other.asked_mujoco
        self.note(other.unsafe, other.unsafe_frames)
        self.cost_ms += other.cost_ms

    def note(self, texts: list[str], count: int) -> None:
        """So many frames were unsafe; some texts of them are kept."""
        self.unsafe_frames += count
        self.unsafe += texts[: max(0, 20 - len(self.unsafe))]


class Rig:
    """Gate, executor and stream on a simulated clock, with the judges at the end of the wire."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.maker = ChunkMaker(self.chance)
        config = DriverConfig()
        self.rules, self.settings = config.chunk_rules(), config.executor_settings()
        self.space = SpaceJudge(config.space_bounds(), self.chance)
        self.tally = Tally()
        self.now_s = 1000.0
        self.begin()

    def begin(self) -> None:
        """A new enable: at home, at a pose that is clear, or anywhere within the limits, in the table too."""
        where = self.chance.random()
        if where < 0.45:
            start = HOME_RAD
        elif where < 0.85:
            poses = clear_poses()
            start = tuple(poses[int(self.chance.integers(len(poses)))].tolist())
        else:
            margin = self.rules.joint_limit_margin_rad
            start = tuple(self.chance.uniform(LOWER + margin, UPPER - margin).tolist())
        self.engage(start, float(self.chance.choice((1.0, 1.0, 0.5))))

    def engage(self, start: tuple[float, ...], newest_share: float = 1.0) -> None:
        """A new enable at that pose (7,)."""
        self.checker = FrameChecker(paced_s=PERIOD_S)
        self.frame, self.played = start, [start]
        self.failures: list[str] = []
        limits, space = self.settings.limits, self.settings.space
        self.streamer = Streamer(
            send=self._send,
            send_gripper=lambda target: None,
            watchdog=lambda now_s: None,
            on_failure=lambda text, gone: self.failures.append(text),
            executor=ExecutorSettings(limits, newest_share, space),
        )
        self.streamer.engage((*start, 1.0), self.now_s)
        self.newest_s = self.now_s

    def _send(self, frame: tuple[float, ...]) -> int:
        self.frame = frame
        self.played.append(frame)
        # What the SDK does with degrees: cut to integers of 0.001.
        wire = [int(to_wire_degrees(angle) * 1000.0) for angle in frame]
        self.tally.frames += 1
        found = self.checker.frame(self.now_s, wire)
        if found:
            self.tally.note([f"{v.rule}: {v.text}" for v in found], 1)
        return 0

    def submit(self, kind: str, chunk: ReceivedChunk) -> Chunk | Refusal | None:
        """One chunk as the driver takes it, then some frames."""
        ros_s = self.now_s
        observed_s = self.now_s - max(0.0, ros_s - chunk.stamp_s)
        passed = False

        def check(setpoint: tuple[float, ...]) -> Chunk | Refusal:
            nonlocal passed
            result = check_chunk(chunk, self.rules, Situation(RATED_LIMITS, setpoint, ros_s, self.frame, 10))
            passed = isinstance(result, Chunk)
            return result

        begun_s = time.thread_time()
        refusal = self.streamer.submit(check, self.now_s, observed_s)
        if passed:
            self.tally.cost_ms.append(round((time.thread_time() - begun_s) * 1e3, 3))
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
            self.tally.note(self.failures, 1)
            self.judge()
            self.begin()

    def judge(self) -> None:
        """Look at the poses that were played since the enable."""
        found = self.space.unsafe(np.array(self.played))
        self.tally.note(found, len(found))
        self.tally.poses_judged, self.tally.asked_mujoco = self.space.frames, self.space.asked_mujoco
        self.played = self.played[-1:]

    def rest(self) -> None:
        """Play what is left until the arm rests, and judge the stream."""
        for _ in range(20):
            self.play(100)
            if not self.streamer.active:
                break
        self.judge()

    def run(self, chunks: int) -> Tally:
        """So many chunks of all kinds."""
        kinds = self.chance.choice(len(KINDS), chunks, p=SHARES)
        for index, number in enumerate(kinds.tolist()):
            if index % CHUNKS_PER_STREAM == CHUNKS_PER_STREAM - 1:
                self.rest()
                self.now_s += 1.0
                self.begin()
            # Mostly newer than the chunk before it, as a policy's observations are; a fifth are very old.
            newest_s = self.newest_s if self.chance.random() < 0.8 else 0.0
            age_s = float(self.chance.uniform(0.0, 0.4 if self.chance.random() < 0.8 else 0.99))
            observed_s = max(newest_s, self.now_s - age_s)
            setpoint = self.streamer._executor.setpoint_at(observed_s)
            kind = KINDS[number]
            self.submit(kind, self.maker.make(kind, setpoint, observed_s, self.now_s))
        self.rest()
        return self.tally


def run(arguments: tuple[int, int]) -> Tally:
    """So many chunks with that seed."""
    seed, chunks = arguments
    return Rig(seed).run(chunks)


def _numbered(arguments: tuple[int, int]) -> tuple[int, Tally]:
    return arguments[0], run(arguments)


def main() -> int:
    """Run the fuzz; exit code 1 when a frame was unsafe."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="the first one; each does 5000 chunks")
    parser.add_argument("--out", type=Path, help="file of the portions done, to go on with")
    options = parser.parse_args()
    total, done, begun_s = Tally(), set(), time.monotonic()
    if options.out and options.out.exists():
        for line in options.out.read_text().splitlines():
            noted = json.loads(line)
            done.add(noted.pop("seed"))
            total.add(Tally(**noted))
    seeds = range(options.seed, options.seed + -(-options.chunks // PORTION))
    left = [(seed, min(PORTION, options.chunks - PORTION * (seed - options.seed))) for seed in seeds]
    left = [item for item in left if item[0] not in done]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for seed, tally in pool.imap_unordered(_numbered, left):
            total.add(tally)
            if options.out:
                with options.out.open("a") as file:
                    file.write(json.dumps({"seed": seed, **vars(tally)}) + "\n")
            print(
                f"seed {seed}: {total.chunks} chunks, {total.unsafe_frames} unsafe frames, "
                f"{time.monotonic() - begun_s:.0f} s",
                flush=True,
            )
    accepted = sum(total.accepted.values())
    print(
        f"{total.chunks} chunks: {accepted} accepted {dict(total.accepted)}, "
        f"refused {dict(total.refused.most_common())}"
    )
    print(
        f"{total.frames} frames reached the controller, {total.poses_judged} poses were looked at "
        f"({total.asked_mujoco} by MuJoCo), {total.unsafe_frames} unsafe"
    )
    if total.cost_ms:
        p50, p99 = np.percentile(total.cost_ms, [50, 99])
        print(f"cost of a chunk, curve and all: p50 {p50:.2f} ms, p99 {p99:.2f} ms of the processor")
    for text in total.unsafe:
        print(f"  {text}")
    return 1 if total.unsafe_frames else 0


if __name__ == "__main__":
    sys.exit(main())
