"""The page people look at: success per task, every failure with its film and the judge's words."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from kinevla.evaluation.controls import CONTROLS
from kinevla.evaluation.summary import Summary
from kinevla.evaluation.trial import TrialResult
from kinevla.manifest import json_sha256, write_atomically

if TYPE_CHECKING:
    from kinevla.evaluation.config import EvaluateConfig

_TEMPLATE = "report.html.j2"
_MOST_BARS = 31
"""Of more sentences the figure shows the sums alone."""


def write_report(
    path: Path, config: EvaluateConfig, results: Sequence[TrialResult], summary: Summary
) -> None:
    """Write the page; films are linked, everything else is inside."""
    from jinja2 import Environment

    settings = "\n".join(f"{key} = {value}" for key, value in sorted(vars(config).items()))
    source = resources.files("kinevla.evaluation").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    page = Environment(autoescape=True).from_string(source)
    failed = [result for result in results if not result.kinematics]
    content = page.render(
        title=f"Evaluation: {config.env}, {'policy' if config.control == 'none' else config.control}",
        subtitle=f"{len(results)} trials, settings {json_sha256(config.identity())[:12]}",
        figure=base64.b64encode(_figure(summary)).decode(),
        rows=summary.rows(),
        controls=summary.controls,
        meanings=CONTROLS,
        note=summary.note(),
        text=summary.text(),
        failed=failed,
        settings=settings,
    )
    write_atomically(path, content.encode())


def _figure(summary: Summary) -> bytes:
    """Draw both success rates per sentence with their intervals; PNG bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 3.0), layout="constrained")
    axes = figure.subplots()
    rows = summary.rows() if len(summary.tasks) <= _MOST_BARS else (*summary.wordings, summary.pooled)
    for offset, name, colour in ((-0.2, "goal", "#4c78a8"), (0.2, "kinematics", "#f58518")):
        rates = [getattr(row, name) for row in rows]
        axes.bar(
            [index + offset for index in range(len(rows))],
            [100 * rate.rate for rate in rates],
            0.38,
            label=name,
            color=colour,
            yerr=[
                [100 * max(0.0, rate.rate - rate.low) for rate in rates],
                [100 * max(0.0, rate.high - rate.rate) for rate in rates],
            ],
            capsize=3,
        )
    axes.set_xticks(range(len(rows)), [str(row.task) if row.task else "all" for row in rows])
    axes.set_xlabel("task")
    axes.set_ylabel("success, %")
    axes.set_ylim(0, 105)
    axes.legend(loc="lower left")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()
