"""The loop that turns one instruction into chunk after chunk, in a thread of its own.

It knows nothing of ROS: observations come from an `ObservationBuffer`, chunks leave through a callback.
The arm rests while the model thinks: a chunk is played to its end, then the next look is taken.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kinevla_policy.observation_buffer import NS_PER_S, ObservationBuffer, SyncedObservation


class Policy(Protocol):
    """What the loop needs of a policy; `kinevla.policy.KineVLAPolicy` is one."""

    def check_instruction(self, text: str) -> str:
        """Normalised text, or a ValueError that says what is wrong with it."""

    def plan_from(self, observation: SyncedObservation, instruction: str, draft: Any | None) -> Any:
        """A plan with `actions` (T, 8) absolute targets and `period_s`."""


@dataclass(frozen=True)
class LoopSettings:
    """Timing of the loop; the names are those of the node's parameters."""

    max_observation_age_s: float = 0.5
    settle_s: float = 0.05
    max_instruction_s: float = 60.0
    done_motion_rad: float = 0.03
    done_chunks: int = 3
    observation_timeout_s: float = 2.0


@dataclass(frozen=True)
class ChunkReport:
    """One chunk with everything that led to it."""

    instruction: str
    instruction_id: int
    chunk_id: int
    observation: SyncedObservation
    plan: Any
    latency_s: float


@dataclass
class LoopStatus:
    """What the loop is doing, for diagnostics."""

    phase: str = "idle"
    instruction: str = ""
    instruction_id: int = 0
    chunks: int = 0
    ended_because: str = ""
    waits: dict[str, int] = field(default_factory=dict)


class PlanLoop:
    """Runs at most one instruction at a time; a new one replaces it at the next chunk.

    Args:
        policy: plans chunks.
        buffer: source of observations.
        send_chunk: called from the loop's thread with each ChunkReport.
        on_end: called when an instruction ends, with its id and the reason.
        clock_ns: the clock of the observation stamps.
        settings: timing.
    """

    def __init__(
        self,
        policy: Policy,
        buffer: ObservationBuffer,
        send_chunk: Callable[[ChunkReport], None],
        on_end: Callable[[int, str], None],
        clock_ns: Callable[[], int],
        settings: LoopSettings | None = None,
    ) -> None:
        self._policy = policy
        self._buffer = buffer
        self._send_chunk = send_chunk
        self._on_end = on_end
        self._clock_ns = clock_ns
        self._settings = settings or LoopSettings()
        self._condition = threading.Condition()
        self._wanted: tuple[int, str] | None = None
        self._closing = False
        self._next_id = 1
        self._status = LoopStatus()
        self._thread = threading.Thread(target=self._run, name="kinevla-plan-loop", daemon=True)
        self._thread.start()

    def start(self, instruction: str) -> int:
        """Begin an already checked instruction and return its id."""
        with self._condition:
            instruction_id = self._next_id
            self._next_id += 1
            self._wanted = (instruction_id, instruction)
            self._condition.notify_all()
            return instruction_id

    def stop(self) -> bool:
        """End the running instruction; no further chunk is sent. False when none was running."""
        with self._condition:
            was_running = self._wanted is not None
            self._wanted = None
            self._condition.notify_all()
            return was_running

    def close(self, timeout_s: float = 5.0) -> None:
        """End the thread; a forward pass that runs is waited for."""
        with self._condition:
            self._wanted = None
            self._closing = True
            self._condition.notify_all()
        self._thread.join(timeout_s)

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
                instruction_id, instruction = self._wanted
                self._status = LoopStatus("starting", instruction, instruction_id)
            try:
                reason = self._follow(instruction_id, instruction)
            except Exception as error:  # the node lives on, and says what happened
                reason = f"planning failed: {type(error).__name__}: {error}"
            with self._condition:
                if self._wanted is not None and self._wanted[0] == instruction_id:
                    self._wanted = None
                self._status.phase = "idle"
                self._status.ended_because = reason
            self._on_end(instruction_id, reason)

    def _follow(self, instruction_id: int, instruction: str) -> str:
        settings = self._settings
        deadline_s = time.monotonic() + settings.max_instruction_s
        not_before_ns = self._clock_ns() - int(settings.max_observation_age_s * NS_PER_S)
        draft: Any | None = None
        resting = 0
        chunk_id = 0
        while True:
            if self._outdated(instruction_id):
                return "stopped" if self._wanted is None else "replaced by a newer instruction"
            if time.monotonic() > deadline_s:
                return f"time is up: {settings.max_instruction_s:.0f} s"
            if not self._status.phase.startswith("waiting"):
                self._set_phase("looking")
            observation = self._buffer.wait_newest(not_before_ns, settings.observation_timeout_s)
            if isinstance(observation, str):
                self._count_wait(observation)
                continue
            self._set_phase("planning")
            started_s = time.perf_counter()
            plan = self._policy.plan_from(observation, instruction, draft)
            latency_s = time.perf_counter() - started_s
            draft = plan
            moves = self._moves(plan.actions, observation.state)
            resting = 0 if moves else resting + 1
            if resting >= settings.done_chunks and chunk_id >= settings.done_chunks:
                return f"done: the policy rests ({resting} chunks without motion)"
            with self._condition:  # a stop that arrived during planning wins over the plan
                if self._wanted is None or self._wanted[0] != instruction_id:
                    continue
                self._send_chunk(
                    ChunkReport(instruction, instruction_id, chunk_id, observation, plan, latency_s)
                )
                self._status.phase = "moving"
                self._status.chunks = chunk_id = chunk_id + 1
                chunk_s = len(plan.actions) * plan.period_s + settings.settle_s
                self._condition.wait_for(lambda: self._outdated(instruction_id), timeout=chunk_s)
            not_before_ns = self._clock_ns()

    def _moves(self, actions: NDArray[np.float64], state: NDArray[np.float64]) -> bool:
        """Whether the chunk moves a joint, or the gripper by more than a tenth of its stroke."""
        away = np.abs(np.asarray(actions) - state)
        return bool(away[:, :7].max() > self._settings.done_motion_rad or away[:, 7].max() > 0.1)

    def _outdated(self, instruction_id: int) -> bool:
        return self._closing or self._wanted is None or self._wanted[0] != instruction_id

    def _set_phase(self, phase: str) -> None:
        with self._condition:
            self._status.phase = phase

    def _count_wait(self, reason: str) -> None:
        with self._condition:
            self._status.phase = f"waiting: {reason}"
            key = reason.split(" is ")[0]
            self._status.waits[key] = self._status.waits.get(key, 0) + 1
