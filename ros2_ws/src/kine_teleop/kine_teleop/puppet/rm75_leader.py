"""A second RM75 as leader: drag teach through the vendor's SDK, joints from its state datagrams."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Protocol

from realman_driver.arm_interface import ArmError, ArmInfo, MotionEvent, RawState, StateCallback
from realman_driver.arm_model import JOINT_COUNT
from realman_driver.link_news import LinkNews
from realman_driver.state import StateKeeper

from .mapping import Pose


class DragArm(Protocol):
    """What is needed of an arm that is led by hand. `realman_driver.sdk_arm.RealmanArm` is one."""

    def set_callbacks(self, on_state: StateCallback, on_event: Callable[[MotionEvent], None]) -> None:
        """Register the receivers."""

    def connect(self) -> ArmInfo:
        """Open the link. Raises ArmError."""

    def disconnect(self) -> None:
        """Close the link."""

    def release(self) -> None:
        """Forget the callbacks."""

    def start_drag_teach(self) -> None:
        """Let the joints be led by hand. Raises ArmError."""

    def stop_drag_teach(self) -> None:
        """Hold the joints again. Raises ArmError."""

    def set_drag_sensitivity(self, percent: int) -> None:
        """How lightly the arm follows the hand. Raises ArmError."""

    def gripper_opening(self) -> float:
        """Measured opening, 0..1. Raises ArmError."""


class Rm75Leader:
    """Connects, switches drag teach on, keeps the newest believed state, and connects again after a loss.

    A thread does the requests, so that a silent controller blocks nobody. Positions older than
    `state_timeout_s` are never handed out: the follower then stops by itself, since its leader is silent.

    Args:
        arm: the leader arm.
        sender_ip: address of its controller.
        sensitivity: of drag teach, 0..100.
        with_gripper: read the leader's gripper; False: the leader has none.
        state_timeout_s: age of the newest datagram beyond which the link counts as lost.
        period_s: pause between two readings of the gripper, and between two looks at the link.
        retry_s: pause between two attempts to connect.
        say: told level ("info" or "warning") and what became of the link.
    """

    def __init__(
        self,
        arm: DragArm,
        sender_ip: str,
        sensitivity: int = 100,
        with_gripper: bool = True,
        state_timeout_s: float = 0.15,
        period_s: float = 0.05,
        retry_s: float = 1.0,
        say: Callable[[str, str], None] = lambda level, text: None,
    ) -> None:
        self._arm = arm
        self._keeper = StateKeeper(sender_ip)
        self._sensitivity = sensitivity
        self._with_gripper = with_gripper
        self._state_timeout_s = state_timeout_s
        self._period_s, self._retry_s = period_s, retry_s
        self._opening = 1.0
        self._opening_s = -math.inf
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.link_text = "not connected yet"
        self._say, self._news = say, LinkNews(say)

    def _on_state(self, raw: RawState) -> None:
        self._keeper.accept(raw)

    def start(self) -> None:
        """Start connecting; also after `close`."""
        self._closing.clear()
        self._arm.set_callbacks(self._on_state, lambda event: None)
        self._thread = threading.Thread(target=self._run, name="rm75-leader", daemon=True)
        self._thread.start()

    def position(self, now_s: float) -> tuple[Pose, int] | None:
        """Newest pose (8,) with its ROS time of arrival, ns; None when there is no fresh one."""
        state = self._keeper.newest
        if state is None or self._keeper.age_s(now_s) > self._state_timeout_s:
            return None
        # Only the requests tell the opening; a reading that stays away must not freeze the gripper unnoticed.
        if self._with_gripper and now_s - self._opening_s > 10.0 * self._period_s + 0.5:
            return None
        return (*state.position_rad[:JOINT_COUNT], self._opening), state.arrived_ros_ns

    def close(self, timeout_s: float = 3.0) -> bool:
        """Switch drag teach off and close the link: the leader holds its pose. False: a request hangs."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        self._arm.release()
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._connect(time.monotonic())
                self._serve(time.monotonic)
            except ArmError as error:
                self.link_text = str(error)
                self._news.failed(self.link_text)
            finally:
                self._leave()
            self._closing.wait(self._retry_s)

    def _connect(self, now_s: float) -> None:
        self._keeper.restart()
        info = self._arm.connect()
        self._keeper.set_reference(info.position_rad, now_s, info.limits)
        self._arm.set_drag_sensitivity(self._sensitivity)
        self._arm.start_drag_teach()
        self.link_text = f"{info.model}, controller {info.controller_version}, drag teach is on"
        self._news.connected()
        self._say("info", self.link_text)

    def _serve(self, clock: Callable[[], float]) -> None:
        begun_s = clock()
        while not self._closing.is_set():
            if self._with_gripper:
                self._opening, self._opening_s = self._arm.gripper_opening(), clock()
            now_s = clock()
            if now_s - begun_s > 1.0 and self._keeper.age_s(now_s) > self._state_timeout_s:
                raise ArmError(f"the leader has sent no state for {self._state_timeout_s:.2f} s")
            self._closing.wait(self._period_s)

    def _leave(self) -> None:
        try:
            self._arm.stop_drag_teach()
        except ArmError as error:
            self.link_text += f"; drag teach could not be ended: {error}"
        self._arm.disconnect()
