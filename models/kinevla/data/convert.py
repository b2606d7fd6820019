"""From recordings to training episodes: one fixed rate, images and joints as the policy will see them live.

Frames stand `period_s` apart. An image is the newest captured at or before its frame's time. Joints are taken
at the capture time of the older image, as the live policy pairs them, and the action is the joint target one
period later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kinevla.data.bags import (
    JOINT_NAMES,
    Bag,
    BagInfo,
    find_bags,
    message_image,
    open_bag,
    ordered_joints,
    read_info,
)  # fmt: skip
from kinevla.data.episode import CAMERAS, Episode
from kinevla.data.episodes import EpisodeWriter
from kinevla.data.identity import name_seed, task_number, texts_for
from kinevla.data.images import MODEL_IMAGE_SIZE, camera_view, encode_jpeg
from kinevla.data.packing import DataError
from kinevla.data.workers import Deadline, JobRunner
from kinevla.manifest import to_plain

NS_PER_S = 1_000_000_000
IMAGE_TOPICS = {camera: f"/{camera}/color/image_raw" for camera in CAMERAS}
JOINT_TOPIC, TARGET_TOPIC = "/joint_states", "/kine_teleop/target"
CHUNK_TOPIC, PLAN_TOPIC = "/realman_driver/joint_trajectory", "/kinevla/plan"
Array = NDArray[np.float64]


@dataclass(frozen=True)
class ConvertConfig:
    """How recordings become episodes.

    Attributes:
        rate_hz: frames per second.
        max_image_age_s: oldest image a frame may show, s; an older one means frames were lost.
        max_joint_gap_s: widest gap between joint states that is bridged by interpolation, s.
        image_size: side of the stored images, pixels.
        rotate: cameras whose images are turned by 180 degrees.
        idle_rad: a frame is idle when since the last kept frame no joint moved further, rad; 0 keeps all.
        idle_gripper: the same bound for the gripper's opening.
        accept_bad: also convert recordings whose own audit says "bad", or that are incomplete.
        accept_failures: also convert demonstrations that the operator judged a failure.
    """

    rate_hz: float = 10.0
    max_image_age_s: float = 0.1
    max_joint_gap_s: float = 0.1
    image_size: int = MODEL_IMAGE_SIZE
    rotate: tuple[Literal["front", "wrist"], ...] = ()
    idle_rad: float = 1e-3
    idle_gripper: float = 0.01
    accept_bad: bool = False
    accept_failures: bool = False

    def __post_init__(self) -> None:
        for name in ("rate_hz", "max_image_age_s", "max_joint_gap_s", "image_size"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.idle_rad < 0 or self.idle_gripper < 0:
            raise ValueError(f"idle bounds must not be negative, got {self.idle_rad}, {self.idle_gripper}")


@dataclass(frozen=True)
class Texts:
    """Texts given by hand; empty ones are looked up."""

    instruction: str = ""
    coarse: str = ""
    fine: str = ""


@dataclass(frozen=True)
class Job:
    """One recording to convert."""

    bag: Path
    config: ConvertConfig
    texts: Texts


@dataclass(frozen=True)
class ConvertReport:
    """What a batch came to.

    Attributes:
        converted: recordings that became episodes.
        held: recordings that the data set held before.
        frames: frames written now.
        errors: one text per recording that was refused.
    """

    converted: int
    held: int
    frames: int
    errors: tuple[str, ...]

    def text(self) -> str:
        """Say it in words."""
        lines = [
            f"{self.converted} recordings converted, {self.frames} frames; {self.held} were held already"
        ]
        return "\n".join([*lines, *(f"refused: {error}" for error in self.errors)])


@dataclass
class _Streams:
    images: dict[str, list[tuple[int, bytes]]]
    joints: list[tuple[int, Array]]
    targets: list[tuple[int, Array]]
    chunks: list[tuple[int, list[tuple[int, Array]]]]
    plans: list[tuple[str, str, str]]


def convert_bag(job: Job) -> Episode:
    """Convert one recording.

    Raises:
        DataError: damaged or foreign recording, missing topics, gaps, no motion, no texts; the bag is named.
    """
    info, config = read_info(job.bag), job.config
    _refuse_unwanted(job.bag, info, config)
    with open_bag(job.bag) as bag:
        streams = _read(bag, config)
        return _episode(job, info, streams)


def _refuse_unwanted(path: Path, info: BagInfo, config: ConvertConfig) -> None:
    if not config.accept_bad and (info.audit.get("verdict") == "bad" or not info.complete):
        reasons = "; ".join(info.audit.get("reasons", ())) or "it is incomplete"
        raise DataError(f"{path} is marked bad: {reasons} (--accept-bad converts it all the same)")
    if not config.accept_failures and info.success is False:
        raise DataError(f"{path} was judged a failure (--accept-failures converts it all the same)")


def _read(bag: Bag, config: ConvertConfig) -> _Streams:
    needed = (*IMAGE_TOPICS.values(), JOINT_TOPIC)
    if missing := [topic for topic in needed if topic not in bag.topics]:
        raise DataError(
            f"{bag.path} lacks {', '.join(missing)}; it holds {', '.join(bag.topics) or 'nothing'}"
        )
    streams = _Streams({camera: [] for camera in CAMERAS}, [], [], [], [])
    camera_of = {topic: camera for camera, topic in IMAGE_TOPICS.items()}
    for raw in bag.messages((*needed, TARGET_TOPIC, CHUNK_TOPIC, PLAN_TOPIC)):
        message = bag.decode(raw)
        if raw.topic in camera_of:
            camera = camera_of[raw.topic]
            view = camera_view(message_image(message), config.image_size, rotate=camera in config.rotate)
            # Compressed at once: an hour of raw images would not fit into memory.
            streams.images[camera].append((raw.stamp_ns, encode_jpeg(view)))
        elif raw.topic == JOINT_TOPIC:
            streams.joints.append((raw.stamp_ns, ordered_joints(message, raw.topic)))
        elif raw.topic == TARGET_TOPIC:
            streams.targets.append((raw.stamp_ns, ordered_joints(message, raw.topic)))
        elif raw.topic == CHUNK_TOPIC:
            # Its stamp is that of the observation; its points count from when the driver got it.
            streams.chunks.append((raw.received_ns, _points(message, raw.received_ns)))
        else:
            streams.plans.append((message.instruction, message.goal_reasoning, message.kinematics_reasoning))
    return streams


def _points(message: object, received_ns: int) -> list[tuple[int, Array]]:
    names = list(message.joint_names)  # type: ignore[attr-defined]
    if sorted(names) != sorted(JOINT_NAMES):
        raise DataError(f"a message on {CHUNK_TOPIC} has joints {', '.join(names) or 'none'}")
    order = [names.index(name) for name in JOINT_NAMES]
    return [
        (
            received_ns + point.time_from_start.sec * NS_PER_S + point.time_from_start.nanosec,
            np.asarray(point.positions, dtype=np.float64)[order],
        )
        for point in message.points  # type: ignore[attr-defined]
    ]


def _targets(streams: _Streams) -> list[tuple[int, Array]]:
    """Return joint targets over time: the teleoperator's, else those of the chunks, else none."""
    if streams.targets:
        return streams.targets
    samples: list[tuple[int, Array]] = []
    for index, (received_ns, points) in enumerate(streams.chunks):
        later = streams.chunks[index + 1 :]
        end_ns = later[0][0] if later else None
        samples += [p for p in points if end_ns is None or p[0] < end_ns or received_ns == end_ns]
    return samples


