"""What a recording holds for an episode: images, joints, targets and plans with their times."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from kinevla.bounded import printable
from kinevla.data.bags import JOINT_NAMES, MAX_LISTED, Bag, RawMessage, ordered_joints
from kinevla.data.cdr import NS_PER_S, read_message
from kinevla.data.convert_config import ConvertConfig
from kinevla.data.episode import CAMERAS
from kinevla.data.images import encode_jpeg, stored_image
from kinevla.data.jpeg_damage import refusing_damage
from kinevla.data.packing import DataError
from kinevla.observation.encodings import compressed_to_rgb, raw_to_rgb
from kinevla.observation.image_bounds import ImageError
from kinevla.observation.images import Image
from kinevla.text.instruction import normalised, tidy

IMAGE_TOPICS = {camera: f"/{camera}/color/image_raw" for camera in CAMERAS}
JOINT_TOPIC, TARGET_TOPIC = "/joint_states", "/kine_teleop/target"
CHUNK_TOPIC, PLAN_TOPIC = "/realman_driver/joint_trajectory", "/kinevla/plan"
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_TYPES = {
    JOINT_TOPIC: "sensor_msgs/msg/JointState",
    TARGET_TOPIC: "sensor_msgs/msg/JointState",
    CHUNK_TOPIC: "trajectory_msgs/msg/JointTrajectory",
    PLAN_TOPIC: "kine_msgs/msg/BiLevelPlan",
}
_PLAYED_S = 1.0
Array = NDArray[np.float64]


@dataclass
class Streams:
    """A recording topic by topic, times in ns."""

    images: dict[str, list[tuple[int, bytes]]]  # capture time and JPEG per camera, in the order of recording
    joints: list[tuple[int, Array]]  # capture time and measured joints (8,)
    targets: list[tuple[int, Array]]  # time and joint targets of the teleoperator (8,)
    # arrival and points (time, targets (8,)) of each chunk for the driver
    chunks: list[tuple[int, list[tuple[int, Array]]]]
    plans: list[tuple[str, str, str]]  # instruction, goal text, kinematics text of each plan of a policy
    # when each joint state was recorded, and its capture time
    arrivals: list[tuple[int, int]] = field(default_factory=list)


def read_streams(bag: Bag, config: ConvertConfig) -> Streams:
    """Read what an episode is made of; images go through `config.images` and are compressed at once.

    A message that is damaged or cannot be used is left out and counted, as the live nodes do.

    Raises:
        DataError: a needed topic is missing, of another type, or none of its messages can be used.
    """
    seen = {camera: _image_topic(bag, topic) for camera, topic in IMAGE_TOPICS.items()}
    needed = (*seen.values(), JOINT_TOPIC)
    if missing := [topic for topic in needed if topic not in bag.topics]:
        held = ", ".join(printable(topic, 80) for topic in list(bag.topics)[:MAX_LISTED]) or "nothing"
        more = f" and {len(bag.topics) - MAX_LISTED} more" if len(bag.topics) > MAX_LISTED else ""
        lacking = f"{bag.path} lacks {', '.join(missing)}; it holds {held}{more}"
        raise DataError("; ".join((lacking, *bag.cut_off)))
    wanted = [topic for topic in (*needed, TARGET_TOPIC, CHUNK_TOPIC, PLAN_TOPIC) if topic in bag.topics]
    for topic in wanted:
        _check_type(bag, topic)
    streams = Streams({camera: [] for camera in CAMERAS}, [], [], [], [])
    camera_of = {topic: camera for camera, topic in seen.items()}
    used: Counter[str] = Counter()
    for raw in bag.messages(tuple(wanted)):
        try:
            if raw.stamp_ns <= 0:
                raise DataError(f"its stamp is {raw.stamp_ns / NS_PER_S:.9f} s: no clock was running")
            if raw.topic in camera_of:
                camera = camera_of[raw.topic]
                with refusing_damage():
                    pixels = message_pixels(raw)
                view = stored_image(pixels, config.images, camera)
                # Compressed at once: an hour of raw images would not fit into memory.
                streams.images[camera].append((raw.stamp_ns, encode_jpeg(view)))
            elif raw.topic in (JOINT_TOPIC, TARGET_TOPIC):
                values = ordered_joints(read_message(raw.data, "JointState"), raw.topic)
                kept = streams.joints if raw.topic == JOINT_TOPIC else streams.targets
                kept.append((raw.stamp_ns, values))
            elif raw.topic == CHUNK_TOPIC:
                # Its stamp is that of the observation; its points count from when the driver got it.
                streams.chunks.append((raw.received_ns, _points(raw)))
            else:
                streams.plans.append(_plan(raw, bag.topics[raw.topic].definition))
            used[raw.topic] += 1
            if raw.topic == JOINT_TOPIC:
                streams.arrivals.append((raw.received_ns, raw.stamp_ns))
        except (DataError, ImageError) as error:
            bag.leave_out(raw.topic, str(error), stamp_ns=raw.stamp_ns if raw.stamp_ns > 0 else None)
    for topic in wanted:
        reasons = bag.left_out.get(topic)
        if reasons and not used[topic]:
            reason = printable(reasons.most_common(1)[0][0])
            raise DataError(f"none of the {reasons.total()} messages on {topic} can be used: {reason}")
    return streams


def _image_topic(bag: Bag, topic: str) -> str:
    """Return where a camera's images are: raw ones are better, but a topic may be declared and stay empty."""
    held = [name for name in (topic, f"{topic}/compressed") if name in bag.topics]
    return next((name for name in held if bag.topics[name].messages), held[0] if held else topic)


