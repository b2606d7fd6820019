import threading
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest

from kinevla_policy.observation_buffer import ObservationBuffer, SyncedObservation
from kinevla_policy.plan_loop import ChunkReport, LoopSettings, PlanLoop

PERIOD_S = 0.004
SETTINGS = LoopSettings(
    settle_s=0.0, max_instruction_s=60.0, done_motion_rad=0.01, done_chunks=3, observation_timeout_s=5.0
)


@dataclass
class FakePlan:
    actions: np.ndarray
    period_s: float = PERIOD_S


class FakePolicy:
    """Moves joint 1 by `step` for `moving` chunks, then rests."""

    def __init__(self, moving: int = 1000, step: float = 0.1, think_s: float = 0.0) -> None:
        self.moving, self.step, self.think_s = moving, step, think_s
        self.drafts: list[object] = []
        self.planned: list[SyncedObservation] = []

    def check_instruction(self, text: str) -> str:
        return text

    def plan_from(self, observation, instruction, draft):
        self.drafts.append(draft)
        self.planned.append(observation)
        time.sleep(self.think_s)
        actions = np.tile(observation.state, (5, 1))
        if len(self.planned) <= self.moving:
            actions[:, 0] += self.step
        return FakePlan(actions)


class Rig:
    """A loop with cameras that never stop."""

    def __init__(self, policy: FakePolicy, settings: LoopSettings = SETTINGS) -> None:
        self.chunks: list[ChunkReport] = []
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
        self.chunks.append(report)
        self.sent_ns.append(time.time_ns())

    def _end(self, instruction_id: int, reason: str) -> None:
        self.ends.append((instruction_id, reason))
        self.ended.set()

    def close(self) -> None:
        self.loop.close()
        self._stop.set()


def wait_until(condition, limit_s: float = 60.0) -> None:
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.005)


@pytest.fixture
def rig_of():
    rigs = []

    def make(policy, settings=SETTINGS):
        rigs.append(Rig(policy, settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def test_an_instruction_ends_when_the_policy_rests(rig_of):
    rig = rig_of(FakePolicy(moving=6))
    rig.loop.start("go")
    assert rig.ended.wait(60)
    assert rig.ends[0][0] == 1 and rig.ends[0][1].startswith("done")
    assert [c.chunk_id for c in rig.chunks] == list(range(len(rig.chunks)))
    assert len(rig.chunks) == 8  # six that move, two of rest; the third rest ends it


def test_each_look_is_taken_after_the_chunk_before_it_has_been_played(rig_of):
    policy = FakePolicy(moving=4)
    rig = rig_of(policy)
    rig.loop.start("go")
    assert rig.ended.wait(60)
    for sent_ns, observation in zip(rig.sent_ns, policy.planned[1:], strict=False):
        assert observation.stamp_ns >= sent_ns + 5 * PERIOD_S * 1e9


def test_the_previous_plan_is_the_draft_of_the_next(rig_of):
    policy = FakePolicy(moving=4)
    rig = rig_of(policy)
    rig.loop.start("go")
    assert rig.ended.wait(60)
    assert policy.drafts[0] is None
    assert policy.drafts[1] is rig.chunks[0].plan


def test_stop_during_planning_sends_nothing_more(rig_of):
    policy = FakePolicy(think_s=1.0)
    rig = rig_of(policy)
    rig.loop.start("go")
    wait_until(lambda: policy.planned)
    assert rig.loop.stop() is True
    assert rig.ended.wait(60)
    assert rig.chunks == []
    assert rig.ends == [(1, "stopped")]


def test_a_new_instruction_replaces_the_running_one(rig_of):
    rig = rig_of(FakePolicy())
    first = rig.loop.start("one")
    wait_until(lambda: rig.chunks)
    second = rig.loop.start("two")
    assert rig.ended.wait(60)
    wait_until(lambda: rig.chunks[-1].instruction_id == second)
    assert rig.ends[0] == (first, "replaced by a newer instruction")
    ids = [c.instruction_id for c in rig.chunks]
    assert ids == sorted(ids) and second in ids


def test_a_failure_of_the_model_ends_the_instruction_and_the_loop_lives(rig_of):
    policy = FakePolicy(moving=4)
    rig = rig_of(policy)
    good = policy.plan_from
    policy.plan_from = lambda *a: (_ for _ in ()).throw(RuntimeError("weights are NaN"))
    rig.loop.start("go")
    assert rig.ended.wait(60)
    assert "weights are NaN" in rig.ends[0][1]
    policy.plan_from = good
    rig.ended.clear()
    rig.loop.start("go")
    assert rig.ended.wait(60)
    assert rig.ends[1][1].startswith("done")


def test_without_images_nothing_is_planned_and_the_reason_is_shown(rig_of):
    policy = FakePolicy()
    rig = rig_of(policy, replace(SETTINGS, observation_timeout_s=0.1))
    rig.cameras_on = False
    time.sleep(0.6)
    rig.loop.start("go")
    wait_until(lambda: "camera" in rig.loop.status().phase)
    time.sleep(0.3)
    assert rig.chunks == []
    assert "camera" in rig.loop.status().phase


def test_an_instruction_that_never_rests_ends_by_time(rig_of):
    settings = LoopSettings(settle_s=0.0, max_instruction_s=0.3, observation_timeout_s=5.0)
    rig = rig_of(FakePolicy(), settings)
    rig.loop.start("go")
    assert rig.ended.wait(60)
    assert "time is up" in rig.ends[0][1]