def _sorted(samples: Sequence[tuple[int, Array]], what: str) -> tuple[NDArray[np.int64], Array]:
    if len(samples) < 2:
        raise DataError(f"{what} has {len(samples)} messages, at least 2 are needed")
    stamps = np.array([stamp for stamp, _ in samples], dtype=np.int64)
    stamps, index = np.unique(stamps, return_index=True)
    return stamps, np.stack([samples[position][1] for position in index])


def _at(times_ns: NDArray[np.int64], stamps: NDArray[np.int64], values: Array) -> Array:
    """Interpolate (N, D) values linearly; before the first and after the last they are held."""
    zero = stamps[0]
    columns = [np.interp(times_ns - zero, stamps - zero, column) for column in values.T]
    return np.stack(columns, axis=1)


def _episode(job: Job, info: BagInfo, streams: _Streams) -> Episode:
    config, period_ns = job.config, round(NS_PER_S / job.config.rate_hz)
    joint_stamps, joints = _sorted(streams.joints, JOINT_TOPIC)
    # Repeated and swapped stamps must not put a picture at a wrong moment: sorted by capture time, once each.
    images = {camera: sorted(dict(frames).items()) for camera, frames in streams.images.items()}
    for camera, frames in images.items():
        if not frames:
            raise DataError(f"{IMAGE_TOPICS[camera]} has no messages")
    image_stamps = {c: np.array([s for s, _ in frames], dtype=np.int64) for c, frames in images.items()}
    targets = _targets(streams)
    starts = [joint_stamps[0], *(stamps[0] for stamps in image_stamps.values())]
    ends = [joint_stamps[-1], *(stamps[-1] for stamps in image_stamps.values())]
    if targets:
        starts.append(min(stamp for stamp, _ in targets))
    else:
        ends.append(joint_stamps[-1] - period_ns)
    if min(ends) <= max(starts):
        raise DataError("images, joints and targets share no time: are the clocks synchronised?")
    grid = np.arange(max(starts), min(ends) + 1, period_ns, dtype=np.int64)
    chosen = {c: np.searchsorted(stamps, grid, side="right") - 1 for c, stamps in image_stamps.items()}
    _check_ages(grid, image_stamps, chosen, config)
    observed = np.minimum(*(image_stamps[camera][chosen[camera]] for camera in CAMERAS))
    _check_joint_gaps(observed, joint_stamps, config)
    state = _at(observed, joint_stamps, joints)
    target = (
        _at(observed + period_ns, *_sorted(targets, "the joint targets"))
        if targets
        else _at(observed + period_ns, joint_stamps, joints)
    )
    keep = moving(state, target, config.idle_rad, config.idle_gripper)
    if len(keep) < 2:
        raise DataError(f"nothing moves further than {config.idle_rad} rad in {len(grid)} frames")
    given = job.texts
    planned = _one_plan(streams.plans)
    instruction = given.instruction or info.instruction or planned[0]
    try:
        # Recorded texts belong to the recorded instruction; another one given by hand gets its own.
        recorded = ("", "") if given.instruction not in ("", info.instruction or planned[0]) else (
            info.goal_reasoning or planned[1], info.kinematics_reasoning or planned[2]
        )  # fmt: skip
        texts = texts_for(instruction, given.coarse or recorded[0], given.fine or recorded[1])
    except ValueError as error:
        raise DataError(str(error)) from error
    jpeg = {c: tuple(images[c][i][1] for i in chosen[c][keep]) for c in CAMERAS}
    return Episode(
        task=task_number(texts.instruction, texts.coarse, texts.fine),
        seed=name_seed(job.bag.resolve().name),
        instruction=texts.instruction,
        coarse=texts.coarse,
        fine=texts.fine,
        period_s=1.0 / config.rate_hz,
        front_jpeg=jpeg["front"],
        wrist_jpeg=jpeg["wrist"],
        state=state[keep],
        target=target[keep],
        executed=target[keep],
        goal_success=info.success,
        verdict_text=info.note,
    )


