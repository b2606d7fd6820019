import json

import pytest

from kine_sim.controller import EmulatedController, KinematicArm

CONNECT_ORDER = [
    "get_arm_software_info",
    "get_arm_current_trajectory",
    "get_realtime_push",
    "get_current_work_frame",
    "get_current_tool_frame",
    "get_install_pose",
    "get_joint_min_pos",
    "get_joint_max_pos",
    "get_joint_max_acc",
    "get_joint_max_speed",
    "get_DH_data",
]

GETTERS = """
connect()
out["info"] = arm.rm_get_robot_info()
out["results"] = {}
for name in '''rm_get_arm_software_info rm_get_current_arm_state rm_get_joint_degree rm_get_arm_all_state
    rm_get_joint_err_flag rm_get_joint_en_state rm_get_controller_state rm_get_arm_power_state
    rm_get_arm_run_mode rm_get_arm_current_trajectory rm_get_joint_max_speed rm_get_joint_max_acc
    rm_get_joint_min_pos rm_get_joint_max_pos rm_get_joint_drive_max_speed rm_get_joint_drive_max_acc
    rm_get_joint_drive_min_pos rm_get_joint_drive_max_pos rm_get_collision_stage rm_get_gripper_state
    rm_get_realtime_push rm_get_rm_plus_mode rm_get_drag_teach_sensitivity rm_get_current_work_frame
    rm_get_current_tool_frame rm_get_total_work_frame rm_get_total_tool_frame rm_get_install_pose
    rm_get_DH_data rm_get_system_runtime rm_get_tool_voltage rm_get_init_pose rm_get_current_joint_temperature
    rm_get_current_joint_current rm_get_current_joint_voltage rm_get_arm_max_line_speed
    rm_get_arm_max_line_acc rm_get_arm_max_angular_speed rm_get_arm_max_angular_acc
    rm_get_joint_software_version rm_get_tool_software_version'''.split():
    answer = getattr(arm, name)()
    if isinstance(answer, dict):
        answer = (answer["return_code"], answer)
    out["results"][name] = answer
out["tool"] = arm.rm_get_given_tool_frame("Arm_Tip")
out["work"] = arm.rm_get_given_work_frame("World")
"""

SETTERS = """
connect()
frame = rm_frame_t("t1", (0, 0, 0.1, 0, 0, 0), 0.5, 0, 0, 0.05)
calls = {
    "rm_set_arm_power": (1,), "rm_set_arm_run_mode": (1,), "rm_set_joint_clear_err": (3,),
    "rm_set_joint_en_state": (3, 1), "rm_start_drag_teach": (0,), "rm_stop_drag_teach": (),
    "rm_set_drag_teach_sensitivity": (80,), "rm_set_collision_state": (4,), "rm_set_tool_voltage": (3,),
    "rm_set_rm_plus_mode": (115200,), "rm_set_install_pose": (0, 0, 0), "rm_set_init_pose": ([0] * 7,),
    "rm_set_manual_work_frame": ("w1", [0.1, 0, 0, 0, 0, 0]), "rm_change_work_frame": ("w1",),
    "rm_set_manual_tool_frame": (frame,), "rm_change_tool_frame": ("t1",),
    "rm_set_arm_max_line_speed": (0.2,), "rm_set_arm_max_line_acc": (1.0,),
    "rm_set_arm_max_angular_speed": (0.5,), "rm_set_arm_max_angular_acc": (3.0,),
    "rm_set_joint_max_speed": (1, 170), "rm_set_joint_max_acc": (1, 500), "rm_set_joint_min_pos": (1, -170),
    "rm_set_joint_max_pos": (1, 170), "rm_clear_system_err": (), "rm_set_gripper_route": (0, 1000),
    "rm_set_arm_stop": (), "rm_set_arm_slow_stop": (), "rm_set_arm_pause": (), "rm_set_arm_continue": (),
}
out["codes"] = {name: getattr(arm, name)(*arguments) for name, arguments in calls.items()}
out["state"] = arm.rm_get_current_arm_state()
out["speed"] = arm.rm_get_joint_max_speed()
"""


@pytest.mark.parametrize("generation", [3, 4])
def test_sdk_connects_with_its_eleven_queries_in_order(generation, start_sdk):
    with EmulatedController(KinematicArm(), generation=generation) as controller:
        body = "connect(); out['info'] = arm.rm_get_robot_info()"
        result = start_sdk(controller.port, body).finish()
        received = [json.loads(r.raw)["command"] for r in controller.log.records if r.direction == "rx"]
    assert result.out["id"] > 0
    assert received == CONNECT_ORDER
    code, info = result.out["info"]
    assert code == 0
    assert info == {
        "arm_dof": 7,
        "arm_model": "RM_75",
        "force_type": "B",
        "robot_controller_version": generation,
    }


