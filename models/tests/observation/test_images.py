from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from kinevla.observation.image_bounds import ImageError
from kinevla.observation.images import ImagePipeline, PipelineError, network_image
from kinevla.observation.observation import Observation, ObservationError, network_inputs, stored_inputs


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(480, 640), (720, 1280), (240, 424), (640, 480), (128, 128)])
@pytest.mark.parametrize("square", ["centre", "stretch"])
def test_camera_images_of_any_size_and_shape_become_the_networks(
    height: int, width: int, square: str
) -> None:
    image = noise(height, width)
    found = network_image(image, ImagePipeline(square=square))  # type: ignore[arg-type]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    kept = image[top : top + side, left : left + side] if square == "centre" else image
    assert found.flags.c_contiguous
    assert np.array_equal(found, cv2.resize(kept, (128, 128), interpolation=cv2.INTER_AREA))


def test_areas_are_averaged_and_an_image_of_the_networks_size_is_left_alone() -> None:
    image = np.zeros((256, 256, 3), np.uint8)
    image[::2] = 200
    assert np.all(network_image(image, ImagePipeline()) == 100)
    assert np.array_equal(network_image(noise(128, 128), ImagePipeline()), noise(128, 128))


def test_bicubic_is_pillows() -> None:
    pipeline = ImagePipeline(224, square="stretch", interpolation="bicubic")
    expected = Image.fromarray(noise(480, 640)).resize((224, 224), Image.Resampling.BICUBIC)
    assert np.array_equal(network_image(noise(480, 640), pipeline), expected)


@pytest.mark.parametrize("square", ["centre", "stretch"])
@pytest.mark.parametrize("stored_px", [224, 256])
def test_a_camera_image_goes_the_way_of_the_stored_ones(square: str, stored_px: int) -> None:
    """What the data set did, then what training does with it, is what the runtime does at once."""
    data = ImagePipeline(stored_px, square=square, rotate=("wrist",))  # type: ignore[arg-type]
    network = ImagePipeline(224, square=square, interpolation="bicubic", crop_area=0.9)  # type: ignore[arg-type]
    network = network.on(data)
    front, wrist = noise(480, 640), noise(240, 424)[:, ::-1]
    if stored_px > 240:
        wrist = wrist.repeat(2, axis=0)
    stored = [network_image(image, data, camera) for image, camera in ((front, "front"), (wrist, "wrist"))]
    live, _ = network_inputs(Observation(front, wrist, np.zeros(8)), network)
    assert live.shape == (1, 2, 224, 224, 3) and live.dtype == torch.uint8
    assert torch.equal(stored_inputs(stored, network), live[0])


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (
            np.zeros((100, 320, 3), np.uint8),
            "320 x 100 pixels is too small: each side must have at least 128",
        ),
        (np.zeros((256, 256, 3), np.float32), "float32"),
        (np.zeros((256, 256), np.uint8), "(256, 256)"),
        (np.zeros((256, 256, 4), np.uint8), "(256, 256, 4)"),
    ],
)
def test_an_unusable_image_is_refused_and_it_is_said_what_it_was(image: np.ndarray, told: str) -> None:
    with pytest.raises(ImageError) as error:
        network_image(image, ImagePipeline())
    assert told in str(error.value)
    with pytest.raises(ObservationError, match="wrist camera: "):
        network_inputs(Observation(noise(128, 128), image, np.zeros(8)), ImagePipeline())


def test_a_network_can_not_learn_from_images_that_were_made_otherwise() -> None:
    network = ImagePipeline(224, interpolation="bicubic")
    with pytest.raises(
        PipelineError, match="images of 128 x 128 pixels, the network needs at least 224 x 224"
    ):
        network.on(ImagePipeline(128))
    with pytest.raises(
        PipelineError, match=r"with --image-size 224, or .* with --sight\.image-size of at most 128$"
    ):
        network.on(ImagePipeline(128))
    with pytest.raises(PipelineError, match=r"square = 'stretch'.* needs 'centre' .*with --square centre$"):
        network.on(ImagePipeline(256, square="stretch"))
    with pytest.raises(PipelineError, match=r"crop_area = 0\.9"):
        network.on(ImagePipeline(256, crop_area=0.9))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"square": "left"}, "square must be centre or stretch, got 'left'"),
        ({"interpolation": "nearest"}, "interpolation must be area or bicubic, got 'nearest'"),
        ({"size_px": 0}, "1 <= size_px"),
        ({"stored_px": 64}, "size_px <= stored_px, got 128 and 64"),
        ({"crop_area": 1.5}, "0 < a <= 1, got 1.5"),
        ({"colour": "blue"}, "no setting colour"),
    ],
)
def test_a_pipeline_that_makes_no_sense_is_refused(values: dict[str, object], told: str) -> None:
    with pytest.raises(PipelineError, match=told):
        ImagePipeline.from_dict(values)
