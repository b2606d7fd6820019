"""Films of RGB images: H.264 for looking and sharing, or exact."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np

from kinevla.bounded import MIB, require_size
from kinevla.observation.images import Image

MAX_FILM_BYTES = 4096 * MIB


def write_video(path: Path, images: Iterable[Image], fps: int, *, lossless: bool = False) -> None:
    """Write (H, W, 3) uint8 RGB images of one size; H and W even.

    Args:
        path: ends in .mp4.
        images: the frames.
        fps: frames per second.
        lossless: keep every pixel as it is (H.264 in RGB); else 4:2:0 with constant quality.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb" if lossless else "libx264", rate=fps)
        stream.pix_fmt = "rgb24" if lossless else "yuv420p"
        # A key frame every two frames: training reads frames in random order.
        quality = ("qp", "0") if lossless else ("crf", "18")
        stream.options = dict((("g", "2"), ("bf", "0"), quality))
        for number, image in enumerate(images):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")))
        container.mux(stream.encode())


def read_video(path: Path) -> Image:
    """Return all frames of a film, (T, H, W, 3) uint8 RGB.

    Raises:
        TooLargeError: more than `MAX_FILM_BYTES` of pixels.
    """
    frames: list[Image] = []
    size = 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            size += 3 * frame.width * frame.height
            require_size(f"{path} unpacked so far", size, MAX_FILM_BYTES)
            frames.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
    return np.stack(frames)
