"""The controller or the network fails while the arm moves, and comes back."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from driver_rig import (
    PATIENT,
    Client,
    DriverProcess,
    Emulator,
    Stand,
    moved_deg,
    stop_time,
    wait_for,
)
from emulator_rig import best_of

LOSS_BOUND_S = 0.2
# What a busy test machine may add to a time between two processes.
SLACK_S = 0.4


def break_link(emulator: Emulator, how: str) -> None:
    if how == "killed":
        emulator.kill()
    elif how == "frozen":
        emulator.process.send_signal(signal.SIGSTOP)
    elif how == "silent":
        emulator.fault("mute_udp", True)
    else:
        emulator.fault("drop", "rst")


def mend_link(emulator: Emulator, how: str) -> None:
    if how == "killed":
        emulator.restart()
    elif how == "frozen":
        emulator.process.send_signal(signal.SIGCONT)
    elif how == "silent":
        emulator.fault("mute_udp", False)


@pytest.mark.parametrize("how", ["killed", "frozen", "silent", "dropped"])
def test_a_broken_link_is_reported_within_200_ms(
    how: str, emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client
) -> None:
    """With the driver's own time-outs."""
    stand = Stand(client, emulator, start_driver(emulator.port, patient=False))

    def until_reported_s() -> float:
        def moving() -> bool:
            # On a busy computer the link may also seem lost just now; then once more.
            if client.diagnostics and client.diagnostics[-1][1] == "ENABLED":
                return True
            client.call("enable")
            return False

        client.wait_state("CONNECTED")
        wait_for(moving, what="the arm enabled")
        broken_s = time.monotonic()
        break_link(emulator, how)
        lost_s = wait_for(lambda: [t for t, s, *_ in client.diagnostics if s == "LOST" and t > broken_s])[0]
        mend_link(emulator, how)
        return float(lost_s) - broken_s

    assert best_of(until_reported_s, LOSS_BOUND_S) < LOSS_BOUND_S
    assert stand.driver.process.poll() is None


def test_after_a_killed_controller_came_back_nothing_moves(stand: Stand) -> None:
    client, emulator = stand.client, stand.emulator
    connects = int(client.diagnostics[-1][3]["connects"])
    stand.start_slow_motion()
    killed_s = emulator.kill()
    _, values = client.wait_state("LOST")
    assert values["enabled"] == "false"
    assert values["link"]
    time.sleep(2 * SLACK_S)
    assert [s for s, _ in client.joint_states if s > killed_s + SLACK_S] == [], "old data published as new"

    restarted_s = time.monotonic()
    emulator.restart()
    client.wait_state("CONNECTED")
    client.values_when(lambda values: int(values["connects"]) == connects + 1)
    time.sleep(0.5)
    assert emulator.frames(restarted_s) == [], "the stream started without being asked"
    refused = int(client.diagnostics[-1][3]["chunks_refused"])
    client.publish(client.chunk([client.position()] * 3))
    client.values_when(lambda values: int(values["chunks_refused"]) == refused + 1)
    assert emulator.frames(restarted_s) == []
    stand.enable()
    wait_for(lambda: len(emulator.frames(restarted_s)) > 20, what="frames")
    assert moved_deg(emulator.frames(restarted_s)) == 0.0


def test_a_frozen_controller_ends_the_stream(stand: Stand) -> None:
    client, emulator = stand.client, stand.emulator
    stand.start_slow_motion()
    emulator.process.send_signal(signal.SIGSTOP)
    frozen_s = time.monotonic()
    lost_s, _ = client.wait_state("LOST")
    assert lost_s - frozen_s < PATIENT["state_timeout_s"] + SLACK_S
    sent = stand.frames_sent()
    time.sleep(0.6)
    assert stand.frames_sent() == sent, "frames pile up in front of a frozen controller"
    thawed_s = time.monotonic()
    emulator.process.send_signal(signal.SIGCONT)
    client.wait_state("CONNECTED")
    late = emulator.frames(thawed_s)
    assert len(late) <= (lost_s - frozen_s) / 0.01 + 1, (
        "more than the frames of the time to notice arrived late"
    )
    stops = emulator.requests("set_arm_stop", thawed_s)
    assert stops, "the arm was not stopped"
    assert [f for f in late if f["time_s"] > stop_time(stops)] == []


