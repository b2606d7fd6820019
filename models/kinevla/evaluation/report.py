"""The page people look at: success per task, every failure with its film and the judge's words."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from kinevla.evaluation.controls import CONTROLS
from kinevla.evaluation.film import poster
from kinevla.evaluation.summary import Summary
from kinevla.evaluation.trial_types import NO_SCENE, TrialResult
from kinevla.manifest import json_sha256, write_atomically

if TYPE_CHECKING:
    from kinevla.evaluation.config import EvaluateConfig

_TEMPLATE = "report.html.j2"
_MOST_BARS = 31  # Of more sentences the figure shows the sums alone


def write_report(
    path: Path, config: EvaluateConfig, results: Sequence[TrialResult], summary: Summary
) -> None:
    """Write the page; films are linked, everything else is inside."""
    from jinja2 import Environment

    settings = "\n".join(f"{key} = {value}" for key, value in sorted(vars(config).items()))
    environment = Environment(autoescape=True)
    environment.filters["poster"] = poster
    source = resources.files("kinevla.evaluation").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    page = environment.from_string(source)
    failed = [result for result in results if not result.kinematics and result.ended != NO_SCENE]
    content = page.render(
        title=_subject(config),
        conditions=_conditions(config),
        subtitle=f"{len(results)} trials, settings {json_sha256(config.identity())[:12]}",
        pooled=summary.pooled,
        figure=base64.b64encode(_figure(summary)).decode(),
        rows=summary.rows(),
        controls=summary.controls,
        meanings=CONTROLS,
        note=summary.note(),
        figures=summary.figures(),
        failures=summary.failures,
        failed=failed,
        shown=[result for result in results if result.kinematics and result.film],
        settings=settings,
    )
    write_atomically(path, content.encode())


def _subject(config: EvaluateConfig) -> str:
    """Who was judged, on what."""
    where = {
        "kine-realman": "the seven tasks on the RM75",
        "kinebench": f"KineBench, split {config.split}",
        "libero": "LIBERO",
    }[config.env]
    if config.control != "none":
        return f"Control '{config.control}' on {where}"
    return f"Checkpoint {config.checkpoint.resolve().name if config.checkpoint else ''} on {where}"


def _conditions(config: EvaluateConfig) -> list[str]:
    """What was unlike an evaluation with the default settings, in words."""
    found = [f"checkpoint {config.checkpoint}"] if config.checkpoint else []
    found.append("through the ROS stack, in real time" if config.through_ros else "in the simulator")
    if config.wording_file is not None:
        found.append(f"sentences of {config.wording_file.name}")
    elif config.wording:
        found.append(f"paraphrase {config.wording} of each sentence")
    if config.intervention != "none":
        found.append(f"kinematics reasoning replaced: {config.intervention}")
    if config.variation is not None:
        found.append(f"scenes varied: {config.variation}")
    if config.friction is not None:
        found.append(f"friction {config.friction:g}")
    if config.latency_s:
        found.append(f"{config.latency_s:g} s of latency before each chunk")
    return found


def _figure(summary: Summary) -> bytes:
    """Draw both success rates per sentence with their intervals; PNG bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 3.2), layout="constrained")
    axes = figure.subplots()
    rows = summary.rows() if len(summary.tasks) <= _MOST_BARS else (*summary.wordings, summary.pooled)
    for offset, name, colour in ((-0.2, "goal", "#4c78a8"), (0.2, "kinematics", "#f58518")):
        rates = [getattr(row, name) for row in rows]
        axes.bar(
            [index + offset for index in range(len(rows))],
            [100 * rate.rate for rate in rates],
            0.38,
            label={"goal": "goal reached", "kinematics": "and done as the sentence says"}[name],
            color=colour,
            yerr=[
                [100 * max(0.0, rate.rate - rate.low) for rate in rates],
                [100 * max(0.0, rate.high - rate.rate) for rate in rates],
            ],
            capsize=3,
        )
    axes.set_xticks(range(len(rows)), [str(row.task) if row.task else "all" for row in rows])
    axes.set_xlabel("task (its sentence is in the table below)")
    axes.set_ylabel("trials that succeeded, %")
    axes.set_ylim(0, 105)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()