@pytest.mark.parametrize("generation", [3, 4])
def test_every_getter_returns_zero_with_sensible_values(generation, start_sdk):
    with EmulatedController(KinematicArm(), generation=generation) as controller:
        result = start_sdk(controller.port, GETTERS).finish()
    answers = result.out["results"]
    assert {name: answer[0] for name, answer in answers.items() if answer[0] != 0} == {}
    assert answers["rm_get_joint_degree"][1] == pytest.approx([0, 20, 0, 70, 0, 90, 0], abs=1e-3)
    state = answers["rm_get_current_arm_state"][1]
    assert state["pose"] == pytest.approx([0.297557, 0, 0.337061, 3.1416, 0, 3.1416], abs=1e-3)
    assert state["err"] == {"err_len": 1, "err": ["0"]}
    assert answers["rm_get_joint_max_pos"][1] == [178, 130, 178, 135, 178, 128, 360]
    assert answers["rm_get_joint_max_speed"][1] == [180, 180, 225, 225, 225, 225, 225]
    assert answers["rm_get_joint_max_acc"][1] == [600] * 7
    everything = answers["rm_get_arm_all_state"][1]
    assert everything["joint_en_flag"] == [1] * 7
    assert everything["joint_voltage"] == [24] * 7
    assert all(20 <= t <= 60 for t in everything["joint_temperature"])
    assert all(10 <= c <= 5000 for c in everything["joint_current"])
    assert answers["rm_get_arm_current_trajectory"][1]["trajectory_type"] == 0
    assert answers["rm_get_gripper_state"][1]["actpos"] == 1000
    assert answers["rm_get_DH_data"][1]["d"] == pytest.approx([0.2405, 0, 0.256, 0, 0.21, 0, 0.144], abs=1e-6)
    assert answers["rm_get_realtime_push"][1]["enable"] is False
    assert result.out["tool"][0] == 0 and result.out["work"][0] == 0


def test_every_setter_is_acknowledged_in_the_form_the_sdk_reads(sdk):
    result = sdk(SETTERS)
    assert {name: code for name, code in result.out["codes"].items() if code != 0} == {}
    # The new work frame lies 0.1 m ahead and the new tool 0.1 m further along the flange, which points down.
    assert result.out["state"][1]["pose"][:3] == pytest.approx([0.197557, 0, 0.237061], abs=1e-4)
    assert result.out["speed"][1][0] == pytest.approx(170, abs=0.01)


def test_modbus_commands_of_generation_3_are_answered(sdk):
    result = sdk("""
        connect()
        params = rm_peripheral_read_write_params_t(1, 1000, 1)
        out["closed"] = arm.rm_write_single_register(params, 5)
        out["mode"] = arm.rm_set_modbus_mode(1, 115200, 2)
        out["write"] = arm.rm_write_single_register(params, 5)
    """)
    assert (result.out["closed"], result.out["mode"], result.out["write"]) == (1, 0, 0)


def test_emergency_stop_of_generation_4_latches_until_released(start_sdk):
    with EmulatedController(KinematicArm(), generation=4) as controller:
        result = start_sdk(
            controller.port,
            """
            connect()
            goal = [10, 20, 0, 70, 0, 90, 0]
            out["stop"] = arm.rm_set_arm_emergency_stop(True)
            out["refused"] = arm.rm_movej(goal, 50, 0, 0, 0)
            stream(lambda t: [2, 20, 0, 70, 0, 90, 0], 0.1)
            out["held"] = arm.rm_get_joint_degree()[1]
            out["release"] = arm.rm_set_arm_emergency_stop(False)
            out["accepted"] = arm.rm_movej(goal, 50, 0, 0, 0)
            """,
        ).finish()
        outcomes = {frame.outcome for frame in controller.log.canfd_frames()}
    assert [result.out[k] for k in ("stop", "refused", "release", "accepted")] == [0, 1, 0, 0]
    assert result.out["held"][0] == pytest.approx(0, abs=1e-3)
    assert outcomes == {"ignored: emergency stop is active"}


def test_two_sdk_processes_are_served_at_once(controller, start_sdk):
    body = """
        connect()
        input()
        out["codes"] = [arm.rm_get_joint_degree()[0] for _ in range(100)]
    """
    first, second = start_sdk(controller.port, body), start_sdk(controller.port, body)
    first.tell()
    second.tell()
    for result in (first.finish(), second.finish()):
        assert result.out["id"] > 0
        assert result.out["codes"] == [0] * 100
    assert {r.client for r in controller.log.requests("get_joint_degree")} == {"c1", "c2"}
