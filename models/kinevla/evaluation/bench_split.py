"""The trials of KineBench: which sentences are said in which scenes, split by split."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Literal, TypeVar

from kinevla.evaluation.trial_types import TrialConfig, TrialJob
from kinevla.text import load_task_texts
from kinevla.text.language import say, write_goal, write_kinematics
from kinevla.text.language.splits import load_splits, read_meant, read_refused, split_instructions

BenchSplit = Literal["seen", "composition", "number", "wording", "clutter", "look", "nonsense"]
BENCH_TABLE = "kinebench"
MAX_TIME_S = 30.0  # A slow way around another thing takes up to 20 s
FROM_FILE: dict[BenchSplit, str] = {
    "wording": "benchmarks/wordings/kinebench.tsv",
    "nonsense": "benchmarks/wordings/kinebench_refused.tsv",
}
"""Splits of sentences that the language does not say, with the file of the project that holds them."""
_VARIED: dict[BenchSplit, str] = {"clutter": "clutter", "look": "look"}
_Item = TypeVar("_Item")


def bench_jobs(
    config: TrialConfig, split: BenchSplit, trials: int, first_seed: int, file: Path | None
) -> list[TrialJob]:
    """Return the trials of a split; more than it has sentences go round again in other scenes.

    Ways to say one instruction share its scene, and are wordings 0, 1, ... of one task; a task's number is
    the place of its instruction in the split, from 1.

    Args:
        first_seed: of the scene of the first instruction; the next one has the next seed.
        file: sentences of a split of `FROM_FILE`.

    Raises:
        SplitError: a file that cannot be used.
    """
    if split not in FROM_FILE:
        said = load_splits()["sentences"]["seen" if split in _VARIED else split]
        varied = (("variation", _VARIED[split]),) if split in _VARIED else ()
        return [
            TrialJob(config, task, first_seed + trial, options=(("instruction", sentence), *varied))
            for trial, (task, sentence) in enumerate(islice(cycle(enumerate(said, 1)), trials))
        ]
    assert file is not None  # `EvaluateConfig` refuses such a split without one
    jobs = _meant(config, file) if split == "wording" else _refused(config, file)
    scenes = max(job.task for job in jobs)
    rounds = (
        replace(job, seed=first_seed + job.task - 1 + scenes * (trial // len(jobs)))
        for trial, job in enumerate(cycle(jobs))
    )
    return list(islice(rounds, trials))


def known_texts(table: str) -> tuple[tuple[str, str], ...]:
    """Return (goal text, kinematics text) of every task of a table, or of KineBench's `seen` split."""
    if table != BENCH_TABLE:
        return tuple((item.coarse, item.fine) for item in load_task_texts(table))
    return tuple((write_goal(item), write_kinematics(item)) for item in split_instructions("seen"))


def _meant(config: TrialConfig, file: Path) -> list[TrialJob]:
    meant = read_meant(file)
    number = {instruction: task for task, instruction in enumerate(dict.fromkeys(m for m, _ in meant), 1)}
    counted = [(number[instruction], instruction, sentence) for instruction, sentence in meant]
    return [
        TrialJob(config, task, 0, sentence, (("instruction", say(instruction)),), wording)
        for wording, (task, instruction, sentence) in _in_turn(counted, [task for task, *_ in counted])
    ]


def _refused(config: TrialConfig, file: Path) -> list[TrialJob]:
    listed = list(enumerate(read_refused(file), 1))
    scenes = load_splits()["sentences"]["seen"]
    return [
        TrialJob(config, task, 0, sentence, (("instruction", scenes[task % len(scenes)]),), refused_kind=kind)
        for _, (task, (kind, sentence)) in _in_turn(listed, [kind for _, (kind, _) in listed])
    ]


def _in_turn(items: Iterable[_Item], groups: Iterable[Hashable]) -> list[tuple[int, _Item]]:
    """Return items with their number within their group, the first of all groups first, then the second."""
    counts: dict[Hashable, int] = {}
    numbered = []
    for item, group in zip(items, groups, strict=True):
        numbered.append((counts.get(group, 0), item))
        counts[group] = counts.get(group, 0) + 1
    return sorted(numbered, key=lambda pair: pair[0])
