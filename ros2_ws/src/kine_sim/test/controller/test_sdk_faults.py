import json

import numpy as np
import pytest


def run_with_fault(controller, start_sdk, until, before, faults, after, timeout_s=90.0):
    """Run `before`, set the faults, then run `after` in the same SDK process."""
    session = start_sdk(controller.port, f"{before}\narm.rm_get_arm_run_mode()\ninput()\n{after}")
    assert until(lambda: bool(controller.log.requests("get_arm_run_mode")))
    for name, value in faults:
        controller.faults.set(name, value)
    session.tell()
    return session.finish(timeout_s)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_dropped_connection_gives_minus_one_and_a_new_connection_works(how, controller, start_sdk, until):
    result = run_with_fault(
        controller,
        start_sdk,
        until,
        "connect()",
        [("drop", how)],
        """
time.sleep(0.1)
out["first"] = arm.rm_movej_canfd([0, 20, 0, 70, 0, 90, 0], True)
time.sleep(0.02)
out["stream"] = [arm.rm_movej_canfd([0, 20, 0, 70, 0, 90, 0], True) for _ in range(3)]
out["getter"] = arm.rm_get_joint_degree()[0]
out["delete"] = arm.rm_delete_robot_arm()
connect()
out["again"] = arm.rm_get_joint_degree()[0]
""",
    )
    assert result.out["stream"][-1] == -1 and result.out["getter"] == -1
    assert result.out["id"] > 0 and result.out["again"] == 0


def test_frozen_controller_gives_minus_two_and_a_thaw_delivers_the_frames(
    controller, start_sdk, until, backend
):
    session = start_sdk(
        controller.port,
        """
        connect(); enable_push(2); wait(lambda: pushes)
        arm.rm_get_arm_run_mode(); input()
        time.sleep(0.5); count = len(pushes)
        out["canfd"] = stream(lambda t: [4 * t, 20, 0, 70, 0, 90, 0], 0.5)
        out["getter"] = arm.rm_get_joint_degree()[0]
        out["silent"] = len(pushes) - count
        print("DONE", flush=True); input()
        out["thawed"] = arm.rm_get_joint_degree()[0]
        wait(lambda: len(pushes) > count + 5); out["pushes"] = len(pushes) - count
        """,
    )
    assert until(lambda: bool(controller.log.requests("get_arm_run_mode")))
    controller.faults.set("freeze")
    session.tell()
    # 0.5 s of frames and a getter that times out after 0.5 s.
    session.wait_for_line("DONE")
    assert controller.log.canfd_received == 0
    controller.faults.set("freeze", False)
    assert until(lambda: controller.log.canfd_received == 50)
    session.tell()
    result = session.finish()
    assert set(result.out["canfd"]) == {0}
    assert (result.out["getter"], result.out["silent"], result.out["thawed"]) == (-2, 0, 0)
    assert result.out["pushes"] > 5
    assert until(lambda: abs(np.degrees(backend.measured_rad()[0]) - 1.96) < 0.01)


@pytest.mark.parametrize("fault", ["malformed_answer", "wrong_name", "no_answer"])
def test_useless_answer_gives_minus_two_and_the_next_good_one_is_read(fault, controller, start_sdk, until):
    result = run_with_fault(
        controller,
        start_sdk,
        until,
        "connect()",
        [(fault, "get_joint_degree")],
        "out['bad'] = arm.rm_get_joint_degree()[0]; out['other'] = arm.rm_get_arm_power_state()[0]",
    )
    assert (result.out["bad"], result.out["other"]) == (-2, 0)


def test_late_answer_gives_minus_two(controller, start_sdk, until):
    result = run_with_fault(
        controller,
        start_sdk,
        until,
        "connect()",
        [("delay_answers", 5.0)],
        "out['late'] = arm.rm_get_joint_degree()[0]",
    )
    assert result.out["late"] == -2


def test_oversized_answer_may_crash_the_sdk_but_not_the_emulator(controller, start_sdk, until, new_wire):
    result = run_with_fault(
        controller,
        start_sdk,
        until,
        "connect()",
        [("oversized_answer", "get_joint_degree")],
        "out['code'] = arm.rm_get_joint_degree()[0]",
    )
    assert result.code != 0 or "code" in result.out
    controller.faults.set("clear")
    assert new_wire().ask({"command": "get_joint_degree"})["state"] == "joint_degree"


def test_refused_connection_gives_minus_one_until_the_port_opens_again(controller, sdk):
    controller.faults.set("refuse_connections")
    assert sdk("connect(); arm.rm_delete_robot_arm()", port=controller.port).out["id"] == -1
    controller.faults.set("refuse_connections", False)
    assert sdk("connect()").out["id"] > 0


