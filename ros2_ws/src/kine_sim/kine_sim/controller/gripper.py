"""Two-finger gripper on the tool port: position, pick, release, route, state, arrival of blocking moves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from .backend import ArmBackend

POSITION_MAX = 1000
# Force setting 1000 stands for a clamping force of 1.5 kg in the vendor's gripper documentation.
FORCE_FULL_SCALE_N = 1.5 * 9.81
FORCE_FULL_SCALE_G = 1500
_ARRIVED_POSITION = 12.0
_STALL_POSITION = 1.5
_STALL_S = 0.15
_START_GRACE_S = 0.1
_TIMEOUT_S = 10.0

# The vendor's modes: fully open, fully closed, stopped in between, closing, opening, holding an object.
MODE_OPEN, MODE_CLOSED, MODE_STOPPED, MODE_CLOSING, MODE_OPENING, MODE_HOLDING = 1, 2, 3, 4, 5, 6

Arrival = Callable[[str, bool], None]
"""Called with (client, arrived) when a blocking gripper motion ends."""


@dataclass
class _Move:
    client: str
    block: bool
    grasp: bool
    target: float
    elapsed_s: float = 0.0
    still_s: float = 0.0


class Gripper:
    """Maps wire positions 0..1000 within a route to the backend's opening 0..1."""

    def __init__(self, backend: ArmBackend, arrival: Arrival) -> None:
        self._backend = backend
        self._arrival = arrival
        self._lock = threading.Lock()
        self._route = (0, POSITION_MAX)
        self._force = 0
        self._move: _Move | None = None
        self._mode = MODE_STOPPED
        self._holding = False
        self._last_position = self._position()

    def _position(self) -> float:
        return min(1.0, max(0.0, self._backend.gripper_opening())) * POSITION_MAX

    def set_route(self, low: int, high: int) -> None:
        """Limit the stroke to wire positions low..high.

        Raises:
            ValueError: not 0 <= low < high <= 1000.
        """
        if not 0 <= low < high <= POSITION_MAX:
            raise ValueError(f"gripper route {low}..{high} must lie within 0..{POSITION_MAX}, low below high")
        with self._lock:
            self._route = (low, high)

    def move_to(self, position: int, block: bool, client: str) -> None:
        """Go to a wire position 1..1000 at full speed."""
        self._begin(position, 1.0, None, False, block, client)

    def pick(self, speed: int, force: int, block: bool, client: str) -> None:
        """Close at speed 1..1000 until the force setting 50..1000 is met."""
        self._begin(0, speed / POSITION_MAX, force, True, block, client)

    def release(self, speed: int, block: bool, client: str) -> None:
        """Open fully at speed 1..1000."""
        self._begin(POSITION_MAX, speed / POSITION_MAX, None, False, block, client)

    def _begin(
        self, position: int, speed: float, force: int | None, grasp: bool, block: bool, client: str
    ) -> None:
        with self._lock:
            target = float(min(max(position, self._route[0]), self._route[1]))
            force_n = None if force is None else force / POSITION_MAX * FORCE_FULL_SCALE_N
            self._force = force or 0
            self._backend.set_gripper_target(target / POSITION_MAX, speed, force_n)
            replaced, self._move = self._move, _Move(client, block, grasp, target)
            self._mode = MODE_CLOSING if target < self._position() else MODE_OPENING
            self._holding = False
        if replaced is not None and replaced.block:
            self._arrival(replaced.client, False)

    def step(self, dt_s: float) -> None:
        """Watch the running motion for arrival, for a stall against an object, and for its time limit."""
        with self._lock:
            position = self._position()
            move, moved = self._move, abs(position - self._last_position)
            if move is None:
                return
            move.elapsed_s += dt_s
            # The stall is judged over time, not over one period, whose travel is below the resolution.
            if moved > _STALL_POSITION:
                self._last_position, move.still_s = position, 0.0
            elif move.elapsed_s > _START_GRACE_S:
                move.still_s += dt_s
            reached = abs(position - move.target) <= _ARRIVED_POSITION
            stalled = move.still_s >= _STALL_S
            if not (reached or stalled or move.elapsed_s > _TIMEOUT_S):
                return
            self._move = None
            self._holding = stalled and not reached and move.target < position
            self._mode = self._rest_mode(position)
            arrived = reached or self._holding
        if move.block:
            self._arrival(move.client, arrived)

    def _rest_mode(self, position: float) -> int:
        if self._holding:
            return MODE_HOLDING
        if position >= self._route[1] - _ARRIVED_POSITION:
            return MODE_OPEN
        return MODE_CLOSED if position <= self._route[0] + _ARRIVED_POSITION else MODE_STOPPED

    def state(self) -> dict[str, int]:
        """Fields of `get_gripper_state`; the mode is one of the `MODE_` constants."""
        with self._lock:
            force_g = (
                round((self._force or POSITION_MAX) * FORCE_FULL_SCALE_G / POSITION_MAX)
                if self._holding
                else 0
            )
            return {
                "enable": 1,
                "status": 1,
                "error": 0,
                "mode": self._mode,
                "current_force": force_g,
                "temperature": 35,
                "actpos": round(self._position()),
            }
