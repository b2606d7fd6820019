"""The adapter on the real SDK binary: angles on the wire, connects without end, what it refuses."""

from __future__ import annotations

import ctypes
import math
import socket
import time
from collections.abc import Iterator

import pytest
from driver_rig import Emulator, wait_for

from realman_driver import sdk_arm
from realman_driver.arm_interface import ArmError, RawState
from realman_driver.generation_gate import ForbiddenCallError


def as_the_sdk_truncates(degrees: float) -> int:
    return int(ctypes.c_float(ctypes.c_float(degrees).value * 1000.0).value)


def test_every_angle_reaches_the_wire_as_the_nearest_millidegree() -> None:
    for step in range(-6_283_000, 6_283_000, 997):
        angle_rad = step * 1e-6
        nearest = round(math.degrees(angle_rad) * 1000.0)
        assert as_the_sdk_truncates(sdk_arm.to_wire_degrees(angle_rad)) == nearest


def test_the_gripper_uses_the_whole_range_of_the_wire() -> None:
    assert [sdk_arm.gripper_position(opening) for opening in (0.0, 1.0)] == [1, 1000]
    assert sdk_arm.gripper_opening(0) == 0.0
    assert sdk_arm.gripper_opening(1) == 0.0
    assert sdk_arm.gripper_opening(1000) == 1.0
    assert sdk_arm.gripper_opening(sdk_arm.gripper_position(0.3)) == pytest.approx(0.3, abs=0.001)


def arm_for(port: int) -> sdk_arm.RealmanArm:
    return sdk_arm.RealmanArm(sdk_arm.LinkSettings("127.0.0.1", port, "", 0, 5), time.time_ns)


@pytest.fixture
def arm(emulator: Emulator) -> Iterator[sdk_arm.RealmanArm]:
    arm = arm_for(emulator.port)
    yield arm
    arm.disconnect()
    arm.release()


def test_more_failed_connects_than_the_sdk_has_handles_do_no_harm(emulator: Emulator) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        mute = arm_for(silent.getsockname()[1])
        for _ in range(6):
            with pytest.raises(ArmError, match="did not answer as a Realman controller"):
                mute.connect()
        mute.disconnect()
    arm = arm_for(emulator.port)
    for _ in range(8):
        assert arm.connect().controller_version == "V1.6.5"
    arm.disconnect()


def test_it_reports_states_and_moves_by_frames(emulator: Emulator, arm: sdk_arm.RealmanArm) -> None:
    states: list[RawState] = []
    arm.set_callbacks(states.append, lambda event: None)
    info = arm.connect()
    assert (info.model, info.generation, info.sdk_version) == ("RM75-BI", 3, "1.1.6")
    assert info.limits[3] == pytest.approx((-2.356194, 2.356194), abs=1e-5)
    wait_for(lambda: len(states) > 10, what="state datagrams")
    target = tuple(q + 0.02 for q in states[-1].position_rad)
    assert arm.send_setpoint_rad(target) == 0
    wait_for(lambda: states[-1].position_rad == pytest.approx(target, abs=2e-5), what="the target")
    assert states[-1].sender_ip == "127.0.0.1"
    assert 0.0 <= time.monotonic() - states[-1].arrived_monotonic_s < 5.0


def test_requests_without_connection_fail_with_a_sentence() -> None:
    arm = arm_for(1)
    with pytest.raises(ArmError, match="there is no connection"):
        arm.gripper_opening()
    assert arm.stop() == -1
    assert arm.send_setpoint_rad((0.0,) * 7) == -1
    with pytest.raises(ArmError, match=r"127\.0\.0\.1:1: Connection refused"):
        arm.connect()


def test_a_forbidden_method_never_reaches_the_sdk(arm: sdk_arm.RealmanArm) -> None:
    arm.connect()
    with pytest.raises(ForbiddenCallError):
        arm._request("rm_set_arm_emergency_stop", True)
    assert arm.stop() == 0, "stop hangs after such a call"


def test_a_controller_of_another_arm_is_refused(
    arm: sdk_arm.RealmanArm, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {"robot_controller_version": 3, "arm_model": "RM_65", "arm_dof": 6}
    monkeypatch.setattr(arm._robot, "rm_get_robot_info", lambda: (0, facts), raising=False)
    with pytest.raises(ArmError, match="is a RM_65 with 6 joints"):
        arm.connect()
