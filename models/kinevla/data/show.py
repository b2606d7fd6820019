"""Looking at an episode: a contact sheet (png) or a film (mp4) with both cameras, texts and joints."""

from __future__ import annotations

import textwrap
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kinevla.actions.robot import JOINTS
from kinevla.data.episode import Episode
from kinevla.data.images import decode_jpeg
from kinevla.data.video import write_video
from kinevla.manifest import write_atomically
from kinevla.observation.images import Image

DEGREES = "degrees"
_LINE, _FONT = 16, cv2.FONT_HERSHEY_SIMPLEX
_LEAST_SIDE, _LEAST_WIDTH, _DPI = 192, 760, 100


def show_episode(episode: Episode, out: Path, frames: int = 12) -> Path:
    """Write an episode as a picture of `frames` moments, or as a film of all.

    Raises:
        ValueError: `out` ends neither in .png nor in .mp4, or `frames` is below 1.
    """
    if frames < 1:
        raise ValueError(f"frames must be at least 1, got {frames}")
    pictures = [_frame(episode, index) for index in range(len(episode))] if out.suffix == ".mp4" else []
    if pictures:
        write_video(out, pictures, round(1.0 / episode.period_s))
        return out
    if out.suffix != ".png":
        raise ValueError(f"{out} must end in .png or .mp4")
    chosen = np.unique(np.linspace(0, len(episode) - 1, min(frames, len(episode))).round().astype(int))
    tiles = [_pictures(episode, int(index)) for index in chosen]
    columns = min(4, len(tiles))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    sheet = np.concatenate(rows)
    page = np.concatenate([_caption(episode, sheet.shape[1]), sheet, _curves(episode, sheet.shape[1])])
    ok, png = cv2.imencode(".png", page[:, :, ::-1])
    if not ok:
        raise ValueError(f"a picture of {page.shape} cannot be stored as png")
    write_atomically(out, png.tobytes())
    return out


def _labelled(episode: Episode) -> tuple[str, NDArray[np.float64], NDArray[np.float64]]:
    """Unit, measured and commanded values: degrees for an RM75, else as stored (poses of a hand, say)."""
    state, target = np.array(episode.state), np.array(episode.target)
    if state.shape[1] != JOINTS + 1:
        return "as stored", state, target
    for values in (state, target):
        values[:, :-1] = np.degrees(values[:, :-1])
    return DEGREES, state, target


def _curves(episode: Episode, width: int) -> Image:
    """Joints in degrees and the gripper over time: measured as lines, commanded dashed; (H, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(width, _LEAST_WIDTH) / _DPI, 4.2), dpi=_DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    joints, gripper = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    time_s = np.arange(len(episode)) * episode.period_s
    unit, state, target = _labelled(episode)
    for index in range(state.shape[1] - 1):
        (line,) = joints.plot(time_s, state[:, index], label=f"J{index + 1}")
        joints.plot(time_s, target[:, index], "--", color=line.get_color(), lw=1.0)
    gripper.plot(time_s, state[:, -1], color="black")
    gripper.plot(time_s, target[:, -1], "--", color="black", lw=1.0)
    joints.set_ylabel(unit)
    joints.set_title("line: as measured, dashed: as commanded", fontsize=9, loc="left")
    gripper.set(ylabel="gripper", xlabel="time, s", ylim=(-0.05, 1.05), yticks=(0, 1))
    gripper.set_yticklabels(("closed", "open"))
    for axes in (joints, gripper):
        axes.grid(alpha=0.3)
    joints.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[:, :, :3]
    return np.ascontiguousarray(
        cv2.resize(picture, (width, round(picture.shape[0] * width / picture.shape[1])))
    )


def _pictures(episode: Episode, index: int) -> Image:
    """Both cameras side by side, with the time written into them."""
    images = _images(episode, index)
    side = max(images[0].shape[0], _LEAST_SIDE)
    both = np.concatenate([cv2.resize(image, (side, side)) for image in images], axis=1)
    text = f"{index * episode.period_s:.1f} s"
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(both, text, (5, _LINE), _FONT, 0.45, colour, thickness, cv2.LINE_AA)
    return np.asarray(both, dtype=np.uint8)


def _frame(episode: Episode, index: int) -> Image:
    """One picture of the film: texts, cameras, and the numbers of the moment in columns with their units."""
    both = _pictures(episode, index)
    width = both.shape[1]
    unit, states, targets = _labelled(episode)
    digits = 0 if unit == DEGREES else 2
    rows = [
        (unit, [f"J{number + 1}" for number in range(states.shape[1] - 1)] + ["grip"]),
        *(
            (name, [f"{value:z.{digits}f}" for value in values[:-1]] + [f"{100 * values[-1]:z.0f} %"])
            for name, values in (("measured", states[index]), ("commanded", targets[index]))
        ),
    ]
    strip = np.full((_LINE * len(rows) + 6, width, 3), 255, np.uint8)
    first, step = 82, (width - 82) / states.shape[1]
    for line, (name, cells) in enumerate(rows):
        for x, text in [
            (4, name),
            *((round(first + step * column), cell) for column, cell in enumerate(cells)),
        ]:
            cv2.putText(strip, text, (x, _LINE * (line + 1)), _FONT, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    page = np.concatenate([_caption(episode, width), both, strip])
    # Films need even sides.
    return np.ascontiguousarray(page[: page.shape[0] // 2 * 2, : page.shape[1] // 2 * 2])


def _images(episode: Episode, index: int) -> tuple[Image, Image]:
    return decode_jpeg(episode.front_jpeg[index]), decode_jpeg(episode.wrist_jpeg[index])


def _caption(episode: Episode, width: int) -> Image:
    rows: list[str] = []
    for text in (episode.name, episode.instruction, episode.coarse, episode.fine):
        rows += textwrap.wrap(text.replace("\u2019", "'"), max(20, width // 7)) or [""]
    caption = np.full((_LINE * len(rows) + 8, width, 3), 255, np.uint8)
    for line, row in enumerate(rows):
        cv2.putText(caption, row, (4, _LINE * (line + 1)), _FONT, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return caption
