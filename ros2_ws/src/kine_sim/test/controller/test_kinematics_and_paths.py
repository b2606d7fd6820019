import numpy as np
import pytest

from kine_sim import rm75
from kine_sim.controller import kinematics
from kine_sim.controller.paths import plan_joint_path, plan_line_path
from kine_sim.controller.profile import TrapezoidProfile
from kine_sim.controller.settings import ControllerSettings
from kine_sim.controller.stream import StreamFollower

LOW, HIGH = -rm75.POSITION_LIMIT_RAD, rm75.POSITION_LIMIT_RAD


def random_joints(count, seed=3):
    return np.random.default_rng(seed).uniform(0.9 * LOW, 0.9 * HIGH, (count, 7))


def test_controller_and_simulation_agree_on_forward_kinematics():
    for q in random_joints(200):
        assert kinematics.flange_pose(q) == pytest.approx(rm75.forward_kinematics(q), abs=1e-12)


@pytest.mark.parametrize(
    ("q_deg", "position", "euler", "quaternion"),
    [
        # Figures of the vendor's algorithm library for the RM75-B.
        (
            [10, -20, 30, -40, 50, -60, 70],
            [-0.256481, -0.252442, 0.580097],
            [-1.666864, 0.495729, 2.958711],
            [0.121331, 0.229787, 0.699560, -0.665652],
        ),
        (
            [-150, 100, -120, 110, 140, -100, 300],
            [-0.135854, 0.005619, 0.369806],
            [1.090884, 0.267567, 1.092988],
            [0.759820, 0.380013, 0.364629, 0.381196],
        ),
        (
            [45, 45, 45, 45, 45, 45, 45],
            [0.111588, 0.454992, 0.441729],
            [1.654286, -0.499007, -2.681144],
            [-0.326641, 0.0, 0.732538, 0.597239],
        ),
    ],
)
def test_poses_equal_the_vendor_library(q_deg, position, euler, quaternion):
    pose = kinematics.flange_pose(np.radians(q_deg))
    assert pose[:3, 3] == pytest.approx(position, abs=2e-6)
    assert kinematics.euler_from_rotation(pose[:3, :3]) == pytest.approx(euler, abs=1e-5)
    ours = np.array(kinematics.quaternion_from_rotation(pose[:3, :3]))
    assert min(np.abs(ours - quaternion).max(), np.abs(ours + quaternion).max()) < 2e-6


def test_rotation_forms_convert_back_and_forth():
    for q in random_joints(100):
        r = kinematics.flange_pose(q)[:3, :3]
        assert kinematics.rotation_from_euler(*kinematics.euler_from_rotation(r)) == pytest.approx(
            r, abs=1e-9
        )
        quaternion = kinematics.quaternion_from_rotation(r)
        assert kinematics.rotation_from_quaternion(*quaternion) == pytest.approx(r, abs=1e-9)


def test_inverse_kinematics_finds_poses_near_the_seed_and_stays_within_limits():
    rng = np.random.default_rng(5)
    solved = 0
    for q in random_joints(60, seed=8):
        target = kinematics.flange_pose(q)
        try:
            found = kinematics.solve(target, q + rng.normal(0, 0.1, 7), LOW, HIGH)
        except kinematics.UnreachableError:
            continue
        solved += 1
        assert kinematics.flange_pose(found) == pytest.approx(target, abs=3e-5)
        assert np.all((found >= LOW) & (found <= HIGH))
    assert solved >= 57


def test_pose_out_of_reach_is_reported_with_its_position():
    target = kinematics.make_pose(np.array([1.2, 0.0, 0.3]), np.eye(3))
    with pytest.raises(kinematics.UnreachableError, match=r"\(1.200, 0.000, 0.300\) m"):
        kinematics.solve(target, rm75.HOME_RAD, LOW, HIGH, restarts=1)


@pytest.mark.parametrize(("speed", "acceleration"), [(0.5, 10.0), (100.0, 4.0)])
def test_trapezoid_keeps_its_limits_and_ends_at_rest(speed, acceleration):
    profile = TrapezoidProfile(speed, acceleration)
    times = np.linspace(0.0, profile.duration_s, 2001)
    progress = np.array([profile.progress(t) for t in times])
    rate = np.gradient(progress, times)
    assert progress[0] == 0.0 and progress[-1] == 1.0
    assert rate.max() <= speed * (1 + 1e-6)
    assert np.abs(np.gradient(rate, times)).max() <= acceleration * 1.01
    assert np.all(np.diff(progress) >= 0)


def test_line_path_ends_at_the_pose_and_keeps_joint_speed_limits():
    settings = ControllerSettings()
    goal = kinematics.flange_pose(rm75.HOME_RAD)
    goal[:3, 3] += [0.05, 0.15, -0.1]
    path = plan_line_path(rm75.HOME_RAD, goal, 100, settings)
    assert kinematics.flange_pose(path.end_rad) == pytest.approx(goal, abs=3e-5)
    times = np.arange(0.0, path.duration_s, 0.005)
    joints = np.array([path.sample(t) for t in times])
    speed = np.abs(np.diff(joints, axis=0)) / 0.005
    assert np.all(speed <= settings.joint_speed_rad_s() * 1.01)
    tips = np.array([kinematics.flange_pose(q)[:3, 3] for q in joints])
    assert np.linalg.norm(np.diff(tips, axis=0), axis=1).max() / 0.005 <= 0.25 * 1.02


def test_motion_to_the_present_pose_takes_no_time_to_speak_of():
    settings = ControllerSettings()
    assert plan_joint_path(rm75.HOME_RAD, rm75.HOME_RAD, 20, settings).duration_s < 0.5
    pose = kinematics.flange_pose(rm75.HOME_RAD)
    assert plan_line_path(rm75.HOME_RAD, pose, 20, settings).duration_s < 0.5


def frame(degrees):
    q = rm75.HOME_RAD.copy()
    q[0] = np.radians(degrees)
    return q


def test_frames_delivered_in_a_burst_after_a_stall_are_not_taken_for_overspeed():
    follower = StreamFollower()
    for k in range(100):
        # 100 deg/s at 100 Hz; frames 40..69 wait in the network and arrive together at 0.7 s.
        now_s = 10.0 + (0.7 + (k - 40) * 1e-4 if 40 <= k < 70 else k * 0.01)
        verdict = follower.judge(frame(k * 1.0), rm75.HOME_RAD, now_s)
        assert verdict.jumped == () and verdict.overspeed == (), f"frame {k}"
        follower.follow(verdict.goal, now_s, True, 0, 0)


@pytest.mark.parametrize(("speed_deg_s", "refused"), [(170.0, False), (200.0, True)])
def test_steady_speed_is_judged_against_180_degrees_per_second(speed_deg_s, refused):
    follower = StreamFollower()
    seen = False
    for k in range(40):
        now_s = 5.0 + k * 0.01
        verdict = follower.judge(frame(speed_deg_s * k * 0.01), rm75.HOME_RAD, now_s)
        seen = seen or bool(verdict.overspeed)
        follower.follow(verdict.goal, now_s, True, 0, 0)
    assert seen is refused
