"""A stop that is asked for while a reset waits for the controller."""

from __future__ import annotations

import time

from driver_rig import Client, Stand


def test_an_estop_while_a_reset_is_under_way_stays_latched(own_stand: Stand, client: Client) -> None:
    own_stand.enable()
    assert client.call("estop").success
    own_stand.emulator.fault("joint_error", [3, 16])  # something to clear, which takes its time
    client.values_when(lambda values: "joint_3" in values["errors"])
    own_stand.emulator.fault("delay_answers", 0.3)
    reset = client.begin_call("reset")
    time.sleep(0.16)
    assert not reset.done()
    client.call("estop")
    answer = client.finish_call(reset)
    own_stand.emulator.fault("clear")
    assert not answer.success
    assert "a stop came after the reset was asked for (emergency stop requested)" in answer.message
    refused = client.call("enable")
    assert not refused.success and "reset first" in refused.message
    assert client.call("reset").success
    assert client.call("enable").success
