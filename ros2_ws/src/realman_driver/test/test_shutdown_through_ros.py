"""A driver that is shut down for good while it owes an answer."""

from __future__ import annotations

import time

from driver_rig import Stand, stop_time
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState


def test_a_shutdown_with_an_answer_under_way_stops_the_arm_and_ends_in_order(own_stand: Stand) -> None:
    client = own_stand.client
    own_stand.start_slow_motion()
    asked_s = time.monotonic()
    client.begin_call("home")
    shutdown = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVE_SHUTDOWN))
    begun = client.begin_service(ChangeState, "/realman_driver/change_state", shutdown)
    assert client.finish_call(begun).success
    begun = client.begin_service(GetState, "/realman_driver/get_state", GetState.Request())
    assert client.finish_call(begun).current_state.id == State.PRIMARY_STATE_FINALIZED
    stops = own_stand.emulator.requests("set_arm_stop", asked_s)
    assert stops
    time.sleep(0.5)
    assert [f for f in own_stand.emulator.frames(asked_s) if f["time_s"] > stop_time(stops)] == []
    code, _ = own_stand.driver.interrupt()
    assert code == 0, own_stand.driver.output
    assert "Traceback" not in own_stand.driver.output
