"""Error codes of the emulated arm: latched per joint, plus a list of system errors.

Codes follow the vendor's public error table (RealMan developer pages, "Error Codes").
"""

from __future__ import annotations

import threading

JOINT_OK = 0x0000
JOINT_COMMAND_STEP = 0x4000
"""The commanded position jumped: over 10 degrees between frames, or faster than 180 degrees per second."""

SYSTEM_TARGET_BEYOND_LIMIT = 0x1002
SYSTEM_UNREACHABLE = 0x1003
SYSTEM_JOINT_OVERSPEED = 0x1007
SYSTEM_JOINT_DISABLED = 0x1010

DOF = 7
MAX_SYSTEM_ERRORS = 8


class ErrorState:
    """Latched error codes, safe to use from several threads."""

    def __init__(self) -> None:
        self._joints = [JOINT_OK] * DOF
        self._system: list[int] = []
        self._lock = threading.Lock()

    def joint_codes(self) -> list[int]:
        """Seven joint error codes, 0 = healthy."""
        with self._lock:
            return list(self._joints)

    def system_codes(self) -> list[int]:
        """System error codes as the wire wants them: `[0]` when healthy, never empty."""
        with self._lock:
            return list(self._system) or [0]

    def raise_joint(self, joint: int, code: int) -> None:
        """Latch `code` (32 bits) on `joint` (1..7).

        Raises:
            ValueError: joint or code out of range.
        """
        if not 1 <= joint <= DOF:
            raise ValueError(f"joint {joint} must be in 1..{DOF}")
        if not 0 <= code <= 0xFFFFFFFF:
            raise ValueError(f"joint error code {code} must be in 0..{0xFFFFFFFF}")
        with self._lock:
            self._joints[joint - 1] |= code

    def clear_joint(self, joint: int) -> None:
        """Clear the code of `joint` (1..7)."""
        if not 1 <= joint <= DOF:
            raise ValueError(f"joint {joint} must be in 1..{DOF}")
        with self._lock:
            self._joints[joint - 1] = JOINT_OK

    def raise_system(self, code: int) -> None:
        """Latch a system error once."""
        if not 0 < code <= 0xFFFF:
            raise ValueError(f"system error code {code} must be in 1..65535")
        with self._lock:
            if code not in self._system and len(self._system) < MAX_SYSTEM_ERRORS:
                self._system.append(code)

    def clear_system(self) -> None:
        """Forget the system errors; joint errors stay."""
        with self._lock:
            self._system.clear()
