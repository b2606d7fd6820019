import numpy as np
import pytest

from kine_sim import rm75

NONE, JOINT, LINE = 0, 1, 2


def test_non_blocking_movej_arrives_and_the_event_names_the_joints(sdk, backend):
    result = sdk("""
        connect()
        start = time.monotonic()
        out["code"] = arm.rm_movej([20, 30, -10, 60, 5, 80, 15], 30, 0, 0, 0)
        out["types"] = []
        while not events and time.monotonic() - start < 30:
            out["types"].append(arm.rm_get_arm_current_trajectory()["trajectory_type"])
        out["after"] = arm.rm_get_arm_current_trajectory()["trajectory_type"]
        out["duration"] = events[0]["t"] - start
        out["q"] = arm.rm_get_joint_degree()[1]
    """)
    assert result.out["code"] == 0
    assert [(e["device"], e["arrived"], e["connect"]) for e in result.out["events"]] == [(0, True, 0)]
    assert result.out["q"] == pytest.approx([20, 30, -10, 60, 5, 80, 15], abs=0.15)
    # Truthful all the way: the joint-space type from the acknowledgement on, none once arrived.
    assert set(result.out["types"][:-3]) == {JOINT} and len(result.out["types"]) > 20
    assert result.out["after"] == NONE
    # 20 degrees at 30 % of 180 deg/s, with ramps of 0.3 s at 30 % of 600 deg/s^2.
    assert 0.6 < result.out["duration"] < 5.0


def test_blocking_movej_returns_zero_on_arrival(sdk):
    result = sdk("connect(); out['code'] = arm.rm_movej([15, 20, 0, 70, 0, 90, 0], 40, 0, 0, 1)")
    assert result.out["code"] == 0


def test_joint_speed_of_movej_stays_below_the_asked_share(sdk):
    result = sdk("""
        connect(); enable_push(cycle=2)
        arm.rm_movej([60, 20, 0, 70, 0, 90, 0], 20, 0, 0, 0)
        wait(lambda: events)
        out["pushes"] = pushes
    """)
    speed = np.percentile([abs(p["speed"][0]) for p in result.out["pushes"]], 95)
    # The wire carries 0.01 RPM and the SDK divides by 100: 36 deg/s are 6 RPM.
    assert 5.0 < speed < 6.2


def test_movel_reaches_the_pose_within_a_millimetre_on_a_straight_line(sdk):
    result = sdk("""
        connect(); enable_push(cycle=2)
        out["start"] = arm.rm_get_current_arm_state()[1]["pose"]
        goal = [0.33, 0.06, 0.28, 3.1415, 0, 3.1415]
        out["code"] = arm.rm_movel(goal, 30, 0, 0, 0)
        time.sleep(0.15)
        out["type"] = arm.rm_get_arm_current_trajectory()
        out["status"] = pushes[-1]["status"]
        wait(lambda: events); time.sleep(0.1)
        out["pose"] = arm.rm_get_current_arm_state()[1]["pose"]
        out["path"] = [p["xyz"] for p in pushes]
    """)
    assert result.out["code"] == 0
    assert result.out["type"]["trajectory_type"] == LINE and result.out["status"] == 1
    assert result.out["pose"][:3] == pytest.approx([0.33, 0.06, 0.28], abs=1e-3)
    start, end = np.array(result.out["start"][:3]), np.array([0.33, 0.06, 0.28])
    along = (end - start) / np.linalg.norm(end - start)
    path = np.array(result.out["path"]) - start
    off_line = np.linalg.norm(path - np.outer(path @ along, along), axis=1)
    # The joints lag together, so the measured path bends by less than half a millimetre.
    assert off_line.max() < 5e-4
    assert [e["arrived"] for e in result.out["events"]] == [True]


def test_movej_p_reaches_the_pose_and_refuses_what_is_out_of_reach(sdk, controller):
    result = sdk("""
        connect()
        out["far"] = arm.rm_movej_p([1.3, 0, 0.3, 0, 0, 0], 30, 0, 0, 0)
        out["err"] = arm.rm_get_current_arm_state()[1]["err"]["err"]
        out["code"] = arm.rm_movej_p([0.25, 0.2, 0.35, 3.1415, 0, 1.0], 60, 0, 0, 1)
        out["pose"] = arm.rm_get_current_arm_state()[1]["pose"]
        out["err_after"] = arm.rm_get_current_arm_state()[1]["err"]["err"]
    """)
    assert result.out["far"] == 1 and result.out["err"] == ["4099"]
    assert any("movej_p refused: no joint angles" in note for note in controller.log.notes())
    assert result.out["code"] == 0
    assert result.out["pose"][:3] == pytest.approx([0.25, 0.2, 0.35], abs=1e-3)
    # The next accepted motion clears system errors.
    assert result.out["err_after"] == ["0"]


