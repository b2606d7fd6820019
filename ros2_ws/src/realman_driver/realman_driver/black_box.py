"""The last half minute in memory, written to a bag whenever a stop was latched or the link was lost.

Taking notes costs microseconds and never waits. Writing happens in a process of its own (`black_box_writer`),
so that neither a slow nor a full disk reaches the driver.
"""

from __future__ import annotations

import pickle
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    targets: tuple[tuple[float, tuple[float, ...]], ...]
    states: tuple[tuple[float, tuple[float, ...], tuple[float, ...]], ...]
    chunks: tuple[tuple[float, ReceivedChunk, str], ...]
    remarks: tuple[tuple[float, str, str], ...]
    messages: tuple[tuple[float, Topic, bytes], ...] = ()


class BlackBox:
    """Rings of what happened.

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
        self._targets: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=12_000)
        self._states: deque[tuple[float, tuple[float, ...], tuple[float, ...]]] = deque(maxlen=12_000)
        self._chunks: deque[tuple[float, ReceivedChunk, str]] = deque(maxlen=3_000)
        self._remarks: deque[tuple[float, str, str]] = deque(maxlen=1_000)
        self._messages: deque[tuple[float, Topic, bytes]] = deque(maxlen=1_000)
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
        self._keep(self._chunks, (time.monotonic(), chunk, refusal))

    def remark(self, level: str, text: str) -> None:
        """Note a sentence of the log."""
        self._remarks.append((time.monotonic(), level, printable(text)))

    def message(self, topic: Topic, data: bytes) -> None:
        """Note a message of others; one too large is only mentioned."""
        if len(data) <= MAX_MESSAGE_BYTES:
            self._keep(self._messages, (time.monotonic(), topic, bytes(data)))
        else:
            self.remark("warning", f"a message of {len(data)} bytes on {topic.name} is left out")

    def _keep(self, ring: deque[Any], row: tuple[Any, ...]) -> None:
        """Add a row, and let go of what is too old to be written; each ring is filled by one thread."""
        if self._settings is None:
            return
        ring.append(row)
        too_old_s = row[0] - self._settings.duration_s - AFTERMATH_S
        while ring[0][0] < too_old_s:
            ring.popleft()

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
            settings, data = self._settings, pickle.dumps(self._recording(reason))
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
        except (OSError, subprocess.SubprocessError) as error:
            self._tell(False, str(error))
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

    def _recording(self, reason: str) -> Recording:
        assert self._settings is not None
        now_s = time.monotonic()
        since_s = now_s - self._settings.duration_s - AFTERMATH_S
        return Recording(
            reason=reason,
            ros_offset_s=self._ros_now_s() - now_s,
            targets=tuple(row for row in tuple(self._targets) if row[0] >= since_s),
            states=tuple(row for row in tuple(self._states) if row[0] >= since_s),
            chunks=tuple(row for row in tuple(self._chunks) if row[0] >= since_s),
            remarks=tuple(row for row in tuple(self._remarks) if row[0] >= since_s),
            messages=tuple(row for row in tuple(self._messages) if row[0] >= since_s),
        )
