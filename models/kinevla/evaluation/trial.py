"""One closed-loop trial: look, decide, move, until the arm rests or time is up; then the judge speaks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinevla.data.plugins import NoSceneError, load_object
from kinevla.evaluation.controllers import Decision, Start, make_controller
from kinevla.evaluation.environments import environment
from kinevla.evaluation.film import Film
from kinevla.evaluation.motion import motion_figures
from kinevla.evaluation.trial_types import NO_SCENE, TrialConfig, TrialJob, TrialResult
from kinevla.text.instruction import InstructionError

_REFERENCE_PERIOD_S = 0.05


@dataclass(frozen=True)
class Passed:
    """The outcome of a check, as a verdict's attributes have it."""

    passed: bool


@dataclass(frozen=True)
class Refusal:
    """The verdict on a sentence for which nothing moved: nothing was done, unless it had to be refused."""

    reasons: tuple[str, ...]
    goal_success: bool = False
    kinematics_success: bool = False
    attributes: Mapping[str, Passed] = field(default_factory=dict)


@dataclass
class Track:
    """What is noted while a trial runs."""

    # measured (D,) joints in rad and gripper, one per step
    states: list[NDArray[np.float64]] = field(default_factory=list)
    # (3,) tool positions beside them, where the environment tells them
    tool_m: list[NDArray[np.float64]] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    ended: str = ""  # why the trial ended; empty while it runs
    steps: int = 0
    resting: int = 0  # chunks of rest in a row

    def measure(self, observation: dict[str, NDArray[Any]], info: dict[str, Any]) -> None:
        """Add what was measured: the joints where the environment tells them, else the state it shows."""
        state = np.array(observation["state"], dtype=np.float64)
        joints = info.get("joints_rad")
        self.states.append(state if joints is None else np.append(joints, state[-1]))
        if "tool_m" in info:
            self.tool_m.append(info["tool_m"])

    def note(self, decision: Decision, command: NDArray[np.float64], config: TrialConfig) -> None:
        """Add a chunk that follows the last command (D,), and count it when it is one of rest."""
        self.decisions.append(decision)
        before = np.zeros(len(command)) if config.relative else command
        count = len(command) - 1 if config.relative else config.joints
        moves = np.abs(decision.actions[:, :count] - before[:count]).max()
        self.resting = 0 if moves > config.rest_motion_rad else self.resting + 1


def run_trial(job: TrialJob) -> TrialResult:
    """Run one trial in this process; environment and controller are kept for the next.

    The judge's verdict does not end a trial: a policy has to know by itself that it is done. An instruction
    that is refused is a trial that failed.

    Raises:
        ControllerError: the controller cannot take part.
    """
    config = job.config
    controller = make_controller(config.controller)
    env = environment(config.environment_id)
    try:
        observation, info = env.reset(seed=job.seed, options=job.reset_options)
    except NoSceneError as error:
        still = Track(states=[np.zeros(config.joints + 1)], ended=NO_SCENE)
        said = job.instruction or str(job.reset_options["instruction"])
        return result_of(job, Refusal((f"{NO_SCENE}: {error}",)), still, said, ("", ""), None, None)
    texts = (str(info["coarse"]), str(info["fine"]))
    instruction = job.instruction or str(info["instruction"])
    try:
        controller.start(Start(job.task, job.seed, instruction, texts, env.unwrapped, config.period_s))
    except InstructionError as error:
        return refused_result(job, str(error), observation, info)
    reference = reference_motion(config, env)
    film = None if config.film is None else Film(instruction)
    track = Track()
    track.measure(observation, info)
    command = np.array(observation["state"], dtype=np.float64)
    limit = math.ceil(config.max_time_s / config.period_s)
    hold = math.ceil(config.latency_s / config.period_s - 1e-9)
    while not track.ended:
        try:
            decision = controller.decide(observation, track.steps)
        except InstructionError as error:
            if track.decisions:
                track.ended = f"refused: {error}"
                break
            return refused_result(job, str(error), observation, info)
        if job.refused_kind is not None:
            return _taken_result(job, decision, observation, info)
        track.note(decision, command, config)
        if config.relative:
            command = np.append(np.zeros(len(command) - 1), command[-1])  # holds the hand where it is
        for action in [command] * hold + list(decision.actions):
            if film is not None:
                film.add(observation, decision, track.steps * config.period_s)
            try:
                observation, _, _, truncated, info = env.step(action)
            except ValueError as error:
                track.ended = f"refused: {error}"
                break
            command = np.asarray(action, dtype=np.float64)
            track.measure(observation, info)
            track.steps += 1
            if truncated or track.steps >= limit:
                track.ended = f"time is up ({config.max_time_s:g} s)"
                break
        if not track.ended and track.resting >= config.rest_chunks:
            track.ended = f"at rest for {track.resting} chunks"
    return result_of(job, info["verdict"], track, instruction, texts, reference, film)


