"""The newest observation: two images and a joint state that belong together by their stamps."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinevla.observation.pairing import FRAMES_KEPT, NS_PER_S, choose

_STATES_KEPT = 200
# Wanted this little newer: not an old image, but the one that was planned from already.
_SAME_IMAGE_S = 1e-3


@dataclass(frozen=True)
class SyncedObservation:
    """Images and joints of one moment.

    Attributes:
        front, wrist: (height, width, 3) uint8 RGB.
        state: (8,) seven joint angles in rad, gripper opening 0..1.
        front_stamp_ns, wrist_stamp_ns, state_stamp_ns: capture or receive times, ns.
    """

    front: NDArray[np.uint8]
    wrist: NDArray[np.uint8]
    state: NDArray[np.float64]
    front_stamp_ns: int
    wrist_stamp_ns: int
    state_stamp_ns: int

    @property
    def stamp_ns(self) -> int:
        """Time of the observation: that of the older image, ns."""
        return min(self.front_stamp_ns, self.wrist_stamp_ns)


class ObservationBuffer:
    """Keeps a few images per camera and half a second of joint states; `choose` says which belong together.

    A frame that waits is replaced, never queued: only the newest pair is ever given out. Thread-safe.
    """

    def __init__(self, max_pair_gap_s: float) -> None:
        """Two images pair when their capture times differ by at most `max_pair_gap_s`."""
        self._max_pair_gap_s = max_pair_gap_s
        self._frames: dict[str, deque[tuple[int, NDArray[np.uint8]]]] = {
            camera: deque(maxlen=FRAMES_KEPT) for camera in ("front", "wrist")
        }
        self._states: list[tuple[int, NDArray[np.float64]]] = []
        self._changed = threading.Condition()

    def add_image(self, camera: str, stamp_ns: int, image: NDArray[np.uint8]) -> None:
        """Take a frame of `front` or `wrist`.

        A stamp not newer than the last one is a repeat, and the frame is dropped.
        """
        with self._changed:
            frames = self._frames[camera]
            if frames and stamp_ns <= frames[-1][0]:
                # A clock set back would otherwise block the camera for ever.
                if frames[-1][0] - stamp_ns < NS_PER_S:
                    return
                frames.clear()
            frames.append((stamp_ns, image))
            self._changed.notify_all()

    def add_state(self, stamp_ns: int, state: NDArray[np.float64]) -> None:
        """Take a joint state, (8,): seven joints in rad, gripper opening; a repeated stamp is dropped."""
        with self._changed:
            if self._states and self._states[-1][0] - stamp_ns >= NS_PER_S:
                self._states.clear()
            place = bisect_left(self._states, stamp_ns, key=lambda s: s[0])
            if place < len(self._states) and self._states[place][0] == stamp_ns:
                return
            self._states.insert(place, (stamp_ns, state))
            del self._states[:-_STATES_KEPT]
            self._changed.notify_all()

    def latest_state(self) -> tuple[int, NDArray[np.float64]] | None:
        """Stamp in ns and value of the newest joint state, None before the first."""
        with self._changed:
            return self._states[-1] if self._states else None

    def newest(self, not_before_ns: int = 0) -> SyncedObservation | str:
        """The newest pair captured at or after `not_before_ns`, or the reason why there is none."""
        with self._changed:
            return self._newest(not_before_ns)

    def silence(self, not_before_ns: int) -> str:
        """Which cameras, or the joint states, have not been heard since then, in words; empty: none."""
        with self._changed:
            newest = {f"image from the {c} camera": f[-1][0] if f else None for c, f in self._frames.items()}
            newest["joint state"] = self._states[-1][0] if self._states else None
        missing = [f"no {what} yet" for what, stamp_ns in newest.items() if stamp_ns is None]
        late_s = {
            what: (not_before_ns - (stamp_ns or not_before_ns)) / NS_PER_S
            for what, stamp_ns in newest.items()
        }
        missing += [f"the newest {what} is {s:.3f} s too old" for what, s in late_s.items() if s > 0.0]
        return "; ".join(missing)

    def wait_newest(self, not_before_ns: int, timeout_s: float) -> SyncedObservation | str:
        """Like `newest`, but waits up to `timeout_s` for one."""
        result: SyncedObservation | str = "no observation yet"

        def ready() -> bool:
            nonlocal result
            result = self._newest(not_before_ns)
            return isinstance(result, SyncedObservation)

        with self._changed:
            self._changed.wait_for(ready, timeout=timeout_s)
        return result

    def _newest(self, not_before_ns: int) -> SyncedObservation | str:
        front, wrist = self._frames["front"], self._frames["wrist"]
        for camera, frames in self._frames.items():
            if frames and frames[-1][0] < not_before_ns:
                late_s = (not_before_ns - frames[-1][0]) / NS_PER_S
                if late_s < _SAME_IMAGE_S:
                    return f"no new image from the {camera} camera"
                return f"the newest image of the {camera} camera is {late_s:.3f} s too old"
        stamps = ([stamp for stamp, _ in kept] for kept in (front, wrist, self._states))
        places = choose(*stamps, max_pair_gap_s=self._max_pair_gap_s, not_before_ns=not_before_ns)
        if isinstance(places, str):
            return places
        (front_ns, front_image), (wrist_ns, wrist_image) = front[places.front], wrist[places.wrist]
        state_ns, state = self._states[places.state]
        return SyncedObservation(front_image, wrist_image, state, front_ns, wrist_ns, state_ns)
