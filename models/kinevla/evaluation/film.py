"""Film of a trial: both cameras side by side with the reasoning below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinevla.data.images import decode_jpeg, encode_jpeg
from kinevla.evaluation.controllers import Decision

POSTER_SUFFIX = ".jpg"  # Of the still beside each film, which a page shows before it is played
VIEW_PX = 256
TEXT_PX = 128
FRAMES_PER_S = 10
_INK, _PAPER, _FAINT = (235, 235, 235), (24, 26, 30), (150, 155, 165)


def poster(film: str) -> str:
    """Name of the still that belongs to a film."""
    return str(Path(film).with_suffix(POSTER_SUFFIX))


class Film:
    """Collects frames, compressed, until they are wanted."""

    def __init__(self, instruction: str) -> None:
        self._instruction = instruction
        self._frames: list[tuple[bytes, bytes, str, str, float]] = []

    def add(self, observation: dict[str, NDArray[Any]], decision: Decision, time_s: float) -> None:
        """Take one moment."""
        front, wrist = (encode_jpeg(observation[camera]) for camera in ("front", "wrist"))
        self._frames.append((front, wrist, decision.goal_text, decision.kinematics_text, time_s))

    def write(self, path: Path, note: str) -> None:
        """Write an H.264 film, and a still of its middle beside it; `note` stands in its last second."""
        from kinevla.data.video import write_video

        options: dict[str, object] = {"crf": "26", "preset": "veryfast"}
        write_video(path, self._pictures(path, note), FRAMES_PER_S, options=options)

    def _pictures(self, path: Path, note: str) -> Iterator[NDArray[np.uint8]]:
        from PIL import Image, ImageDraw, ImageFont

        font = ImageFont.load_default(12)
        last = [self._frames[-1]] * FRAMES_PER_S
        for index, (front, wrist, goal, kinematics, time_s) in enumerate([*self._frames, *last]):
            canvas = Image.new("RGB", (2 * VIEW_PX, VIEW_PX + TEXT_PX), _PAPER)
            for column, jpeg in enumerate((front, wrist)):
                view = Image.fromarray(decode_jpeg(jpeg)).resize((VIEW_PX, VIEW_PX))
                canvas.paste(view, (column * VIEW_PX, 0))
            pen = ImageDraw.Draw(canvas)
            ended = index >= len(self._frames)
            words = note if ended else f"goal: {goal}\nkinematics: {kinematics}"
            lines = [self._instruction, *(x for part in words.splitlines() for x in textwrap.wrap(part, 84))]
            for row, line in enumerate(lines[:8]):
                pen.text((8, VIEW_PX + 4 + 15 * row), line, _INK if row == 0 else _FAINT, font)
            pen.text((8, 4), f"{time_s:.1f} s", _INK, font)
            picture = np.asarray(canvas, dtype=np.uint8)
            if index == len(self._frames) // 2:
                path.with_suffix(POSTER_SUFFIX).write_bytes(encode_jpeg(picture))
            yield picture