def test_stop_during_movej_halts_the_arm_and_reports_not_arrived(sdk, controller):
    result = sdk("""
        connect()
        arm.rm_movej([120, 20, 0, 70, 0, 90, 0], 20, 0, 0, 0)
        time.sleep(0.5)
        out["before"] = arm.rm_get_joint_degree()[1][0]
        out["stop"] = arm.rm_set_arm_stop()
        wait(lambda: events); time.sleep(0.3)
        out["at"] = arm.rm_get_joint_degree()[1][0]
        time.sleep(0.3)
        out["later"] = arm.rm_get_joint_degree()[1][0]
        out["type"] = arm.rm_get_arm_current_trajectory()["trajectory_type"]
        out["again"] = arm.rm_movej([0, 20, 0, 70, 0, 90, 0], 80, 0, 0, 1)
    """)
    assert result.out["stop"] == 0
    # 36 deg/s and 600 deg/s^2 need 1.1 degrees to stop, plus the lag of the joints and of a busy computer.
    assert 0 < result.out["at"] - result.out["before"] < 25
    assert result.out["later"] == pytest.approx(result.out["at"], abs=0.05)
    assert result.out["type"] == NONE
    assert result.out["events"][0]["arrived"] is False
    assert result.out["again"] == 0


def test_slow_stop_halts_later_than_stop_but_on_the_path(sdk):
    result = sdk("""
        connect()
        arm.rm_movej([120, 40, 0, 70, 0, 90, 0], 40, 0, 0, 0)
        time.sleep(0.6)
        out["before"] = arm.rm_get_joint_degree()[1]
        out["code"] = arm.rm_set_arm_slow_stop()
        wait(lambda: events); time.sleep(0.3)
        out["at"] = arm.rm_get_joint_degree()[1]
    """)
    q = result.out["at"]
    assert result.out["code"] == 0 and result.out["events"][0]["arrived"] is False
    assert 8 < q[0] - result.out["before"][0] < 60
    assert q[1] - 20 == pytest.approx(q[0] / 120 * 20, abs=0.05)


def test_pause_rests_and_continue_arrives(sdk):
    result = sdk("""
        connect(); enable_push(cycle=2)
        arm.rm_movej([60, 20, 0, 70, 0, 90, 0], 15, 0, 0, 0)
        time.sleep(0.4)
        out["pause"] = arm.rm_set_arm_pause()
        time.sleep(0.5)
        out["rest"] = [arm.rm_get_joint_degree()[1][0]]
        out["type"] = arm.rm_get_arm_current_trajectory()["trajectory_type"]
        out["status"] = pushes[-1]["status"]
        time.sleep(0.3)
        out["rest"].append(arm.rm_get_joint_degree()[1][0])
        out["early"] = len(events)
        out["resume"] = arm.rm_set_arm_continue()
        wait(lambda: events)
        out["q"] = arm.rm_get_joint_degree()[1][0]
    """)
    assert (result.out["pause"], result.out["resume"], result.out["early"]) == (0, 0, 0)
    assert 0.5 < result.out["rest"][0] < 40
    assert result.out["rest"][1] == pytest.approx(result.out["rest"][0], abs=0.02)
    assert result.out["type"] == JOINT and result.out["status"] == 11
    assert result.out["events"][0]["arrived"] is True
    assert result.out["q"] == pytest.approx(60, abs=0.15)


def test_a_trajectory_can_be_deleted_only_while_paused(sdk):
    result = sdk("""
        connect()
        arm.rm_movej([90, 20, 0, 70, 0, 90, 0], 15, 0, 0, 0)
        time.sleep(0.3)
        out["moving"] = arm.rm_set_delete_current_trajectory()
        arm.rm_set_arm_pause(); time.sleep(0.4)
        out["paused"] = arm.rm_set_arm_delete_trajectory()
        out["type"] = arm.rm_get_arm_current_trajectory()["trajectory_type"]
        wait(lambda: events)
    """)
    assert (result.out["moving"], result.out["paused"], result.out["type"]) == (1, 0, NONE)
    assert result.out["events"][0]["arrived"] is False


