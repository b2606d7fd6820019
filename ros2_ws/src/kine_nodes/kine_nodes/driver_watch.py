"""What the driver says about the right to move, for nodes that want to use it; decisions are plain Python."""

from __future__ import annotations

import math

from rclpy.qos import DurabilityPolicy, QoSProfile

from kine_msgs.msg import DriverState

DRIVER_STATE_TOPIC = "/realman_driver/state"
DRIVER_STATE_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# The driver speaks ten times a second; a busy computer must not look like a dead driver.
SILENT_S = 3.0

_NAMES = {
    getattr(DriverState, name): name
    for name in ("DISCONNECTED", "CONNECTED", "ENABLED", "HOMING", "STOPPED", "LOST")
}


class DriverWatch:
    """Remembers the newest state of the driver.

    Args:
        source: under which name this node's chunks come, see `kine_nodes.motion_right`.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._newest: DriverState | None = None
        self._heard_s = -math.inf

    def take(self, message: DriverState, now_s: float) -> None:
        """Take a message that came at a monotonic time."""
        self._newest, self._heard_s = message, now_s

    @property
    def newest(self) -> DriverState | None:
        """The newest message, None before the first."""
        return self._newest

    @property
    def epoch(self) -> int:
        """Of the present right to move, or the last one; 0 when none is known."""
        return 0 if self._newest is None else int(self._newest.epoch)

    def obstacle(self, now_s: float) -> str:
        """Why nothing may begin to move the arm now; empty when it may."""
        newest = self._newest
        if newest is None:
            return not_enabled(None)
        silent_s = now_s - self._heard_s
        if silent_s > SILENT_S:
            return f"the driver is silent for {silent_s:.1f} s, allowed are {SILENT_S:.1f} s"
        if newest.source not in ("", self._source):
            return f"{newest.source} moves the arm"
        return not_enabled(newest)

    def missing(self, now_s: float) -> str:
        """Why there is no arm that could be enabled: no driver, or no link; empty when there is one."""
        if self._newest is None or now_s - self._heard_s > SILENT_S:
            return self.obstacle(now_s)
        linkless = self._newest.state in (DriverState.DISCONNECTED, DriverState.LOST)
        return not_enabled(self._newest) if linkless else ""

    def ended(self, epoch: int, now_s: float) -> str:
        """Why what began in this epoch must end; empty while it may go on."""
        obstacle = self.obstacle(now_s)
        if not obstacle and self.epoch != epoch:
            return "the arm was enabled anew meanwhile"
        return obstacle


def not_enabled(newest: DriverState | None) -> str:
    """Why the driver takes no chunks, from what it said last; empty while it does."""
    if newest is None:
        return "the driver has not been heard: is it running?"
    if newest.state == DriverState.ENABLED:
        return ""
    reason = f" ({newest.reason})" if newest.reason else ""
    remedy = ", enable it first" if newest.state == DriverState.CONNECTED else ""
    return f"the arm is not enabled: the driver is {state_name(newest)}{reason}{remedy}"


def state_name(message: DriverState) -> str:
    """The state as a word, such as `ENABLED`."""
    return _NAMES.get(message.state, f"in the unknown state {message.state}")
