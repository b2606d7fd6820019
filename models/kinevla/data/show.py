"""Looking at an episode: a contact sheet (png) or a film (mp4) with both cameras, texts and joints."""

from __future__ import annotations

import textwrap
from pathlib import Path

import cv2
import numpy as np

from kinevla.data.episode import Episode
from kinevla.data.images import decode_jpeg
from kinevla.data.video import write_video
from kinevla.manifest import write_atomically
from kinevla.observation.images import Image

_LINE, _FONT = 16, cv2.FONT_HERSHEY_SIMPLEX


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
    tiles = [_frame(episode, int(index), texts=False) for index in chosen]
    columns = min(4, len(tiles))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    sheet = np.concatenate(rows)
    page = np.concatenate([_caption(episode, sheet.shape[1]), sheet])
    ok, png = cv2.imencode(".png", page[:, :, ::-1])
    if not ok:
        raise ValueError(f"a picture of {page.shape} cannot be stored as png")
    write_atomically(out, png.tobytes())
    return out


def _frame(episode: Episode, index: int, *, texts: bool = True) -> Image:
    side = max(_images(episode, index)[0].shape[0], 192)
    pictures = [cv2.resize(image, (side, side)) for image in _images(episode, index)]
    both = np.concatenate(pictures, axis=1)
    strip = np.full((3 * _LINE + 4, both.shape[1], 3), 255, np.uint8)
    rows = (f"frame {index}  {index * episode.period_s:.1f} s", *(
        f"{name} " + " ".join(f"{value:.2f}" for value in values[index])
        for name, values in (("s", episode.state), ("a", episode.target))
    ))  # fmt: skip
    for line, row in enumerate(rows):
        cv2.putText(strip, row, (4, _LINE * (line + 1)), _FONT, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    parts = [_caption(episode, both.shape[1])] if texts else []
    page = np.concatenate([*parts, both, strip])
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
