"""Does the policy succeed as often while the arm moves on as it does with a rest between chunks?

The shipped policy, the simulated arm, the driver's executor and the timing of the policy node, on one virtual
clock at 100 Hz: planning takes `latency` whatever the machine does, cameras deliver 15 pictures a second. No
ROS and no SDK; `demo` runs the whole stack.

    python benchmarks/execution_modes.py --pairs 14 --latency 0.15
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kine_sim.judge import Judge
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS, Task
from kine_sim.world import World
from kinevla_policy.chunk_timeline import ChunkTimeline
from kinevla_policy.loop_types import LoopSettings
from kinevla_policy.model import CheckpointPolicy
from kinevla_policy.observation_buffer import NS_PER_S, SyncedObservation
from kinevla_policy.rest_watch import RestWatch
from kinevla_policy.stack import default_checkpoint
from realman_driver.chunk_executor import ChunkExecutor
from realman_driver.gate import Chunk

FRAME_S, CAMERA_FRAMES, PHYSICS_STEPS = 0.01, 6, 5
SETTLE_FRAMES = 50


@dataclass(frozen=True)
class Trial:
    """One run: what the judge says, how long it took, how much of it at rest."""

    execution: str
    latency_s: float
    task: int
    seed: int
    goal: bool
    kinematics: bool
    duration_s: float
    chunks: int
    refused: int
    rests: int
    peak_acceleration_rad_s2: float
    ended: str


def run(policy: CheckpointPolicy, task: Task, seed: int, settings: LoopSettings, latency_s: float) -> Trial:
    """One instruction from beginning to end, in virtual time."""
    world = World(sample_scene(task, seed))
    judge = Judge(task, world.scene)
    executor = ChunkExecutor(tuple(world.state), 0.0)
    timeline, rest = ChunkTimeline(), RestWatch(settings.done_motion_rad, settings.done_chunks)
    instruction = policy.check_instruction(task.instruction)
    frames: list[tuple[float, ...]] = []
    picture: SyncedObservation | None = None
    used_ns, look_ns, chunks, refused, draft, ended = -1, 0, 0, 0, None, "time is up"
    pending: tuple[int, SyncedObservation, object] | None = None
    end_frame = round(settings.max_instruction_s / FRAME_S)
    frame = 0
    while frame < end_frame:
        now_ns = round(frame * FRAME_S * NS_PER_S)
        if frame % CAMERA_FRAMES == 0:
            due = pending is None and now_ns + CAMERA_FRAMES * FRAME_S * NS_PER_S > look_ns
            if due:
                images = [world.render(camera) for camera in ("front", "wrist")]
                picture = SyncedObservation(*images, world.state, now_ns, now_ns, now_ns)
        fresh = picture is not None and picture.stamp_ns > used_ns
        if settings.execution == "sync" and picture is not None:
            fresh = picture.stamp_ns >= look_ns
        if pending is None and now_ns >= look_ns and fresh and picture is not None:
            used_ns = picture.stamp_ns
            draft = policy.plan_from(picture, instruction, draft)
            chunk_s = len(draft.actions) * draft.period_s
            done = rest.done(draft.actions, picture.state, picture.stamp_ns, chunk_s)
            if done and chunks >= settings.done_chunks:
                ended = "done"
                break
            pending = (now_ns + round(latency_s * NS_PER_S), picture, draft)
        if pending is not None and now_ns >= pending[0]:
            _, seen, plan = pending
            pending = None
            times = tuple(plan.period_s * (k + 1) for k in range(len(plan.actions)))
            chunk = Chunk(times, tuple(map(tuple, plan.actions.tolist())))
            refused += executor.load(chunk, seen.stamp_ns / NS_PER_S) is not None
            timeline.sent(seen.stamp_ns, now_ns, len(plan.actions), plan.period_s)
            chunks += 1
            settled_ns = timeline.end_ns + round(settings.settle_s * NS_PER_S)
            asked_ns = timeline.next_look_ns(latency_s, settings.look_margin_s)
            look_ns = settled_ns if settings.execution == "sync" else max(asked_ns, now_ns)
        setpoint = executor.advance(FRAME_S, (frame + 1) * FRAME_S)
        frames.append(setpoint[:7])
        world.set_joint_target_rad(np.array(setpoint[:7]))
        if executor.gripper_target is not None:
            world.set_gripper_target(float(np.clip(executor.gripper_target, 0.0, 1.0)))
        world.step(PHYSICS_STEPS)
        judge.observe(world)
        frame += 1
    for _ in range(SETTLE_FRAMES):
        world.step(PHYSICS_STEPS)
        judge.observe(world)
    verdict = judge.verdict()
    world.close_renderers()
    path = np.array(frames)
    moving = np.abs(np.diff(path, axis=0)).max(axis=1) > 1e-6
    rests = int(np.sum(moving[:-1] & ~moving[1:]))
    acceleration = np.abs(np.diff(path, n=2, axis=0)).max() / FRAME_S**2
    return Trial(
        settings.execution,
        latency_s,
        task.number,
        seed,
        verdict.goal_success,
        verdict.kinematics_success,
        frame * FRAME_S,
        chunks,
        refused,
        rests,
        float(acceleration),
        ended,
    )


def main() -> None:
    """Run all pairs in both modes, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=14, help="scenes, the tasks in turn")
    parser.add_argument("--first-seed", type=int, default=500)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.15], help="s, one or more")
    parser.add_argument("--modes", nargs="+", default=["sync", "async"], choices=["sync", "async"])
    parser.add_argument("--checkpoint", default=default_checkpoint())
    parser.add_argument("--out", type=Path, default=Path(".data/bench"))
    options = parser.parse_args()
    if options.pairs < 1 or any(not 0.0 <= latency <= 1.0 for latency in options.latency):
        parser.error("--pairs must be at least 1, each --latency within 0..1")
    options.out.mkdir(parents=True, exist_ok=True)
    policy = CheckpointPolicy(options.checkpoint)
    trials: list[Trial] = []
    for latency_s in options.latency:
        for number in range(options.pairs):
            task, seed = TASKS[number % len(TASKS)], options.first_seed + number
            for mode in options.modes:
                trial = run(policy, task, seed, LoopSettings(execution=mode), latency_s)
                trials.append(trial)
                print(
                    f"{mode:5s} {latency_s * 1e3:.0f} ms task {task.number} seed {seed}: "
                    f"goal {trial.goal}, kinematics {trial.kinematics}, {trial.duration_s:.1f} s, "
                    f"{trial.chunks} chunks, {trial.rests} rests, {trial.refused} refused, {trial.ended}",
                    flush=True,
                )
                path = options.out / "execution_modes.json"
                path.write_text(json.dumps([asdict(item) for item in trials], indent=1))
    for latency_s in options.latency:
        for mode in options.modes:
            group = [t for t in trials if t.execution == mode and t.latency_s == latency_s]
            duration_s, rests = np.median([t.duration_s for t in group]), np.mean([t.rests for t in group])
            print(
                f"{mode:5s} {latency_s * 1e3:.0f} ms: goal {sum(t.goal for t in group)}, kinematics "
                f"{sum(t.kinematics for t in group)} of {len(group)}; median duration {duration_s:.1f} s, "
                f"rests {rests:.1f}, "
                f"peak acceleration {max(t.peak_acceleration_rad_s2 for t in group):.1f} rad/s2"
            )


if __name__ == "__main__":
    main()
