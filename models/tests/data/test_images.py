from __future__ import annotations

import cv2
import numpy as np
import pytest

from kinevla.data.images import ImageError, decode_jpeg, encode_jpeg, scale_keypoints, to_model_size


def test_image_is_shrunk_by_area_averaging():
    image = np.zeros((256, 256, 3), np.uint8)
    image[::2] = 200
    small = to_model_size(image)
    assert small.shape == (128, 128, 3)
    assert np.all(small == 100)


def test_image_of_model_size_is_left_alone():
    image = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    assert np.array_equal(to_model_size(image), image)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros((256, 320, 3), np.uint8), "320 x 256"),
        (np.zeros((64, 64, 3), np.uint8), "64 x 64"),
        (np.zeros((256, 256, 3), np.float32), "float32"),
        (np.zeros((256, 256), np.uint8), "(256, 256)"),
        (np.zeros((256, 256, 4), np.uint8), "(256, 256, 4)"),
    ],
)
def test_unusable_image_is_refused_and_says_what_it_was(image, told):
    with pytest.raises(ImageError) as error:
        to_model_size(image)
    assert told in str(error.value)


def test_keypoint_marks_the_same_place_after_shrinking():
    image = np.zeros((256, 256, 3), np.uint8)
    image[100:120, 60:80] = 255
    centre = np.array([[70.0, 110.0]])
    x, y = scale_keypoints(centre, 256, 128)[0]
    moments = cv2.moments(to_model_size(image)[:, :, 0])
    # Moments count from pixel centres, keypoints from the outer corner.
    assert (x, y) == pytest.approx(
        (moments["m10"] / moments["m00"] + 0.5, moments["m01"] / moments["m00"] + 0.5), abs=1e-6
    )


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