def refused_result(
    job: TrialJob, why: str, observation: dict[str, NDArray[Any]], info: dict[str, Any]
) -> TrialResult:
    """Return the result of a trial whose sentence the policy refuses."""
    if job.refused_kind is not None:
        verdict = Refusal((f"ok: refused: {why}",), True, True, {job.refused_kind: Passed(True)})
    else:
        said = getattr(info["verdict"], "attributes", {})
        verdict = Refusal((f"refused: {why}",), attributes={name: Passed(False) for name in said})
    return _unmoved(job, verdict, Track(ended="sentence refused"), observation, info)


def _taken_result(
    job: TrialJob,
    decision: Decision,
    observation: dict[str, NDArray[Any]],
    info: dict[str, Any],
) -> TrialResult:
    """Return the result of a trial whose sentence had to be refused and was not; nothing is moved for it."""
    assert job.refused_kind is not None
    made = decision.goal_text or "a motion"
    verdict = Refusal(
        (f"failed: the policy made {made!r} of it; asked: refused",),
        attributes={job.refused_kind: Passed(False)},
    )
    return _unmoved(job, verdict, Track(ended="sentence taken", decisions=[decision]), observation, info)


def _unmoved(
    job: TrialJob,
    verdict: Refusal,
    track: Track,
    observation: dict[str, NDArray[Any]],
    info: dict[str, Any],
) -> TrialResult:
    track.measure(observation, info)
    texts = (str(info["coarse"]), str(info["fine"]))
    return result_of(job, verdict, track, job.instruction or str(info["instruction"]), texts, None, None)


def reference_motion(config: TrialConfig, env: Any) -> NDArray[np.float64] | None:
    """Return the expert's motion (R, D) for the scene of `env`, to measure the path against, or None."""
    if config.relative:
        return None  # no expert speaks this arm's language
    try:
        expert = load_object(config.controller.expert)(env.unwrapped)
        expert.plan()
    except (RuntimeError, ValueError):
        return None  # the scene is out of the expert's reach, or there is no expert for it
    times = np.arange(0.0, expert.duration_s + _REFERENCE_PERIOD_S, _REFERENCE_PERIOD_S)
    return np.stack([np.asarray(expert.target(float(t)), dtype=np.float64) for t in times])


def result_of(
    job: TrialJob,
    verdict: Any,
    track: Track,
    instruction: str,
    texts: tuple[str, str],
    reference: NDArray[np.float64] | None,
    film: Film | None,
) -> TrialResult:
    """Put the result of a trial together, and write its film when it is wanted.

    Args:
        verdict: the judge's; has goal_success, kinematics_success and reasons, and may have attributes with
            `passed`.
        texts: (coarse, fine) of the task.
        reference: (R, D) motion to measure the path against, or None.
    """
    config = job.config
    said: dict[tuple[str, str], int] = {}
    for decision in track.decisions:
        if decision.goal_text or decision.kinematics_text:
            key = (decision.goal_text, decision.kinematics_text)
            said[key] = said.get(key, 0) + 1
    parts: dict[str, list[float]] = {}
    for decision in track.decisions:
        for name, value in (decision.latency_s or {}).items():
            parts.setdefault(name, []).append(value * 1e3)
    failed = not (verdict.goal_success and verdict.kinematics_success)
    film_name: str | None = None
    if (
        film is not None
        and config.film is not None
        and (failed or config.film_all or job.seed == config.film_seed)
    ):
        wording = f"-wording{job.wording}" if job.wording else ""
        film_name = f"task{job.task}-seed{job.seed}{wording}.mp4"
        film.write(config.film / film_name, "; ".join(verdict.reasons))
    return TrialResult(
        task=job.task,
        seed=job.seed,
        instruction=instruction,
        goal=bool(verdict.goal_success),
        kinematics=bool(verdict.kinematics_success),
        reasons=tuple(verdict.reasons),
        ended=track.ended,
        steps=track.steps,
        duration_s=track.steps * config.period_s,
        chunks=len(track.decisions),
        reasoning=tuple((*key, count) for key, count in said.items()),
        annotated=texts,
        reused_chunks=sum(decision.reused for decision in track.decisions),
        latency_ms={part: float(np.median(values)) for part, values in parts.items()},
        motion=motion_figures(
            np.stack(track.states),
            config.period_s,
            config.joints,
            reference,
            np.stack(track.tool_m) if track.tool_m else None,
        ),
        film=film_name,
        wording=job.wording,
        attributes={
            name: bool(outcome.passed) for name, outcome in getattr(verdict, "attributes", {}).items()
        },
    )
