"""Runs an evaluation on several processes, continues an unfinished one, and repeats one from its manifest."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kinevla.data.plugins import ROS_TRIAL, load_object
from kinevla.data.workers import Deadline, JobRunner
from kinevla.evaluation.config import EvaluateConfig
from kinevla.evaluation.film import poster
from kinevla.evaluation.found_controls import FOLDER, TRIALS_NAME, find_controls
from kinevla.evaluation.report import write_report
from kinevla.evaluation.summary import Summary, summarise
from kinevla.evaluation.trial import run_trial
from kinevla.evaluation.trial_types import NO_SCENE, TrialJob, TrialKey, TrialResult
from kinevla.evaluation.wordings import training_sentences
from kinevla.manifest import (
    MANIFEST_NAME,
    file_sha256,
    read_manifest,
    refuse_other_result,
    verify_manifest,
    write_atomically,
    write_json,
    write_manifest,
)
from kinevla.out_folder import refuse_recordings
from kinevla.plain import to_plain

EVALUATION_KIND = "evaluation"
SUMMARY_NAME, TEXT_NAME, REPORT_NAME = "summary.json", "summary.txt", "index.html"


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
    """Run all trials of the policy or of one control that are missing; write figures, report and manifest.

    Raises:
        EvaluationError: `out` holds another evaluation, or a trial failed to run.
        ManifestError: the checkpoint's folder is none, or `out` holds a result of another kind.
    """
    refuse_recordings(config.out)
    refuse_other_result(config.out, EVALUATION_KIND)
    if config.env == "libero":
        _require_libero()
    if config.checkpoint is not None and config.checkpoint.is_dir():
        read_manifest(config.checkpoint)  # said at once, not by the first trial
    jobs = config.jobs()
    identity = _identity(config)
    done = _continue(config.out, identity)
    order = {job.key: index for index, job in enumerate(jobs)}
    waiting = [job for job in jobs if job.key not in done]
    waiting.reverse()
    bar = tqdm(total=len(jobs), initial=len(done), unit="trial", disable=not config.progress, mininterval=1.0)
    bar.set_description_str(config.control if config.control != "none" else None)
    # Through ROS the trials run in real time: two stacks on one machine would slow each other down.
    function, workers = (load_object(ROS_TRIAL), 1) if config.through_ros else (run_trial, config.workers)
    runner: JobRunner[TrialJob, TrialResult] = JobRunner(function, workers)
    with bar:
        for job, result, error in runner.run(
            lambda: waiting.pop() if waiting else None, Deadline(config.max_minutes)
        ):
            if error is not None or result is None:
                raise EvaluationError(f"trial task {job.task}, seed {job.seed}: {error}") from error
            done[job.key] = result
            _save(config.out, identity, done, order)
            bar.update()
            bar.set_postfix_str(
                f"goal {sum(r.goal for r in done.values())}, kinematics "
                f"{sum(r.kinematics for r in done.values())} of {len(done)}"
            )
    results = tuple(sorted(done.values(), key=lambda r: order[r.key]))
    if not results:
        return Evaluation((), len(jobs), None)
    training = () if config.checkpoint is None else tuple(training_sentences(config.checkpoint))
    counted = tuple(result for result in results if result.ended != NO_SCENE)
    if not counted:
        raise EvaluationError(f"none of the {len(results)} sentences has a scene: use another --first-seed")
    summary = summarise(counted, training, bert=config.bert, bert_model=config.bert_model)
    if left_out := len(results) - len(counted):
        summary = replace(summary, ended=summary.ended | {f"{NO_SCENE}, not counted": left_out})
    return publish(config, Evaluation(results, len(jobs), summary))


def publish(config: EvaluateConfig, evaluation: Evaluation) -> Evaluation:
    """Write figures, report and manifest of an evaluation with the controls that lie in its folder by now."""
    assert evaluation.summary is not None
    identity = _identity(config)
    summary = replace(evaluation.summary, controls=find_controls(config, identity, evaluation.results))
    write_json(config.out / SUMMARY_NAME, summary)
    write_atomically(config.out / TEXT_NAME, (summary.text() + "\n").encode())
    write_report(config.out / REPORT_NAME, config, evaluation.results, summary)
    names = [result.film for result in evaluation.results if result.film]
    films = [f"films/{name}" for name in names]
    films += [f"films/{name}" for name in map(poster, names) if (config.out / "films" / name).is_file()]
    inputs = {"policy": config.checkpoint, "data": config.episodes}
    rows = summary.controls.rows if summary.controls is not None else ()
    inputs |= {f"control {row.control}": config.out / FOLDER / row.control for row in rows}
    write_manifest(
        config.out,
        kind=EVALUATION_KIND,
        files=[TRIALS_NAME, SUMMARY_NAME, TEXT_NAME, REPORT_NAME, *films],
        config={"evaluate": config, "inputs": identity["inputs"]},
        inputs={role: path for role, path in inputs.items() if path is not None},
        summary={
            "trials": len(evaluation.results),
            "wanted": evaluation.wanted,
            "pooled": summary.pooled,
            "controls": summary.controls,
        },
    )
    return replace(evaluation, summary=summary)


def _require_libero() -> None:
    """Say why trials on LIBERO cannot run."""
    from kinevla.evaluation.libero.installation import LiberoMissingError, libero_root

    try:
        libero_root()
    except LiberoMissingError as error:
        raise EvaluationError(str(error)) from error


def _identity(config: EvaluateConfig) -> dict[str, Any]:
    """Return the settings and the hashes of what the evaluation depends on."""
    inputs = {name: _input_file(config, name) for name in ("checkpoint", "episodes", "wording_file")}
    hashes = {name: file_sha256(path) for name, path in inputs.items() if path is not None and path.is_file()}
    return dict(to_plain(config.identity())) | {"inputs": hashes}


def _input_file(config: EvaluateConfig, name: str) -> Path | None:
    """Return the file whose hash stands for an input: a manifest, or the list of sentences itself."""
    path: Path | None = getattr(config, name)
    return path if path is None or name == "wording_file" else path / MANIFEST_NAME


def _continue(out: Path, identity: dict[str, Any]) -> dict[TrialKey, TrialResult]:
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
    return {result.key: result for result in results}


def _save(
    out: Path,
    identity: dict[str, Any],
    done: dict[TrialKey, TrialResult],
    order: dict[TrialKey, int],
) -> None:
    rows = sorted(done.values(), key=lambda r: order[r.key])
    lines = [json.dumps(to_plain(item), ensure_ascii=False) for item in (identity, *rows)]
    write_atomically(out / TRIALS_NAME, ("\n".join(lines) + "\n").encode())


def config_of(manifest: Path, out: Path) -> EvaluateConfig:
    """Return the settings of an evaluation (its directory or manifest.json), to be repeated into another.

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
    for name in ("checkpoint", "episodes", "wording_file", "bert_model"):
        values[name] = None if values.get(name) is None else Path(values[name])
    for name in ("tasks", "launch"):
        values[name] = tuple(values.get(name, ()))
    config = EvaluateConfig(**values | {"out": out})
    for name, sha256 in stored["inputs"].items():
        path = _input_file(config, name)
        if path is None or not path.is_file():
            raise EvaluationError(f"{path} is gone: the evaluation in {directory} was made with it")
        if file_sha256(path) != sha256:
            raise EvaluationError(f"{path} is not the {name} the evaluation in {directory} was made with")
    return config


