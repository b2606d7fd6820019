"""Whether a JPEG is whole inside: libjpeg fills a hole with grey, returns the picture, and says so on stderr.

Neither OpenCV nor Pillow hands its word on, so it is read there. It costs nothing beside the decoding.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from kinevla.observation.image_bounds import ImageError

_DAMAGE = re.compile(rb"(?:Corrupt JPEG data: *|Premature end of JPEG)(?:(\d+) extraneous bytes)?.*")
_SPARE_BYTES = 64  # Cameras put some of their own behind the pixels of every whole picture.
_STDERR = 2


@contextmanager
def refusing_damage() -> Iterator[None]:
    """Decode a picture in this context: what libjpeg says of it meanwhile becomes an error.

    Stderr belongs to the whole process; what others write to it in between is written again.

    Raises:
        ImageError: the picture has a hole, in libjpeg's words.
    """
    try:
        stderr = os.dup(_STDERR)
    except OSError:  # closed: nothing can be said there
        yield
        return
    with tempfile.TemporaryFile() as heard:
        try:
            os.dup2(heard.fileno(), _STDERR)
            yield
        finally:
            os.dup2(stderr, _STDERR)
            os.close(stderr)
            heard.seek(0)
            said = heard.read()
            if rest := _DAMAGE.sub(b"", said).strip():
                os.write(_STDERR, rest + b"\n")
    found = _DAMAGE.search(said)
    if found and int(found[1] or _SPARE_BYTES + 1) > _SPARE_BYTES:
        raise ImageError(f"a JPEG is damaged inside, libjpeg says: {found[0].decode(errors='replace')}")
