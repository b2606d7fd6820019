"""One trial of an evaluation through the whole stack: `kinevla evaluate --through-ros` finds it by name.

Every trial has a stack of its own: simulator, emulated controller, vendor's SDK, driver and, where a policy
is judged, the policy node. The scripted expert and a recorded episode publish their chunks as the policy node
does. What is measured comes from topics; only the verdict comes from the simulator.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from kine_msgs.msg import BiLevelPlan
from kine_nodes.driver_watch import not_enabled
from kine_nodes.motion_right import tagged
from kinevla.evaluation.controllers import Decision, Start, make_controller
from kinevla.evaluation.environments import environment
from kinevla.evaluation.film import Film
from kinevla.evaluation.trial import Track, reference_motion, refused_result, result_of
from kinevla.evaluation.trial_types import TrialConfig, TrialJob, TrialResult
from kinevla.text.instruction import InstructionError
from kinevla.understanding import NOT_UNDERSTOOD
from kinevla_policy.demo_client import DemoClient, StackError
from kinevla_policy.free_ports import free_tcp_port
from kinevla_policy.stack_process import StackProcess
from realman_driver.arm_model import AXIS_NAMES

START_S = 180.0
"""Nodes that are not there by then will not come."""
WALL_FACTOR = 10.0
"""A trial that took so many times its limit of motion ends: the machine is too slow, or a node hangs."""
SETTLE_S = 0.5
"""Things come to rest before the judge speaks."""
REACHED_RAD = 0.05
LATE_S = 2.0
"""A control's next chunk waits until the arm is this near to the last one's end, but no longer than this."""


@dataclass(frozen=True)
class Verdict:
    """The judge's answer, as the simulator's service gives it."""

    goal_success: bool
    kinematics_success: bool
    reasons: tuple[str, ...]


@dataclass
class Watch:
    """What is noted while the arm moves, beside the client's own lists.

    Attributes:
        config: of the trial.
        film: where frames go, or None.
        began_s: monotonic time of the start.
        frames: frames taken so far.
    """

    config: TrialConfig
    film: Film | None
    began_s: float = field(default_factory=time.monotonic)
    frames: int = 0

    @property
    def passed_s(self) -> float:
        """Time since the start."""
        return time.monotonic() - self.began_s

    @property
    def hung(self) -> bool:
        """Whether far more time has passed than the trial may take."""
        return self.passed_s > WALL_FACTOR * self.config.max_time_s

    def look(self, client: DemoClient, decision: Decision | None) -> None:
        """Take a frame, once per period."""
        due = self.frames * self.config.period_s
        if self.film is None or self.passed_s < due or len(client.images) < 2:
            return
        self.film.add(dict(client.images), decision or Decision(np.zeros((1, 8))), self.passed_s)
        self.frames += 1


def run_trial(job: TrialJob) -> TrialResult:
    """Run one trial on a fresh stack.

    Raises:
        StackError: the stack did not start, or ended during the trial; with the last lines of its log.
        ControllerError: a control cannot take part.
    """
    config = job.config
    plain = environment(config.environment_id)
    shown, info = plain.reset(seed=job.seed, options=job.reset_options)
    texts = (str(info["coarse"]), str(info["fine"]))
    instruction = job.instruction or str(info["instruction"])
    by_policy = config.controller.control == "none"
    reference = reference_motion(config, plain)
    film = None if config.film is None else Film(instruction)
    options = ["--sim", "--seed", str(job.seed)]
    sentence = job.reset_options.get("instruction")
    options += ["--task", str(job.task)] if sentence is None else ["--scene-for", str(sentence)]
    options += ["--checkpoint", str(config.controller.checkpoint)] if by_policy else ["--no-policy"]
    for argument in config.launch:
        name, _, value = argument.partition(":=")
        options += [f"--{name.replace('_', '-')}", value]
    with tempfile.TemporaryDirectory(prefix="kinevla_trial_") as folder, _stack(options, folder) as running:
        stack, client = running
        _wait_until_ready(stack, client, by_policy)
        client.enable()
        began_ns = client.joint_states[-1][0]
        watch = Watch(config, film)
        if by_policy:
            try:
                track = _follow_policy(stack, client, watch, instruction)
            except InstructionError as error:
                return refused_result(job, str(error), shown, info)
        else:
            start = Start(job.task, job.seed, instruction, texts, plain.unwrapped, config.period_s)
            track = _lead(stack, client, watch, start)
        ended_ns = client.joint_states[-1][0]
        time.sleep(SETTLE_S)
        said = client.verdict()
        track.states = sampled(client.joint_states, began_ns, ended_ns, config.period_s)
        track.steps = len(track.states) - 1
    verdict = Verdict(bool(said["goal_success"]), bool(said["kinematics_success"]), tuple(said["reasons"]))
    return result_of(job, verdict, track, instruction, texts, reference, film)


@contextmanager
def _stack(options: list[str], folder: str) -> Iterator[tuple[StackProcess, DemoClient]]:
    """A stack and its client in a ROS domain and on a port of their own."""
    line = [*options, "--robot-port", str(free_tcp_port())]
    with StackProcess(line, Path(folder) / "stack.log") as stack:
        client = DemoClient("kinevla_evaluation", stack.stack_id)
        try:
            yield stack, client
        except StackError as error:
            raise StackError(f"{error}; the stack said:\n{stack.tail()}") from error
        finally:
            client.close()


def _wait_until_ready(stack: StackProcess, client: DemoClient, by_policy: bool) -> None:
    client.wait_for("both camera images", lambda: len(client.images) == 2, START_S, stack.alive)
    client.wait_for("joint states", lambda: client.joint_states, START_S, stack.alive)
    if by_policy:
        client.wait_for(
            "the policy",
            lambda: client.diagnostic("kinevla: policy").get("message") == "idle",
            START_S,
            stack.alive,
        )


def _follow_policy(stack: StackProcess, client: DemoClient, watch: Watch, instruction: str) -> Track:
    """Give the instruction and note every plan until the policy node says that it is done."""
    answer = client.instruct(instruction, patience_s=15.0)
    if not answer.accepted:
        if NOT_UNDERSTOOD in answer.message:
            raise InstructionError(answer.message)
        raise StackError(f"the instruction was refused: {answer.message}")
    config, ended = watch.config, ""
    while not ended:
        plans = [plan for plan in client.plans if plan.instruction_id == answer.instruction_id]
        watch.look(client, decision_of(plans[-1]) if plans else None)
        status = client.diagnostic("kinevla: policy")
        mine = status.get("instruction id") == str(answer.instruction_id)
        if mine and status.get("message") == "idle":
            ended = status.get("last instruction ended", "")
        ended = ended or not_enabled(client.driver_state)
        if not ended and (motion_s(plans) > config.max_time_s or watch.hung):
            client.trigger("/kinevla/stop")
            ended = time_is_up(config) if not watch.hung else f"hung for {watch.passed_s:.0f} s"
        if not stack.alive():
            raise StackError("the stack ended during the trial")
        time.sleep(0.02)
    plans = [plan for plan in client.plans if plan.instruction_id == answer.instruction_id]
    return Track(decisions=[decision_of(plan) for plan in plans], ended=ended)


def _lead(stack: StackProcess, client: DemoClient, watch: Watch, start: Start) -> Track:
    """Publish the chunks of a control until it rests."""
    config = watch.config
    controller = make_controller(config.controller)
    controller.start(start)
    publisher = client.node.create_publisher(JointTrajectory, "/realman_driver/joint_trajectory", 5)
    client.wait_for("the driver", lambda: publisher.get_subscription_count() > 0, START_S, stack.alive)
    track = Track()
    command = np.array(client.joint_states[-1][1])
    limit = math.ceil(config.max_time_s / config.period_s)
    while not track.ended:
        observation: dict[str, NDArray[Any]] = {**client.images, "state": client.joint_states[-1][1].copy()}
        decision = controller.decide(observation, track.steps)
        track.note(decision, command, config)
        stamp = client.node.get_clock().now().to_msg()
        epoch = 0 if client.driver_state is None else client.driver_state.epoch
        publisher.publish(chunk_message(decision.actions, config.period_s, stamp, epoch))
        command = np.asarray(decision.actions[-1], dtype=np.float64)
        due_s = watch.passed_s + len(decision.actions) * config.period_s
        while watch.passed_s < due_s or (
            watch.passed_s < due_s + LATE_S and _distance(client, command, config) > REACHED_RAD
        ):
            watch.look(client, decision)
            if not stack.alive():
                raise StackError("the stack ended during the trial")
            time.sleep(0.01)
        track.steps += len(decision.actions)
        if track.resting >= config.rest_chunks:
            track.ended = f"at rest for {track.resting} chunks"
        elif track.steps >= limit:
            track.ended = time_is_up(config)
        track.ended = not_enabled(client.driver_state) or track.ended
    return track


def _distance(client: DemoClient, command: NDArray[np.float64], config: TrialConfig) -> float:
    """Largest distance of a joint from a command (8,), rad."""
    measured = client.joint_states[-1][1]
    return float(np.abs(measured[: config.joints] - command[: config.joints]).max())


def motion_s(plans: Sequence[BiLevelPlan]) -> float:
    """How long the plans move the arm, s: each until the next one's observation, and no longer than it is.

    With overlapping chunks only the first part of most is played; with a slow policy the arm rests between.
    """
    stamps_s = [plan.header.stamp.sec + plan.header.stamp.nanosec * 1e-9 for plan in plans]
    whole_s = [float(plan.actions * plan.period_s) for plan in plans]
    until_next_s = [*np.diff(stamps_s).tolist(), math.inf]
    return sum(min(pair) for pair in zip(whole_s, until_next_s, strict=False))


def time_is_up(config: TrialConfig) -> str:
    """The same words as in the plain environment, so that ends are counted together."""
    return f"time is up ({config.max_time_s:g} s)"


def decision_of(plan: BiLevelPlan) -> Decision:
    """What a plan says; its targets travel in another message and count as none here."""
    latency_s = {
        "vision": plan.latency_vision_s,
        "generation": plan.latency_generation_s,
        "actions": plan.latency_decoder_s,
        "total": plan.latency_total_s,
        "age of the images": plan.observation_age_s,
    }
    return Decision(
        np.zeros((int(plan.actions), len(AXIS_NAMES))),
        plan.goal_reasoning,
        plan.kinematics_reasoning,
        {name: float(value) for name, value in latency_s.items()},
        plan.reasoning_state == BiLevelPlan.REASONING_REUSED,
    )


def chunk_message(actions: NDArray[np.floating], period_s: float, stamp: Any, epoch: int) -> JointTrajectory:
    """A chunk (T, 8) of a control for the driver, made for an epoch of the right to move the arm."""
    message = JointTrajectory(joint_names=list(AXIS_NAMES))
    message.header.stamp = stamp
    message.header.frame_id = tagged("kinevla_evaluation", epoch)
    for index, target in enumerate(actions):
        time_ns = round((index + 1) * period_s * 1e9)
        point = JointTrajectoryPoint(positions=[float(value) for value in target])
        point.time_from_start.sec, point.time_from_start.nanosec = divmod(time_ns, 1_000_000_000)
        message.points.append(point)
    return message


def sampled(
    states: Sequence[tuple[int, NDArray[np.float64]]], began_ns: int, ended_ns: int, period_s: float
) -> list[NDArray[np.float64]]:
    """Measured states (stamp in ns, (D,)) between two times, one per period, interpolated by their stamps.

    Raises:
        ValueError: fewer than two states in that time.
    """
    inside = [(stamp, state) for stamp, state in states if began_ns <= stamp <= ended_ns]
    if len(inside) < 2:
        raise ValueError(f"{len(inside)} joint states in {(ended_ns - began_ns) / 1e9:.1f} s, 2 are needed")
    times_s = np.array([(stamp - began_ns) * 1e-9 for stamp, _ in inside])
    values = np.stack([state for _, state in inside])
    wanted = np.arange(0.0, times_s[-1] + 1e-9, period_s)
    columns = [np.interp(wanted, times_s, values[:, column]) for column in range(values.shape[1])]
    return list(np.stack(columns, axis=1))
