"""What a recording holds for an episode: images, joints, targets and plans with their times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinevla.data.bags import JOINT_NAMES, Bag, RawMessage, message_image, ordered_joints
from kinevla.data.cdr import chunk, joint_positions
from kinevla.data.convert_config import ConvertConfig
from kinevla.data.episode import CAMERAS
from kinevla.data.images import encode_jpeg
from kinevla.data.packing import DataError
from kinevla.observation.images import network_image

IMAGE_TOPICS = {camera: f"/{camera}/color/image_raw" for camera in CAMERAS}
JOINT_TOPIC, TARGET_TOPIC = "/joint_states", "/kine_teleop/target"
CHUNK_TOPIC, PLAN_TOPIC = "/realman_driver/joint_trajectory", "/kinevla/plan"
Array = NDArray[np.float64]


@dataclass
class Streams:
    """A recording topic by topic, times in ns.

    Attributes:
        images: capture time and JPEG per camera, in the order of recording.
        joints: capture time and measured joints (8,).
        targets: time and joint targets of the teleoperator (8,).
        chunks: arrival and points (time, targets (8,)) of each chunk for the driver.
        plans: instruction, goal text, kinematics text of each plan of a policy.
    """

    images: dict[str, list[tuple[int, bytes]]]
    joints: list[tuple[int, Array]]
    targets: list[tuple[int, Array]]
    chunks: list[tuple[int, list[tuple[int, Array]]]]
    plans: list[tuple[str, str, str]]


def read_streams(bag: Bag, config: ConvertConfig) -> Streams:
    """Read what an episode is made of; images go through `config.images` and are compressed at once.

    Raises:
        DataError: a needed topic is missing, or a message is damaged.
        ImageError: an image of an unknown encoding or smaller than asked for.
    """
    # A recording of compressed images serves as well, but raw ones are better.
    seen = {
        camera: topic
        if topic in bag.topics or f"{topic}/compressed" not in bag.topics
        else f"{topic}/compressed"
        for camera, topic in IMAGE_TOPICS.items()
    }
    needed = (*seen.values(), JOINT_TOPIC)
    if missing := [topic for topic in needed if topic not in bag.topics]:
        raise DataError(
            f"{bag.path} lacks {', '.join(missing)}; it holds {', '.join(bag.topics) or 'nothing'}"
        )
    streams = Streams({camera: [] for camera in CAMERAS}, [], [], [], [])
    camera_of = {topic: camera for camera, topic in seen.items()}
    for raw in bag.messages((*needed, TARGET_TOPIC, CHUNK_TOPIC, PLAN_TOPIC)):
        if raw.topic in camera_of:
            camera = camera_of[raw.topic]
            view = network_image(message_image(bag.decode(raw)), config.images, camera)
            # Compressed at once: an hour of raw images would not fit into memory.
            streams.images[camera].append((raw.stamp_ns, encode_jpeg(view)))
        elif raw.topic == JOINT_TOPIC:
            streams.joints.append((raw.stamp_ns, ordered_joints(joint_positions(raw.data), raw.topic)))
        elif raw.topic == TARGET_TOPIC:
            streams.targets.append((raw.stamp_ns, ordered_joints(joint_positions(raw.data), raw.topic)))
        elif raw.topic == CHUNK_TOPIC:
            # Its stamp is that of the observation; its points count from when the driver got it.
            streams.chunks.append((raw.received_ns, _points(raw)))
        else:
            message = bag.decode(raw)
            streams.plans.append((message.instruction, message.goal_reasoning, message.kinematics_reasoning))
    return streams


def _points(raw: RawMessage) -> list[tuple[int, Array]]:
    found = chunk(raw.data)
    if sorted(found.name) != sorted(JOINT_NAMES):
        raise DataError(f"a message on {CHUNK_TOPIC} has joints {', '.join(found.name) or 'none'}")
    order = [found.name.index(name) for name in JOINT_NAMES]
    if any(len(positions) != len(order) for _, positions in found.points):
        raise DataError(f"a message on {CHUNK_TOPIC} has a point without {len(order)} positions")
    return [(raw.received_ns + time_ns, positions[order]) for time_ns, positions in found.points]


def joint_targets(streams: Streams) -> list[tuple[int, Array]]:
    """Return joint targets over time: the teleoperator's, else those of the chunks, else none."""
    if streams.targets:
        return streams.targets
    samples: list[tuple[int, Array]] = []
    for index, (received_ns, points) in enumerate(streams.chunks):
        later = streams.chunks[index + 1 :]
        end_ns = later[0][0] if later else None
        reached = [p for p in points if end_ns is None or p[0] < end_ns or received_ns == end_ns]
        # A chunk that is replaced before its first point says where the arm was heading all the same.
        samples += reached or points[:1]
    return samples


def one_plan(plans: list[tuple[str, str, str]]) -> tuple[str, str, str]:
    """Return the texts of the recording's plans, empty ones where there are none.

    Raises:
        DataError: plans for different instructions.
    """
    if not plans:
        return ("", "", "")
    if len(spoken := {plan[0] for plan in plans}) > 1:
        raise DataError(f"{PLAN_TOPIC} holds {len(spoken)} instructions, an episode has one")
    return plans[0]
