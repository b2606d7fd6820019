"""Which SDK methods must never be called on which controller generation.

SDK 1.1.6 refuses a method "not supported by this generation" locally, and in doing so keeps an internal
lock for ever: afterwards stop, planned motions, connect and delete hang the process. The tables hold every
method measured to do that, so the adapter asks `check` before each call.
"""

from __future__ import annotations

FORBIDDEN_ON_GENERATION_3: frozenset[str] = frozenset(
    {
        "rm_add_modbus_tcp_master",
        "rm_delete_modbus_tcp_master",
        "rm_delete_tool_action",
        "rm_delete_trajectory_file",
        "rm_get_controller_rs485_mode_v4",
        "rm_get_flowchart_program_run_state",
        "rm_get_modbus_tcp_master",
        "rm_get_modbus_tcp_master_list",
        "rm_get_tool_action_list",
        "rm_get_tool_rs485_mode_v4",
        "rm_get_trajectory_file_list",
        "rm_movel_offset",
        "rm_read_modbus_rtu_coils",
        "rm_read_modbus_rtu_holding_registers",
        "rm_read_modbus_rtu_input_registers",
        "rm_read_modbus_rtu_input_status",
        "rm_read_modbus_tcp_coils",
        "rm_read_modbus_tcp_holding_registers",
        "rm_read_modbus_tcp_input_registers",
        "rm_read_modbus_tcp_input_status",
        "rm_run_tool_action",
        "rm_set_arm_emergency_stop",
        "rm_set_controller_rs485_mode",
        "rm_set_run_trajectory",
        "rm_set_tool_rs485_mode",
        "rm_update_modbus_tcp_master",
        "rm_write_modbus_rtu_coils",
        "rm_write_modbus_rtu_registers",
        "rm_write_modbus_tcp_coils",
        "rm_write_modbus_tcp_registers",
    }
)
FORBIDDEN_ON_GENERATION_4: frozenset[str] = frozenset(
    {
        "rm_close_modbus_mode",
        "rm_close_modbustcp_mode",
        "rm_get_controller_rs485_mode",
        "rm_get_program_run_state",
        "rm_get_tool_rs485_mode",
        "rm_read_coils",
        "rm_read_holding_registers",
        "rm_read_input_registers",
        "rm_read_input_status",
        "rm_read_multiple_coils",
        "rm_read_multiple_holding_registers",
        "rm_read_multiple_input_registers",
        "rm_set_RS485",
        "rm_set_modbus_mode",
        "rm_set_modbustcp_mode",
        "rm_write_single_coil",
        "rm_write_single_register",
    }
)
# rm_destroy ends the SDK's threads for good: the process could never connect again.
FORBIDDEN_ALWAYS: frozenset[str] = frozenset({"rm_destroy"})

_BY_GENERATION = {3: FORBIDDEN_ON_GENERATION_3, 4: FORBIDDEN_ON_GENERATION_4}


class ForbiddenCallError(RuntimeError):
    """An SDK method was asked for that would lock up the SDK on this controller."""


def check(method: str, generation: int | None) -> None:
    """Raise unless `method` may be called.

    Args:
        method: name of an SDK method, `rm_...`.
        generation: controller generation; None while it is unknown, which forbids the methods of all tables.

    Raises:
        ForbiddenCallError: the call would hang later calls; names method and generation.
    """
    if method in FORBIDDEN_ALWAYS:
        raise ForbiddenCallError(f"{method} ends the SDK for the whole process and is never called")
    if generation is None:
        forbidden = FORBIDDEN_ON_GENERATION_3 | FORBIDDEN_ON_GENERATION_4
    elif generation in _BY_GENERATION:
        forbidden = _BY_GENERATION[generation]
    else:
        raise ForbiddenCallError(f"{method}: controller generation {generation} is neither 3 nor 4")
    if method in forbidden:
        name = "unknown" if generation is None else str(generation)
        raise ForbiddenCallError(f"{method} locks up the SDK on a controller of generation {name}")
