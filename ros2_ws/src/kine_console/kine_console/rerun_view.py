"""Shows a bag in Rerun. `rerun-sdk` is not among the pinned packages: its wheel has 170 MB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kine_console.bag_view import Line, Picture, Text, Value, items


class RerunMissing(RuntimeError):
    """`rerun-sdk` is not installed; the text says how to get it."""


def show(bag: Path, save: Path | None = None) -> int:
    """Hand a bag to Rerun's viewer, or write it to a `.rrd` file; returns how many things were shown.

    Raises:
        RerunMissing: the package is not installed.
        BagError: the bag cannot be read.
    """
    try:
        import rerun as rr
    except ImportError:
        raise RerunMissing("rerun-sdk is not installed: pip install rerun-sdk==0.41.0 (170 MB)") from None
    rr.init("kinevla", spawn=save is None)
    if save is not None:
        rr.save(str(save))
    rr.send_blueprint(_blueprint())
    rr.log("/", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    count = 0
    for time_ns, item in items(bag):
        rr.set_time("received", timestamp=time_ns * 1e-9)
        rr.log(_path(item.name), _archetype(rr, item))
        count += 1
    return count


def _path(name: str) -> str:
    return "/".join(part.replace(" ", "_") for part in name.split("/"))


def _archetype(rr: Any, item: Picture | Value | Text | Line) -> Any:
    if isinstance(item, Picture):
        if item.pixels is None:
            return rr.EncodedImage(contents=item.jpeg, media_type="image/jpeg")
        return rr.Image(item.pixels).compress(jpeg_quality=80)
    if isinstance(item, Value):
        return rr.Scalars(item.value)
    if isinstance(item, Text):
        return rr.TextDocument(item.text, media_type="text/markdown")
    return rr.LineStrips3D([item.points_m], radii=0.02)


def _blueprint() -> Any:
    import rerun.blueprint as rrb

    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Vertical(
                rrb.Horizontal(
                    rrb.Spatial2DView(origin="/front", name="Front"),
                    rrb.Spatial2DView(origin="/wrist", name="Wrist"),
                ),
                rrb.Spatial3DView(origin="/", contents="/arm", name="Arm"),
            ),
            rrb.Vertical(
                rrb.TextDocumentView(origin="/plan", name="Reasoning"),
                rrb.TimeSeriesView(origin="/joints", name="Joints, rad"),
                rrb.TimeSeriesView(origin="/latency_s", name="Latency, s"),
                rrb.TextDocumentView(origin="/diagnostics/realman_driver/arm", name="Driver"),
            ),
        ),
        collapse_panels=True,
    )
