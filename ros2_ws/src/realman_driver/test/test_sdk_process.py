"""The SDK's process dies, hangs or is orphaned: the arm is stopped by what remains, the driver says so."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driver_rig import Client, DriverProcess, Emulator, Stand, wait_for

from realman_driver.arm_interface import ArmError, LinkSettings
from realman_driver.isolated_arm import IsolatedArm
from realman_driver.raw_stop import NO_ANSWER, SENDING_FAILED, send_raw_stop


def child_of(driver: DriverProcess) -> int:
    """The process of the SDK."""

    def found() -> int:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                    command = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if int(status[1]) == driver.process.pid and b"sdk_host" in command:
                    return int(entry.name)
        return 0

    return int(wait_for(found, 10.0, "the process of the SDK"))


def assert_stopped_for_good(stand: Stand, since_s: float) -> None:
    """A stop arrived, no frame after it, and none comes before reset and enable."""
    stops = wait_for(lambda: stand.emulator.requests("set_arm_stop", since_s), 20.0, "a stop")
    stand.client.values_when(lambda values: values["connected"] == "true")
    refused = stand.client.call("enable")
    assert not refused.success
    assert "reset first" in refused.message
    later = [f for f in stand.emulator.frames(since_s) if f["time_s"] > stops[0]["time_s"]]
    assert later == []
    assert stand.client.call("reset").success
    stand.enable()


def test_an_oversized_answer_kills_the_sdk_but_not_the_driver_and_the_arm_is_stopped(
    own_stand: Stand,
) -> None:
    client, emulator = own_stand.client, own_stand.emulator
    own_stand.start_slow_motion()
    began_s = time.monotonic()
    emulator.fault("oversized_answer", True)
    client.values_when(lambda values: "the process of the SDK ended by itself" in values["stop_reason"])
    emulator.fault("oversized_answer", False)
    assert own_stand.driver.process.poll() is None, own_stand.driver.output
    assert_stopped_for_good(own_stand, began_s)


@pytest.mark.slow
def test_a_killed_sdk_process_stops_the_arm_over_a_connection_of_its_own(own_stand: Stand) -> None:
    own_stand.start_slow_motion()
    killed_s = time.monotonic()
    os.kill(child_of(own_stand.driver), signal.SIGKILL)
    own_stand.client.values_when(lambda values: "ended by itself (Killed)" in values["stop_reason"])
    assert_stopped_for_good(own_stand, killed_s)


def test_a_hanging_sdk_process_does_not_hold_up_a_stop(own_stand: Stand) -> None:
    own_stand.start_slow_motion()
    child = child_of(own_stand.driver)
    os.kill(child, signal.SIGSTOP)
    try:
        called_s = time.monotonic()
        response = own_stand.client.call("estop")
        stops = wait_for(lambda: own_stand.emulator.requests("set_arm_stop", called_s), 20.0, "a stop")
        assert response.success, response.message
        assert stops[0]["client"] != "c1", "it came from the process that hangs"
    finally:
        os.kill(child, signal.SIGCONT)
    own_stand.client.values_when(lambda values: values["stop_reason"] != "")


def test_a_driver_that_is_killed_leaves_a_stopped_arm(own_stand: Stand) -> None:
    own_stand.start_slow_motion(duration_s=5.0)
    child = child_of(own_stand.driver)
    killed_s = time.monotonic()
    own_stand.driver.process.kill()
    stops = wait_for(lambda: own_stand.emulator.requests("set_arm_stop", killed_s), 20.0, "a stop")
    wait_for(lambda: not Path(f"/proc/{child}").exists(), 20.0, "the end of the SDK's process")
    frames = own_stand.emulator.frames(killed_s)
    assert [f for f in frames if f["time_s"] > stops[0]["time_s"]] == []


def test_a_controller_that_is_absent_or_mute_makes_the_bare_stop_fail_in_time(emulator: Emulator) -> None:
    assert send_raw_stop("127.0.0.1", emulator.port, 5.0) == 0
    emulator.fault("no_answer", "set_arm_stop")
    began_s = time.monotonic()
    assert send_raw_stop("127.0.0.1", emulator.port, 0.3) == NO_ANSWER
    assert time.monotonic() - began_s < 5.0
    emulator.close()
    assert send_raw_stop("127.0.0.1", emulator.port, 0.3) == SENDING_FAILED


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_still_ends_with_a_stopped_arm(
    own_stand: Stand, start_driver: Callable[..., DriverProcess], client: Client, number: signal.Signals
) -> None:
    own_stand.start_slow_motion()
    sent_s = time.monotonic()
    os.killpg(own_stand.driver.process.pid, number)
    assert own_stand.driver.process.wait(20.0) == 0, own_stand.driver.output
    assert own_stand.emulator.requests("set_arm_stop", sent_s)


def test_a_frame_that_a_stop_overtakes_is_dropped_and_is_no_loss_of_the_link(emulator: Emulator) -> None:
    arm = IsolatedArm(LinkSettings("127.0.0.1", emulator.port, "", 0, 5), time.time_ns, print)
    arm.set_callbacks(lambda raw: None, lambda event: None)
    try:
        here = arm.connect().position_rad
        assert arm.send_setpoint_rad(here) == 0
        wait_for(lambda: len(emulator.frames()) == 1, 20.0, "the first frame")
        sent = 1
        arm._frame_number += 5  # as if the stop had been packed after the next frames were numbered
        assert arm.stop() == 0
        arm._frame_number -= 5
        assert [arm.send_setpoint_rad(here) for _ in range(5)] == [0] * 5
        assert arm.send_setpoint_rad(here) == 0
        wait_for(lambda: len(emulator.frames()) > sent, 20.0, "the frame after them")
        time.sleep(0.2)
        assert len(emulator.frames()) == sent + 1, "a frame of before the stop was sent after it"
    finally:
        arm.release()


def test_an_sdk_that_hears_nothing_on_a_standing_connection_is_replaced(emulator: Emulator) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        arm = IsolatedArm(LinkSettings("127.0.0.1", silent.getsockname()[1], "", 0, 5), time.time_ns, print)
        arm.set_callbacks(lambda raw: None, lambda event: None)
        processes = []
        try:
            for _ in range(4):
                with pytest.raises(ArmError, match="did not answer as a Realman controller"):
                    arm.connect()
                processes.append(arm.process_id)
        finally:
            arm.release()
    first, second, after_third, fourth = processes
    assert first == second
    assert after_third is None
    assert fourth not in (None, first)
    assert arm.deaths == 0, "it was told as a death"
