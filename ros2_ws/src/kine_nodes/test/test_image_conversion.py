from array import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image

from kine_nodes.image_conversion import ImageError, compressed_to_rgb, image_to_rgb, rgb_to_jpeg

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def message(pixels: np.ndarray, encoding: str, padding: int = 0) -> Image:
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    rows = np.hstack([rows, np.full((height, padding), 255, np.uint8)])
    image = Image(height=height, width=width, encoding=encoding, step=rows.shape[1])
    image.data = array("B", rows.tobytes())
    return image


@pytest.mark.parametrize("padding", [0, 3])
def test_colours_arrive_as_rgb_whatever_the_encoding_and_stride(padding):
    opaque = np.dstack([PIXELS, np.full((5, 7), 255, np.uint8)])
    assert (image_to_rgb(message(PIXELS, "rgb8", padding)) == PIXELS).all()
    assert (image_to_rgb(message(PIXELS[..., ::-1], "bgr8", padding)) == PIXELS).all()
    assert (image_to_rgb(message(opaque, "rgba8", padding)) == PIXELS).all()
    assert (image_to_rgb(message(opaque[..., [2, 1, 0, 3]], "bgra8", padding)) == PIXELS).all()


def test_grey_images_become_three_equal_channels():
    grey = PIXELS[..., 0]
    assert (image_to_rgb(message(grey, "mono8", 1)) == grey[..., None]).all()


def test_a_jpeg_is_decoded_to_rgb():
    smooth = np.full((16, 16, 3), (200, 30, 60), np.uint8)
    data = cv2.imencode(".jpg", smooth[..., ::-1])[1].tobytes()
    assert np.abs(compressed_to_rgb(data).astype(int) - smooth).max() < 6


def test_an_image_sent_as_jpeg_keeps_its_colours_and_size():
    ramp = np.zeros((48, 64, 3), np.uint8)
    ramp[..., 0], ramp[..., 2] = np.arange(64), 200
    again = compressed_to_rgb(rgb_to_jpeg(ramp, 90))
    assert again.shape == ramp.shape
    assert np.abs(again.astype(int) - ramp).max() < 10


def test_bytes_that_are_no_picture_are_refused():
    with pytest.raises(ImageError, match="5 bytes"):
        compressed_to_rgb(b"nopic")


def test_an_unknown_encoding_is_named():
    with pytest.raises(ImageError, match="16UC1"):
        image_to_rgb(message(PIXELS, "16UC1"))


def test_a_buffer_that_is_too_short_is_refused_with_both_figures():
    short = message(PIXELS, "rgb8")
    short.data = array("B", bytes(10))
    with pytest.raises(ImageError, match=r"10 bytes.*105"):
        image_to_rgb(short)
