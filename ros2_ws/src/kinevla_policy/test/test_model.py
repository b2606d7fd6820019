import numpy as np

from kinevla_policy.model import centre_square


def test_a_wide_image_is_cut_to_the_square_in_its_middle():
    wide = np.arange(4 * 10 * 3, dtype=np.uint8).reshape(4, 10, 3)
    assert (centre_square(wide) == wide[:, 3:7]).all()
    assert (centre_square(wide.transpose(1, 0, 2)) == wide.transpose(1, 0, 2)[3:7]).all()