def _check_ages(
    grid: NDArray[np.int64],
    stamps: dict[str, NDArray[np.int64]],
    chosen: dict[str, NDArray[np.int64]],
    config: ConvertConfig,
) -> None:
    for camera in CAMERAS:
        age_s = (grid - stamps[camera][chosen[camera]]) / NS_PER_S
        if age_s.max() > config.max_image_age_s:
            at_s = (grid[age_s.argmax()] - grid[0]) / NS_PER_S
            raise DataError(
                f"the newest image of the {camera} camera is {age_s.max():.3f} s old at {at_s:.2f} s, "
                f"bound {config.max_image_age_s} s"
            )


def _check_joint_gaps(times: NDArray[np.int64], stamps: NDArray[np.int64], config: ConvertConfig) -> None:
    within = stamps[(stamps >= times[0]) & (stamps <= times[-1])]
    gap_s = float(np.diff(within).max(initial=0)) / NS_PER_S
    if gap_s > config.max_joint_gap_s:
        raise DataError(f"{JOINT_TOPIC} has a gap of {gap_s:.3f} s, bound {config.max_joint_gap_s} s")


def _one_plan(plans: list[tuple[str, str, str]]) -> tuple[str, str, str]:
    if not plans:
        return ("", "", "")
    if len(spoken := {plan[0] for plan in plans}) > 1:
        raise DataError(f"{PLAN_TOPIC} holds {len(spoken)} instructions, an episode has one")
    return plans[0]


