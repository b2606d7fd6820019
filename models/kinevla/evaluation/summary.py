"""From trials to figures: success per task and pooled, reasoning, latency, motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinevla.evaluation.reasoning import ReasoningFigures, reasoning_figures
from kinevla.evaluation.statistics import Rate
from kinevla.evaluation.trial import TrialResult


@dataclass(frozen=True)
class TaskFigures:
    """Success of one task, or of all ('task' 0)."""

    task: int
    instruction: str
    goal: Rate
    kinematics: Rate


@dataclass(frozen=True)
class Summary:
    """All figures of an evaluation.

    Attributes:
        tasks: success per task.
        pooled: success over all trials.
        reasoning: agreement with the annotation; None for controls.
        reused_share: chunks whose reasoning was confirmed instead of written, None for controls.
        latency_ms: median over trials of the median milliseconds per chunk, by part.
        motion: median over trials of the motion figures.
        ended: number of trials by reason of their end.
        failures: number of failed checks by their first words.
    """

    tasks: tuple[TaskFigures, ...]
    pooled: TaskFigures
    reasoning: ReasoningFigures | None
    reused_share: float | None
    latency_ms: dict[str, float]
    motion: dict[str, float]
    ended: dict[str, int]
    failures: dict[str, int]

    def text(self) -> str:
        """Write the figures as a table."""
        lines = [f"{'task':>6}  {'goal':<24}{'kinematics':<24}instruction"]
        for row in (*self.tasks, self.pooled):
            name = str(row.task) if row.task else "all"
            lines.append(f"{name:>6}  {row.goal.text():<24}{row.kinematics.text():<24}{row.instruction}")
        if self.reasoning is not None:
            item = self.reasoning
            bert = "" if item.bert_score_f1 is None else f", BERTScore F1 {item.bert_score_f1:.3f}"
            lines.append(
                f"reasoning: {100 * item.exact:.1f} % of {item.pairs} texts exact, BLEU {item.bleu:.3f}{bert}"
            )
        if self.reused_share is not None:
            lines.append(f"reasoning confirmed instead of written: {100 * self.reused_share:.0f} % of chunks")
        if self.latency_ms:
            parts = ", ".join(f"{name} {value:.0f}" for name, value in self.latency_ms.items())
            lines.append(f"median ms per chunk: {parts}")
        lines.append("median motion: " + ", ".join(f"{k} {v:.3g}" for k, v in self.motion.items()))
        lines.append("ended: " + ", ".join(f"{text} {count}" for text, count in self.ended.items()))
        if self.failures:
            lines.append("failed checks:")
            lines += [f"  {count:>4}  {text}" for text, count in self.failures.items()]
        return "\n".join(lines)


def summarise(
    results: Sequence[TrialResult], *, bert: bool = True, bert_model: Path | None = None
) -> Summary:
    """Compute the figures of at least one trial.

    Raises:
        ValueError: no trials.
        ReasoningMetricError: BERTScore asked for without an encoder.
    """
    if not results:
        raise ValueError("there are no trials to summarise")
    tasks = tuple(
        _figures(task, [r for r in results if r.task == task]) for task in sorted({r.task for r in results})
    )
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
    return Summary(
        tasks=tasks,
        pooled=_figures(0, results),
        reasoning=reasoning,
        reused_share=sum(r.reused_chunks for r in results) / max(1, chunks) if pairs else None,
        latency_ms={
            name: float(np.median([r.latency_ms[name] for r in results if name in r.latency_ms]))
            for name in parts
        },
        motion=_motion(results),
        ended=_counts(result.ended.split(" (")[0].split(":")[0] for result in results),
        failures=_counts(_check(text) for r in results for text in r.reasons if text.startswith("failed")),
    )


def _figures(task: int, results: Sequence[TrialResult]) -> TaskFigures:
    return TaskFigures(
        task,
        results[0].instruction if task else f"{len(results)} trials",
        Rate.of([result.goal for result in results]),
        Rate.of([result.kinematics for result in results]),
    )


def _motion(results: Sequence[TrialResult]) -> dict[str, float]:
    names = ("rms_jerk_rad_s3", "idle_s", "longest_idle_s", "path_length_m", "path_deviation_mm")
    figures = {}
    for name in names:
        values = [getattr(r.motion, name) for r in results if getattr(r.motion, name) is not None]
        if values:
            figures[name] = float(np.median(values))
    return figures | {"duration_s": float(np.median([result.duration_s for result in results]))}


def _check(reason: str) -> str:
    """Shorten a judge's sentence to what was asked; the measured figures differ in every trial."""
    _, _, asked = reason.partition("asked: ")
    return f"asked: {asked}" if asked else reason.removeprefix("failed: ")


def _counts(items: object) -> dict[str, int]:
    from collections import Counter

    return dict(Counter(items).most_common())  # type: ignore[call-overload]
