from dataclasses import dataclass, field

import numpy as np

from kine_msgs.msg import BiLevelPlan
from kinevla_policy import messages
from kinevla_policy.loop_types import ChunkReport
from kinevla_policy.observation_buffer import SyncedObservation

T0 = 1_700_000_000_123_456_789


@dataclass
class Plan:
    goal_text: str = "move the bread"
    kinematics_text: str = "To the front"
    goal_codes: tuple[int, ...] = (3, 255)
    kinematics_codes: tuple[int, ...] = (0, 17)
    actions: np.ndarray = field(default_factory=lambda: np.arange(40, dtype=float).reshape(5, 8) / 100)
    reasoning_reused: bool = True
    tokens_reused: int = 70
    tokens_decoded: int = 4
    latency_s: dict = field(default_factory=lambda: {"vision": 0.01, "generation": 0.03, "total": 0.05})
    period_s: float = 0.1


def report() -> ChunkReport:
    image = np.zeros((4, 4, 3), np.uint8)
    observation = SyncedObservation(image, image, np.zeros(8), T0 + 5, T0, T0 + 1)
    return ChunkReport("go", 7, 2, observation, Plan(), 0.05, epoch=31)


def test_a_chunk_and_its_plan_carry_the_same_id_and_the_time_of_the_older_image():
    chunk, plan = messages.trajectory_message(report()), messages.plan_message(report(), T0 + 60_000_000)
    assert chunk.header == plan.header
    assert chunk.header.frame_id == "kinevla/7/2@31"
    assert messages.instruction_of(chunk.header.frame_id) == 7
    assert messages.instruction_of("kine_teleop@31") is None
    assert messages.to_ns(chunk.header.stamp) == T0


def test_a_chunk_holds_all_eight_targets_at_their_times():
    chunk = messages.trajectory_message(report())
    assert chunk.joint_names == [*(f"joint_{i}" for i in range(1, 8)), "gripper"]
    times = [p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in chunk.points]
    assert np.allclose(times, [0.1, 0.2, 0.3, 0.4, 0.5], atol=1e-9)
    assert np.allclose([p.positions for p in chunk.points], Plan().actions)
    assert not chunk.points[0].velocities


def test_a_plan_tells_reasoning_codes_reuse_and_ages():
    plan = messages.plan_message(report(), T0 + 60_000_000)
    assert plan.goal_reasoning == "move the bread"
    assert list(plan.goal_codes) == [3, 255] and list(plan.kinematics_codes) == [0, 17]
    assert plan.reasoning_state == BiLevelPlan.REASONING_REUSED
    assert abs(plan.observation_age_s - 0.06) < 1e-6
    assert abs(plan.latency_vision_s - 0.01) < 1e-6


def test_a_time_longer_than_a_second_is_split_into_seconds_and_nanoseconds():
    message = messages.hold_message([0.0] * 8, T0, 7, 31, reach_s=1.25)
    start = message.points[0].time_from_start
    assert (start.sec, start.nanosec) == (1, 250_000_000)