def test_missing_state_datagrams_stop_the_arm_and_coming_back_does_not_move_it(stand: Stand) -> None:
    client, emulator = stand.client, stand.emulator
    stand.start_slow_motion()
    emulator.fault("mute_udp", True)
    muted_s = time.monotonic()
    client.wait_state("LOST")
    stops = wait_for(lambda: emulator.requests("set_arm_stop", muted_s), what="a stop")
    assert stops[0]["time_s"] - muted_s < PATIENT["state_timeout_s"] + SLACK_S
    assert [s for s, _ in client.joint_states if s > muted_s + SLACK_S] == []
    values = client.values_when(lambda values: "no state datagram arrived on UDP port" in values["link"])
    assert "3.0 s" in values["link"]
    emulator.fault("mute_udp", False)
    client.wait_state("CONNECTED")
    assert [f for f in emulator.frames(muted_s) if f["time_s"] > stops[0]["time_s"]] == []


def test_datagrams_with_six_joints_are_not_believed(stand: Stand) -> None:
    client, emulator = stand.client, stand.emulator
    start = stand.enable()
    points = [[*start[:6], start[6] + (0.6 - start[6]) * k / 15, start[7]] for k in range(1, 16)]
    client.publish(client.chunk(points))
    wait_for(lambda: client.position()[6] > 0.59, what="joint_7 away from zero")
    emulator.fault("six_value_udp", True)
    client.wait_state("LOST")
    values = client.values_when(lambda values: "state_not_believed.missing" in values)
    assert "joint_7" in values["last_state_not_believed"]


def test_a_joint_error_stops_the_arm_and_stays_until_reset(stand: Stand) -> None:
    client, emulator = stand.client, stand.emulator
    stand.start_slow_motion()
    emulator.fault("joint_error", [3, 0x0040])
    _, values = client.wait_state("STOPPED")
    assert "joint_3 reports error 0x0040 (overcurrent)" in values["stop_reason"]
    refused = client.call("enable")
    assert not refused.success
    assert "joint_3" in refused.message
    reset = client.call("reset")
    assert reset.success, reset.message
    stand.enable()


def test_a_joint_without_power_stops_the_arm(stand: Stand) -> None:
    client, emulator = stand.client, stand.emulator
    stand.enable()
    emulator.fault("disable_joint", 5)
    _, values = client.wait_state("STOPPED")
    assert "joint_5 is not enabled" in values["stop_reason"]
    assert client.call("reset").success
    stand.enable()


def test_a_stop_does_not_wait_for_a_controller_that_answers_nothing(stand: Stand) -> None:
    client, emulator = stand.client, stand.emulator

    def until_stopped_s() -> float:
        stand.start_slow_motion()
        emulator.fault("no_answer", True)
        time.sleep(0.2)
        called_s = time.monotonic()
        response = client.call("estop")
        stops = wait_for(lambda: emulator.requests("set_arm_stop", called_s), what="a stop")
        assert not response.success, "the stop was not confirmed"
        assert "latched" in response.message
        emulator.fault("no_answer", False)
        wait_for(lambda: client.call("reset").success, what="a reset")
        client.wait_state("CONNECTED")
        return float(stops[0]["time_s"]) - called_s

    # The request that waits would hold it up by half a second, the SDK's own time-out, and more.
    assert best_of(until_stopped_s, SLACK_S) < SLACK_S


def test_a_dropped_connection_is_noticed_and_made_again(stand: Stand) -> None:
    client, emulator = stand.client, stand.emulator
    stand.start_slow_motion()
    emulator.fault("drop", "rst")
    client.wait_state("LOST")
    client.wait_state("CONNECTED")