def _check_type(bag: Bag, topic: str) -> None:
    item = bag.topics[topic]
    expected = _TYPES.get(topic, IMAGE if topic in IMAGE_TOPICS.values() else COMPRESSED)
    if item.type != expected:
        raise DataError(f"{topic} is of the type {printable(item.type, 80)}, needed is {expected}")
    if item.serialization != "cdr":
        raise DataError(f"{topic} is encoded as {printable(item.serialization, 80)}, needed is cdr")


def message_pixels(raw: RawMessage) -> Image:
    """Return the pixels of a stored image, raw or compressed, as (H, W, 3) RGB.

    Raises:
        DataError: no such message.
        ImageError: an image of an unknown encoding, too large, or damaged.
    """
    if raw.type == COMPRESSED:
        compressed = read_message(raw.data, "CompressedImage")
        return compressed_to_rgb(compressed.data, compressed.format)
    image = read_message(raw.data, "Image")
    return raw_to_rgb(image.encoding, image.height, image.width, image.step, image.data)


def _plan(raw: RawMessage, definition: str) -> tuple[str, str, str]:
    """Return the texts of a plan: by the bag's own definition where it has one that can be read."""
    texts: Any = _by_definition(raw, definition) or read_message(raw.data, "BiLevelPlan")
    found = (texts.instruction, texts.goal_reasoning, texts.kinematics_reasoning)
    return (normalised(found[0]), tidy(found[1]), tidy(found[2]))


def _by_definition(raw: RawMessage, definition: str) -> Any:
    if not definition:
        return None
    try:
        store = _store(raw.type, definition)
        message: Any = store.deserialize_cdr(raw.data, raw.type)
        texts = (message.instruction, message.goal_reasoning, message.kinematics_reasoning)
        return message if all(isinstance(text, str) for text in texts) else None
    except Exception:  # the parsers raise what they like; the project's own definition is tried next
        return None


@lru_cache(maxsize=8)
def _store(kind: str, definition: str) -> Any:
    store = get_typestore(Stores.LATEST)
    known = set(store.fielddefs)
    store.register({k: v for k, v in get_types_from_msg(definition, kind).items() if k not in known})
    return store


def _points(raw: RawMessage) -> list[tuple[int, Array]]:
    found = read_message(raw.data, "JointTrajectory")
    names = found.joint_names
    if sorted(names) != sorted(JOINT_NAMES):
        raise DataError(f"a message on {CHUNK_TOPIC} has joints {', '.join(names) or 'none'}")
    order = [names.index(name) for name in JOINT_NAMES]
    if any(len(point.positions) != len(order) for point in found.points):
        raise DataError(f"a message on {CHUNK_TOPIC} has a point without {len(order)} positions")
    starts = (point.time_from_start for point in found.points)
    times_ns = [raw.received_ns + start.sec * NS_PER_S + start.nanosec for start in starts]
    return [(t, point.positions[order]) for t, point in zip(times_ns, found.points, strict=True)]


def joint_targets(streams: Streams) -> list[tuple[int, Array]]:
    """Return joint targets over time: the teleoperator's, else those of the chunks, else none."""
    if streams.targets:
        return streams.targets
    samples: list[tuple[int, Array]] = []
    chunks = _at_capture(streams)
    for index, (received_ns, points) in enumerate(chunks):
        later = chunks[index + 1 :]
        end_ns = later[0][0] if later else None
        reached = [p for p in points if end_ns is None or p[0] < end_ns or received_ns == end_ns]
        # A chunk that is replaced before its first point says where the arm was heading all the same.
        samples += reached or points[:1]
    return samples


def _at_capture(streams: Streams) -> list[tuple[int, list[tuple[int, Array]]]]:
    """Return the chunks on the clock of the capture stamps.

    Both clocks are the same, but where a recording was made while another one was played: then the joint
    states tell when what arrived was captured.
    """
    if not streams.chunks or not streams.arrivals:
        return streams.chunks
    clocks = np.array(sorted(streams.arrivals), dtype=np.int64)
    arrived, captured = clocks[:, 0], clocks[:, 1]
    if abs(np.median(arrived - captured)) < _PLAYED_S * NS_PER_S:
        return streams.chunks
    moved = []
    for received_ns, points in streams.chunks:
        place = int(np.clip(np.searchsorted(arrived, received_ns), 0, len(arrived) - 1))
        shift = int(captured[place] - arrived[place])
        moved.append((received_ns + shift, [(time_ns + shift, values) for time_ns, values in points]))
    return moved


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
