"""What happens to a chunk that arrives: checked where the arm is, executed or refused, counted either way."""

from __future__ import annotations

import time
from collections import Counter, deque

from kine_nodes.motion_right import ChunkOrigin, origin_of
from kine_nodes.texts import printable

from .black_box import BlackBox
from .clock_watch import ClockWatch
from .gate import Chunk, ChunkRules, ReceivedChunk, Refusal, Situation, check_chunk
from .link import ArmLink
from .streamer import Streamer
from .supervisor import State, Supervisor


class ChunkIntake:
    """Takes chunks for one arm.

    Args:
        rules: what a chunk must keep.
        link: where the arm is.
        supervisor: whether chunks are executed now.
        streamer: executes them.
        clock: whether their stamps can be believed.
        black_box: notes each with its refusal.
    """

    def __init__(
        self,
        rules: ChunkRules,
        link: ArmLink,
        supervisor: Supervisor,
        streamer: Streamer,
        clock: ClockWatch,
        black_box: BlackBox,
    ) -> None:
        self._rules, self._link, self._supervisor = rules, link, supervisor
        self._streamer, self._clock, self._black_box = streamer, clock, black_box
        self._times_s: deque[float] = deque(maxlen=1001)
        self.refusals: Counter[str] = Counter()
        self.last_refusal = ""
        self.last_refused = ""
        self.accepted = 0
        self.last_accepted_s: float | None = None

    def submit(self, chunk: ReceivedChunk, now_ros_s: float) -> Refusal | None:
        """Execute a chunk, or refuse it: then nothing of it is sent and an earlier chunk goes on to its end.

        Args:
            chunk: as received.
            now_ros_s: ROS time of receipt, s.
        """
        self._clock.look()
        now_s = time.monotonic()
        origin, observed_s = origin_of(chunk.frame_id), now_s - (now_ros_s - chunk.stamp_s)
        refusal = (
            self._state_refusal()
            or self._right_refusal(origin, observed_s, now_s)
            or self._execute(chunk, now_ros_s, now_s, observed_s)
        )
        self._black_box.chunk(chunk, "" if refusal is None else refusal.text)
        if refusal is None:
            self.accepted += 1
            self.last_accepted_s = now_s
            self._supervisor.right.use(origin.source, observed_s + chunk.points[-1].time_s)
        else:
            self.refusals[refusal.rule] += 1
            self.last_refusal, self.last_refused = refusal.text, printable(chunk.frame_id, 200)
        return refusal

    def refuse_size(self, size: int, max_bytes: int) -> Refusal:
        """Count a chunk that was not read because of its size in bytes."""
        text = f"a message of {size} bytes is not read, the bound is {max_bytes} bytes"
        self.refusals["size"] += 1
        self.last_refusal, self.last_refused = text, ""
        self._black_box.oversized_chunk(size)
        return Refusal("size", "", str(size), str(max_bytes), text)

    def _right_refusal(self, origin: ChunkOrigin, observed_s: float, now_s: float) -> Refusal | None:
        found = self._supervisor.right.refusal(origin, observed_s, now_s)
        return None if found is None else Refusal(found.rule, "", found.value, found.bound, found.text)

    def _execute(
        self, chunk: ReceivedChunk, now_ros_s: float, now_s: float, observed_s: float
    ) -> Refusal | None:
        info, state = self._link.info, self._link.newest
        if info is None or state is None:
            return Refusal("not_enabled", "", "unknown", "known", "the state of the arm is not known")
        while self._times_s and now_s - self._times_s[0] >= 1.0:
            self._times_s.popleft()
        recent = len(self._times_s)
        self._times_s.append(now_s)

        def check(setpoint: tuple[float, ...]) -> Chunk | Refusal:
            doubt = self._clock.refusal(chunk.stamp_s, now_ros_s, now_s)
            if doubt is not None:
                return doubt
            now = Situation(info.limits, setpoint, now_ros_s, state.position_rad, recent)
            return check_chunk(chunk, self._rules, now)

        return self._streamer.submit(check, now_s, observed_s)

    def _state_refusal(self) -> Refusal | None:
        state = self._supervisor.state
        if state is State.ENABLED:
            return None
        link_text = "" if self._supervisor.connected else self._supervisor.link_text
        why = self._supervisor.stop_reason or link_text
        text = f"the state is {state.value}{f' ({why})' if why else ''}, chunks are executed in ENABLED only"
        return Refusal("not_enabled", "", state.value, "ENABLED", text)
