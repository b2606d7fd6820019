"""Runs an evaluation on several processes, continues an unfinished one, and repeats one from its manifest."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kinevla.data.plugins import ROS_TRIAL, load_object
from kinevla.data.workers import Deadline, JobRunner
from kinevla.evaluation.config import EvaluateConfig
from kinevla.evaluation.report import write_report
from kinevla.evaluation.summary import Summary, summarise
from kinevla.evaluation.trial import TrialJob, TrialResult, run_trial
from kinevla.manifest import (
    MANIFEST_NAME,
    file_sha256,
    read_manifest,
    to_plain,
    verify_manifest,
    write_atomically,
    write_json,
    write_manifest,
)

EVALUATION_KIND = "evaluation"
TRIALS_NAME, SUMMARY_NAME, TEXT_NAME, REPORT_NAME = (
    "trials.jsonl",
    "summary.json",
    "summary.txt",
    "index.html",
)


class EvaluationError(RuntimeError):
    """An evaluation cannot be run, continued or repeated; the text says why."""


@dataclass(frozen=True)
class Evaluation:
    """A finished or interrupted evaluation."""

    results: tuple[TrialResult, ...]
    wanted: int
    summary: Summary | None

    @property
    def complete(self) -> bool:
        """Whether all trials were run."""
        return len(self.results) == self.wanted


def evaluate(config: EvaluateConfig) -> Evaluation:
    """Run all trials that are missing and write trials, figures, report and manifest.

    Raises:
        EvaluationError: `out` holds another evaluation, or a trial failed to run.
    """
    if config.env == "libero":
        _require_libero(config)
    jobs = config.jobs()
    identity = to_plain(config.identity()) | {"inputs": _inputs(config)}
    done = _continue(config.out, identity)
    order = {(job.task, job.seed): index for index, job in enumerate(jobs)}
    waiting = [job for job in jobs if (job.task, job.seed) not in done]
    waiting.reverse()
    bar = tqdm(total=len(jobs), initial=len(done), unit="trial", disable=not config.progress, mininterval=1.0)
    # Through ROS the trials run in real time: two stacks on one machine would slow each other down.
    function, workers = (load_object(ROS_TRIAL), 1) if config.through_ros else (run_trial, config.workers)
    runner: JobRunner[TrialJob, TrialResult] = JobRunner(function, workers)
    with bar:
        for job, result, error in runner.run(
            lambda: waiting.pop() if waiting else None, Deadline(config.max_minutes)
        ):
            if error is not None or result is None:
                raise EvaluationError(f"trial task {job.task}, seed {job.seed}: {error}") from error
            done[(job.task, job.seed)] = result
            _save(config.out, identity, done, order)
            bar.update()
            bar.set_postfix_str(
                f"goal {sum(r.goal for r in done.values())}, kinematics "
                f"{sum(r.kinematics for r in done.values())} of {len(done)}"
            )
    results = tuple(sorted(done.values(), key=lambda r: order[(r.task, r.seed)]))
    if not results:
        return Evaluation((), len(jobs), None)
    summary = summarise(results, bert=config.bert, bert_model=config.bert_model)
    _finish(config, identity, results, summary, len(jobs))
    return Evaluation(results, len(jobs), summary)


def _require_libero(config: EvaluateConfig) -> None:
    """Say why trials on LIBERO cannot run: it is missing, or a control was asked for that it has not."""
    from kinevla.evaluation.libero.installation import LiberoMissingError, libero_root

    try:
        libero_root()
    except LiberoMissingError as error:
        raise EvaluationError(str(error)) from error
    reasons = {
        "expert": "the scripted expert moves the RM75, not LIBERO's arm",
        "replay": "imported demonstrations do not hold the simulator's start states",
    }
    if config.policy in reasons:
        raise EvaluationError(f"--policy {config.policy} is not for libero: {reasons[config.policy]}")


def _inputs(config: EvaluateConfig) -> dict[str, str]:
    """Return the manifests' hashes of what the evaluation depends on."""
    return {
        name: file_sha256(path / MANIFEST_NAME)
        for name, path in (("checkpoint", config.checkpoint), ("episodes", config.episodes))
        if path is not None and (path / MANIFEST_NAME).is_file()
    }


