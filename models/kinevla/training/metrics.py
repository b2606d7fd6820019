"""The course of a training run as a table, `metrics.csv`, and as a picture, `metrics.png` beside it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from kinevla.manifest import write_atomically

METRICS_NAME, FIGURE_NAME = "metrics.csv", "metrics.png"
_LOSSES = {
    "loss": "total",
    "loss_reasoning": "reasoning (eq. 4)",
    "loss_action": "action (eq. 5)",
    "loss_coupling": "coupling (eq. 7)",
}
_ERRORS = {"val_joint_l1_mrad": "policy", "val_joint_l1_tokenizer_mrad": "exact codes"}


class MetricsLog:
    """A CSV file with one row per report; on continuation, rows after the resumed step are dropped.

    Args:
        columns: names; one is 'step', and one 'stage' in a run of several stages.
        step: step the run continues from, 0 for a fresh run.
        stage: the stage of that step, counted from 1.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], step: int, stage: int = 1) -> None:
        self.path, self.columns = path, columns
        self._rows: list[dict[str, Any]] = []
        if step and path.is_file():
            with path.open(encoding="utf-8", newline="") as stream:
                self._rows = [
                    row
                    for row in csv.DictReader(stream)
                    if (int(row.get("stage", 1)), int(row["step"])) <= (stage, step)
                ]

    def add(self, **values: Any) -> None:
        """Append a row; columns not given stay empty, values without a column are left out."""
        row = {name: values.get(name, "") for name in self.columns}
        self._rows.append({name: f"{v:.6g}" if isinstance(v, float) else v for name, v in row.items()})
        stream = io.StringIO()
        writer = csv.DictWriter(stream, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomically(self.path, stream.getvalue().encode())


def draw_metrics(table: Path) -> Path:
    """Draw the loss terms, the held-out joint error and the learning rate over the steps.

    Returns:
        The picture's path.
    """
    # Without pyplot: it keeps figures and a backend for the whole process.
    from matplotlib.figure import Figure

    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    figure = Figure(figsize=(12.0, 3.6), layout="constrained")
    losses, errors, rate = figure.subplots(1, 3)
    for axes, columns, title in (
        (losses, _LOSSES, "training loss"),
        (errors, _ERRORS, "held-out joint error, mrad"),
        (rate, {"learning_rate": "learning rate"}, "learning rate"),
    ):
        for column, label in columns.items():
            points = [(int(row["step"]), float(row[column])) for row in rows if row.get(column)]
            if any(value for _, value in points):
                axes.plot(*zip(*points, strict=True), label=label, marker="." if len(points) < 50 else None)
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if len(axes.lines) > 1:
            axes.legend()
    if losses.lines:
        losses.set_yscale("log")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    path = table.with_name(FIGURE_NAME)
    write_atomically(path, content.getvalue())
    return path
