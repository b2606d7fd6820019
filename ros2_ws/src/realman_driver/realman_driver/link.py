"""The link to the arm: making it, the state and the gripper read over it, noticing its loss.

Nothing here moves the arm. `connect` and the polls run in the request thread, `receive` in the thread of
the datagrams, `check_age` in the stream thread.
"""

from __future__ import annotations

import threading
import time

from .arm_interface import Arm, ArmError, ArmInfo, RawState
from .arm_model import JOINT_NAMES
from .config import DriverConfig
from .foreign_motion import describe_motion
from .state import ArmState, StateKeeper

# Slower than this an arm counts as standing: sagging under its load, the last millimetres of braking.
STANDSTILL_RAD_S = 0.05
RECOVERY_S, BRAKING_S, VELOCITY_KNOWN_S = 0.5, 1.0, 0.3
# How far a position read by request may be from all those of the datagrams of that time: an arm that is led
# by hand moves on between the two. The SDK may hand out the answer of a request before: hence so long ago.
AGREEMENT_RAD, AGREEMENT_S = 0.05, 1.5


class ArmLink:
    """What is known about the arm and how fresh it is.

    Args:
        config: the parameters.
        arm: the arm.
        closing: set when the driver closes, ends waiting.
    """

    def __init__(self, config: DriverConfig, arm: Arm, closing: threading.Event) -> None:
        self._config, self._arm, self._closing = config, arm, closing
        self.keeper = StateKeeper(config.robot_ip)
        self.info: ArmInfo | None = None
        self.connects = 0
        self._gripper: tuple[float, float] | None = None
        self.request_s = 0.0
        # Why the datagrams may not tell the truth about where the arm is, as far as requests can tell.
        self.disagreement = ""

    @property
    def newest(self) -> ArmState | None:
        """The newest believed state, None before the first."""
        return self.keeper.newest

    @property
    def gripper_opening(self) -> float | None:
        """The opening measured last, None before the first measurement."""
        gripper = self._gripper
        return None if gripper is None else gripper[0]

    def connect(self) -> str:
        """Connect and wait until the state arrives.

        Returns:
            Whom the link leads to, for people.

        Raises:
            ArmError: no connection, or no state datagram within `push_timeout_s`.
        """
        self.keeper.restart()
        info = self._arm.connect()
        try:
            self._await_state(info)
            self._gripper = (self._arm.gripper_opening(), time.monotonic())
        except ArmError:
            self._arm.disconnect()
            raise
        self.check_position()
        self.info = info
        self.connects += 1
        return f"{info.model}, controller {info.controller_version}"

    def _await_state(self, info: ArmInfo) -> None:
        config, began_s = self._config, time.monotonic()
        self.keeper.set_reference(info.position_rad, began_s, info.limits)
        while self.keeper.newest is None:
            if self._closing.is_set() or time.monotonic() - began_s > config.push_timeout_s:
                doubt = self.keeper.last_doubt
                raise ArmError(
                    f"connected to {config.robot_ip}:{config.robot_port}, but no state datagram arrived on "
                    f"UDP port {info.udp_port} within {config.push_timeout_s:.1f} s: check udp_port, "
                    f"udp_host_ip and the firewall"
                    f"{f'; the last one was not believed: {doubt}' if doubt else ''}"
                )
            time.sleep(0.005)
        # One state tells where the arm is; only some more tell whether it stands still.
        end_s = time.monotonic() + VELOCITY_KNOWN_S
        while self.keeper.velocity_rad_s() is None and time.monotonic() < end_s:
            time.sleep(0.005)

    def poll_gripper(self) -> str:
        """Read the gripper; the reason why the link counts as lost, or an empty text."""
        begun_s = time.monotonic()
        try:
            self._gripper = (self._arm.gripper_opening(), time.monotonic())
            self.request_s = time.monotonic() - begun_s
        except ArmError as error:
            self.request_s = time.monotonic() - begun_s
            gripper = self._gripper
            if gripper is None or time.monotonic() - gripper[1] > self._config.request_timeout_s:
                return f"requests are not answered: {error}"
        return ""

    def check_position(self) -> str:
        """Read the joints by request and compare them with the datagrams; `disagreement`, also returned."""
        asked_s = time.monotonic()
        try:
            position_rad = self._arm.measured_position_rad()
        except ArmError as error:
            self.disagreement = f"the position could not be read by request: {error}"
            return ""
        seen = tuple(zip(*self.keeper.positions_since(asked_s - AGREEMENT_S), strict=True))
        self.disagreement = ""
        for name, answered, lately in zip(JOINT_NAMES, position_rad, seen, strict=False):
            if not min(lately) - AGREEMENT_RAD <= answered <= max(lately) + AGREEMENT_RAD:
                said = f"the state datagrams say {lately[0]:.3f} rad"
                self.disagreement = f"{name} stands at {answered:.3f} rad when asked, {said}"
                break
        return self.disagreement

    def receive(self, raw: RawState) -> ArmState | None:
        """Judge a datagram; the state it became or None."""
        return self.keeper.accept(raw)

    def check_age(self, now_s: float) -> str:
        """The reason why the link counts as lost, or an empty text."""
        age_s = self.keeper.age_s(now_s)
        if age_s <= self._config.state_timeout_s:
            return ""
        return f"no state for {age_s:.3f} s, allowed are {self._config.state_timeout_s:.3f} s"

    def obstacles(self, now_s: float, moves_for_us: bool = False) -> list[str]:
        """Why the arm must not be enabled now: stale state, errors, motion, joints without power or range."""
        stale, state = self.check_age(now_s), self.keeper.newest
        if stale or state is None or self.info is None:
            return [stale or "no state is known"]
        reasons = list(state.troubles())
        if self.disagreement:
            reasons.append(self.disagreement)
        motion = describe_motion(state.motion)
        if motion and not moves_for_us:
            reasons.append(f"the arm is executing {motion} of another client")
        elif not moves_for_us:
            reasons.extend(self._moving())
        for name, angle, (low, high) in zip(JOINT_NAMES, state.position_rad, self.info.limits, strict=True):
            if not low <= angle <= high:
                reasons.append(f"{name} stands at {angle:.3f} rad, outside [{low:.3f}, {high:.3f}] rad")
        return reasons

    def _moving(self) -> list[str]:
        """Which joint moves: what it does would go on beneath a stream that begins where it was."""
        velocity = self.keeper.velocity_rad_s()
        if velocity is None:
            return ["too few states to tell whether the arm stands still"]
        speed, name = max(zip(map(abs, velocity), JOINT_NAMES, strict=True))
        if speed <= STANDSTILL_RAD_S:
            return []
        return [f"{name} is moving at {speed:.2f} rad/s, more than {STANDSTILL_RAD_S} rad/s"]

    def recover(self) -> tuple[str, ...]:
        """Clear errors, power the joints and wait for the end of braking; the troubles that remain.

        Raises:
            ArmError: a request failed.
        """
        state = self.keeper.newest
        if state is None:
            return ("no state is known",)
        if state.troubles():
            wrong = tuple(number for number, code in enumerate(state.joint_error_codes, 1) if code)
            unpowered = tuple(number for number, on in enumerate(state.joint_enabled, 1) if not on)
            self._arm.clear_errors(wrong)
            self._arm.power_joints(unpowered)
        end_s = time.monotonic() + RECOVERY_S
        while state is not None and state.troubles() and time.monotonic() < end_s:
            time.sleep(0.01)
            state = self.keeper.newest
        end_s = time.monotonic() + BRAKING_S
        while self._moving() and time.monotonic() < end_s:
            time.sleep(0.01)
        return state.troubles() if state is not None else ("no state is known",)