def _continue(out: Path, identity: dict[str, Any]) -> dict[tuple[int, int], TrialResult]:
    """Read the trials that are there; the first line says what they belong to."""
    path = out / TRIALS_NAME
    if not path.is_file():
        return {}
    try:
        header, *rows = [json.loads(line) for line in path.read_text().splitlines()]
        results = [TrialResult.from_dict(row) for row in rows]
    except (ValueError, TypeError, KeyError) as error:
        raise EvaluationError(f"{path} is damaged: {error}") from error
    defaults = {item.name: item.default for item in dataclasses.fields(EvaluateConfig)}
    for key in sorted(set(header) | set(identity)):
        # A setting that is newer than the evaluation had its default.
        if header.get(key, to_plain(defaults.get(key))) != identity.get(key):
            raise EvaluationError(
                f"{out} holds an evaluation with {key} = {header.get(key)!r}, asked for "
                f"{identity.get(key)!r}: use another --out"
            )
    return {(result.task, result.seed): result for result in results}


def _save(
    out: Path,
    identity: dict[str, Any],
    done: dict[tuple[int, int], TrialResult],
    order: dict[tuple[int, int], int],
) -> None:
    rows = sorted(done.values(), key=lambda r: order[(r.task, r.seed)])
    lines = [json.dumps(to_plain(item), ensure_ascii=False) for item in (identity, *rows)]
    write_atomically(out / TRIALS_NAME, ("\n".join(lines) + "\n").encode())


def _finish(
    config: EvaluateConfig,
    identity: dict[str, Any],
    results: tuple[TrialResult, ...],
    summary: Summary,
    wanted: int,
) -> None:
    write_json(config.out / SUMMARY_NAME, summary)
    write_atomically(config.out / TEXT_NAME, (summary.text() + "\n").encode())
    write_report(config.out / REPORT_NAME, config, results, summary)
    films = [f"films/{result.film}" for result in results if result.film]
    write_manifest(
        config.out,
        kind=EVALUATION_KIND,
        files=[TRIALS_NAME, SUMMARY_NAME, TEXT_NAME, REPORT_NAME, *films],
        config={"evaluate": config, "inputs": identity["inputs"]},
        inputs={
            role: path
            for role, path in (("policy", config.checkpoint), ("data", config.episodes))
            if path is not None
        },
        summary={"trials": len(results), "wanted": wanted, "pooled": summary.pooled},
    )


def config_of(manifest: Path, out: Path) -> EvaluateConfig:
    """Return the settings of an evaluation, to be repeated into another directory.

    Args:
        manifest: an evaluation's directory or its manifest.json.
        out: where the repetition goes.

    Raises:
        ManifestError: no evaluation, or a damaged one.
        EvaluationError: checkpoint or data set are gone or were changed since.
    """
    directory = manifest.parent if manifest.name == MANIFEST_NAME else manifest
    stored = verify_manifest(directory, kind=EVALUATION_KIND)["config"]
    values = dict(stored["evaluate"])
    known = {item.name for item in dataclasses.fields(EvaluateConfig)}
    if unknown := sorted(set(values) - known):
        raise EvaluationError(f"{directory} was made with settings this code lacks: {', '.join(unknown)}")
    for name in ("checkpoint", "episodes", "bert_model"):
        values[name] = None if values.get(name) is None else Path(values[name])
    for name in ("tasks", "launch"):
        values[name] = tuple(values.get(name, ()))
    config = EvaluateConfig(**values | {"out": out})
    for name, sha256 in stored["inputs"].items():
        path = getattr(config, name) / MANIFEST_NAME
        if not path.is_file():
            raise EvaluationError(f"{path} is gone: the evaluation in {directory} was made with it")
        if file_sha256(path) != sha256:
            raise EvaluationError(f"{path} is not the {name} the evaluation in {directory} was made with")
    return config


def verdicts_of(directory: Path) -> dict[tuple[int, int], tuple[bool, bool]]:
    """Return (goal, kinematics) by (task, seed) of an evaluation's directory or manifest.json.

    Raises:
        ManifestError: no evaluation.
    """
    directory = directory.parent if directory.name == MANIFEST_NAME else directory
    read_manifest(directory, kind=EVALUATION_KIND)
    rows = [json.loads(line) for line in (directory / TRIALS_NAME).read_text().splitlines()[1:]]
    return {(r["task"], r["seed"]): (r["goal"], r["kinematics"]) for r in rows}


def differences(first: Path, second: Path) -> list[str]:
    """Name the trials of two evaluations whose verdicts differ."""
    outcomes = [verdicts_of(directory) for directory in (first, second)]
    return [
        f"task {task}, seed {seed}: {outcomes[0].get((task, seed))} and {outcomes[1].get((task, seed))}"
        for task, seed in sorted(set(outcomes[0]) | set(outcomes[1]))
        if outcomes[0].get((task, seed)) != outcomes[1].get((task, seed))
    ]
