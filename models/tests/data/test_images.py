from __future__ import annotations

import numpy as np
import pytest

from kinevla.data.images import decode_jpeg, encode_jpeg
from kinevla.observation.image_bounds import ImageError


def test_jpeg_keeps_colours_in_rgb_order():
    image = np.zeros((32, 32, 3), np.uint8)
    image[..., 0] = 220
    decoded = decode_jpeg(encode_jpeg(image))
    assert decoded[16, 16, 0] > 200
    assert decoded[16, 16, 2] < 20


@pytest.mark.parametrize("content", [b"", b"no image at all"])
def test_bytes_that_are_no_image_are_refused(content):
    with pytest.raises(ImageError):
        decode_jpeg(content)
