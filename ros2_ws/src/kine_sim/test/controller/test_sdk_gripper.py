import pytest


def test_non_blocking_position_is_acknowledged_at_once_without_an_event(sdk):
    result = sdk("""
        connect()
        start = time.monotonic()
        out["code"] = arm.rm_set_gripper_position(300, False, 1)
        out["ack_s"] = time.monotonic() - start
        out["mode"] = arm.rm_get_gripper_state()[1]["mode"]
        wait(lambda: arm.rm_get_gripper_state()[1]["mode"] == 3)
        wait(lambda: abs(arm.rm_get_gripper_state()[1]["actpos"] - 300) <= 2)  # it settles
        out["state"] = arm.rm_get_gripper_state()[1]
    """)
    assert result.out["code"] == 0 and result.out["ack_s"] < 0.6
    assert result.out["mode"] == 4
    assert result.out["state"]["actpos"] == pytest.approx(300, abs=2) and result.out["state"]["mode"] == 3
    assert result.out["events"] == []


def test_blocking_gripper_commands_return_on_arrival_of_device_1(sdk, controller):
    result = sdk("""
        connect()
        out["close"] = arm.rm_set_gripper_position(1, True, 5)
        out["closed"] = arm.rm_get_gripper_state()[1]
        out["release"] = arm.rm_set_gripper_release(500, True, 5)
        out["open"] = arm.rm_get_gripper_state()[1]
    """)
    assert (result.out["close"], result.out["release"]) == (0, 0)
    assert result.out["closed"]["actpos"] <= 13 and result.out["closed"]["mode"] == 2
    assert result.out["open"]["actpos"] >= 985 and result.out["open"]["mode"] == 1
    sent = [r.raw for r in controller.log.records if r.direction == "tx" and '"device":1' in r.raw]
    assert len(sent) == 2 and all('"trajectory_connect":0' in line for line in sent)


@pytest.mark.parametrize("call", ["rm_set_gripper_pick", "rm_set_gripper_pick_on"])
def test_pick_stops_at_the_object_and_reports_the_holding_force(call, sdk, backend):
    backend.place_object_between_jaws(0.4)
    result = sdk(f"""
        connect()
        out["pick"] = arm.{call}(800, 600, True, 5)
        out["state"] = arm.rm_get_gripper_state()[1]
    """)
    assert result.out["pick"] == 0
    assert result.out["state"]["actpos"] == pytest.approx(400, abs=3)
    assert result.out["state"]["mode"] == 6 and result.out["state"]["current_force"] == 900


def test_route_limits_the_stroke(sdk):
    result = sdk("""
        connect()
        out["route"] = arm.rm_set_gripper_route(200, 700)
        arm.rm_set_gripper_position(1, True, 5)
        out["low"] = arm.rm_get_gripper_state()[1]["actpos"]
        arm.rm_set_gripper_position(1000, True, 5)
        out["high"] = arm.rm_get_gripper_state()[1]["actpos"]
    """)
    assert result.out["route"] == 0
    assert result.out["low"] == pytest.approx(200, abs=13)
    assert result.out["high"] == pytest.approx(700, abs=13)


@pytest.mark.parametrize(
    "call",
    [
        "rm_set_gripper_position(0, False, 1)",
        "rm_set_gripper_position(1001, False, 1)",
        "rm_set_gripper_pick(500, 49, False, 1)",
        "rm_set_gripper_release(0, False, 1)",
        "rm_set_gripper_route(700, 200)",
    ],
)
def test_gripper_values_outside_their_range_are_refused(call, sdk, backend):
    result = sdk(f"connect(); out['code'] = arm.{call}; time.sleep(0.1)")
    assert result.out["code"] in (1, -4)
    assert backend.gripper_opening() == pytest.approx(1.0)
