"""What a trial through ROS makes of messages; the trial itself is in the tests of the whole stack."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time

from kine_msgs.msg import BiLevelPlan
from kinevla_policy.ros_trial import chunk_message, decision_of, motion_s, sampled

BEGAN_NS = 1_700_000_000_000_000_000


def test_measured_states_are_taken_once_per_period_by_their_stamps():
    # Joint 1 goes at 1 rad/s, reported at uneven times, also before and after the trial.
    times_s = np.array([-0.5, 0.0, 0.03, 0.11, 0.18, 0.32, 0.41, 0.9])
    states = [(BEGAN_NS + round(t * 1e9), np.array([t, 0.5])) for t in times_s]
    found = np.stack(sampled(states, BEGAN_NS, BEGAN_NS + 450_000_000, 0.1))
    np.testing.assert_allclose(found, [[0.0, 0.5], [0.1, 0.5], [0.2, 0.5], [0.3, 0.5], [0.4, 0.5]], atol=1e-6)


def test_a_trial_without_joint_states_is_refused():
    with pytest.raises(ValueError, match=r"1 joint states in 2\.0 s"):
        sampled([(BEGAN_NS, np.zeros(8))], BEGAN_NS, BEGAN_NS + 2_000_000_000, 0.1)


def test_a_plan_is_noted_with_its_texts_latencies_and_length():
    plan = BiLevelPlan(actions=5, goal_reasoning="goal", kinematics_reasoning="how", latency_total_s=0.25)
    plan.reasoning_state = BiLevelPlan.REASONING_REUSED
    decision = decision_of(plan)
    assert (decision.goal_text, decision.kinematics_text, decision.reused) == ("goal", "how", True)
    assert decision.actions.shape == (5, 8) and decision.latency_s["total"] == 0.25


def test_the_time_limit_counts_what_is_played_of_overlapping_chunks():
    def plan(stamp_s: float) -> BiLevelPlan:
        plan = BiLevelPlan(actions=5, period_s=0.1)
        plan.header.stamp = Time(sec=int(stamp_s), nanosec=round(stamp_s % 1 * 1e9))
        return plan

    assert motion_s([]) == 0.0
    assert motion_s([plan(3.0)]) == pytest.approx(0.5)
    overlapping = [plan(3.0 + 0.2 * number) for number in range(30)]
    assert motion_s(overlapping) == pytest.approx(29 * 0.2 + 0.5)
    with_rests = [plan(3.0 + 2.0 * number) for number in range(4)]
    assert motion_s(with_rests) == pytest.approx(4 * 0.5)


def test_a_chunk_of_a_control_is_what_the_driver_takes():
    message = chunk_message(np.tile(np.arange(8.0), (12, 1)), 0.1, Time(sec=3), 12)
    assert message.header.frame_id == "kinevla_evaluation@12"
    assert list(message.joint_names) == [*(f"joint_{i}" for i in range(1, 8)), "gripper"]
    assert message.header.stamp.sec == 3 and list(message.points[0].positions) == list(range(8))
    last = message.points[-1].time_from_start
    assert (last.sec, last.nanosec) == (1, 200_000_000)
