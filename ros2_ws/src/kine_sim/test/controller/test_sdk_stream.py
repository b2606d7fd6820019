import json

import numpy as np
import pytest

from kine_sim.controller import EmulatedController, KinematicArm
from kine_sim.controller.errors import JOINT_COMMAND_STEP


def test_canfd_at_100_hz_is_logged_completely_and_the_arm_follows_with_lag(start_sdk, tmp_path):
    path = tmp_path / "wire.jsonl"
    with EmulatedController(KinematicArm(time_constant_s=0.05), log_path=path) as controller:
        result = start_sdk(
            controller.port,
            """
            connect(); enable_push(cycle=2)
            sent = [[20 * math.sin(2 * k / 100), 20, 0, 70, 0, 90, 0] for k in range(300)]
            start = time.monotonic()
            out["codes"] = stream(lambda t: sent[round(t * 100)], 3.0)
            out["sent"] = [q[0] for q in sent]
            out["start"] = start
            out["pushes"] = [(p["t"] - start, p["q"][0], p["status"]) for p in pushes]
            """,
        ).finish()
        frames = controller.log.canfd_frames()
    assert set(result.out["codes"]) == {0}
    assert [f.joints_deg[0] for f in frames] == pytest.approx(result.out["sent"], abs=1.1e-3)
    assert {f.outcome for f in frames} == {"followed"}
    assert controller.log.canfd_received == 300
    in_file = [json.loads(line) for line in path.read_text().splitlines()]
    assert sum(record.get("kind") == "canfd" for record in in_file) == 300
    # A joint with a time constant of 50 ms trails a set-point of up to 40 deg/s by up to 2 degrees; the
    # median leaves out the moments when a busy machine stalls.
    times, measured, status = (np.array(v) for v in zip(*result.out["pushes"], strict=True))
    moving = (times > 0.2) & (times < 2.9)
    wanted = np.interp(times, np.arange(300) / 100, result.out["sent"])
    lag = np.abs(measured - wanted)[moving]
    assert 0.6 < np.median(lag) < 2.6
    assert np.mean(status[moving] == 5) > 0.95


def test_last_setpoint_is_held_when_the_stream_and_its_client_are_gone(sdk, backend, until, controller):
    sdk("connect(); stream(lambda t: [10 * t, 20, 0, 70, 0, 90, 0], 1.0)")
    assert until(lambda: abs(np.degrees(backend.measured_rad()[0]) - 9.9) < 0.01)
    assert until(lambda: controller.core.motion.status() == "idle")
    assert np.degrees(backend.measured_rad()[0]) == pytest.approx(9.9, abs=0.01)


def test_frame_that_steps_more_than_ten_degrees_stops_that_joint_until_its_error_is_cleared(sdk, controller):
    result = sdk("""
        connect(); enable_push(cycle=2)
        stream(lambda t: [0, 20, 0, 70, 0, 90, 0], 0.1)
        stream(lambda t: [11, 25, 0, 70, 0, 90, 0], 0.3)
        out["q"] = arm.rm_get_joint_degree()[1]
        wait(lambda: pushes[-1]["err"][0])
        out["err"] = pushes[-1]["err"]
        out["flag"] = arm.rm_get_joint_err_flag()["err_flag"]
        out["movej"] = arm.rm_movej([0, 20, 0, 70, 0, 90, 0], 20, 0, 0, 0)
        out["still"] = arm.rm_get_joint_degree()[1][0]
        out["clear"] = arm.rm_set_joint_clear_err(1)
        wait(lambda: not pushes[-1]["err"][0])
        out["cleared"] = pushes[-1]["err"]
        stream(lambda t: [5, 25, 0, 70, 0, 90, 0], 0.4)
        out["moves"] = arm.rm_get_joint_degree()[1][0]
    """)
    assert result.out["q"][0] == pytest.approx(0, abs=1e-3)
    assert result.out["q"][1] == pytest.approx(25, abs=0.1)
    assert result.out["err"] == [JOINT_COMMAND_STEP, 0, 0, 0, 0, 0, 0] == result.out["flag"]
    assert result.out["movej"] == 1 and result.out["still"] == pytest.approx(0, abs=1e-3)
    assert result.out["clear"] == 0 and result.out["cleared"] == [0] * 7
    assert result.out["moves"] == pytest.approx(5, abs=0.1)
    outcomes = [f.outcome for f in controller.log.canfd_frames()]
    assert outcomes[10] == "refused: joint 1 steps more than 10 deg"


