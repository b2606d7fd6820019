"""What the page shows, in sections with a revision each: a viewer gets what changed since it looked last."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from kine_console import health
from kine_nodes.texts import printable

HISTORY_S = 60.0
SAMPLE_PERIOD_S = 0.1
MAX_PLANS = 200
MAX_EVENTS = 60
MAX_PLAN_TEXT, MAX_CODES = 2000, 64
JOINT_NAMES = (*(f"joint_{i}" for i in range(1, 8)), "gripper")


class ConsoleState:
    """Filled from ROS, read by every viewer; safe to use from several threads, and bounded.

    Args:
        clock: seconds, monotonic; all `received_s` are in its time.
        wall_clock: seconds since 1970, for the log of events.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self.clock, self._wall_clock = clock, wall_clock
        self._lock = threading.Lock()
        self._sections: dict[str, tuple[int, Any]] = {}
        self._revision = 0
        self._samples: deque[list[float | None]] = deque(maxlen=int(HISTORY_S / SAMPLE_PERIOD_S))
        self._latencies: deque[list[float]] = deque(maxlen=MAX_PLANS)
        self._events: deque[dict[str, Any]] = deque(maxlen=MAX_EVENTS)
        self._statuses: dict[str, health.Status] = {}
        self._nodes: dict[str, dict[str, Any]] = {}
        self._driver_state = ""

    # --- filling ---------------------------------------------------------------------------------------
    def put(self, section: str, value: Any) -> None:
        """Replace a section; the revision moves only when the value differs."""
        with self._lock:
            self._put(section, value)

    def _put(self, section: str, value: Any) -> None:
        before = self._sections.get(section)
        if before is None or before[1] != value:
            self._revision += 1
            self._sections[section] = (self._revision, value)

    def take_joints(self, names: Sequence[str], positions: Sequence[float]) -> None:
        """A joint state: rad and the gripper's opening. Missing or not finite values become None."""
        by_name = dict(zip(names, positions, strict=False))
        values = [_number(by_name.get(name)) for name in JOINT_NAMES]
        now_s = self.clock()
        with self._lock:
            self._put("joints", {"values": values, "received_s": now_s})
            if not self._samples or now_s - float(self._samples[-1][0] or 0.0) >= SAMPLE_PERIOD_S:
                self._samples.append([round(now_s, 3), *values])

    def take_plan(self, plan: Mapping[str, Any], latencies_s: Mapping[str, float]) -> None:
        """A plan: its texts and codes, and named latencies (vision, generation, decoder, total, age), s."""
        now_s = self.clock()
        plan = {key: _bounded(value) for key, value in plan.items()}
        figures = {name: _number(value) for name, value in latencies_s.items()}
        with self._lock:
            self._latencies.append([round(now_s, 3), figures.get("total") or 0.0, figures.get("age") or 0.0])
            self._put("plan", {**plan, "latency_s": figures, "received_s": now_s})

    def take_driver(self, state: str, reason: str, source: str) -> None:
        """What the driver does, why, and who moves the arm (empty: nobody). Each change is in the log."""
        with self._lock:
            most = health.MAX_TEXT
            before = self._driver_state
            self._driver_state = state
            if before not in ("", state):
                ok = state not in ("STOPPED", "LOST", "DISCONNECTED")
                self._log("driver", f"{before} -> {state}", ok, reason, "arm")
            row = {"state": state, "reason": printable(reason, most), "source": printable(source, most)}
            self._put("driver", {**row, "received_s": round(self.clock(), 1)})

    def take_arm(self, which: str, address: str) -> None:
        """Whether the arm is SIMULATED or REAL (empty: not known), and its controller's address."""
        self.put("arm", {"which": which, "address": printable(address, health.MAX_TEXT)})

    def take_status(self, name: str, level: int, message: str, values: Mapping[str, str]) -> None:
        """One status of `/diagnostics`."""
        status = health.Status.bounded(name, level, message, values, self.clock())
        name = status.name
        with self._lock:
            if name not in self._statuses and len(self._statuses) >= health.MAX_STATUSES:
                # Names that are made up do not keep out those that are real: the most silent one goes.
                del self._statuses[min(self._statuses, key=lambda n: self._statuses[n].received_s)]
            self._statuses[name] = status
            self._put("statuses", {key: value.as_dict() for key, value in sorted(self._statuses.items())})
            self._put("counters", health.counters(self._statuses.values()))

    def take_nodes(self, present: Mapping[str, str]) -> None:
        """The nodes that are there now, each with its lifecycle state or an empty text.

        One that was there and is not any more stays in the list as gone.
        """
        with self._lock:
            for name in [*self._nodes, *present]:
                if self._nodes.get(name, {}).get("there") and name not in present:
                    self._log(name.lstrip("/"), "node gone", False, "was there, and is not any more", "node")
                self._nodes[name] = {"there": name in present, "lifecycle": present.get(name, "")}
            while len(self._nodes) > health.MAX_STATUSES:
                gone = next((name for name, row in self._nodes.items() if not row["there"]), None)
                self._nodes.pop(gone if gone is not None else next(iter(self._nodes)))
            self._put("nodes", {name: dict(row) for name, row in sorted(self._nodes.items())})

    def log(self, who: str, what: str, ok: bool, message: str) -> None:
        """Add a line to the log of commands that all viewers see."""
        with self._lock:
            self._log(who, what, ok, message, "command")

    def _log(self, who: str, what: str, ok: bool, message: str, kind: str) -> None:
        line = {"time_s": self._wall_clock(), "who": printable(who, health.MAX_TEXT), "what": what, "ok": ok}
        line |= {"message": printable(message, health.MAX_TEXT), "kind": kind}
        self._events.append(line)
        self._put("events", list(self._events))

    # --- reading ---------------------------------------------------------------------------------------
    def changes(self, since: int) -> tuple[int, dict[str, Any]]:
        """The newest revision, and every section that is newer than `since`."""
        with self._lock:
            changed = {name: value for name, (number, value) in self._sections.items() if number > since}
            return self._revision, changed

    def history(self) -> dict[str, Any]:
        """The last minute of joints and the last plans' latencies, for a viewer that has just come."""
        with self._lock:
            return {"joints": list(self._samples), "latencies": list(self._latencies)}


def _bounded(value: Any) -> Any:
    """A field of a plan as it is shown."""
    if isinstance(value, str):
        return printable(value, MAX_PLAN_TEXT)
    return value[:MAX_CODES] if isinstance(value, list) else value


def _number(value: float | None) -> float | None:
    """Five digits are enough to look at; JSON has no NaN."""
    return round(float(value), 5) if value is not None and isfinite(value) else None
