"""Which motions are allowed: the driver's states and the transitions between them, pure logic.

    DISCONNECTED --connected--> CONNECTED --enable--> ENABLED --home--> HOMING --> ENABLED
    CONNECTED, ENABLED, HOMING --link lost--> LOST --connected--> CONNECTED
    any --estop or fault--> STOPPED (latched) --reset--> CONNECTED

A stop stays latched through a lost link: after the reconnect the state is STOPPED again. Nothing but a
person's `enable` leads to ENABLED. Each ENABLED is a new epoch of the right to move, which ends with it
(`kine_nodes.motion_right`): what was asked for in an earlier one is over for good.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from kine_nodes.motion_right import MotionRight


class State(Enum):
    """What the driver as a whole is doing."""

    DISCONNECTED = "DISCONNECTED"
    CONNECTED = "CONNECTED"
    ENABLED = "ENABLED"
    HOMING = "HOMING"
    STOPPED = "STOPPED"
    LOST = "LOST"


class _Link(Enum):
    DOWN = 0
    UP = 1
    LOST = 2


@dataclass(frozen=True)
class Decision:
    """The answer to a request: granted or not, and a sentence for the person who asked."""

    ok: bool
    text: str


class Supervisor:
    """The state machine. Safe to call from several threads; never waits for the arm.

    Args:
        on_change: called after each change of state with the old state, the new one and the reason.
        source_hold_s: how long after its last chunk a source keeps the arm to itself.
    """

    def __init__(self, on_change: Callable[[State, State, str], None], source_hold_s: float = 1.0) -> None:
        self._on_change = on_change
        self.right = MotionRight(source_hold_s)
        self._lock = threading.Lock()
        self._link = _Link.DOWN
        self._enabled = False
        self._homing = False
        self._stop_reason = ""
        self._newest_stop = ""
        self._stops = 0
        self._link_text = "not connected yet"
        self._change_reason = ""

    @property
    def state(self) -> State:
        """The present state."""
        if self._link is _Link.LOST:
            return State.LOST
        if self._link is _Link.DOWN:
            return State.DISCONNECTED
        if self._stop_reason:
            return State.STOPPED
        if self._enabled:
            return State.HOMING if self._homing else State.ENABLED
        return State.CONNECTED

    @property
    def connected(self) -> bool:
        """Whether the link to the controller stands."""
        return self._link is _Link.UP

    @property
    def stop_reason(self) -> str:
        """Why the stop is latched; empty when it is not."""
        return self._stop_reason

    @property
    def stops(self) -> int:
        """How often a stop was latched, also on top of a latched one."""
        return self._stops

    @property
    def reason(self) -> str:
        """Why the state is the one it is."""
        state = self.state
        if state in (State.LOST, State.DISCONNECTED):
            return self._link_text
        return self._stop_reason if state is State.STOPPED else self._change_reason

    @property
    def link_text(self) -> str:
        """What is known about the link: why it is down, or whom it leads to."""
        return self._link_text

    def link_up(self, text: str) -> None:
        """The controller is connected and its state arrives; motion stays disabled."""

        def change() -> None:
            self._link, self._link_text = _Link.UP, text
            self._enabled = self._homing = False

        self._change(change, text)

    def link_lost(self, reason: str) -> bool:
        """The link that stood is gone; True for the first caller, who has to act on it."""
        acted = False

        def change() -> None:
            nonlocal acted
            if self._link is _Link.UP:
                acted = True
                self._link, self._link_text = _Link.LOST, reason
                self._enabled = self._homing = False

        self._change(change, reason)
        return acted

    def link_failed(self, reason: str) -> None:
        """An attempt to connect failed: the state stays, the reason is kept for whoever asks."""
        with self._lock:
            self._link_text = reason

    def link_closed(self) -> None:
        """The link was closed on purpose."""

        def change() -> None:
            self._link, self._link_text = _Link.DOWN, "closed"
            self._enabled = self._homing = False

        self._change(change, "closed")

    def enable(self, obstacles: Sequence[str]) -> Decision:
        """Allow motion, unless the state or one of the `obstacles` found by the caller forbids it."""
        decision = Decision(False, "")

        def change() -> None:
            nonlocal decision
            reasons = [*self._refusals(), *obstacles]
            if reasons:
                decision = Decision(False, "cannot enable: " + "; ".join(reasons))
            elif self._enabled:
                decision = Decision(True, "already enabled")
            else:
                self._enabled = True
                decision = Decision(True, "enabled: the arm holds its position and takes chunks")

        self._change(change, "enabled on request")
        return decision

    def _refusals(self) -> list[str]:
        reasons = []
        if self._link is not _Link.UP:
            reasons.append(f"not connected ({self._link_text})")
        if self._stop_reason:
            reasons.append(f"a stop is latched ({self._stop_reason}), reset first")
        return reasons

    def disable(self, reason: str = "disabled on request") -> bool:
        """Forbid motion; True when it was allowed before."""
        was_enabled = False

        def change() -> None:
            nonlocal was_enabled
            was_enabled = self._enabled
            self._enabled = self._homing = False

        self._change(change, reason)
        return was_enabled

    def latch_stop(self, reason: str) -> bool:
        """Latch a stop; the first reason stays until the reset. True when none was latched before."""
        first = False

        def change() -> None:
            nonlocal first
            first = not self._stop_reason
            self._enabled = self._homing = False
            self._stops, self._newest_stop = self._stops + 1, reason
            if first:
                self._stop_reason = reason

        self._change(change, reason)
        return first

    def reset(self, obstacles: Sequence[str], asked_after: int | None = None) -> Decision:
        """Release a latched stop; the arm stays disabled.

        Args:
            obstacles: found by the caller.
            asked_after: `stops` when the reset was asked for; a stop latched since then stays. None: now.
        """
        decision = Decision(False, "")

        def change() -> None:
            nonlocal decision
            if self._link is not _Link.UP:
                decision = Decision(False, f"cannot reset: not connected ({self._link_text})")
            elif obstacles:
                decision = Decision(False, "cannot reset: " + "; ".join(obstacles))
            elif asked_after is not None and self._stops != asked_after:
                self._stop_reason = self._newest_stop
                text = f"cannot reset: a stop came after the reset was asked for ({self._newest_stop})"
                decision = Decision(False, text)
            elif not self._stop_reason:
                decision = Decision(True, "no stop was latched")
            else:
                self._stop_reason = ""
                decision = Decision(True, "reset: the arm is disabled, enable it to move")

        self._change(change, "reset on request")
        return decision

    def begin_homing(self, obstacles: Sequence[str]) -> Decision:
        """Enter HOMING from ENABLED."""
        decision = Decision(False, "")

        def change() -> None:
            nonlocal decision
            state = self.state
            if state is not State.ENABLED:
                decision = Decision(False, f"cannot home: the state is {state.value}, it must be ENABLED")
            elif obstacles:
                decision = Decision(False, "cannot home: " + "; ".join(obstacles))
            else:
                self._homing = True
                decision = Decision(True, "homing")

        self._change(change, "home motion started")
        return decision

    def end_homing(self, reason: str) -> bool:
        """Back from HOMING to ENABLED; False when the state was another one meanwhile."""
        was_homing = False

        def change() -> None:
            nonlocal was_homing
            was_homing = self._homing
            self._homing = False

        self._change(change, reason)
        return was_homing

    def _change(self, change: Callable[[], None], reason: str) -> None:
        with self._lock:
            before = self.state
            change()
            after = self.state
            if before is not after:
                self._change_reason = reason
                if after is State.ENABLED:
                    self.right.grant()
                else:
                    self.right.end(time.monotonic())
        if before is not after:
            self._on_change(before, after, reason)
