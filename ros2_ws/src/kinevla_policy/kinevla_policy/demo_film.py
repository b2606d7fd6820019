"""Film of a run: both cameras, with the instruction and both levels of reasoning written below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kinevla.data.video import whole_film

VIEW_PX = 384
TEXT_PX = 160
FRAMES_PER_S = 10
_INK, _PAPER, _FAINT = (235, 235, 235), (24, 26, 30), (150, 155, 165)
_GOAL, _KINEMATICS = (120, 200, 255), (255, 190, 110)


@dataclass(frozen=True)
class FilmFrame:
    """One moment: two (H, W, 3) uint8 images and what the policy thought."""

    time_s: float
    front: NDArray[np.uint8]
    wrist: NDArray[np.uint8]
    instruction: str
    goal: str
    kinematics: str
    note: str


def draw(frame: FilmFrame) -> NDArray[np.uint8]:
    """The picture of one moment, (544, 768, 3) uint8."""
    canvas = Image.new("RGB", (2 * VIEW_PX, VIEW_PX + TEXT_PX), _PAPER)
    for index, (name, pixels) in enumerate((("front camera", frame.front), ("wrist camera", frame.wrist))):
        view = Image.fromarray(pixels).resize((VIEW_PX, VIEW_PX), Image.Resampling.BILINEAR)
        canvas.paste(view, (index * VIEW_PX, 0))
        ImageDraw.Draw(canvas).text((index * VIEW_PX + 8, 6), name, _INK, ImageFont.load_default(13))
    pen = ImageDraw.Draw(canvas)
    y = VIEW_PX + 8
    sections = (
        ("", frame.instruction, _INK, 17, 84, 2),
        ("goal: ", frame.goal, _GOAL, 15, 96, 1),
        ("kinematics: ", frame.kinematics, _KINEMATICS, 14, 108, 6),
    )
    for label, text, colour, size, columns, most in sections:
        font = ImageFont.load_default(size)
        for line in textwrap.wrap(label + (text or "..."), columns)[:most]:
            pen.text((10, y), line, colour, font)
            y += size + 5
        y += 3
    pen.text((10, VIEW_PX + TEXT_PX - 20), frame.note, _FAINT, ImageFont.load_default(13))
    return np.asarray(canvas, dtype=np.uint8)


def write_mp4(frames: Sequence[FilmFrame], path: Path) -> Path:
    """Write an H.264 film at 10 frames/s."""
    with whole_film(path) as part, av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_S)
        stream.width, stream.height, stream.pix_fmt = 2 * VIEW_PX, VIEW_PX + TEXT_PX, "yuv420p"
        stream.options = {"crf": "23", "preset": "veryfast"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw(frame), format="rgb24")))
        container.mux(stream.encode())
    return path


def write_gif(frames: Sequence[FilmFrame], path: Path, every: int = 3, width_px: int = 576) -> Path:
    """Write a small GIF of every n-th frame, for pages that show no films."""
    pictures = []
    for frame in frames[::every]:
        picture = Image.fromarray(draw(frame))
        height_px = round(picture.height * width_px / picture.width)
        small = picture.resize((width_px, height_px), Image.Resampling.LANCZOS)
        pictures.append(small.quantize(96, dither=Image.Dither.NONE))
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=1000 * every // FRAMES_PER_S // 2,
        loop=0,
        optimize=True,
    )
    return path