def test_stream_faster_than_180_degrees_per_second_raises_overspeed(sdk):
    result = sdk("""
        connect(); enable_push(cycle=2)
        stream(lambda t: [min(60, 250 * t), 20, 0, 70, 0, 90, 0], 0.5)
        wait(lambda: pushes[-1]["err"][0])
        out["last"] = pushes[-1]
        out["q"] = arm.rm_get_joint_degree()[1][0]
    """)
    assert result.out["last"]["err"][0] == JOINT_COMMAND_STEP
    assert result.out["last"]["sys"] == [0x1007]
    assert result.out["q"] < 55


def test_stream_at_150_degrees_per_second_is_followed(sdk, controller):
    result = sdk("""
        connect()
        stream(lambda t: [min(90, 150 * t), 20, 0, 70, 0, 90, 0], 0.8)
        time.sleep(0.2); out["q"] = arm.rm_get_joint_degree()[1][0]
    """)
    assert {f.outcome for f in controller.log.canfd_frames()} == {"followed"}
    assert result.out["q"] == pytest.approx(90, abs=0.1)


@pytest.mark.parametrize("value", ["131.0", "float('nan')", "float('inf')", "1e9"])
def test_frame_beyond_a_limit_is_refused_as_a_whole_with_a_system_error(value, sdk, controller):
    result = sdk(f"""
        connect(); enable_push(cycle=2)
        stream(lambda t: [5, {value}, 0, 70, 0, 90, 0], 0.1)
        wait(lambda: pushes and pushes[-1]["sys"] != [0])
        out["sys"] = pushes[-1]["sys"]; out["err"] = pushes[-1]["err"]
        out["q"] = arm.rm_get_joint_degree()[1]
        out["clear"] = arm.rm_clear_system_err()
        wait(lambda: pushes[-1]["sys"] == [0])
        out["cleared"] = pushes[-1]["sys"]
    """)
    assert result.out["sys"] == [0x1002] and result.out["err"] == [0] * 7
    assert result.out["q"] == pytest.approx([0, 20, 0, 70, 0, 90, 0], abs=1e-3)
    assert (result.out["clear"], result.out["cleared"]) == (0, [0])
    assert all(f.outcome.startswith("refused: joint 2 at") for f in controller.log.canfd_frames())


def test_frames_are_ignored_while_a_planned_motion_runs(sdk, controller):
    result = sdk("""
        connect()
        arm.rm_movej([30, 20, 0, 70, 0, 90, 0], 40, 0, 0, 0)
        stream(lambda t: [0, 20, 0, 70, 0, 90, 0], 0.1)
        wait(lambda: events)
        out["q"] = arm.rm_get_joint_degree()[1][0]
    """)
    assert {f.outcome for f in controller.log.canfd_frames()} == {"ignored: a planned motion is running"}
    assert result.out["q"] == pytest.approx(30, abs=0.15)


def test_stop_ends_a_stream_smoothly(sdk):
    result = sdk("""
        connect()
        stream(lambda t: [80 * t, 20, 0, 70, 0, 90, 0], 0.5)
        out["stop"] = arm.rm_set_arm_stop()
        time.sleep(0.5); out["q"] = arm.rm_get_joint_degree()[1][0]
    """)
    assert result.out["stop"] == 0
    assert 39 < result.out["q"] < 48


def test_low_follow_smooths_a_step_and_pose_frames_move_the_tool(sdk, controller):
    result = sdk("""
        connect(); enable_push(cycle=1)
        stream(lambda t: [8, 20, 0, 70, 0, 90, 0], 0.4, follow=False)
        out["q"] = arm.rm_get_joint_degree()[1][0]
        pose = arm.rm_get_current_arm_state()[1]["pose"]
        for k in range(50):
            pose[2] += 0.0005
            arm.rm_movep_canfd(pose, True)
            time.sleep(0.01)
        out["status"] = pushes[-1]["status"]
        time.sleep(0.2)
        out["lift"] = arm.rm_get_current_arm_state()[1]["pose"][2] - (pose[2] - 0.025)
        arm.rm_movej_follow([0, 20, 0, 70, 0, 90, 0])
        time.sleep(0.8); out["followed"] = arm.rm_get_joint_degree()[1]
    """)
    assert result.out["q"] == pytest.approx(8, abs=0.05)
    assert result.out["status"] == 6
    assert result.out["lift"] == pytest.approx(0.025, abs=5e-4)
    assert result.out["followed"] == pytest.approx([0, 20, 0, 70, 0, 90, 0], abs=0.1)
    assert {f.outcome for f in controller.log.canfd_frames()} == {"followed"}
