"""The last half minute in memory, written to a bag whenever a stop was latched or the link was lost.

Taking notes costs microseconds and never waits. Writing happens in a process of its own (`black_box_writer`),
so that neither a slow nor a full disk reaches the driver.
"""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from kine_nodes.child import child_environment, module_command
from kine_nodes.texts import printable

from .gate import ReceivedChunk
from .state import ArmState

_WRITER = "realman_driver.black_box_writer"
# What happens just after a stop is worth as much as what led to it.
AFTERMATH_S = 0.5
WRITE_TIMEOUT_S = 60.0
# A plan has about 1 kB.
MAX_MESSAGE_BYTES = 65_536
MAX_MESSAGES_BYTES = 8_388_608
# Of refused chunks so many a second are kept whole, the others are counted: a flood leaves room for the rest.
MAX_REFUSED_PER_S = 20
MAX_CHUNKS_BYTES = 33_554_432
# What a point of a chunk takes in memory: its own objects, and each of its values.
POINT_BYTES, VALUE_BYTES, TEXT_BYTES = 300, 32, 100
# So many rows are pickled at once: pickling locks the interpreter, and a stop waits for that.
ROWS_AT_ONCE = 50


@dataclass(frozen=True)
class BlackBoxSettings:
    """Where bags go, how much they hold, how many are kept and how much disk stays free."""

    folder: Path
    duration_s: float = 30.0
    max_bags: int = 20
    min_free_mb: float = 200.0


@dataclass(frozen=True)
class Topic:
    """A topic whose messages are kept as they came.

    Attributes:
        name: in full.
        kind: type, `package/msg/Name`, of standard types beside its own.
        definition: text of its `.msg` file.
    """

    name: str
    kind: str
    definition: str


@dataclass(frozen=True)
class Recording:
    """What the writer gets; all times are monotonic, `ros_offset_s` turns them into ROS time.

    Attributes:
        reason: why it is written.
        targets: (time, 7 angles rad) of each frame sent.
        states: (time, 7 angles rad, 7 currents A) as measured.
        chunks: (time, chunk as received, why it was refused or an empty text).
        remarks: (time, level, text).
        messages: (time of receipt, topic, serialised message).
    """

    reason: str
    ros_offset_s: float
    targets: list[tuple[float, tuple[float, ...]]] = field(default_factory=list)
    states: list[tuple[float, tuple[float, ...], tuple[float, ...]]] = field(default_factory=list)
    chunks: list[tuple[float, ReceivedChunk, str]] = field(default_factory=list)
    remarks: list[tuple[float, str, str]] = field(default_factory=list)
    messages: list[tuple[float, Topic, bytes]] = field(default_factory=list)


class _Ring:
    """Rows with their time in front and a size each; the oldest go when there are too many of either."""

    def __init__(self, max_rows: int, max_bytes: int = sys.maxsize) -> None:
        self._rows: deque[tuple[tuple[Any, ...], int]] = deque()
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self.bytes = 0

    def add(self, row: tuple[Any, ...], too_old_s: float, size: int = 0) -> None:
        """Add a row, and let go of those from before a time; for one thread only."""
        self._rows.append((row, size))
        self.bytes += size
        while (
            self._rows[0][0][0] < too_old_s
            or len(self._rows) > self._max_rows
            or self.bytes > self._max_bytes
        ):
            self.bytes -= self._rows.popleft()[1]
            if not self._rows:
                return

    def since(self, time_s: float) -> tuple[Any, ...]:
        """The rows from a time on, oldest first."""
        return tuple(row for row, _ in tuple(self._rows) if row[0] >= time_s)


