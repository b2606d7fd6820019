"""Live audit of a recording: rate, gaps, stamps and losses per topic, and a verdict with reasons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kine_teleop.recording.topics import Topic

NS = 1_000_000_000
GOOD, SUSPECT, BAD = "good", "suspect", "bad"


@dataclass(frozen=True)
class Limit:
    """Above `suspect` an episode is suspect, above `bad` it is bad."""

    suspect: float
    bad: float


# The one table of thresholds. Shares are of the messages expected on the topic.
LIMITS = {
    "missing rate": Limit(0.10, 0.30),  # share of the expected rate that is missing
    "gap": Limit(0.1, 0.5),  # s, longest time between two messages, less the expected period
    "dropped share": Limit(0.0, 0.02),
    "stamp error share": Limit(0.0, 0.01),
    "stamp age": Limit(0.25, 1.0),  # s, largest distance between stamp and receive time
}


@dataclass
class TopicAudit:
    """What was seen of one topic so far; times in ns."""

    topic: Topic
    start_ns: int = 0  # begin of the recording; 0: unknown
    messages: int = 0
    first_ns: int = 0
    last_ns: int = 0
    first_stamp_ns: int = 0
    last_stamp_ns: int = 0
    largest_gap_ns: int = 0
    largest_age_ns: int = 0
    stamp_errors: int = 0
    missed: int = 0
    overflowed: int = 0

    def add(self, receive_ns: int, stamp_ns: int | None) -> None:
        """Count one received message; `stamp_ns` None: its type has no header."""
        if self.messages:
            self.largest_gap_ns = max(self.largest_gap_ns, receive_ns - self.last_ns)
        else:
            self.first_ns = receive_ns
            self.largest_gap_ns = receive_ns - self.start_ns if self.start_ns else 0
        if stamp_ns is not None:
            self._check_stamp(receive_ns, stamp_ns)
        self.messages += 1
        self.last_ns = receive_ns

    def _check_stamp(self, receive_ns: int, stamp_ns: int) -> None:
        self.largest_age_ns = max(self.largest_age_ns, abs(receive_ns - stamp_ns))
        if not self.messages:
            self.first_stamp_ns = self.last_stamp_ns = stamp_ns
            return
        step = stamp_ns - self.last_stamp_ns
        if step <= 0:
            self.stamp_errors += 1
            return  # the newest stamp stays the reference
        if self.topic.camera and self.topic.rate_hz:
            self.missed += max(0, round(step * self.topic.rate_hz / NS) - 1)
        self.last_stamp_ns = stamp_ns

    @property
    def rate_hz(self) -> float:
        """Mean rate from first to last message, 1/s; 0 with fewer than two."""
        span = self.last_ns - self.first_ns
        return (self.messages - 1) * NS / span if self.messages > 1 and span > 0 else 0.0

    @property
    def dropped(self) -> int:
        """Messages lost before they came here, and those the writer had no room for."""
        missed = self.missed
        if self.topic.rate_hz and not self.topic.camera and self.messages:
            expected = (self.last_ns - self.first_ns) * self.topic.rate_hz / NS
            # Clocks differ by a little: a shortage below one in a hundred is no loss.
            shortage = int(expected) + 1 - self.messages
            missed = shortage if shortage > max(1.0, 0.01 * expected) else 0
        return missed + self.overflowed

    def report(self) -> dict[str, Any]:
        """Figures as stored in episode.json."""
        return {
            "messages": self.messages - self.overflowed,
            "rate_hz": round(self.rate_hz, 3),
            "largest_gap_s": round(self.largest_gap_ns / NS, 4),
            "dropped": self.dropped,
            "dropped_by_writer": self.overflowed,
            "stamp_errors": self.stamp_errors,
            "largest_stamp_age_s": round(self.largest_age_ns / NS, 4),
        }

    def findings(self, now_ns: int | None = None) -> list[tuple[str, str]]:
        """(verdict, reason) for all that is beyond a limit; `now_ns` also judges a silence that lasts."""
        if not self.messages:
            return [(BAD, f"{self.topic.name}: no message")] if self.topic.required else []
        name, rate = self.topic.name, self.topic.rate_hz
        total = self.messages + self.dropped - self.overflowed
        gap = max(self.largest_gap_ns, (now_ns or 0) - self.last_ns)
        measured = [
            ("dropped share", self.dropped / total, f"{self.dropped} of {total} messages lost"),
            (
                "stamp error share",
                self.stamp_errors / total,
                f"{self.stamp_errors} stamps repeated or backwards",
            ),
        ]
        if rate:
            missing = 1.0 - self.rate_hz / rate
            if self.messages > 1:
                text = f"{self.rate_hz:.2f} messages/s, {rate:g} expected"
                measured.append(("missing rate", missing, text))
            measured.append(("gap", gap / NS - 1 / rate, f"{gap / NS:.3f} s without a message"))
            age = self.largest_age_ns / NS
            measured.append(("stamp age", age, f"stamp up to {age:.3f} s from the time of receipt"))
        found = []
        for limit, value, text in measured:
            bounds = LIMITS[limit]
            if value > bounds.suspect:
                bad = value > bounds.bad
                bound = bounds.bad if bad else bounds.suspect
                found.append((BAD if bad else SUSPECT, f"{name}: {text} ({limit} {value:.3g} > {bound:g})"))
        return found


@dataclass
class Audit:
    """Audit of all topics of one episode."""

    topics: dict[str, TopicAudit]
    incidents: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, topics: Iterable[Topic], start_ns: int) -> Audit:
        """An audit that has seen nothing yet; `start_ns` 0: silence before a first message is not judged."""
        return cls({topic.name: TopicAudit(topic, start_ns) for topic in topics})

    def add(self, name: str, receive_ns: int, stamp_ns: int | None) -> None:
        """Count one received message."""
        self.topics[name].add(receive_ns, stamp_ns)

    def overflow(self, name: str) -> None:
        """Count a received message that the writer could not take."""
        self.topics[name].overflowed += 1

    def incident(self, verdict: str, reason: str) -> None:
        """Note something that concerns the whole recording, such as a full disk."""
        self.incidents.append((verdict, reason))

    def verdict(self, now_ns: int | None = None) -> tuple[str, list[str]]:
        """The worst finding, and all reasons, worst first."""
        found = [*self.incidents, *(f for t in self.topics.values() for f in t.findings(now_ns))]
        found.sort(key=lambda item: item[0] != BAD)
        worst = found[0][0] if found else GOOD
        return worst, [reason for _, reason in found]

    def report(self, now_ns: int | None = None) -> dict[str, Any]:
        """Verdict, reasons and figures per topic as stored in episode.json."""
        verdict, reasons = self.verdict(now_ns)
        topics = {name: t.report() for name, t in self.topics.items() if t.messages or t.topic.required}
        return {"verdict": verdict, "reasons": reasons, "topics": topics}