def verdicts_of(directory: Path) -> dict[TrialKey, tuple[bool, bool]]:
    """Return (goal, kinematics) by (task, seed, wording) of an evaluation's directory or manifest.json.

    Raises:
        ManifestError: no evaluation.
    """
    directory = directory.parent if directory.name == MANIFEST_NAME else directory
    read_manifest(directory, kind=EVALUATION_KIND)
    rows = [json.loads(line) for line in (directory / TRIALS_NAME).read_text().splitlines()[1:]]
    return {(r["task"], r["seed"], r.get("wording", 0)): (r["goal"], r["kinematics"]) for r in rows}


def differences(first: Path, second: Path) -> list[str]:
    """Name the trials of two evaluations whose verdicts differ."""
    before, after = (verdicts_of(directory) for directory in (first, second))
    return [
        f"task {key[0]}, seed {key[1]}{f', wording {key[2]}' if key[2] else ''}: "
        f"{before.get(key)} and {after.get(key)}"
        for key in sorted(set(before) | set(after))
        if before.get(key) != after.get(key)
    ]


def evaluate_all(config: EvaluateConfig) -> tuple[Evaluation, bool]:
    """Run the policy, then each control that its inputs allow, and write the policy's figures beside theirs.

    Controls have the first `control_trials` of the policy's scenes and lie in `out/controls/NAME`. What is
    there already is not run again; the time budget is that of all together.

    Returns:
        The policy's evaluation, and whether everything is finished.
    """
    budget = Deadline(config.max_minutes)
    own = replace(config, control="none")
    policy = evaluate(own)
    complete = policy.complete
    for name in config.controls():
        if budget.passed:
            complete = False
            break
        control = replace(
            own,
            control=name,
            out=config.out / FOLDER / name,
            trials=min(config.trials, config.control_trials),
            films="none",
            bert=False,  # their words are forced, or there are none
            max_minutes=budget.left_minutes,
        )
        complete = evaluate(control).complete and complete
    return (publish(own, policy) if policy.results else policy), complete
