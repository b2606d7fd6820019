"""What is wrong with a recording or a data set: rates, gaps, drops, stamps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d

from kinevla.data.bags import open_bag
from kinevla.data.episodes import EPISODES_KIND, EpisodeReader
from kinevla.data.packing import DataError
from kinevla.data.recordings import find_bags
from kinevla.manifest import MANIFEST_NAME, ManifestError, read_manifest

_WIDTHS = (16, 64, 128)
_REGULAR_STEP, _REGULAR_SHARE, _LOST_STEP = 0.3, 0.6, 0.75
_STAMPED = ("sensor_msgs/", "trajectory_msgs/", "diagnostic_msgs/")


@dataclass(frozen=True)
class AuditConfig:
    """What counts as wrong; the options of `kinevla data audit`, which say what each means."""

    gap_factor: float = 1.5
    max_delay_s: float = 1.0
    max_step_rad: float = 0.5


@dataclass(frozen=True)
class TopicAudit:
    """One topic of a recording."""

    messages: int
    rate_hz: float  # from the median distance of capture stamps
    largest_gap_s: float  # between neighbouring capture stamps, s
    dropped: int  # messages missing, judged by gaps and the median distance
    stamp_errors: int  # stamps that repeat, run backwards or lie far from the time of recording
    # how far the time of recording lies behind all stamps, s, where it is too far for a delay: the recording
    # was made while another one was played
    played_s: float = 0.0


@dataclass(frozen=True)
class Audit:
    """Findings about one recording or data set; `problems` is empty where all is well."""

    path: str
    kind: str
    problems: tuple[str, ...]
    topics: dict[str, TopicAudit]
    episodes: int = 0
    frames: int = 0


def audit_topic(stamps_ns: Sequence[int], received_ns: Sequence[int], config: AuditConfig) -> TopicAudit:
    """Judge the stamps of one topic, in the order of recording."""
    stamps = np.asarray(stamps_ns, dtype=np.int64)
    steps = np.diff(stamps) / 1e9
    forward = steps[steps > 0]
    period, bursts = _period(forward)
    dropped = 0
    if bursts:
        dropped = _lost_in_bursts(stamps / 1e9, period)
    elif period:
        gaps = forward[forward > config.gap_factor * period]
        dropped = int(np.sum(np.rint(gaps / period) - 1))
    late = np.asarray(received_ns, dtype=np.int64) - stamps
    # All at the same distance: a recording that was made while another one was played.
    played = float(np.median(late)) if len(late) and abs(np.median(late)) / 1e9 > config.max_delay_s else 0.0
    far = abs(late - played) / 1e9 > config.max_delay_s
    return TopicAudit(
        messages=len(stamps),
        rate_hz=1.0 / period if period else 0.0,
        largest_gap_s=float(forward.max(initial=0.0)),
        dropped=dropped,
        stamp_errors=int(np.sum(steps <= 0) + np.sum(far)),
        played_s=played / 1e9,
    )


def _period(forward: NDArray[np.float64]) -> tuple[float, bool]:
    """Return the time between messages, s, and whether they come in bursts; 0 where there are too few."""
    if not len(forward):
        return 0.0, False
    median = float(np.median(forward))
    width = max((width for width in _WIDTHS if 3 * width <= len(forward)), default=0)
    usual = float(np.mean(abs(forward - median) < _REGULAR_STEP * median))
    pauses = int(np.sum(forward > 2 * median))
    in_bursts = usual < _REGULAR_SHARE or (
        forward.mean() > 2 * median and pauses >= max(3, len(forward) // _WIDTHS[1])
    )
    if not width or not in_bursts:
        return median, False
    # The slope of a line through many messages, which bursts do not tilt; the median of many such lines.
    times = np.concatenate([np.zeros(1), np.cumsum(forward)])
    place = np.arange(width) - (width - 1) / 2
    slopes = np.convolve(times, place[::-1] / np.sum(place**2), mode="valid")
    return float(np.median(slopes)), True


def _lost_in_bursts(times_s: NDArray[np.float64], period: float) -> int:
    """Count lost messages where pauses are usual: what comes after one makes up for it, unless it is lost."""
    late = times_s - period * np.arange(len(times_s))
    # The earliest of the next messages: a pause that is made up for leaves it where it was.
    half = _WIDTHS[1] // 2
    ahead = minimum_filter1d(late, 2 * half + 1, origin=-half, mode="nearest")
    jumps = np.diff(ahead[: -2 * half])  # what would make up for the last pause is not recorded any more
    return int(np.sum(np.rint(jumps[jumps > _LOST_STEP * period] / period)))


def audit_bag(path: Path, config: AuditConfig) -> Audit:
    """Judge all topics with a header of one recording.

    Raises:
        DataError: damaged or foreign recording.
    """
    stamps: dict[str, tuple[list[int], list[int]]] = {}
    with open_bag(path) as bag:
        topics = tuple(name for name, item in bag.topics.items() if item.type.startswith(_STAMPED))
        for raw in bag.messages(topics):
            own = stamps.setdefault(raw.topic, ([], []))
            own[0].append(raw.stamp_ns)
            own[1].append(raw.received_ns)
        problems = list(bag.remarks)
    if not stamps:
        raise DataError(f"{path} holds no messages with capture stamps")
    found = {topic: audit_topic(*own, config) for topic, own in sorted(stamps.items())}
    for topic, item in found.items():
        # Chunks and diagnostics come when they come: only streams can have gaps.
        if item.dropped and topic.endswith(("image_raw", "camera_info", "joint_states", "target")):
            problems.append(f"{topic}: {item.dropped} messages lost, gap {item.largest_gap_s:.3f} s")
        if item.stamp_errors:
            problems.append(f"{topic}: {item.stamp_errors} stamps repeat, run backwards or are far off")
    return Audit(str(path), "bag", tuple(problems), found)


def audit_data_set(path: Path, config: AuditConfig) -> Audit:
    """Read every episode of a data set, one at a time, and judge it."""
    reader = EpisodeReader(path)
    problems, frames = [] if len(reader) else ["it holds no episodes"], 0
    for index, entry in enumerate(reader.entries):
        try:
            episode = reader.read(index)
            for camera in ("front", "wrist"):
                episode.images(camera)
        except (DataError, ValueError) as error:
            problems.append(str(error))
            continue
        frames += len(episode)
        step = abs(np.diff(episode.target[:, :-1], axis=0)).max(initial=0.0)
        if step > config.max_step_rad:
            problems.append(f"{entry.name}: a target jumps by {step:.3f}, bound {config.max_step_rad}")
    return Audit(str(path), "data set", tuple(problems), {}, len(reader), frames)


def audit_all(paths: tuple[Path, ...], config: AuditConfig) -> list[Audit]:
    """Judge recordings and data sets; what cannot be read is a problem like any other."""
    audits = []
    for path in map(Path, paths):
        if (path / MANIFEST_NAME).is_file():
            try:
                read_manifest(path, kind=EPISODES_KIND)
                audits.append(audit_data_set(path, config))
            except (DataError, ManifestError) as error:
                audits.append(Audit(str(path), "data set", (str(error),), {}))
            continue
        for bag in find_bags((path,)).bags:
            try:
                audits.append(audit_bag(bag, config))
            except DataError as error:
                audits.append(Audit(str(bag), "bag", (str(error),), {}))
    return audits


def audit_text(audits: Sequence[Audit]) -> str:
    """Lay the findings out for people."""
    lines = []
    for audit in audits:
        state = f"{len(audit.problems)} problems" if audit.problems else "good"
        lines.append(f"{audit.path}: {state}")
        if audit.episodes:
            lines.append(f"  {audit.episodes} episodes, {audit.frames} frames")
        for topic, item in audit.topics.items():
            lines.append(
                f"  {topic:<36} {item.messages:>7} messages {item.rate_hz:7.1f} Hz"
                f"  gap {item.largest_gap_s:.3f} s  lost {item.dropped}  stamp errors {item.stamp_errors}"
                + (f"  recorded {item.played_s:.1f} s after its stamps" if item.played_s else "")
            )
        lines += [f"  ! {problem}" for problem in audit.problems]
    return "\n".join(lines)
