"""From trials to figures: success per sentence and pooled, reasoning, latency, motion, controls."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from kinevla.evaluation.found_controls import FoundControls
from kinevla.evaluation.motion import MotionFigures
from kinevla.evaluation.reasoning import ReasoningFigures, reasoning_figures
from kinevla.evaluation.statistics import FOOTNOTE, WILSON, Rate
from kinevla.evaluation.trial_types import TrialResult
from kinevla.text.instruction import normalised

_MOTION = {
    "rms_jerk_rad_s3": ("rms jerk", "rad/s³"),
    "idle_s": ("idle", "s"),
    "longest_idle_s": ("longest pause", "s"),
    "path_length_m": ("path of the tool", "m"),
    "path_deviation_mm": ("away from the expert's path", "mm"),
    "duration_s": ("duration", "s"),
}
_FIGURE = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True)
class TaskFigures:
    """Success of one sentence, or of several ('task' 0)."""

    task: int
    instruction: str
    # whether it is one of the checkpoint's training sentences; None where that is not known, or where some
    # are and some are not
    trained: bool | None
    refused: int  # trials in which the policy did not take it
    goal: Rate  # success rate
    kinematics: Rate

    def line(self) -> str:
        """Write as a line of the table."""
        name = str(self.task) if self.task else "all"
        trained = {True: "yes", False: "no", None: "-"}[self.trained]
        refused = f" (refused {self.refused} times)" if self.refused else ""
        return (
            f"{name:>6}{self.goal.scenes:>8}  {self.goal.text():<24}{self.kinematics.text():<24}{trained:<11}"
            f"{self.instruction}{refused}"
        )


@dataclass(frozen=True)
class Summary:
    """All figures of an evaluation."""

    tasks: tuple[TaskFigures, ...]  # success per sentence, in the order of the tasks
    pooled: TaskFigures
    # pooled over sentences in training and over the others, where there are both
    wordings: tuple[TaskFigures, ...]
    reasoning: ReasoningFigures | None  # agreement with the annotation; None for controls
    reused_share: float | None  # chunks whose reasoning was confirmed instead of written, None for controls
    latency_ms: dict[str, float]  # median over trials of the median milliseconds per chunk, by part
    motion: dict[str, float]  # median over trials of the motion figures
    ended: dict[str, int]  # number of trials by reason of their end
    failures: dict[str, int]  # number of failed checks and refusals by their first words
    controls: FoundControls | None = None  # what was found beside a policy; None for controls
    # success of what the judge checks apart, over the trials that say it
    attributes: dict[str, Rate] = field(default_factory=dict)

    def rows(self) -> tuple[TaskFigures, ...]:
        """Return all rows of the table."""
        return (*self.tasks, *self.wordings, self.pooled)

    def text(self) -> str:
        """Write the table, the controls and all other figures."""
        lines = [f"{'task':>6}{'scenes':>8}  {'goal':<24}{'kinematics':<24}{'training':<11}instruction"]
        lines += [row.line() for row in self.rows()]
        if self.controls is not None:
            lines.append(self.controls.text())
        lines.append(self.note())
        lines += [f"{name}: {value}" for name, value in self.figures().items()]
        if self.failures:
            lines.append("failed checks:")
            lines += [f"  {count:>4}  {text}" for text, count in self.failures.items()]
        return "\n".join(lines)

    def figures(self) -> dict[str, str]:
        """What is known beside success: name to value, with units."""
        found = {
            f"said {name}": f"{rate.text()}, {rate.scenes} scenes" for name, rate in self.attributes.items()
        }
        if self.reasoning is not None:
            item = self.reasoning
            bert = "" if item.bert_score_f1 is None else f", BERTScore F1 {item.bert_score_f1:.3f}"
            exact = f"{100 * item.exact:.1f} % of {item.pairs} texts exact"
            found["reasoning"] = f"{exact}, BLEU {item.bleu:.3f}{bert}"
        if self.reused_share is not None:
            found["reasoning confirmed instead of written"] = f"{100 * self.reused_share:.0f} % of chunks"
        if self.latency_ms:
            parts = [f"{name} {value:.0f} ms" for name, value in self.latency_ms.items()]
            found["time per chunk, median"] = ", ".join(parts)
        motion = [(*_MOTION.get(name, (name, "")), value) for name, value in self.motion.items()]
        found["motion, median"] = ", ".join(f"{name} {value:.3g} {unit}" for name, unit, value in motion)
        found["trials ended"] = ", ".join(f"{text} ({count})" for text, count in self.ended.items())
        return found

    def note(self) -> str:
        """Say how the intervals were computed."""
        marked = any(WILSON in (row.goal.method, row.kinematics.method) for row in self.rows())
        marked = marked or (self.controls is not None and any(row.marked for row in self.controls.rows))
        marked = marked or any(rate.method == WILSON for rate in self.attributes.values())
        return "[95 % interval: bootstrap over scenes]" + (f"\n{FOOTNOTE}" if marked else "")


def summarise(
    results: Sequence[TrialResult],
    training: Collection[str] = (),
    *,
    bert: bool = True,
    bert_model: Path | None = None,
) -> Summary:
    """Compute the figures of at least one trial, for training sentences (where they are known) and others.

    Raises:
        ReasoningMetricError: BERTScore asked for without an encoder.
    """
    known = {normalised(sentence) for sentence in training}
    trained = {r.instruction: normalised(r.instruction) in known if known else None for r in results}
    tasks = tuple(
        _figures(task, [r for r in results if (r.task, r.wording) == (task, wording)], trained)
        for task, wording in sorted({(r.task, r.wording) for r in results})
    )
    wordings = [[r for r in results if trained[r.instruction] is kind] for kind in (True, False)]
    pairs = [
        pair
        for result in results
        for goal, fine, count in result.reasoning
        for pair in ((goal, result.annotated[0]), (fine, result.annotated[1]))
        for _ in range(count)
    ]
    reasoning = None
    if pairs:
        reasoning = reasoning_figures(
            [said for said, _ in pairs], [meant for _, meant in pairs], bert=bert, model=bert_model
        )
    chunks = sum(result.chunks for result in results)
    parts = sorted({name for result in results for name in result.latency_ms})
    failed = (_check(text) for r in results for text in r.reasons if text.startswith(("failed", "refused")))
    return Summary(
        tasks=tasks,
        pooled=_figures(0, results, trained),
        wordings=tuple(_figures(0, part, trained) for part in wordings) if all(wordings) else (),
        reasoning=reasoning,
        reused_share=sum(r.reused_chunks for r in results) / max(1, chunks) if pairs else None,
        latency_ms={
            name: float(np.median([r.latency_ms[name] for r in results if name in r.latency_ms]))
            for name in parts
        },
        motion=_motion(results),
        ended=dict(Counter(r.ended.split(" (")[0].split(":")[0] for r in results).most_common()),
        attributes=_attributes(results),
        failures=dict(Counter(failed).most_common()),
    )


def _figures(task: int, results: Sequence[TrialResult], trained: dict[str, bool | None]) -> TaskFigures:
    scenes = [result.seed for result in results]
    kinds = {trained[result.instruction] for result in results}
    return TaskFigures(
        task=task,
        instruction=results[0].instruction if task else f"{len(results)} trials",
        trained=kinds.pop() if len(kinds) == 1 else None,
        refused=sum(result.refused for result in results),
        goal=Rate.of([result.goal for result in results], scenes),
        kinematics=Rate.of([result.kinematics for result in results], scenes),
    )


def _attributes(results: Sequence[TrialResult]) -> dict[str, Rate]:
    names = dict.fromkeys(name for result in results for name in result.attributes)
    saying = {name: [result for result in results if name in result.attributes] for name in names}
    return {
        name: Rate.of([result.attributes[name] for result in said], [result.seed for result in said])
        for name, said in saying.items()
    }


def _motion(results: Sequence[TrialResult]) -> dict[str, float]:
    figures = {}
    for name in (item.name for item in fields(MotionFigures)):
        if values := [getattr(r.motion, name) for r in results if getattr(r.motion, name) is not None]:
            figures[name] = float(np.median(values))
    return figures | {"duration_s": float(np.median([result.duration_s for result in results]))}


def _check(reason: str) -> str:
    """A judge's sentence with N for what it measured, which differs in every trial."""
    measured, mark, asked = reason.removeprefix("failed: ").partition("; asked: ")
    return f"{_FIGURE.sub('N', measured)}{mark}{asked}" if mark else measured
