"""What a policy would have seen live is what the data set made of the same messages shows it in training.

Live: messages, the node's conversions, `ObservationBuffer`, the checkpoint's own preprocessing. Data set: the
same messages in a bag, `kinevla data convert`, the episode as training reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import Image, JointState

from kine_nodes.image_conversion import image_to_rgb
from kinevla.data.convert import ConvertConfig, Job, Texts, convert_recording
from kinevla.data.episode import Episode
from kinevla.data.images import decode_jpeg, encode_jpeg
from kinevla.data.packing import DataError
from kinevla.observation.images import ImagePipeline, network_image
from kinevla.observation.observation import stored_inputs
from kinevla_policy import messages, parameters
from kinevla_policy.model import CheckpointPolicy
from kinevla_policy.observation_buffer import ObservationBuffer, SyncedObservation

START_NS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
CHECKPOINT = next(parent for parent in Path(__file__).resolve().parents if (parent / "models").is_dir())
# Another order than the policy's, and a joint it does not know.
NAMES = ["gripper", "joint_4", "joint_2", "finger", "joint_7", "joint_1", "joint_3", "joint_6", "joint_5"]


def pose(stamp_ns: int) -> np.ndarray:
    """Seven moving joints and a gripper that closes."""
    time_s = (stamp_ns - START_NS) / SECOND
    return np.array([*(0.3 * np.sin(time_s * (n + 1)) for n in range(7)), float(np.clip(1.2 - time_s, 0, 1))])


STORED_PX = 224  # As the demonstrations of the shipped policy.


def picture(rng: np.random.Generator, stamp_ns: int, height: int, width: int, encoding: str) -> Image:
    """A scene-like picture: smooth colours, some edges, a little noise; rows are padded."""
    y, x = np.mgrid[0:height, 0:width] / height
    phase = rng.uniform(0, 6, 3)
    pixels = (
        120 + 80 * np.sin(3 * x[..., None] + 2 * y[..., None] + phase) + rng.normal(0, 2, (height, width, 3))
    )
    pixels[height // 3 : height // 2, width // 4 : width // 2] = rng.uniform(0, 255, 3)
    step = 3 * width + 16
    rows = np.zeros((height, step), np.uint8)
    rows[:, : 3 * width] = pixels.clip(0, 255).astype(np.uint8).reshape(height, 3 * width)
    message = Image(height=height, width=width, encoding=encoding, step=step, data=rows.tobytes())
    message.header.stamp = messages.to_time(stamp_ns)
    return message


def joint_state(stamp_ns: int) -> JointState:
    values = dict(zip(messages.JOINT_NAMES, pose(stamp_ns), strict=True)) | {"finger": 9.0}
    message = JointState(name=NAMES, position=[float(values[name]) for name in NAMES])
    message.header.stamp = messages.to_time(stamp_ns)
    return message


def streams(seed: int) -> list[tuple[int, str, Image | JointState]]:
    """Two cameras of unlike rate, size and jitter with lost and repeated frames, and joints: by capture."""
    rng = np.random.default_rng(seed)
    found: list[tuple[int, str, Image | JointState]] = []
    cameras = (("front", 30.0, (240, 320), "rgb8"), ("wrist", 50.0, (256, 230), "bgr8"))
    for camera, rate_hz, size, encoding in cameras:
        offset_s = rng.uniform(0, 0.02)
        for k in range(int(2.0 * rate_hz)):
            if k and rng.random() < 0.05:
                continue
            stamp = START_NS + round((offset_s + (k + rng.uniform(-0.1, 0.1)) / rate_hz) * SECOND)
            message = picture(rng, stamp, *size, encoding)
            found.append((stamp, f"/{camera}/color/image_raw", message))
            if rng.random() < 0.05:
                again = picture(rng, stamp, *size, encoding)  # a driver that sends a stamp twice
                found.append((stamp + 1, f"/{camera}/color/image_raw", again))
    for k in range(2 * 200):
        stamp = START_NS + round((k + rng.uniform(-0.3, 0.3)) * SECOND / 200)
        found.append((stamp, "/joint_states", joint_state(stamp)))
    return sorted(found, key=lambda item: item[0])


def write(path: Path, recorded: list[tuple[int, str, Image | JointState]]) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kinds = {"/joint_states": "sensor_msgs/msg/JointState"}
        connections = {
            topic: writer.add_connection(topic, kinds.get(topic, "sensor_msgs/msg/Image"), typestore=store)
            for topic in ("/front/color/image_raw", "/wrist/color/image_raw", "/joint_states")
        }
        for received_ns, topic, message in recorded:
            writer.write(connections[topic], received_ns, serialize_message(message))


def seen_live(recorded: list[tuple[int, str, Image | JointState]], now_ns: int) -> SyncedObservation:
    """What the buffer gives out when all captured until `now_ns` has arrived, and 10 ms more of joints."""
    buffer = ObservationBuffer(parameters.TABLE["max_pair_gap_s"].default)
    for stamp, topic, message in recorded:
        if topic == "/joint_states" and stamp <= now_ns + SECOND // 100:
            by_name = dict(zip(message.name, message.position, strict=True))
            state = np.array([by_name[name] for name in messages.JOINT_NAMES])
            buffer.add_state(messages.to_ns(message.header.stamp), state)
        elif topic != "/joint_states" and messages.to_ns(message.header.stamp) <= now_ns:
            stamp_ns = messages.to_ns(message.header.stamp)
            buffer.add_image(topic.split("/")[1], stamp_ns, image_to_rgb(message))
    observation = buffer.newest()
    assert isinstance(observation, SyncedObservation), observation
    return observation


@pytest.fixture(scope="module")
def policy() -> CheckpointPolicy:
    return CheckpointPolicy(str(CHECKPOINT / "models/checkpoints/nano"))


def read_by_network(
    policy: CheckpointPolicy, observation: SyncedObservation
) -> tuple[np.ndarray, np.ndarray]:
    """Images (2, S, S, 3) and state (8,) as the network gets them; nothing is computed from them."""
    model = policy._policy._parts.model
    seen: list[Any] = []

    class Read(Exception):
        pass

    def stop(features: object, state: Any, past: object) -> None:
        seen.append(state)
        raise Read

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Read):
        patch.setattr(model, "features", seen.append)
        patch.setattr(model, "observe", stop)
        policy.plan_from(observation, "pick up the bread and move it to the front", None)
    images, state = seen
    return images[0].numpy(), state[0].numpy()


@pytest.mark.parametrize("seed", range(3))
def test_images_and_joints_seen_live_are_those_of_the_data_set(tmp_path, policy, seed):
    recorded = streams(seed)
    write(tmp_path / "bag", recorded)
    # Without the removal of idle frames, frame k is the k-th moment.
    texts = Texts("pick up the bread and move it to the front")
    episode: Episode = convert_recording(
        Job(tmp_path / "bag", ConvertConfig(idle_rad=0.0, images=ImagePipeline(STORED_PX)), texts)
    ).episode
    assert len(episode) >= 17
    first_ns = first_moment(recorded)
    lossy = []
    for k in range(len(episode)):
        observation = seen_live(recorded, first_ns + k * SECOND // 10)
        images, state = read_by_network(policy, observation)
        np.testing.assert_array_equal(state, episode.state[k].astype(np.float32))
        for camera, live in zip(("front", "wrist"), images, strict=True):
            stored = getattr(episode, f"{camera}_jpeg")[k]
            kept = network_image(getattr(observation, camera), ImagePipeline(STORED_PX))
            assert stored == encode_jpeg(kept), f"frame {k}: another picture of the {camera} camera"
            seen = stored_inputs([kept], policy._policy.parts.images)[0].numpy()
            np.testing.assert_array_equal(live, seen, f"frame {k}: {camera} camera")
            shown = stored_inputs([decode_jpeg(stored)], policy._policy.parts.images)[0].numpy()
            lossy.append(np.abs(shown.astype(int) - live).mean())
        # The action is where the arm is one period after the observation.
        if k < len(episode) - 1:
            np.testing.assert_allclose(
                episode.target[k, :7], pose(observation.stamp_ns + SECOND // 10)[:7], atol=2e-3
            )
    # The only difference that is left is the data set's compression.
    assert np.mean(lossy) < 2.0


def first_moment(recorded: list[tuple[int, str, Image | JointState]]) -> int:
    """The first moment with joints and, from then on, an image of each camera."""
    first: dict[str, int] = {}
    for _, topic, message in recorded:
        stamp = messages.to_ns(message.header.stamp)
        if topic == "/joint_states" or ("/joint_states" in first and stamp >= first["/joint_states"]):
            first.setdefault(topic, stamp)
    return max(first.values())


def test_a_pair_of_images_the_policy_would_not_take_is_no_frame(tmp_path):
    rng = np.random.default_rng(9)
    recorded = [item for item in streams(0) if item[1] == "/joint_states"]
    for k in range(20):
        for camera, late_ns in (("front", 0), ("wrist", SECOND // 20)):
            stamp = START_NS + k * SECOND // 10 + late_ns
            recorded.append((stamp, f"/{camera}/color/image_raw", picture(rng, stamp, 240, 240, "rgb8")))
    write(tmp_path / "bag", sorted(recorded, key=lambda item: item[0]))

    with pytest.raises(DataError, match=r"apart, bound 0\.040 s \(at 0\.00 s\)"):
        convert_recording(Job(tmp_path / "bag", ConvertConfig(max_image_age_s=0.3), Texts("wave", "g", "k")))
