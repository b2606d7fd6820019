"""A plan loop with cameras that never stop and a policy of the test's own."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kinevla_policy.loop_types import ChunkReport, LoopSettings, Reasoning
from kinevla_policy.observation_buffer import ObservationBuffer, SyncedObservation
from kinevla_policy.plan_loop import PlanLoop

PERIOD_S = 0.004
CHUNK_S = 5 * PERIOD_S


@dataclass
class FakePlan:
    actions: np.ndarray
    period_s: float = PERIOD_S
    goal_text: str = "move the bread"
    kinematics_text: str = "to the left front"
    unclear: str = ""


@dataclass
class FakePolicy:
    """Moves joint 1 by `step_rad` for `moving` chunks, then rests; `think_s` is how long a plan takes."""

    moving: int = 1000
    step_rad: float = 0.1
    think_s: float = 0.0
    period_s: float = PERIOD_S
    drafts: list[Any] = field(default_factory=list)
    planned: list[SyncedObservation] = field(default_factory=list)
    forced: list[Reasoning | None] = field(default_factory=list)
    broken: str = ""

    def check_instruction(self, text: str) -> str:
        return text

    def check_reasoning(self, text: str) -> str:
        if "flamingo" in text:
            raise ValueError("'flamingo': outside the vocabulary")
        return " ".join(text.split())

    def understand(self, observation: SyncedObservation, instruction: str) -> None:
        if "flamingo" in instruction:
            raise ValueError(f"{instruction!r} was not understood")

    def plan_from(
        self, observation: SyncedObservation, instruction: str, draft: Any, forced: Reasoning | None
    ) -> FakePlan:
        self.drafts.append(draft)
        self.planned.append(observation)
        self.forced.append(forced)
        time.sleep(self.think_s)
        if self.broken == "raises":
            raise RuntimeError("out of memory")
        actions = np.tile(observation.state, (5, 1))
        if len(self.planned) <= self.moving:
            actions[:, 0] += self.step_rad
        if self.broken == "nan":
            actions[3, 6] = np.nan
        return FakePlan(actions, self.period_s)


class Rig:
    """Loop, buffer, cameras, and everything that left the loop."""

    def __init__(self, policy: FakePolicy, settings: LoopSettings) -> None:
        self.policy = policy
        self.chunks: list[ChunkReport] = []
        self.shown: list[ChunkReport] = []
        self.sent_ns: list[int] = []
        self.ends: list[tuple[int, str]] = []
        self.ended = threading.Event()
        self.buffer = ObservationBuffer(max_pair_gap_s=0.04)
        self.cameras_on = True
        self._stop = threading.Event()
        self._camera = threading.Thread(target=self._film, daemon=True)
        self._camera.start()
        self.loop = PlanLoop(policy, self.buffer, self._send, self._end, time.time_ns, settings)

    def _film(self) -> None:
        while not self._stop.wait(0.002):
            if self.cameras_on:
                now = time.time_ns()
                self.buffer.add_state(now, np.zeros(8))
                self.buffer.add_image("front", now, np.zeros((4, 4, 3), np.uint8))
                self.buffer.add_image("wrist", now, np.zeros((4, 4, 3), np.uint8))

    def _send(self, report: ChunkReport) -> None:
        if report.awaiting_approval:
            self.shown.append(report)
            return
        self.chunks.append(report)
        self.sent_ns.append(time.time_ns())

    def _end(self, instruction_id: int, reason: str) -> None:
        self.ends.append((instruction_id, reason))
        self.ended.set()

    def wait_for(self, ready: Any, timeout_s: float = 20.0) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not ready():
            assert time.monotonic() < deadline_s, f"did not happen; the loop is {self.loop.status()}"
            time.sleep(0.002)

    def close(self) -> None:
        self.loop.close()
        self._stop.set()
