"""Message log of the emulated controller: every line that crossed the wire, with its time."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Direction = Literal["rx", "tx", "note"]


@dataclass(frozen=True)
class LogRecord:
    """One logged line.

    Attributes:
        time_s: `time.monotonic()` of the moment the controller handled the line.
        direction: `rx` from a client, `tx` to a client, `note` for the controller's own remarks.
        client: client id such as `c1`, or an empty string for remarks that concern no client.
        raw: the text as it was on the wire, without its line end.
        kind: `canfd` for streamed set-points, `event` for arrival events, otherwise empty.
        joints_deg: the seven joint values of a canfd frame in degrees, otherwise None.
        outcome: what became of a canfd frame: `followed`, `lost`, `ignored: ...` or `refused: ...`.
    """

    time_s: float
    direction: Direction
    client: str
    raw: str
    kind: str = ""
    joints_deg: tuple[float, ...] | None = None
    outcome: str = ""


class MessageLog:
    """Thread-safe record of the wire: bounded in memory, complete in an optional JSON-lines file.

    The file is flushed after each record, so that what was received survives a killed process.
    """

    def __init__(self, path: str | Path | None = None, capacity: int = 30_000) -> None:
        if capacity < 1:
            raise ValueError(f"log capacity {capacity} must be at least 1 record")
        self._records: deque[LogRecord] = deque(maxlen=capacity)
        self._lock = threading.Lock()
        self._file = open(path, "a", encoding="utf-8") if path is not None else None  # noqa: SIM115
        self._canfd_received = 0

    def add(self, direction: Direction, client: str, raw: str, **extra: Any) -> None:
        """Append a record stamped now; `extra` are further `LogRecord` fields."""
        record = LogRecord(time.monotonic(), direction, client, raw, **extra)
        with self._lock:
            self._records.append(record)
            if record.kind == "canfd":
                self._canfd_received += 1
            if self._file is not None:
                self._file.write(json.dumps({k: v for k, v in asdict(record).items() if v not in ("", None)}))
                self._file.write("\n")
                self._file.flush()

    def note(self, text: str, client: str = "") -> None:
        """Record a remark of the controller itself."""
        self.add("note", client, text)

    @property
    def records(self) -> list[LogRecord]:
        """Copy of the records still in memory, oldest first."""
        with self._lock:
            return list(self._records)

    @property
    def canfd_received(self) -> int:
        """Number of canfd frames received since the start, also those no longer in memory."""
        return self._canfd_received

    def canfd_frames(self) -> list[LogRecord]:
        """Records of the streamed joint frames in memory, oldest first."""
        return [record for record in self.records if record.kind == "canfd"]

    def requests(self, name: str) -> list[LogRecord]:
        """Received lines whose `command` is `name`, oldest first."""
        token = json.dumps(name)
        return [r for r in self.records if r.direction == "rx" and token in r.raw]

    def notes(self) -> list[str]:
        """Texts of the controller's own remarks, oldest first."""
        return [r.raw for r in self.records if r.direction == "note"]

    def close(self) -> None:
        """Close the file; later records are kept in memory only."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
