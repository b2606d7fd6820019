"""Generating a data set of demonstrations: resumable, on several processes, only successes kept."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from kinevla.data.demonstrations import DemonstrationConfig, DemonstrationJob, record_demonstration
from kinevla.data.episodes import Episode, EpisodeWriter
from kinevla.data.packing import DataError
from kinevla.data.workers import Deadline, JobRunner
from kinevla.plain import to_plain
from kinevla.text.language import say
from kinevla.text.language.splits import draw_seen, load_splits

# Data set seeds never share a scene by accident, tasks do on purpose: where each scene was shown for one task
# only, a network can tell the task by the scene, and need not read what it is told.
_SEED_BLOCK = 1_000_000
_ATTEMPTS = _SEED_BLOCK
_SENTENCE_STREAM = 12

Suite = Literal["kine-realman", "kinebench"]
"""Numbered tasks, or instructions of the language."""
BENCH_TASK = 0
"""In the place of a task's number where an episode shows an instruction of the language."""


@dataclass(frozen=True)
class GenerateConfig:
    """What to generate."""

    out: Path  # data set directory; an unfinished one is continued
    demonstration: DemonstrationConfig = field(default_factory=DemonstrationConfig)
    suite: Suite = "kine-realman"
    # task numbers; (BENCH_TASK,) with kinebench, whose instructions the seeds draw
    tasks: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    episodes_per_task: int = 50  # successes wanted per task
    seed: int = 0  # first seed of the data set (block of a million)
    workers: int = 2
    max_minutes: float | None = None  # time budget; None runs to the end
    max_attempts_factor: float = 3.0  # give up a task after this many attempts per wanted success

    def __post_init__(self) -> None:
        if not self.tasks or len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"tasks must name different tasks, got {self.tasks}")
        if not 1 <= self.episodes_per_task * self.max_attempts_factor <= _ATTEMPTS:
            raise ValueError(f"episodes_per_task must be at least 1 and fit {_ATTEMPTS} attempts")
        if (self.tasks == (BENCH_TASK,)) != (self.suite == "kinebench"):
            raise ValueError(f"suite {self.suite!r} and the tasks {self.tasks} do not go together")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")


