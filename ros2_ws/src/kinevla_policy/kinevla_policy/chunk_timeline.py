"""When the arm will have played what was sent, and when the next look is due."""

from __future__ import annotations

from kinevla_policy.observation_buffer import NS_PER_S


class ChunkTimeline:
    """Follows the executor of the driver: a chunk is played from its observation on, less what is past.

    Time in which the arm rested between observation and sending does not use the chunk up. All times are
    those of the observations' clock, ns.
    """

    def __init__(self) -> None:
        self._end_ns = 0
        self._last_step_ns = 0

    @property
    def end_ns(self) -> int:
        """When the last point sent will be reached."""
        return self._end_ns

    @property
    def brake_ns(self) -> int:
        """When the arm begins to brake towards it: a newer chunk that is there by then lets it go on."""
        return self._end_ns - self._last_step_ns

    def sent(self, observation_ns: int, sent_ns: int, steps: int, period_s: float) -> None:
        """Take note of a chunk of `steps` points, `period_s` apart."""
        period_ns = int(period_s * NS_PER_S)
        rested_ns = max(0, sent_ns - max(self._end_ns, observation_ns))
        self._end_ns = observation_ns + rested_ns + steps * period_ns
        self._last_step_ns = period_ns

    def next_look_ns(self, latency_s: float, margin_s: float) -> int:
        """When to look so that the chunk is there `margin_s` before the arm begins to brake."""
        return self.brake_ns - int((latency_s + margin_s) * NS_PER_S)
