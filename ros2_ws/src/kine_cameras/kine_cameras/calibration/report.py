"""What a calibration looks like: a table for the terminal, a picture for the eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kine_cameras.calibration.board import View

BAR = "#"


def table(views: Sequence[View], errors_px: Sequence[float], missed: Sequence[str]) -> str:
    """One line per picture: name, corners, reprojection error, and a bar of its length."""
    width = max(len(name) for name in [*(view.name for view in views), *missed, "picture"])
    longest = max(errors_px)
    lines = [f"{'picture':{width}}  corners  error px"]
    for view, error in zip(views, errors_px, strict=True):
        bar = BAR * round(20 * error / longest) if longest else ""
        lines.append(f"{view.name:{width}}  {len(view.pixels):7}  {error:8.3f}  {bar}")
    lines += [f"{name:{width}}        -         -  board not found" for name in missed]
    return "\n".join(lines)


def draw(path: Path, title: str, views: Sequence[View], errors_px: Sequence[float]) -> None:
    """A picture (png) of where the corners were, and of the reprojection error of each view."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # half a second to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.2))
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    corners, bars = figure.subplots(1, 2)
    width, height = views[0].size
    colours = np.concatenate(
        [np.full(len(v.pixels), error) for v, error in zip(views, errors_px, strict=True)]
    )
    seen = np.concatenate([view.pixels for view in views])
    dots = corners.scatter(seen[:, 0], seen[:, 1], c=colours, s=6, cmap="viridis")
    figure.colorbar(dots, ax=corners, label="error of the picture (px)")
    corners.set(xlim=(0, width), ylim=(height, 0), aspect="equal", title="corners of all pictures")
    bars.barh(range(len(views)), errors_px, color="#3a6ea5")
    bars.set_yticks(range(len(views)), [view.name for view in views], fontsize=7)
    bars.invert_yaxis()
    bars.axvline(float(np.mean(errors_px)), color="#b5442e", linewidth=1)
    bars.set(xlabel="reprojection error (px)", title="each picture; line: mean")
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.12, top=0.86, wspace=0.2)
    figure.savefig(path, dpi=110)
