"""Films of RGB images: H.264 for looking and sharing, or exact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np

from kinevla.observation.images import Image


def write_video(
    path: Path,
    images: Iterable[Image],
    fps: int,
    *,
    lossless: bool = False,
    options: dict[str, object] | None = None,
) -> None:
    """Write (H, W, 3) uint8 RGB images of one size.

    Args:
        lossless: keep every pixel as it is (H.264 in RGB); else 4:2:0 with constant quality.
        options: of the encoder, in place of those for training.
    """
    with whole_film(path) as part, av.open(str(part), "w") as container:
        stream = container.add_stream("libx264rgb" if lossless else "libx264", rate=fps)
        stream.pix_fmt = "rgb24" if lossless else "yuv420p"
        # A key frame every two frames: training reads frames in random order.
        quality = {"qp": "0"} if lossless else {"crf": "18"}
        stream.options = options or {"g": "2", "bf": "0", **quality}
        for number, image in enumerate(images):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
                check_film_size(*image.shape[:2], lossless=lossless)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")))
        container.mux(stream.encode())


def check_film_size(height: int, width: int, *, lossless: bool) -> None:
    """Refuse images that H.264 cannot take: in 4:2:0 two rows and two columns share a colour.

    Raises:
        ValueError: a side with an odd number of pixels, unless the film is lossless.
    """
    if not lossless and (height % 2 or width % 2):
        raise ValueError(f"images of {height} x {width} px cannot become a film: H.264 needs even sides")


@contextmanager
def whole_film(path: Path) -> Iterator[Path]:
    """Where to write a film, which gets its name at the end of the `with` block.

    A film that is cut off can be played like a whole one: an error or Ctrl-C leaves none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
