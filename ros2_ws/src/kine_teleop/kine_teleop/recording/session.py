"""Start, fill and end recordings: the recorder without ROS."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kine_nodes.texts import text_problem
from kine_teleop.recording import schemas
from kine_teleop.recording.audit import BAD, SUSPECT, Audit
from kine_teleop.recording.bag_writer import BagWriter, PlainFile
from kine_teleop.recording.episode import (
    DISCARDED,
    VERDICTS,
    Episode,
    file_away,
    move,
    read_calibration,
    versions,
)
from kine_teleop.recording.task_texts import fill, known_texts
from kine_teleop.recording.topics import AUDIT_TOPIC, Topic
from kinevla.text.instruction import normalised, seen, tidy

MIB = 1024 * 1024
MAX_NOTE, MAX_OPERATOR = 1000, 100


class RecorderError(Exception):
    """The request is refused, or the recording failed; the text tells why."""


@dataclass(frozen=True)
class RecorderSettings:
    """Where and how to record.

    Attributes:
        folder: where the episodes go; made when missing.
        min_free_mb: a recording starts only with this much free space, MiB.
        stop_free_mb: a running one ends below this, MiB.
        queue_mb: how much may wait for the disk, MiB.
        calibration_file: YAML or JSON stored with each episode; empty: none.
    """

    folder: Path
    min_free_mb: int = 2000
    stop_free_mb: int = 100
    queue_mb: int = 256
    calibration_file: str = ""


@dataclass(frozen=True)
class Finished:
    """An episode that ended."""

    episode_id: str
    folder: Path
    audit: str
    duration_s: float
    messages: int


@dataclass
class _Running:
    episode: Episode
    folder: Path
    audit: Audit
    writer: BagWriter
    camera_info: dict[str, bytes] = field(default_factory=dict)


class Recorder:
    """Records one episode at a time; called from one thread, the disk has its own.

    Args:
        settings: where and how.
        topics: what is recorded.
        clock_ns: time in ns since 1970.
        open_file: makes the bag's file.

    Raises:
        OSError: the folder cannot be made.
        ValueError: the calibration file cannot be read.
        LookupError: the definition of a message type is not found.
    """

    def __init__(
        self,
        settings: RecorderSettings,
        topics: Iterable[Topic],
        clock_ns: Callable[[], int] = time.time_ns,
        open_file: Callable[[Path], PlainFile] = PlainFile,
    ) -> None:
        self.settings = settings
        self.topics = {topic.name: topic for topic in topics}
        self.last_error = ""
        self._clock, self._open = clock_ns, open_file
        self._running: _Running | None = None
        self._calibration = read_calibration(settings.calibration_file)
        self._texts = known_texts()
        self._header = {t.name: schemas.has_header(t.type_name) for t in (*self.topics.values(), AUDIT_TOPIC)}
        settings.folder.mkdir(parents=True, exist_ok=True)

    @property
    def recording(self) -> bool:
        """Whether an episode is being recorded."""
        return self._running is not None

    def start(self, instruction: str, goal: str = "", kinematics: str = "", operator: str = "") -> Episode:
        """Begin an episode.

        Raises:
            RecorderError: one is running, the instruction is not 1..200 characters, a text is too long or
                holds control characters, or the disk is too full.
        """
        if self._running:
            raise RecorderError(f"episode {self._running.episode.episode_id} is running: stop it first")
        instruction = seen(instruction).strip()
        if not 1 <= len(instruction) <= 200 or not normalised(instruction):
            raise RecorderError(
                f"the instruction has {len(normalised(instruction))} characters, allowed are 1 to 200"
            )
        for what, text, most in (
            ("instruction", instruction, 200),
            ("goal reasoning", goal, MAX_NOTE),
            ("kinematics reasoning", kinematics, MAX_NOTE),
            ("operator's name", operator, MAX_OPERATOR),
        ):
            _check_text(what, text, most)
        free = self.free_mb()
        if free < self.settings.min_free_mb:
            raise RecorderError(
                f"{self.settings.folder} has {free} MiB free, "
                f"a recording starts with {self.settings.min_free_mb} MiB"
            )
        now = self._clock()
        local = time.strftime("%Y%m%d-%H%M%S", time.localtime(now / 1e9))
        goal, kinematics = fill(instruction, goal, kinematics, self._texts)
        episode = Episode(
            f"{local}-{now // 1_000_000 % 1000:03d}",
            normalised(instruction),
            tidy(goal),
            tidy(kinematics),
            operator,
            started_ns=now,
            versions=versions(),
            topics=[asdict(t) for t in self.topics.values()],
        )
        folder = self.settings.folder / episode.episode_id
        try:
            folder.mkdir()
            episode.save(folder)
            writer = BagWriter(
                folder,
                f"{episode.episode_id}_0.mcap",
                (*self.topics.values(), AUDIT_TOPIC),
                self.settings.queue_mb * MIB,
                self._open,
            )
        except OSError as error:
            self.last_error = f"recording cannot start in {folder}: {error}"
            raise RecorderError(self.last_error) from error
        self.last_error = ""
        self._running = _Running(episode, folder, Audit.of(self.topics.values(), now), writer)
        return episode

    def receive(self, name: str, data: bytes) -> None:
        """Take a serialised message; outside a recording it is ignored."""
        run = self._running
        if run is None:
            return
        now = self._clock()
        stamp = schemas.header_stamp_ns(data) if self._header[name] else None
        run.audit.add(name, now, stamp)
        if name.endswith("/camera_info"):
            run.camera_info.setdefault(name, data)
        if not run.writer.put(name, now, now if stamp is None else stamp, data):
            run.audit.overflow(name)

    def stop(self, verdict: str = "unknown", note: str = "") -> Finished:
        """End the episode and keep it; a bad one goes to quarantine.

        Raises:
            RecorderError: none is running, the last one ended by an error, or an argument is out of bounds.
        """
        run = self._expect_running()
        if verdict not in VERDICTS:
            raise RecorderError(f"verdict '{verdict}' is none of {', '.join(VERDICTS)}")
        _check_text("note", note, MAX_NOTE)
        run.episode.verdict, run.episode.note = verdict, note
        return self._end(run)

    def discard(self, reason: str = "") -> str:
        """End the episode and put it aside; returns its id.

        Raises:
            RecorderError: none is running, or the reason is longer than 1000 characters.
        """
        run = self._expect_running()
        _check_text("reason", reason, MAX_NOTE)
        run.episode.note = reason
        self._end(run, DISCARDED)
        return run.episode.episode_id

    def tick(self) -> None:
        """To be called about once a second: ends the recording when the disk fails or fills up."""
        run = self._running
        if run is None:
            return
        reason = ""
        if run.writer.error:
            reason = f"writing failed: {run.writer.error.strerror}"
        elif self.free_mb() < self.settings.stop_free_mb:
            reason = f"the disk is full: less than {self.settings.stop_free_mb} MiB free"
        if reason:
            self._end(run, stopped_by=reason)

    def free_mb(self) -> int:
        """Free space where the episodes go, MiB."""
        return shutil.disk_usage(self.settings.folder).free // MIB

    def status(self) -> dict[str, Any]:
        """Figures for diagnostics: state, free space and the live audit."""
        run = self._running
        status: dict[str, Any] = {
            "recording": run is not None,
            "free_mb": self.free_mb(),
            "error": self.last_error,
        }
        if run is not None:
            status |= {"episode_id": run.episode.episode_id, "queued_bytes": run.writer.queued_bytes}
            status["audit"] = run.audit.report(self._clock())
        return status

    def _expect_running(self) -> _Running:
        if self._running is not None:
            return self._running
        raise RecorderError(self.last_error or "no episode is being recorded")

    def _end(self, run: _Running, place: str = "", stopped_by: str = "") -> Finished:
        self._running = None
        now = self._clock()
        episode, audit = run.episode, run.audit
        episode.ended_ns = now
        if stopped_by:
            audit.incident(BAD, stopped_by)
        try:
            for name in run.writer.close([(AUDIT_TOPIC.name, now, audit_message(audit, now))]):
                if name in audit.topics:
                    audit.overflow(name)
            failed = run.writer.error
        except (OSError, ValueError) as error:
            failed = OSError(f"the bag has no summary yet, run repair_bag: {error}")
        if failed and not stopped_by:
            stopped_by = f"writing failed: {failed.strerror or failed}"
            audit.incident(BAD, stopped_by)
        episode.complete = not stopped_by
        episode.calibration = {"camera_info": _camera_infos(run.camera_info), **self._calibration}
        episode.audit = audit.report(now)
        folder = run.folder
        try:
            episode.save(folder)
            folder = move(folder, place) if place else file_away(folder, episode)
        except OSError as error:
            stopped_by = stopped_by or f"the episode's description cannot be stored: {error}"
        counts = run.writer.written
        text = "; ".join([episode.audit["verdict"], *episode.audit["reasons"]])
        if stopped_by:
            self.last_error = (
                f"episode {episode.episode_id} ended early: {stopped_by}; what was written: {folder}"
            )
        spans = [t for t in audit.topics.values() if t.messages]
        duration = max((t.last_ns for t in spans), default=0) - min((t.first_ns for t in spans), default=0)
        return Finished(episode.episode_id, folder, text, duration / 1e9, sum(counts.values()))


def _check_text(what: str, text: str, most: int) -> None:
    if problem := text_problem(text, most):
        raise RecorderError(f"the {what} {problem}")


def audit_message(audit: Audit, now_ns: int) -> bytes:
    """The audit as serialised diagnostic_msgs/DiagnosticArray: one status per topic, the verdict first."""
    types = schemas.typestore().types
    report = audit.report(now_ns)
    levels = {"good": 0, SUSPECT: 1, BAD: 2}

    def status(name: str, level: int, text: str, values: dict[str, Any]) -> Any:
        pairs = [types["diagnostic_msgs/msg/KeyValue"](key=k, value=str(v)) for k, v in values.items()]
        return types["diagnostic_msgs/msg/DiagnosticStatus"](
            level=level, name=name, message=text, hardware_id="", values=pairs
        )

    statuses = [
        status("recorder", levels[report["verdict"]], "; ".join([report["verdict"], *report["reasons"]]), {})
    ]
    for name, values in report["topics"].items():
        found = audit.topics[name].findings(now_ns)
        level = max((levels[v] for v, _ in found), default=0)
        statuses.append(status(name, level, "; ".join(r for _, r in found), values))
    stamp = types["builtin_interfaces/msg/Time"](sec=now_ns // 10**9, nanosec=now_ns % 10**9)
    header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="")
    message = types["diagnostic_msgs/msg/DiagnosticArray"](header=header, status=statuses)
    return schemas.serialise(message, AUDIT_TOPIC.type_name)


def _camera_infos(messages: dict[str, bytes]) -> dict[str, Any]:
    """Size, model and matrices of each camera, from its first message."""
    infos = {}
    for name, data in messages.items():
        info = schemas.deserialise(data, "sensor_msgs/msg/CameraInfo")
        values = {key: np.asarray(getattr(info, key)).tolist() for key in ("d", "k", "r", "p")}
        infos[name.split("/")[1]] = {
            "width": int(info.width),
            "height": int(info.height),
            "distortion_model": str(info.distortion_model),
            **values,
        }
    return infos
