"""What explains motion, and the judge who looks for motion that nothing explains.

The model knows only what was asked and what was answered: it keeps the spans of time in which a live request
explains motion. The judge reads the emulated controller's record of joints and frames.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np
from walk_rig import Rig

# How long after its end a request still explains motion: braking, late news on a busy computer.
STOPPED_S = 0.8
# Slower is rest: the arm settles.
MOVING_RAD_S = 0.02
SPEED_OVER_S = 0.06
# How far the newest frame and the measured position may be apart while the driver streams.
APART_RAD = 0.45


class Unexplained(AssertionError):
    """The arm did what nobody had asked for."""


@dataclass
class Span:
    """Time in which a request explains motion."""

    why: str
    begin_s: float
    end_s: float = math.inf


@dataclass
class Model:
    """What was asked and answered.

    Attributes:
        enabled: the last enable was granted and nothing since then has ended it.
        latched: a stop is latched for certain.
        up: nodes whose process runs and which are active.
        spans: see `Span`.
    """

    enabled: bool = False
    latched: bool = False
    approving: bool = False
    up: set[str] = field(default_factory=set)
    spans: list[Span] = field(default_factory=list)

    def explain(self, why: str, since_s: float, lasts_s: float = math.inf) -> None:
        """A request is live since a moment."""
        self.spans.append(Span(why, since_s, since_s + lasts_s))

    def end(self, why: str, grace_s: float) -> None:
        """Requests of this kind are over."""
        now_s = time.monotonic()
        for span in self.spans:
            if span.why == why:
                span.end_s = min(span.end_s, now_s + grace_s)

    def stop(self, latched: bool = False) -> None:
        """The right to move has ended, and every request with it."""
        self.enabled, self.latched = False, self.latched or latched
        for why in {span.why for span in self.spans}:
            self.end(why, STOPPED_S)

    def live(self, time_s: float) -> bool:
        """Whether anything explains motion at a monotonic time."""
        return any(span.begin_s <= time_s <= span.end_s for span in self.spans)

    def forget(self, before_s: float) -> None:
        """Spans that ended before a moment are judged."""
        self.spans = [span for span in self.spans if span.end_s > before_s]


class Judge:
    """Looks at the record of the controller.

    Args:
        rig: whose record it is.
        model: what explains motion.
    """

    def __init__(self, rig: Rig, model: Model) -> None:
        self._rig, self._model = rig, model
        self._judged_s = time.monotonic()
        self.moved_s = 0.0

    def look(self) -> None:
        """Judge what the arm did since the last look. Raises Unexplained."""
        until_s = time.monotonic() - 0.05
        times, joints = self._rig.joints(self._judged_s - 2 * SPEED_OVER_S)
        if len(times) > 3:
            self._judge_motion(times, joints, until_s)
            self._judge_frames(times, joints)
        self._judged_s = until_s
        self._model.forget(until_s - 10.0)
        state = self._rig.emulator.state()
        if state["unsafe_frames"]:
            raise Unexplained(f"unsafe frames: {state['violations']}")

    def _judge_motion(self, times: np.ndarray, joints: np.ndarray, until_s: float) -> None:
        before = np.searchsorted(times, times - SPEED_OVER_S)
        passed_s = np.maximum(times - times[before], 1e-3)
        speed = np.abs(joints - joints[before]).max(axis=1) / passed_s
        moving = (speed > MOVING_RAD_S) & (passed_s > 0.5 * SPEED_OVER_S) & (times <= until_s)
        self.moved_s += float(np.diff(times, prepend=times[0])[moving].sum())
        for time_s in times[moving]:
            # The speed is that of the time just before.
            if not self._model.live(time_s) and not self._model.live(time_s - SPEED_OVER_S):
                raise Unexplained(
                    f"the arm moved at {time_s:.2f} with {speed[times == time_s][0]:.3f} rad/s, "
                    "which no live request explains"
                )

    def _judge_frames(self, times: np.ndarray, joints: np.ndarray) -> None:
        """Each frame that the controller followed has the arm near it."""
        for sent_s, degrees, outcome in self._rig.emulator.ask(get="canfd", last=60)["canfd"]:
            if outcome != "followed" or not times[0] <= sent_s <= times[-1]:
                continue
            near = joints[(times >= sent_s - 0.05) & (times <= sent_s + 0.3)]
            if len(near) and np.abs(near - np.radians(degrees)).max(axis=1).min() > APART_RAD:
                raise Unexplained(f"frame and arm were apart at {sent_s:.2f}")
