"""The right to move an arm: who has it, since when, and for which right a chunk was made. Plain Python.

    nobody --a person enables--> granted (a new epoch) --a chunk--> used by its source --chunks end--> granted
    granted, used --stop, disable, lost link, foreign motion, fault, homing--> nobody

A right that has ended never comes back: the next grant is another epoch, and a chunk that was made for an
earlier one is refused. So what somebody began before a stop cannot go on after it without a new request.

A chunk tells both in its `header.frame_id`: `<source>/<anything>@<epoch>`.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from kine_nodes.texts import printable

UNNAMED = "(unnamed)"
MAX_SOURCE_LENGTH = 64
# How long a refused second source is mentioned.
CONTENDER_S = 5.0


@dataclass(frozen=True)
class ChunkOrigin:
    """Where a chunk comes from.

    Attributes:
        source: who made it, never empty.
        epoch: the grant it was made for; None when it does not say.
    """

    source: str
    epoch: int | None


def tagged(trace: str, epoch: int) -> str:
    """The `frame_id` of a chunk: its trace, which begins with the source, and the grant it was made for."""
    return f"{trace}@{epoch}"


def origin_of(frame_id: str) -> ChunkOrigin:
    """Read a `frame_id`; any text is one, and what is not printable or too long is shown escaped and cut."""
    trace, mark, tail = frame_id[:512].rpartition("@")
    numbered = bool(mark) and tail.isascii() and tail.isdigit() and len(tail) <= 20
    source = (trace if numbered else frame_id[:512]).partition("/")[0]
    return ChunkOrigin(printable(source, MAX_SOURCE_LENGTH) or UNNAMED, int(tail) if numbered else None)


@dataclass(frozen=True)
class RightRefusal:
    """Why a chunk has no right to move the arm: a rule name, the value, the bound, and a sentence."""

    rule: str
    value: str
    bound: str
    text: str


class MotionRight:
    """One arm's right to be moved. For callers that hold a lock, or from one thread.

    Args:
        hold_s: how long after the end of its last chunk a source keeps the arm to itself, s.
    """

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        # Larger than any epoch of a process before this one: what was meant for that one has no right here.
        self._last_epoch = time.time_ns() // 1_000_000
        self._granted = False
        self._ended_s = -math.inf
        self._epoch = 0
        self._source, self._until_s = "", -math.inf
        self._contender, self._contended_s = "", -math.inf

    @property
    def epoch(self) -> int:
        """Of the present grant, or of the last one; 0 before the first."""
        return self._epoch

    @property
    def granted(self) -> bool:
        """Whether anybody may move the arm."""
        return self._granted

    def grant(self) -> int:
        """Begin a new epoch; nobody uses it yet."""
        self._last_epoch += 1
        self._epoch, self._granted = self._last_epoch, True
        self._source, self._until_s = "", -math.inf
        return self._epoch

    def end(self, now_s: float) -> None:
        """Nobody may move the arm until the next grant."""
        if self._granted:
            self._granted, self._ended_s = False, now_s
        self._source, self._until_s = "", -math.inf

    def source(self, now_s: float) -> str:
        """Who moves the arm now; empty: nobody."""
        return self._source if now_s < self._until_s else ""

    def contender(self, now_s: float) -> str:
        """Another source that was refused just now; empty: none."""
        return self._contender if now_s < self._contended_s + CONTENDER_S else ""

    def use(self, source: str, ends_s: float) -> None:
        """A chunk of this source is executed until `ends_s`."""
        if self._granted:
            self._source, self._until_s = source, ends_s + self._hold_s

    def refusal(self, origin: ChunkOrigin, observed_s: float, now_s: float) -> RightRefusal | None:
        """Why a chunk may not move the arm; None when it may.

        Args:
            origin: of the chunk.
            observed_s: monotonic time of the observation it was made from.
            now_s: monotonic time.
        """
        if origin.epoch is not None and origin.epoch != self._epoch:
            bound = f"epoch {self._epoch}"
            text = (
                f"it was made for epoch {origin.epoch}, the present one is {self._epoch}: "
                "the arm was enabled anew since, which takes a new request"
            )
            return RightRefusal("epoch", str(origin.epoch), bound, text)
        if origin.epoch is None and observed_s < self._ended_s:
            text = (
                f"its observation was made {self._ended_s - observed_s:.3f} s before the last stop, disable "
                "or home motion, it must be of after that"
            )
            return RightRefusal("epoch", "none", "observed after the right before had ended", text)
        holder = self.source(now_s)
        if holder and holder != origin.source:
            self._contender, self._contended_s = origin.source, now_s
            text = f"{holder} moves the arm, {origin.source} must wait until it has ended"
            return RightRefusal("source", origin.source, f"{holder} only", text)
        return None