def test_connected_motions_start_with_the_last_one_and_pass_through(sdk):
    result = sdk("""
        connect()
        out["first"] = arm.rm_movej([10, 20, 0, 70, 0, 90, 0], 40, 0, 1, 0)
        time.sleep(0.3)
        out["waiting"] = arm.rm_get_joint_degree()[1][0]
        out["second"] = arm.rm_movej([10, 30, 0, 70, 0, 90, 0], 40, 0, 0, 0)
        wait(lambda: len(events) == 2)
        out["q"] = arm.rm_get_joint_degree()[1]
    """)
    assert (result.out["first"], result.out["second"]) == (0, 0)
    assert result.out["waiting"] == pytest.approx(0, abs=1e-3)
    assert [e["connect"] for e in result.out["events"]] == [1, 0]
    assert result.out["q"] == pytest.approx([10, 30, 0, 70, 0, 90, 0], abs=0.15)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (
            "arm.rm_movej([0, 131, 0, 70, 0, 90, 0], 20, 0, 0, 0)",
            "joint 2 at 131.000 deg is beyond its limits",
        ),
        ("arm.rm_movej([0, 20, 0, 70, 0, 90, 0], 0, 0, 0, 0)", "'v' must be an integer in 1..100, got 0"),
        ("arm.rm_movej([0, 20, 0, 70, 0, 90, 0], 101, 0, 0, 0)", "'v' must be an integer in 1..100, got 101"),
        ("arm.rm_movej([float('nan')] * 7, 20, 0, 0, 0)", "joint 1 at -2147483.648 deg is beyond its limits"),
        ("arm.rm_movel([0.3, 0, 1.2, 0, 0, 0], 20, 0, 0, 0)", "no joint angles within the limits"),
    ],
)
def test_impossible_motion_is_refused_with_a_reason_in_the_log(call, reason, sdk, controller, backend):
    result = sdk(f"connect(); out['code'] = {call}; time.sleep(0.2)")
    assert result.out["code"] == 1
    assert any(reason in note for note in controller.log.notes())
    assert backend.measured_rad() == pytest.approx(rm75.HOME_RAD, abs=1e-9)


def test_disabled_joint_refuses_planned_motion_and_does_not_move(sdk):
    result = sdk("""
        connect(); enable_push()
        out["off"] = arm.rm_set_joint_en_state(4, 0)
        out["en"] = arm.rm_get_joint_en_state()[1]
        out["brakes"] = arm.rm_get_joint_err_flag()["brake_state"]
        out["refused"] = arm.rm_movej([0, 20, 0, 75, 0, 90, 0], 20, 0, 0, 0)
        stream(lambda t: [20 * t, 20, 0, 70 + 20 * t, 0, 90, 0], 0.5)
        time.sleep(0.2)
        out["q"] = arm.rm_get_joint_degree()[1]
        out["flag"] = pushes[-1]["en"]
        out["on"] = arm.rm_set_joint_en_state(4, 1)
        time.sleep(0.2)
        out["kept"] = arm.rm_get_joint_degree()[1][3]
        out["accepted"] = arm.rm_movej([0, 20, 0, 75, 0, 90, 0], 50, 0, 0, 1)
    """)
    assert (result.out["off"], result.out["on"], result.out["refused"], result.out["accepted"]) == (
        0,
        0,
        1,
        0,
    )
    assert result.out["en"] == [1, 1, 1, 0, 1, 1, 1] == result.out["flag"]
    assert result.out["brakes"] == [0, 0, 0, 1, 0, 0, 0]
    assert result.out["q"][0] == pytest.approx(9.8, abs=0.1)
    assert result.out["q"][3] == pytest.approx(70, abs=1e-3) == result.out["kept"]


def test_powered_off_arm_refuses_motion(sdk):
    result = sdk("""
        connect()
        arm.rm_set_arm_power(0)
        out["power"] = arm.rm_get_arm_power_state()[1]
        out["refused"] = arm.rm_movej([5, 20, 0, 70, 0, 90, 0], 20, 0, 0, 0)
        arm.rm_set_arm_power(1)
        out["accepted"] = arm.rm_movej([5, 20, 0, 70, 0, 90, 0], 50, 0, 0, 1)
    """)
    assert (result.out["power"], result.out["refused"], result.out["accepted"]) == (0, 1, 0)


def test_drag_teach_lets_the_arm_be_led_by_hand(controller, start_sdk, until, backend):
    session = start_sdk(
        controller.port,
        """
        connect(); enable_push()
        out["start"] = arm.rm_start_drag_teach(0)
        out["refused"] = arm.rm_movej([5, 20, 0, 70, 0, 90, 0], 20, 0, 0, 0)
        print("READY", flush=True); input()
        out["led"] = pushes[-1]["q"][0]; out["status"] = pushes[-1]["status"]
        out["stop"] = arm.rm_stop_drag_teach()
        time.sleep(0.2)
        out["kept"] = arm.rm_get_joint_degree()[1][0]
        """,
    )
    assert until(lambda: controller.core.motion.status() == "current_drag")
    controller.faults.set("hand", [12, 20, 0, 70, 0, 90, 0])
    assert until(lambda: abs(np.degrees(backend.measured_rad()[0]) - 12) < 0.05)
    session.tell()
    result = session.finish()
    assert (result.out["start"], result.out["refused"], result.out["stop"]) == (0, 1, 0)
    assert result.out["led"] == pytest.approx(12, abs=0.1) and result.out["status"] == 12
    assert result.out["kept"] == pytest.approx(12, abs=0.1)
