"""The node as a managed node: transitions, and parameters that describe themselves."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any

from driver_rig import Stand, stop_time, wait_for
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, ListParameters, SetParameters


def call(stand: Stand, kind: Any, name: str, request: Any) -> Any:
    return stand.client.finish_call(stand.client.begin_service(kind, f"/realman_driver/{name}", request))


def change(stand: Stand, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(call(stand, ChangeState, "change_state", request).success)


def state(stand: Stand) -> int:
    return int(call(stand, GetState, "get_state", GetState.Request()).current_state.id)


def test_deactivating_stops_the_arm_and_activating_again_leaves_it_disabled(stand: Stand) -> None:
    client, emulator = stand.client, stand.emulator
    assert state(stand) == State.PRIMARY_STATE_ACTIVE
    stand.start_slow_motion()
    asked_s = time.monotonic()
    assert change(stand, Transition.TRANSITION_DEACTIVATE)
    assert state(stand) == State.PRIMARY_STATE_INACTIVE
    stops = emulator.requests("set_arm_stop", asked_s)
    assert stops
    assert [f for f in emulator.frames(asked_s) if f["time_s"] > stop_time(stops)] == []
    wait_for(lambda: emulator.state()["clients"] == 0, what="the connection closed")
    inactive_s = time.monotonic()
    time.sleep(1.0)
    assert [s for s, _ in client.joint_states if s > inactive_s + 0.5] == []
    assert client.call("enable").message == "the driver is not active"

    assert change(stand, Transition.TRANSITION_CLEANUP)
    assert change(stand, Transition.TRANSITION_CONFIGURE)
    assert change(stand, Transition.TRANSITION_ACTIVATE)
    client.wait_state("CONNECTED")
    assert emulator.frames(inactive_s) == []
    stand.enable()


def held(stand: Stand) -> Counter[str]:
    """What the driver's process holds, and what others see of it."""
    folder = f"/proc/{stand.driver.process.pid}"
    found = Counter(
        {"threads": len(os.listdir(f"{folder}/task")), "file descriptors": len(os.listdir(f"{folder}/fd"))}
    )
    with open(f"{folder}/task/{stand.driver.process.pid}/children") as children:
        found["processes"] = len(children.read().split())
    node = stand.client.node
    for topic, _ in node.get_topic_names_and_types():
        for infos in (node.get_publishers_info_by_topic(topic), node.get_subscriptions_info_by_topic(topic)):
            found[topic] += sum(info.node_name == "realman_driver" for info in infos)
    for service, _ in node.get_service_names_and_types_by_node("realman_driver", "/"):
        found[service] = node.count_services(service)
    return found


def test_ten_times_through_the_lifecycle_stops_the_arm_and_leaves_nothing_behind(stand: Stand) -> None:
    client, emulator = stand.client, stand.emulator
    first = Counter[str]()

    def no_more_than_the_first_time() -> bool:
        return not held(stand) - first

    for number in range(10):
        client.wait_state("CONNECTED")
        enabled = number % 3 == 0
        if enabled:
            stand.start_slow_motion()
            client.values_when(lambda values: values.get("chunks_accepted") == "1")  # once, since configured
        asked_s = time.monotonic()
        assert change(stand, Transition.TRANSITION_DEACTIVATE)
        stops = emulator.requests("set_arm_stop", asked_s)
        if enabled:
            assert stops
            assert [f for f in emulator.frames(asked_s) if f["time_s"] > stop_time(stops)] == []
        if number % 2:
            assert change(stand, Transition.TRANSITION_ACTIVATE)  # with what it was configured for
            assert change(stand, Transition.TRANSITION_DEACTIVATE)
        assert change(stand, Transition.TRANSITION_CLEANUP)
        wait_for(lambda: emulator.state()["clients"] == 0, what="the connection closed")
        if not number:
            time.sleep(0.5)
            first = held(stand)
        wait_for(no_more_than_the_first_time, what=f"no more than {first}")
        bare_s = time.monotonic()
        client.forget()
        assert change(stand, Transition.TRANSITION_CONFIGURE)
        assert change(stand, Transition.TRANSITION_ACTIVATE)
        client.wait_state("CONNECTED")
        assert emulator.frames(bare_s) == []
        assert client.node.count_services("/realman_driver/estop") == 1
    stand.enable()


def test_parameters_cannot_be_changed_under_a_running_driver(stand: Stand) -> None:
    value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=1.0)
    request = SetParameters.Request(parameters=[Parameter(name="max_velocity_rad_s", value=value)])
    result = call(stand, SetParameters, "set_parameters", request).results[0]
    assert not result.successful
    assert "deactivate" in result.reason


def test_simulated_time_is_refused_also_later(stand: Stand) -> None:
    value = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=True)
    request = SetParameters.Request(parameters=[Parameter(name="use_sim_time", value=value)])
    assert not call(stand, SetParameters, "set_parameters", request).results[0].successful
    assert change(stand, Transition.TRANSITION_DEACTIVATE)
    assert change(stand, Transition.TRANSITION_CLEANUP)
    result = call(stand, SetParameters, "set_parameters", request).results[0]
    assert not result.successful
    assert "use_sim_time is true, must be false" in result.reason
    assert change(stand, Transition.TRANSITION_CONFIGURE)
    assert change(stand, Transition.TRANSITION_ACTIVATE)
    stand.client.wait_state("CONNECTED")


def test_every_parameter_describes_itself_with_bounds(stand: Stand) -> None:
    names = list(call(stand, ListParameters, "list_parameters", ListParameters.Request()).result.names)
    ours = [name for name in names if name not in ("use_sim_time", "start_type_description_service")]
    assert "max_velocity_rad_s" in ours
    request = DescribeParameters.Request(names=ours)
    for descriptor in call(stand, DescribeParameters, "describe_parameters", request).descriptors:
        assert descriptor.description, descriptor.name
        if descriptor.type in (ParameterType.PARAMETER_INTEGER, ParameterType.PARAMETER_DOUBLE):
            assert descriptor.integer_range or descriptor.floating_point_range, descriptor.name