def test_udp_faults_mute_garble_or_shorten_the_pushes(controller, start_sdk, until):
    session = start_sdk(
        controller.port,
        """
        connect(); enable_push(1); wait(lambda: pushes)
        for name in ("mute", "garbage", "six"):
            print(name, flush=True)
            arm.rm_get_arm_run_mode(); input()
            time.sleep(0.05); pushes.clear(); time.sleep(0.15)
            out[name] = pushes[:]
        """,
    )
    for count, fault in enumerate(["mute_udp", "garbage_udp", "six_value_udp"], start=1):
        assert until(lambda count=count: len(controller.log.requests("get_arm_run_mode")) == count)
        controller.faults.set("clear")
        controller.faults.set(fault)
        session.tell()
    result = session.finish()
    assert result.out["mute"] == []
    assert result.out["garbage"] and {p["code"] for p in result.out["garbage"]} == {-3}
    # The SDK takes six values for good and reports zero for the seventh.
    assert result.out["six"] and {p["code"] for p in result.out["six"]} == {0}
    assert result.out["six"][-1]["q"][5:] == pytest.approx([90, 0], abs=1e-3)


def test_share_of_the_frames_gets_lost_and_is_logged_as_lost(controller, sdk):
    controller.faults.set("lose_canfd", 0.3)
    sdk("connect(); stream(lambda t: [4 * t, 20, 0, 70, 0, 90, 0], 1.0, rate=200)")
    outcomes = [f.outcome for f in controller.log.canfd_frames()]
    assert len(outcomes) == 200
    assert 35 < outcomes.count("lost") < 85
    assert set(outcomes) == {"lost", "followed"}


def test_joint_disabled_from_outside_stops_a_planned_motion(controller, start_sdk, until):
    session = start_sdk(
        controller.port,
        """
        connect(); enable_push(2)
        arm.rm_movej([60, 20, 0, 70, 0, 90, 0], 30, 0, 0, 0)
        wait(lambda: events)
        time.sleep(0.3); out["last"] = pushes[-1]
        """,
    )
    assert until(lambda: controller.core.motion.trajectory_type() == "movej")
    controller.faults.set("disable_joint", 2)
    result = session.finish()
    assert result.out["events"][0]["arrived"] is False
    assert result.out["last"]["en"] == [1, 0, 1, 1, 1, 1, 1] and result.out["last"]["sys"] == [0x1010]
    assert result.out["last"]["q"][0] < 30


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("frezze", True, "unknown fault 'frezze'"),
        ("freeze", "yes", "takes true or false"),
        ("lose_canfd", 1.5, "number in 0..1, got 1.5"),
        ("delay_answers", -1, "number in 0..60, got -1"),
        ("drop", "soft", "takes 'fin' or 'rst'"),
        ("joint_error", [8, 1], "joint 8 must be in 1..7"),
        ("disable_joint", 0, "takes a joint 1..7, got 0"),
        ("shift_positions", [1, 2], "takes seven degrees or []"),
        ("push_fields", [0], "takes an object of at most 1000 bytes"),
        ("hand", [0, 0], "'hand' must be a list of 7 numbers"),
    ],
)
def test_wrong_fault_is_refused_with_its_value_and_bound(name, value, message, controller):
    with pytest.raises(ValueError, match=message.replace("[", r"\[").replace(".", r"\.")):
        controller.faults.set(name, value)


def test_state_pushes_with_other_values_than_the_arm_has(controller, backend):
    def pushed():
        return json.loads(controller.faults.distort_push(controller.core.realtime_state()))

    here = pushed()["joint_status"]["joint_position"]
    controller.faults.set("shift_positions", [0, 0, 60, 0, 0, 0, 0])
    assert pushed()["joint_status"]["joint_position"][2] == here[2] + 60_000
    controller.faults.set("shift_positions", [])
    controller.faults.set("freeze_positions")
    assert pushed()["joint_status"]["joint_position"] == here
    backend.push_rad(backend.measured_rad() + 0.1)
    assert pushed()["joint_status"]["joint_position"] == here
    fields = {"joint_position": [None] * 7, "err": [], "arm_current_status": "move_L"}
    controller.faults.set("push_fields", fields)
    state = pushed()
    assert state["joint_status"]["joint_position"] == [None] * 7
    assert (state["err"], state["arm_current_status"]) == ([], "move_L")
    controller.faults.set("clear")
    assert pushed()["joint_status"]["joint_position"] == pytest.approx([q + 5730 for q in here], abs=2000)


def test_a_stop_of_an_arm_that_rests_is_reported_for_a_while(controller, until):
    controller.core.motion.stop()
    assert controller.core.motion.status() == "stop"
    assert until(lambda: controller.core.motion.status() == "idle")
