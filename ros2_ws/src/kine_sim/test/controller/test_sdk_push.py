import numpy as np
import pytest

from kine_sim import rm75
from kine_sim.controller import EmulatedController, KinematicArm, PushSettings

TRUTH = """
connect(); time.sleep(0.3)
out["before"] = len(pushes)
out["code"] = enable_push(cycle=2)
wait(lambda: len(pushes) >= 60)
out["pushes"] = pushes[:60]
out["get"] = arm.rm_get_realtime_push()[1]
"""


def test_pushes_start_with_the_command_and_carry_the_truth(start_sdk):
    target = np.radians([10.0, 30.0, -5.0, 60.0, 20.0, 80.0, 45.0])
    with EmulatedController(KinematicArm(target)) as controller:
        port, result = controller.port, start_sdk(controller.port, TRUTH).finish()
    assert result.out["before"] == 0 and result.out["code"] == 0
    assert result.out["get"]["enable"] is True and result.out["get"]["cycle"] == 2
    push = result.out["pushes"][-1]
    assert push["code"] == 0 and push["ip"] == "127.0.0.1" and push["port"] == port
    assert push["q"] == pytest.approx([10, 30, -5, 60, 20, 80, 45], abs=2e-3)
    assert push["xyz"] == pytest.approx(rm75.forward_kinematics(target)[:3, 3], abs=2e-6)
    assert push["en"] == [1] * 7 and push["err"] == [0] * 7 and push["sys"] == [0]
    assert push["voltage"] == [24] * 7 and push["temperature"] == [33] * 7 and push["status"] == 0
    assert all(100 <= current <= 5000 for current in push["current"])
    gaps = np.diff([p["t"] for p in result.out["pushes"]])
    assert np.median(gaps) == pytest.approx(0.010, abs=0.002)


def test_every_optional_block_can_be_switched_and_is_readable(sdk):
    result = sdk("""
        connect()
        out["blocks"] = {}
        names = ["joint_speed", "lift", "expand", "status", "hand", "aloha", "plus_base", "plus_state"]
        for i, name in enumerate(names):
            out[name] = enable_push(1, [int(i == k) for k in range(8)])
            pushes.clear(); wait(lambda: len(pushes) > 3)
            out["blocks"][name] = pushes[-1]
        enable_push(1, [1] * 8)
        pushes.clear(); wait(lambda: len(pushes) > 3)
        out["all"] = pushes[-1]
        out["get"] = arm.rm_get_realtime_push()[1]["custom_config"]
    """)
    assert {name: push["code"] for name, push in result.out["blocks"].items() if push["code"]} == {}
    assert result.out["blocks"]["aloha"]["aloha"] == [1, 1]
    assert result.out["blocks"]["joint_speed"]["aloha"] == [0, 0]
    # The end-tool protocol is off.
    assert result.out["blocks"]["plus_state"]["plus"] == 1
    assert result.out["all"]["code"] == 0
    assert set(result.out["get"].values()) == {1}


def test_pushes_saved_as_enabled_begin_before_any_command(start_sdk, udp_port):
    # The SDK binds the saved port itself when it connects.
    push = PushSettings(enable=True, cycle=2, port=udp_port)
    with EmulatedController(KinematicArm(), push=push) as controller:
        result = start_sdk(
            controller.port, "connect(); wait(lambda: pushes); out['n'] = len(pushes)"
        ).finish()
    assert result.out["n"] > 0


def test_set_push_without_flags_keeps_them_and_disable_ends_the_pushes(sdk):
    result = sdk("""
        connect()
        enable_push(2, (0, -1, -1, 0, -1, -1, -1, -1))
        enable_push(2, (-1,) * 8)
        out["get"] = arm.rm_get_realtime_push()[1]["custom_config"]
        wait(lambda: pushes)
        custom = rm_udp_custom_config_t(*[-1] * 8)
        out["off"] = arm.rm_set_realtime_push(
            rm_realtime_push_config_t(2, False, UDP_PORT, -1, "127.0.0.1", custom))
        time.sleep(0.1); count = len(pushes)
        time.sleep(0.2); out["more"] = len(pushes) - count
    """)
    assert result.out["get"]["joint_speed"] == 0 and result.out["get"]["arm_current_status"] == 0
    assert result.out["off"] == 0 and result.out["more"] == 0


def test_joint_error_appears_in_the_push_and_clears(controller, start_sdk, until):
    session = start_sdk(
        controller.port,
        """
        connect(); enable_push(1)
        print("READY", flush=True); input()
        wait(lambda: pushes[-1]["err"][4])
        out["err"] = pushes[-1]["err"]
        out["clear_system"] = arm.rm_clear_system_err(); time.sleep(0.05)
        out["kept"] = pushes[-1]["err"]
        out["clear"] = arm.rm_set_joint_clear_err(5)
        wait(lambda: not pushes[-1]["err"][4])
        out["cleared"] = pushes[-1]["err"]
        """,
    )
    assert until(lambda: bool(controller.log.requests("set_realtime_push")))
    controller.faults.set("joint_error", [5, 0x0008])
    session.tell()
    result = session.finish()
    assert result.out["err"] == [0, 0, 0, 0, 8, 0, 0] == result.out["kept"]
    assert result.out["clear"] == 0 and result.out["cleared"] == [0] * 7
