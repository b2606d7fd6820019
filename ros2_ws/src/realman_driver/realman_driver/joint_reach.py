"""Whether an arm can have come where it is said to be: each joint's way since the last believed position.

A joint that jumps and one that creeps faster than an arm can are found alike: what its way exceeds its top
speed by is taken from an allowance, which rest and slow motion restore.
"""

from __future__ import annotations

from .arm_model import JOINT_NAMES, MAX_SPEED_RAD_S

# Measured speeds may exceed the rated ones a little.
SPEED_SHARE = 1.1
# What a joint may have moved beyond that: the noise of an encoder, and a datagram that the network held back
# while the next one was not (at top speed about 25 ms).
ALLOWANCE_RAD = 0.1
# A longer silence excuses no longer way: otherwise a wrong position would be believed in the end.
LONGEST_GAP_S = 0.1


class JointReach:
    """Follows believed positions.

    Args:
        position_rad: (7,) a position known to be true.
        now_s: monotonic time of it.
    """

    def __init__(self, position_rad: tuple[float, ...], now_s: float) -> None:
        self._position_rad, self._last_s = position_rad, now_s
        self._allowed_rad: list[float] = [ALLOWANCE_RAD] * len(JOINT_NAMES)

    def refuses(self, position_rad: tuple[float, ...], now_s: float) -> str:
        """Why no arm can have come to (7,) rad by now; empty when one can, and then it counts as believed."""
        gap_s = min(max(0.0, now_s - self._last_s), LONGEST_GAP_S)
        left_rad = []
        for index, (angle, last) in enumerate(zip(position_rad, self._position_rad, strict=True)):
            reach_rad = self._allowed_rad[index] + SPEED_SHARE * MAX_SPEED_RAD_S[index] * gap_s
            way_rad = abs(angle - last)
            if way_rad > reach_rad:
                return (
                    f"{JOINT_NAMES[index]}: {way_rad:.3f} rad in {1000.0 * (now_s - self._last_s):.0f} ms, "
                    f"no arm moves further than {reach_rad:.3f} rad"
                )
            left_rad.append(min(ALLOWANCE_RAD, reach_rad - way_rad))
        self._position_rad, self._last_s, self._allowed_rad = position_rad, now_s, left_rad
        return ""
