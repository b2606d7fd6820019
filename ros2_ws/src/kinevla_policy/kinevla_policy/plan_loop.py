"""The loop that turns one instruction into chunk after chunk, in a thread of its own.

It knows nothing of ROS: observations come from an `ObservationBuffer`, chunks leave through a callback.
With `execution` async the next look is taken while the arm still moves, early enough for its chunk to be
there before the arm would brake; with sync a chunk is played to its end first, and the arm rests meanwhile.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinevla_policy.approval import Answer, ApprovalDesk, Proposal
from kinevla_policy.chunk_timeline import ChunkTimeline
from kinevla_policy.latency import LatencyPredictor
from kinevla_policy.loop_types import ChunkReport, LoopSettings, LoopStatus, Policy, Reasoning
from kinevla_policy.observation_buffer import NS_PER_S, ObservationBuffer, SyncedObservation
from kinevla_policy.rest_watch import RestWatch

# So many plans in a row that came too late to be sent end an instruction; so do so many refused chunks.
_LATE_PLANS = 10
_REFUSED_CHUNKS = 5
_DONE = "done"


class _Ended(Exception):
    """The instruction is over; the text says why."""


@dataclass(frozen=True)
class Wanted:
    """What a person asked for, and the grant of the arm for which it was asked."""

    instruction_id: int
    text: str
    epoch: int


class PlanLoop:
    """Runs at most one instruction at a time; a new one replaces it at the next chunk.

    Args:
        policy: plans chunks.
        buffer: source of observations.
        send_chunk: called from the loop's thread with each ChunkReport.
        on_end: called when an instruction ends, with its id and the reason.
        clock_ns: the clock of the observation stamps.
        settings: timing.
        ids: of the instructions to come; None: 1, 2, 3 ...
    """

    def __init__(
        self,
        policy: Policy,
        buffer: ObservationBuffer,
        send_chunk: Callable[[ChunkReport], None],
        on_end: Callable[[int, str], None],
        clock_ns: Callable[[], int],
        settings: LoopSettings | None = None,
        ids: Iterator[int] | None = None,
    ) -> None:
        self._policy = policy
        self._buffer = buffer
        self._send_chunk = send_chunk
        self._on_end = on_end
        self._clock_ns = clock_ns
        self._settings = settings or LoopSettings()
        self._timeline = ChunkTimeline()
        self._latency = LatencyPredictor(self._settings.latency_quantile)
        self._desk = ApprovalDesk(policy.check_reasoning)
        self._condition = threading.Condition(threading.RLock())
        self._wanted: Wanted | None = None
        self._stop_reason = ""
        self._closing = False
        self._ids = ids or itertools.count(1)
        self._status = LoopStatus()
        self._thread = threading.Thread(target=self._run, name="kinevla-plan-loop", daemon=True)
        self._thread.start()

    def start(self, instruction: str, epoch: int = 0) -> int:
        """Begin an already checked instruction and return its id.

        Args:
            instruction: the normalised sentence.
            epoch: of the right to move the arm which it uses; its chunks carry it.
        """
        with self._condition:
            instruction_id = next(self._ids)
            self._wanted = Wanted(instruction_id, instruction, epoch)
            self._desk.withdraw()
            self._condition.notify_all()
            return instruction_id

    @property
    def running(self) -> Wanted | None:
        """The instruction that runs or is about to; None when none does."""
        return self._wanted

    def stop(self, reason: str = "stopped") -> bool:
        """End the running instruction; no further chunk is sent. False when none was running."""
        with self._condition:
            was_running = self._wanted is not None
            if was_running:
                self._stop_reason = reason
            self._wanted = None
            self._desk.withdraw()
            self._condition.notify_all()
            return was_running

    def chunk_refused(self, instruction_id: int, text: str) -> None:
        """The driver refused a chunk of this instruction; too many in a row end it."""
        with self._condition:
            if self._wanted is None or self._wanted.instruction_id != instruction_id:
                return
            self._status.refused_chunks += 1
            self._status.last_refusal = text
            if self._status.refused_chunks >= _REFUSED_CHUNKS:
                count = self._status.refused_chunks
                self.stop(f"the driver refused {count} chunks in a row, the last: {text}")

    def chunk_accepted(self) -> None:
        """The driver executes a chunk again."""
        with self._condition:
            self._status.refused_chunks = 0

    def approve(self, instruction_id: int, kinematics_text: str) -> Answer:
        """Let the plan that waits begin, see `ApprovalDesk.approve`."""
        with self._condition:
            answer = self._desk.approve(instruction_id, kinematics_text)
            self._condition.notify_all()
            return answer

    def close(self, timeout_s: float = 5.0) -> bool:
        """End the thread; a forward pass that runs is waited for, False when it is not done in time."""
        with self._condition:
            self._wanted, self._stop_reason = None, "the policy node is closing"
            self._closing = True
            self._condition.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def status(self) -> LoopStatus:
        """A copy of what the loop is doing."""
        with self._condition:
            return LoopStatus(**{**self._status.__dict__, "waits": dict(self._status.waits)})

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closing or self._wanted is not None)
                if self._closing:
                    return
                assert self._wanted is not None
                wanted = self._wanted
                instruction_id = wanted.instruction_id
                self._status = LoopStatus("starting", wanted.text, instruction_id)
            try:
                reason = self._follow(wanted)
            except _Ended as end:
                reason = str(end)
            except Exception as error:  # the node lives on, and says what happened
                reason = f"planning failed: {type(error).__name__}: {error}"
            with self._condition:
                if self._wanted is wanted:
                    self._wanted = None
                self._desk.withdraw()
                status = self._status
                if reason.startswith(_DONE) and status.refused_chunks >= status.chunks:
                    reason = f"nothing moved: the driver refused every chunk, the last: {status.last_refusal}"
                self._status.phase = "idle"
                self._status.ended_because = reason
            self._on_end(instruction_id, reason)

    def _follow(self, wanted: Wanted) -> str:
        settings = self._settings
        instruction_id = wanted.instruction_id
        forced: Reasoning | None = None
        not_before_ns = self._oldest_usable_ns()
        if settings.require_approval:
            forced = self._wait_for_approval(wanted)
            not_before_ns = self._clock_ns()
        deadline_s = time.monotonic() + settings.max_instruction_s
        rest = RestWatch(settings.done_motion_rad, settings.done_chunks)
        draft: Any | None = None
        late = 0
        while True:
            looked_ns = self._clock_ns()
            observation = self._look(instruction_id, not_before_ns, deadline_s)
            report = self._plan(wanted, observation, draft, forced)
            draft, actions, period_s = report.plan, report.plan.actions, report.plan.period_s
            if rest.done(actions, observation.state, observation.stamp_ns, len(actions) * period_s) and (
                self._status.chunks >= settings.done_chunks
            ):
                return f"{_DONE}: the policy rests ({rest.resting} chunks without motion)"
            age_s = (self._clock_ns() - observation.stamp_ns) / NS_PER_S
            late = late + 1 if age_s > settings.max_plan_age_s else 0
            if late:
                self._status.late_plans += 1
                if late >= _LATE_PLANS:
                    return (
                        f"planning is too slow: the last {late} plans came from observations older than "
                        f"{settings.max_plan_age_s:.2f} s, the last {age_s:.2f} s"
                    )
            else:
                self._send(report, looked_ns)
            chunk_s = len(actions) * period_s + settings.settle_s
            if settings.execution == "sync":
                next_ns = self._timeline.end_ns + int(settings.settle_s * NS_PER_S)
                self._wait_until(next_ns, instruction_id, chunk_s)
                not_before_ns = self._clock_ns()
            else:
                next_ns = self._timeline.next_look_ns(self._latency.predict_s(), settings.look_margin_s)
                self._wait_until(next_ns, instruction_id, chunk_s)
                not_before_ns = max(observation.stamp_ns + 1, self._oldest_usable_ns())

    def _look(self, instruction_id: int, not_before_ns: int, deadline_s: float | None) -> SyncedObservation:
        """The newest observation; waits for one, and ends the instruction when none comes."""
        blind_since_s = time.monotonic()
        while True:
            self._leave_if_outdated(instruction_id)
            if deadline_s is not None and time.monotonic() > deadline_s:
                raise _Ended(f"time is up: {self._settings.max_instruction_s:.0f} s")
            if not self._status.phase.startswith("waiting"):
                self._set_phase("looking")
            found = self._buffer.wait_newest(not_before_ns, self._settings.observation_timeout_s)
            if isinstance(found, SyncedObservation):
                return found
            self._count_wait(found)
            blind_s = time.monotonic() - blind_since_s
            if blind_s > self._settings.max_blind_s:
                raise _Ended(f"nothing to plan from for {blind_s:.1f} s: {found}")

    def _plan(
        self,
        wanted: Wanted,
        observation: SyncedObservation,
        draft: Any | None,
        forced: Reasoning | None,
        awaiting_approval: bool = False,
    ) -> ChunkReport:
        self._set_phase("planning")
        started_s = time.perf_counter()
        plan = self._policy.plan_from(observation, wanted.text, draft, forced)
        latency_s = time.perf_counter() - started_s
        if plan.unclear and forced is None:
            raise _Ended(f"not understood any more: {plan.unclear}")
        actions = np.asarray(plan.actions)
        if not np.isfinite(actions).all():
            row, column = (int(i) for i in np.argwhere(~np.isfinite(actions))[0])
            name = f"joint_{column + 1}" if column < 7 else "gripper"
            raise _Ended(f"planning failed: {name} of target {row} is {actions[row, column]}, not finite")
        number = self._status.chunks
        return ChunkReport(
            wanted.text,
            wanted.instruction_id,
            number,
            observation,
            plan,
            latency_s,
            awaiting_approval,
            wanted.epoch,
        )

    def _send(self, report: ChunkReport, looked_ns: int) -> None:
        """Send a chunk, unless a stop or another instruction arrived while it was planned."""
        with self._condition:
            self._leave_if_outdated(report.instruction_id)
            sent_ns, plan = self._clock_ns(), report.plan
            if self._status.chunks and sent_ns > self._timeline.end_ns:
                self._status.underruns += 1
            self._send_chunk(report)
            self._timeline.sent(report.observation.stamp_ns, sent_ns, len(plan.actions), plan.period_s)
            self._latency.add((sent_ns - looked_ns) / NS_PER_S)
            self._status.predicted_latency_s = self._latency.predict_s()
            self._status.phase = "moving"
            self._status.chunks += 1

    def _wait_for_approval(self, wanted: Wanted) -> Reasoning:
        """Show a plan, and wait until it is approved; returns both texts, which hold from then on."""
        instruction_id = wanted.instruction_id
        observation = self._look(instruction_id, self._oldest_usable_ns(), None)
        report = self._plan(wanted, observation, None, None, awaiting_approval=True)
        timeout_s = self._settings.approval_timeout_s
        approved: Proposal | None = None

        def decided() -> bool:
            nonlocal approved
            approved = self._desk.take()
            return approved is not None or self._outdated(instruction_id)

        with self._condition:
            self._leave_if_outdated(instruction_id)
            plan = report.plan
            self._desk.propose(Proposal(instruction_id, plan.goal_text, plan.kinematics_text))
            self._status.phase = "waiting for approval"
            self._send_chunk(report)
            self._condition.wait_for(decided, timeout=timeout_s)
            self._leave_if_outdated(instruction_id)
            if approved is None:
                raise _Ended(f"not approved within {timeout_s:.0f} s")
        return approved.goal_text, approved.kinematics_text

    def _oldest_usable_ns(self) -> int:
        return self._clock_ns() - int(self._settings.max_observation_age_s * NS_PER_S)

    def _wait_until(self, time_ns: int, instruction_id: int, at_most_s: float) -> None:
        """Wait until a time of the observations' clock, whatever that clock does meanwhile."""
        wait_s = min((time_ns - self._clock_ns()) / NS_PER_S, at_most_s)
        if wait_s > 0.0:
            with self._condition:
                self._condition.wait_for(lambda: self._outdated(instruction_id), timeout=wait_s)

    def _leave_if_outdated(self, instruction_id: int) -> None:
        if self._outdated(instruction_id):
            raise _Ended(self._stop_reason if self._wanted is None else "replaced by a newer instruction")

    def _outdated(self, instruction_id: int) -> bool:
        return self._closing or self._wanted is None or self._wanted.instruction_id != instruction_id

    def _set_phase(self, phase: str) -> None:
        with self._condition:
            self._status.phase = phase

    def _count_wait(self, reason: str) -> None:
        with self._condition:
            self._status.phase = f"waiting: {reason}"
            key = reason.split(" is ")[0]
            self._status.waits[key] = self._status.waits.get(key, 0) + 1