@dataclass(frozen=True)
class GenerateReport:
    """What came out: episodes held, wanted and dropped, why they were dropped, whether attempts are left."""

    kept: int
    wanted: int
    dropped: int
    reasons: tuple[str, ...]
    frames: int
    exhausted: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything wanted is there."""
        return self.kept >= self.wanted

    def text(self) -> str:
        """Say it in one or two lines."""
        line = f"{self.kept} of {self.wanted} demonstrations, {self.frames} frames, {self.dropped} dropped"
        if self.reasons:
            line += " (" + "; ".join(self.reasons) + ")"
        if self.complete:
            return line
        how = (
            "every attempt that is allowed was made: ask for fewer episodes, or start anew with another seed"
            if self.exhausted
            else "run the same command again to go on"
        )
        return f"{line}\nnot complete: {how}"


class _Schedule:
    """Hands out attempts: per task the next seed as long as successes are missing, tasks in turn.

    The set of attempts for N successes is always the shortest run of consecutive seeds that contains N
    successes, whatever order the workers finish in, so the same command gives the same data set.
    """

    def __init__(self, config: GenerateConfig, writer: EpisodeWriter) -> None:
        self._config = config
        self._kept = Counter(entry.task for entry in writer.entries)
        self._known = {(entry.task, entry.seed) for entry in writer.entries}
        self._known |= {(item["task"], item["seed"]) for item in writer.dropped}
        self._next = dict.fromkeys(config.tasks, 0)
        self._running: Counter[int] = Counter()
        self._limit = int(config.episodes_per_task * config.max_attempts_factor)

    def next_job(self) -> DemonstrationJob | None:
        open_tasks = [
            task
            for task in self._config.tasks
            if self._kept[task] + self._running[task] < self._config.episodes_per_task
        ]
        for task in sorted(open_tasks, key=lambda task: self._kept[task] + self._running[task]):
            while self._next[task] < self._limit:
                seed = self._config.seed * _SEED_BLOCK + self._next[task]
                self._next[task] += 1
                if (task, seed) not in self._known:
                    self._running[task] += 1
                    sentence = seen_sentence(seed) if self._config.suite == "kinebench" else None
                    return DemonstrationJob(self._config.demonstration, task, seed, sentence)
        return None

    @property
    def exhausted(self) -> bool:
        """Whether a task lacks episodes and has no attempt left."""
        return any(
            self._kept[task] < self._config.episodes_per_task and self._next[task] >= self._limit
            for task in self._config.tasks
        )

    def finished(self, task: int, kept: bool) -> None:
        self._running[task] -= 1
        self._kept[task] += kept


def seen_sentence(seed: int) -> str:
    """Return the sentence of a seed: an instruction that may be trained, said in one of its ways."""
    rng = np.random.default_rng([seed, _SENTENCE_STREAM])
    return say(draw_seen(rng), rng)


def generate(config: GenerateConfig, *, progress: bool = True) -> GenerateReport:
    """Generate demonstrations until every task has its successes, the time is used up or attempts run out.

    An attempt is dropped for good when the judge or the expert says no. What else goes wrong (no rendering,
    no memory, a missing module) is the machine's fault: the run ends, and the attempt is made again next
    time.

    Raises:
        DataError: the directory holds a set made differently, no attempt succeeds at all, or the machine
            cannot run the simulator.
    """
    deadline = Deadline(config.max_minutes)
    writer = EpisodeWriter(
        config.out,
        config=_made_with(config),
        images=config.demonstration.images,
    )
    schedule = _Schedule(config, writer)
    wanted = config.episodes_per_task * len(config.tasks)
    runner: JobRunner[DemonstrationJob, Episode] = JobRunner(record_demonstration, config.workers)
    # Booked with the next success: of a run in which nothing works, nothing is remembered.
    failures: list[tuple[int, int, str]] = []
    bar = tqdm(total=wanted, initial=len(writer.entries), unit="demo", disable=not progress)
    with bar:
        for job, episode, error in runner.run(schedule.next_job, deadline):
            if error is not None and not isinstance(error, ValueError):
                raise DataError(
                    f"the simulator failed at task {job.task}, seed {job.seed}, which is not counted: "
                    f"{type(error).__name__}: {error}"
                ) from error
            if episode is not None and episode.goal_success and episode.kinematics_success:
                _book(writer, failures)
                writer.add(episode)
                schedule.finished(job.task, kept=True)
                bar.update()
                continue
            if episode is not None:
                reason = failed_checks(episode.verdict_text)
            else:
                reason = f"{type(error).__name__}: {error}"
            failures.append((job.task, job.seed, reason))
            schedule.finished(job.task, kept=False)
            bar.set_postfix(dropped=len(writer.dropped) + len(failures))
            if len(failures) >= 10 * len(config.tasks) or (not writer.entries and len(failures) >= 5):
                raise DataError(
                    f"{len(failures)} attempts in a row failed, "
                    f"the last one (task {job.task}, seed {job.seed}): {reason}"
                ) from error
    _book(writer, failures)
    writer.save_manifest()
    common = Counter(item["reason"] for item in writer.dropped).most_common(3)
    return GenerateReport(
        kept=len(writer.entries),
        wanted=wanted,
        dropped=len(writer.dropped),
        reasons=tuple(f"{count} x {reason}" for reason, count in common),
        frames=sum(entry.frames for entry in writer.entries),
        exhausted=schedule.exhausted,
    )


def _made_with(config: GenerateConfig) -> dict[str, Any]:
    made: dict[str, Any] = {"demonstration": to_plain(config.demonstration), "seed": config.seed}
    if config.suite == "kinebench":
        made["split"] = {"name": "seen", "sha256": load_splits()["sha256"]}
    return made


def failed_checks(verdict: str) -> str:
    """Return what failed of a verdict, or all of it where no check is named."""
    return "; ".join(re.findall(r"failed: .*?(?=; (?:ok|failed): |$)", verdict)) or verdict


def _book(writer: EpisodeWriter, failures: list[tuple[int, int, str]]) -> None:
    for task, seed, reason in failures:
        writer.drop(task, seed, reason)
    failures.clear()