class BlackBox:
    """Rings of what happened, bounded in time, number and bytes.

    Args:
        settings: see there; None: nothing is kept or written.
        ros_now_s: the ROS time, s.
        report: told level and text about each bag, in a thread of this object.
    """

    def __init__(
        self,
        settings: BlackBoxSettings | None,
        ros_now_s: Callable[[], float],
        report: Callable[[str, str], None],
    ) -> None:
        self._settings, self._ros_now_s, self._report = settings, ros_now_s, report
        self._targets, self._states = _Ring(12_000), _Ring(12_000)
        self._chunks = _Ring(3_000, MAX_CHUNKS_BYTES)
        self._messages = _Ring(1_000, MAX_MESSAGES_BYTES)
        self._remarks: deque[tuple[float, str, str]] = deque(maxlen=1_000)
        self._refused_second, self._refused, self._left_out, self._left_out_bytes = 0, 0, 0, 0
        self._busy = threading.Lock()
        self._thread: threading.Thread | None = None
        self.bags = 0
        self.last_bag = ""
        self.last_error = ""

    def target(self, position_rad: tuple[float, ...]) -> None:
        """Note a frame that was sent."""
        self._keep(self._targets, (time.monotonic(), position_rad))

    def state(self, state: ArmState) -> None:
        """Note a measurement."""
        self._keep(self._states, (state.arrived_monotonic_s, state.position_rad, state.current_a))

    def chunk(self, chunk: ReceivedChunk, refusal: str) -> None:
        """Note a chunk, with the text of its refusal or an empty one."""
        now_s = time.monotonic()
        if refusal and not self._has_room(now_s):
            self._left_out += 1
            return
        values = sum(len(point.positions) for point in chunk.points)
        names = sum(len(name) for name in chunk.joint_names) + TEXT_BYTES * len(chunk.joint_names)
        size = POINT_BYTES * len(chunk.points) + VALUE_BYTES * values + names
        self._keep(self._chunks, (now_s, chunk, refusal), size)

    def oversized_chunk(self, size: int) -> None:
        """Note that a chunk of so many bytes was not read."""
        if not self._has_room(time.monotonic()):
            self._left_out += 1
            self._left_out_bytes += size
        else:
            self.remark("warning", f"a chunk of {size} bytes is not read")

    def _has_room(self, now_s: float) -> bool:
        """Whether one more refused chunk of this second is noted; tells what an earlier one left out."""
        if int(now_s) != self._refused_second:
            self._refused_second, self._refused = int(now_s), 0
            self._tell_left_out()
        self._refused += 1
        return self._refused <= MAX_REFUSED_PER_S

    def _tell_left_out(self) -> None:
        if self._left_out:
            more = f" ({self._left_out_bytes} bytes not read)" if self._left_out_bytes else ""
            self.remark("warning", f"{self._left_out} more chunks were refused within a second{more}")
            self._left_out = self._left_out_bytes = 0

    def remark(self, level: str, text: str) -> None:
        """Note a sentence of the log."""
        self._remarks.append((time.monotonic(), level, printable(text)))

    def message(self, topic: Topic, data: bytes) -> None:
        """Note a message of others; one too large is only mentioned."""
        if len(data) <= MAX_MESSAGE_BYTES:
            self._keep(self._messages, (time.monotonic(), topic, bytes(data)), len(data))
        else:
            self.remark("warning", f"a message of {len(data)} bytes on {topic.name} is left out")

    @property
    def chunk_bytes(self) -> int:
        """What the chunks that are kept take in memory, about."""
        return self._chunks.bytes

    def _keep(self, ring: _Ring, row: tuple[Any, ...], size: int = 0) -> None:
        """Add a row, and let go of what is too old to be written; each ring is filled by one thread."""
        if self._settings is not None:
            ring.add(row, row[0] - self._settings.duration_s - AFTERMATH_S, size)

    def write_soon(self, reason: str) -> bool:
        """Write a bag in the background; False when one is being written, which the remark then joins."""
        self.remark("error", reason)
        if self._settings is None or not self._busy.acquire(blocking=False):
            return False
        self._thread = threading.Thread(target=self._write, args=(reason,), name="black-box", daemon=True)
        self._thread.start()
        return True

    def wait_written(self, timeout_s: float) -> bool:
        """Wait for the bag being written; False when it takes longer."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
            return not thread.is_alive()
        return True

    def _write(self, reason: str) -> None:
        try:
            time.sleep(AFTERMATH_S)
            assert self._settings is not None
            settings, data = self._settings, self._pickled(reason)
            limits = (str(settings.max_bags), str(settings.min_free_mb))
            done = subprocess.run(
                module_command(_WRITER, str(settings.folder), *limits),
                env=child_environment(_WRITER),
                input=data,
                capture_output=True,
                timeout=WRITE_TIMEOUT_S,
                check=False,
            )
            text = (done.stdout if done.returncode == 0 else done.stderr).decode("utf-8", "replace").strip()
            last_line = text.splitlines()[-1] if text else f"exit code {done.returncode}"
            self._tell(done.returncode == 0, last_line)
        except Exception as error:  # whatever it is, the arm is not to stop for want of a record
            self._tell(False, str(error) or type(error).__name__)
        finally:
            self._busy.release()

    def _tell(self, good: bool, text: str) -> None:
        if good:
            self.bags += 1
            self.last_bag, self.last_error = text, ""
            self._report("info", f"the last seconds before the stop are in {text}")
        else:
            self.last_error = text
            self._report("error", f"the black box could not be written: {text}")

    def _pickled(self, reason: str) -> bytes:
        """A `Recording` without rows, then pairs of a field's name and some rows, pickled one by one."""
        assert self._settings is not None
        self._tell_left_out()
        now_s = time.monotonic()
        since_s = now_s - self._settings.duration_s - AFTERMATH_S
        out = io.BytesIO()
        out.write(pickle.dumps(Recording(reason, self._ros_now_s() - now_s)))
        fields = {
            "targets": self._targets.since(since_s),
            "states": self._states.since(since_s),
            "chunks": self._chunks.since(since_s),
            "messages": self._messages.since(since_s),
            "remarks": tuple(row for row in tuple(self._remarks) if row[0] >= since_s),
        }
        for name, rows in fields.items():
            for first in range(0, len(rows), ROWS_AT_ONCE):
                out.write(pickle.dumps((name, rows[first : first + ROWS_AT_ONCE])))
        return out.getvalue()


def read_recording(stream: BinaryIO) -> Recording:
    """What the black box has pickled."""
    recording: Recording = pickle.load(stream)
    while True:
        try:
            name, rows = pickle.load(stream)
        except EOFError:
            return recording
        getattr(recording, name).extend(rows)
