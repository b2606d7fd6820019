"""The state of the robot in a few lines. Plain Python over what the topics said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kine_msgs.msg import DriverState
from kine_nodes.driver_watch import state_name
from kine_nodes.texts import printable
from kine_nodes.which_arm import ARM_STATUS, which_arm

_LEVELS = ("ok", "WARN", "ERROR", "STALE")


def lines(driver: DriverState | None, statuses: Mapping[str, Any], simulator: bool) -> list[str]:
    """The driver's state first, then one line per diagnostic status; empty when nothing was heard."""
    found: list[str] = []
    if driver is not None:
        arm = statuses.get(ARM_STATUS)
        which = which_arm("" if arm is None else str(arm.hardware_id), simulator)
        where = f" ({which} arm at {printable(arm.hardware_id)})" if arm is not None and which else ""
        reason = f": {printable(driver.reason)}" if driver.reason else ""
        found.append(f"arm {state_name(driver)}{where}{reason}")
        if driver.source:
            found.append(f"moved by {printable(driver.source)}")
    for name, status in sorted(statuses.items()):
        level = int.from_bytes(status.level, "little") if isinstance(status.level, bytes) else status.level
        word = _LEVELS[level] if level < len(_LEVELS) else str(level)
        found.append(f"{word:<5} {printable(name)}: {printable(status.message)}")
    return found
