import numpy as np
import pytest
from builtin_interfaces.msg import Time

from kine_nodes.image_conversion import image_to_rgb
from kine_nodes.image_message import camera_info_message, image_message

RNG = np.random.default_rng(0)
FIRST, SECOND = (RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8) for _ in range(2))


def test_an_image_comes_back_as_it_went_also_in_a_message_that_is_used_again():
    message = image_message(FIRST, Time(sec=1), "front")
    assert (image_to_rgb(message) == FIRST).all()
    again = image_message(SECOND[:, ::-1], Time(sec=2), "front", reuse=message)
    assert again is message and again.header.stamp.sec == 2
    assert (image_to_rgb(again) == SECOND[:, ::-1]).all()
    other = image_message(SECOND[:3], Time(sec=3), "front", reuse=message)
    assert other is not message and (image_to_rgb(other) == SECOND[:3]).all()


def test_a_camera_without_intrinsics_says_not_calibrated():
    info = camera_info_message((7, 5), None, (), "", Time(sec=1), "front")
    assert (info.width, info.height, info.k[0]) == (7, 5, 0.0)
    matrix = np.array([[10.0, 0.0, 3.0], [0.0, 11.0, 2.0], [0.0, 0.0, 1.0]])
    info = camera_info_message((7, 5), matrix, (0.1,) * 5, "plumb_bob", Time(sec=1), "front")
    assert list(info.k) == pytest.approx(matrix.ravel())
    assert (info.p[0], info.p[5], info.p[2]) == (10.0, 11.0, 3.0)
