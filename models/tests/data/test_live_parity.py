"""The same messages, recorded and converted or taken live, give the network the same tensors, bit for bit."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from bag_maker import START_NS, write_bag

from kinevla.data.convert import ConvertConfig, Job, Texts, convert_recording
from kinevla.data.images import decode_jpeg
from kinevla.data.packing import DataError
from kinevla.observation.images import ImagePipeline
from kinevla.observation.observation import Observation, network_inputs, stored_inputs

# The buffer of the policy node is plain Python: it is found without a built workspace.
sys.path.append(str(Path(__file__).parents[3] / "ros2_ws" / "src" / "kinevla_policy"))
from kinevla_policy.observation_buffer import ObservationBuffer, SyncedObservation

SIZES = {"front": (480, 640), "wrist": (240, 424)}
PERIOD_NS = 10**8


def tiles(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A picture whose middle is 16 x 16 grey tiles, coloured at the sides.

    Area averaging to 128 pixels leaves whole tiles of 8 x 8: the blocks of a JPEG, which keeps their grey.
    """
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    side, left = min(height, width), (width - min(height, width)) // 2
    tile = np.ones((side // 16, side // 16), np.uint8)
    image[:, left : left + side] = np.kron(rng.integers(0, 128, (16, 16), dtype=np.uint8) * 2, tile)[
        ..., None
    ]
    return image


def test_a_converted_recording_and_the_live_buffer_give_the_same_tensors(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    seen: dict[tuple[str, int], np.ndarray] = {}

    def change(topic: str, message):  # type: ignore[no-untyped-def]
        if "image" not in topic:
            return message
        camera, stamp = topic.split("/")[1], message.header.stamp
        pixels = tiles(rng, *SIZES[camera])
        if camera == "wrist":
            stamp.nanosec = min(stamp.nanosec + int(rng.integers(0, 30)) * 10**6, 999_999_999)
        seen[camera, stamp.sec * 10**9 + stamp.nanosec] = pixels
        message.height, message.width, message.step = *SIZES[camera], 3 * SIZES[camera][1]
        message.data = pixels.reshape(-1)
        return message

    _, states = write_bag(tmp_path / "bag", change=change, targets="none")
    texts = Texts("pick up the bread and move it to the front")
    config = ConvertConfig(idle_rad=0.0, max_image_age_s=0.2)
    episode = convert_recording(Job(tmp_path / "bag", config, texts)).episode
    pipeline = ImagePipeline().on(config.images)
    first_ns = max(min(stamp for camera, stamp in seen if camera == name) for name in SIZES)
    assert len(episode) > 10
    for k in range(len(episode)):
        now_ns = first_ns + k * PERIOD_NS
        buffer = ObservationBuffer(config.max_pair_gap_s)
        for (camera, stamp), pixels in seen.items():
            if stamp <= now_ns:
                buffer.add_image(camera, stamp, pixels)
        for stamp, state in states.items():
            buffer.add_state(stamp, state)
        found = buffer.newest()
        assert isinstance(found, SyncedObservation), found
        live, live_state = network_inputs(Observation(found.front, found.wrist, found.state), pipeline)
        stored = [decode_jpeg(jpeg[k]) for jpeg in (episode.front_jpeg, episode.wrist_jpeg)]
        assert torch.equal(stored_inputs(stored, pipeline), live[0])
        assert torch.equal(torch.from_numpy(episode.state[k].astype(np.float32)), live_state[0])
    assert first_ns >= START_NS


def test_an_image_too_small_for_the_data_set_is_refused_with_its_size_and_the_bound(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", size=(240, 424))
    with pytest.raises(DataError, match="424 x 240 pixels is too small: each side must have at least 256"):
        convert_recording(Job(tmp_path / "bag", ConvertConfig(images=ImagePipeline(256)), Texts()))
