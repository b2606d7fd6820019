"""What a state says against letting the arm go on moving: looked at with every datagram."""

from __future__ import annotations

from .following import Following, FollowingBounds
from .foreign_motion import Activity, ForeignMotion
from .state import ArmState, StateKeeper


class StateWatch:
    """Judges each state while the arm may move, and how many were not believed.

    Args:
        keeper: has the states.
        bounds: when a joint does not follow.
        max_doubts: datagrams in a row that may go unbelieved.
    """

    def __init__(self, keeper: StateKeeper, bounds: FollowingBounds, max_doubts: int) -> None:
        self._keeper, self._max_doubts = keeper, max_doubts
        self._foreign = ForeignMotion()
        self.following = Following(bounds)

    def judge(self, state: ArmState | None, activity: Activity) -> str:
        """Why the arm must stop, or an empty text; called with every datagram, moving or not.

        Args:
            state: what it became; None when it was not believed.
            activity: what the driver makes the arm do.
        """
        if state is None:
            return self._doubts() if activity is not Activity.NOTHING else ""
        reasons = list(state.troubles()) if activity is not Activity.NOTHING else []
        reasons.append(self._foreign.judge(state.motion, activity, state.arrived_monotonic_s))
        if activity is Activity.STREAM:
            reasons.append(self.following.judge(state.position_rad, state.arrived_monotonic_s))
        return "; ".join(filter(None, reasons))

    def _doubts(self) -> str:
        count = self._keeper.doubts_in_a_row
        if count < self._max_doubts:
            return ""
        return f"{count} state datagrams in a row are not believed; the last: {self._keeper.last_doubt}"