def moving(state: Array, target: Array, idle_rad: float, idle_gripper: float) -> NDArray[np.int64]:
    """Return the frames to keep: the first, and each that differs from the last one kept.

    Compared with the last kept frame and not with the one before, a slow drift is kept too.

    Args:
        state: (T, D) measured, gripper last.
        target: (T, D) targets.
        idle_rad: largest joint step that counts as none, rad; 0 keeps all frames.
        idle_gripper: the same for the gripper.
    """
    if idle_rad == 0.0:
        return np.arange(len(state))
    kept = [0]
    for frame in range(1, len(state)):
        step = np.maximum(abs(state[frame] - state[kept[-1]]), abs(target[frame] - target[kept[-1]]))
        if step[:-1].max() > idle_rad or step[-1] > idle_gripper:
            kept.append(frame)
    return np.array(kept)


def convert_all(
    paths: tuple[Path, ...], out: Path, config: ConvertConfig, texts: Texts, *, workers: int, progress: bool
) -> ConvertReport:
    """Convert all recordings below `paths` into one data set; a bad one is reported and the rest goes on."""
    bags = find_bags(paths)
    writer = EpisodeWriter(out, {"source": "bags", "convert": to_plain(config)}, config.image_size)
    held_seeds = {entry.seed for entry in writer.entries}
    seeds: dict[int, Path] = {}
    todo: list[Job] = []
    errors: list[str] = []
    held = 0
    for bag in bags:
        seed = name_seed(bag.resolve().name)
        if seed in seeds:
            errors.append(f"{bag} has the name of {seeds[seed]}: rename one of them")
        elif seed in held_seeds:
            held += 1
        else:
            todo.append(Job(bag, config, texts))
        seeds.setdefault(seed, bag)
    jobs, frames, converted = iter(todo), 0, 0
    runner = JobRunner(convert_bag, max(1, min(workers, len(todo) or 1)))
    with tqdm(total=len(todo), disable=not progress, unit="bag") as bar:
        for job, episode, error in runner.run(lambda: next(jobs, None), Deadline(None)):
            bar.update()
            if episode is None:
                errors.append(_one_line(job.bag, error))
                continue
            writer.add(episode)
            converted, frames = converted + 1, frames + len(episode)
    writer.save_manifest()
    return ConvertReport(converted, held, frames, tuple(sorted(errors)))


def _one_line(bag: Path, error: Exception | None) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if str(bag) in text else f"{bag}: {text}"
