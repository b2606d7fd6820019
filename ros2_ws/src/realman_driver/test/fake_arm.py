"""A plain object that behaves like an arm behind a link, for tests of the logic without SDK and network."""

from __future__ import annotations

import threading
import time

from realman_driver.arm_interface import ArmError, ArmInfo, EventCallback, RawState, StateCallback
from realman_driver.arm_model import HOME_RAD, RATED_LIMITS

SENDER = ("127.0.0.1", 8080)


def raw_state(position_rad: tuple[float, ...] = HOME_RAD, **changes: object) -> RawState:
    values: dict[str, object] = {
        "sender_ip": SENDER[0],
        "position_rad": position_rad,
        "current_a": (0.3,) * 7,
        "temperature_c": (33.0,) * 7,
        "joint_enabled": (True,) * 7,
        "joint_error_codes": (0,) * 7,
        "system_error_codes": (),
        "motion": "idle",
        "defect_rule": "",
        "defect": "",
        "arrived_monotonic_s": time.monotonic(),
        "arrived_ros_ns": time.time_ns(),
    }
    return RawState(**(values | changes))  # type: ignore[arg-type]


class FakeArm:
    """Follows frames at once and sends its state every 5 ms from a thread."""

    def __init__(self) -> None:
        self.position = HOME_RAD
        # What a request answers, when it is not where the arm stands.
        self.asked_position: tuple[float, ...] | None = None
        self.opening = 1.0
        self.frames: list[tuple[float, ...]] = []
        self.grips: list[float] = []
        self.calls: list[str] = []
        self.muted = False
        self.reachable = True
        self.send_code = 0
        self.holds = False  # frames arrive, but the arm does not follow
        self.state_changes: dict[str, object] = {}
        self.answers_block = threading.Event()
        self.answers_block.set()
        self._on_state: StateCallback | None = None
        self._running = False

    def set_callbacks(self, on_state: StateCallback, on_event: EventCallback) -> None:
        self._on_state = on_state

    def connect(self) -> ArmInfo:
        self.calls.append("connect")
        if not self.reachable:
            raise ArmError("127.0.0.1:8080: Connection refused")
        if not self._running:
            self._running = True
            threading.Thread(target=self._push, daemon=True).start()
        return ArmInfo("RM75-B", 3, "V1.6.5", "1.1.6", RATED_LIMITS, self.position, 8089)

    def _push(self) -> None:
        while self._running:
            if self._on_state is not None and not self.muted:
                self._on_state(raw_state(**{"position_rad": self.position, **self.state_changes}))
            time.sleep(0.005)

    def disconnect(self) -> None:
        self.calls.append("disconnect")
        self._running = False

    def send_setpoint_rad(self, position_rad: tuple[float, ...]) -> int:
        if self.send_code == 0:
            self.frames.append(position_rad)
            if not self.holds:
                self.position = position_rad
        return self.send_code

    def stop(self) -> int:
        self.calls.append("stop")
        return 0 if self.reachable else -1

    def start_move_rad(self, position_rad: tuple[float, ...], speed_percent: int) -> None:
        self.calls.append(f"move {speed_percent}")
        self.position = position_rad

    def set_gripper(self, opening: float) -> None:
        self.grips.append(opening)
        self.opening = opening

    def gripper_opening(self) -> float:
        self.answers_block.wait(2.0)
        if not self.reachable:
            raise ArmError("rm_get_gripper_state failed: -1")
        return self.opening

    def measured_position_rad(self) -> tuple[float, ...]:
        return self.asked_position or self.position

    def clear_errors(self, joint_numbers: tuple[int, ...]) -> None:
        self.calls.append(f"clear {joint_numbers}")
        self.state_changes.clear()

    def power_joints(self, joint_numbers: tuple[int, ...]) -> None:
        self.calls.append(f"power {joint_numbers}")

    def take_over(self) -> None:
        self.calls.append("take over")

    def release(self) -> None:
        self._on_state = None
