"""From recordings to training episodes: one fixed rate, images and joints as the policy will see them live.

Frames stand `period_s` apart. A frame shows the newest pair of images captured at or before its time and
the joint state nearest to the older one, by the function that pairs them live (`observation.pairing`); the
action is the joint target one period after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kinevla.bounded import printable
from kinevla.data.bag_metadata import METADATA
from kinevla.data.bags import Bag, BagInfo, open_bag, read_info
from kinevla.data.convert_config import ConvertConfig
from kinevla.data.episode import CAMERAS, Episode
from kinevla.data.episodes import EpisodeWriter
from kinevla.data.identity import SourceRegister, fingerprint, name_seed, task_number, texts_for
from kinevla.data.packing import DataError
from kinevla.data.recorded_units import check_radians, opening
from kinevla.data.recordings import find_bags
from kinevla.data.streams import (
    IMAGE_TOPICS,
    JOINT_TOPIC,
    TARGET_TOPIC,
    Array,
    Streams,
    joint_targets,
    one_plan,
    read_streams,
)
from kinevla.data.timing import frame_times, in_order, in_time, interpolated, together
from kinevla.data.workers import Deadline, JobRunner
from kinevla.observation.pairing import NS_PER_S
from kinevla.plain import to_plain
from kinevla.text.instruction import normalised

Value = TypeVar("Value")

MAX_REFUSAL = 600  # Most characters of what is said about a recording


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
    seed: int | None = None  # number of the episode; None for the one of the folder's name
    source: str = ""  # what tells this recording from others, see `sources.fingerprint`


@dataclass(frozen=True)
class ConvertReport:
    """What a batch came to."""

    converted: int
    held: int  # recordings that the data set held before
    frames: int
    errors: tuple[str, ...]  # one text per recording, or part of one, that was refused or passed over
    notes: tuple[str, ...] = ()  # messages that were left out of recordings that were converted all the same
    # recordings in quarantine or discarded, which count only when named themselves
    set_aside: tuple[str, ...] = ()

    def text(self) -> str:
        """Say it in words."""
        lines = [
            f"{self.converted} recordings converted, {self.frames} frames; {self.held} were held already"
        ]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"set aside: {path}" for path in self.set_aside]
        return "\n".join([*lines, *(f"refused: {error}" for error in self.errors)])


@dataclass(frozen=True)
class Converted:
    """An episode made of a recording."""

    episode: Episode
    notes: tuple[str, ...] = ()  # what was left out of the recording, one text per topic
    passed_over: tuple[str, ...] = ()  # files beside the recording's that were not read


def convert_recording(job: Job) -> Converted:
    """Convert one recording.

    Raises:
        DataError: damaged or foreign recording, missing topics, gaps, no motion, no texts; the bag is named.
    """
    info, config = read_info(job.bag), job.config
    _refuse_unwanted(job.bag, info, config)
    with open_bag(job.bag) as bag:
        streams = read_streams(bag, config)
        try:
            episode = _episode(job, info, bag, streams)
        except DataError as error:
            if not (notes := bag.notes()):
                raise
            raise DataError(f"{error} ({'; '.join(notes)})") from error
        over = (f"{file} is not named in {METADATA}: it was not read" for file in bag.unnamed)
        return Converted(episode, bag.notes(), tuple(over))


def _in_time(
    bag: Bag, samples: Sequence[tuple[int, Value]], topic: str, back_s: float
) -> list[tuple[int, Value]]:
    found = in_time(samples, topic, back_s)
    for reason, count in found.left_out:
        bag.leave_out(topic, reason, count)
    if found.moved:
        bag.remarks.append(found.moved)
    return found.kept


def _refuse_unwanted(path: Path, info: BagInfo, config: ConvertConfig) -> None:
    if not config.accept_bad and (info.audit.get("verdict") == "bad" or not info.complete):
        reasons = "; ".join(info.audit.get("reasons", ())) or "it is incomplete"
        raise DataError(f"{path} is marked bad: {reasons} (--accept-bad converts it all the same)")
    if not config.accept_failures and info.success is False:
        raise DataError(f"{path} was judged a failure (--accept-failures converts it all the same)")


def _episode(job: Job, info: BagInfo, bag: Bag, streams: Streams) -> Episode:
    config, period_ns = job.config, round(NS_PER_S / job.config.rate_hz)
    back_s = config.max_joint_gap_s / 2
    joint_stamps, joints = in_order(_in_time(bag, streams.joints, JOINT_TOPIC, back_s), JOINT_TOPIC)
    images = {}
    for camera, frames in streams.images.items():
        topic = IMAGE_TOPICS[camera]
        if not frames:
            raise DataError(f"{topic} has no messages")
        images[camera] = _in_time(bag, frames, topic, back_s)
    image_stamps = {c: np.array([s for s, _ in frames], dtype=np.int64) for c, frames in images.items()}
    targets = joint_targets(streams)
    if streams.targets:  # those of chunks may overlap: the later chunk counts
        targets = _in_time(bag, targets, TARGET_TOPIC, back_s)
    grid = frame_times(
        joint_stamps, image_stamps, min((stamp for stamp, _ in targets), default=None), config, JOINT_TOPIC
    )
    chosen = together(grid, image_stamps, joint_stamps, config)
    observed = np.minimum(*(image_stamps[camera][chosen[camera]] for camera in CAMERAS))
    check_radians(joints[:, :-1], JOINT_TOPIC)
    joints[:, -1] = opening(joints[:, -1], config.gripper_closed, config.gripper_open, JOINT_TOPIC)
    state = joints[chosen["state"]]
    if targets:
        target_stamps, target_values = in_order(targets, "the joint targets")
        check_radians(target_values[:, :-1], "the joint targets")
        target_values[:, -1] = opening(
            target_values[:, -1], config.gripper_closed, config.gripper_open, "the joint targets"
        )
        target = interpolated(observed + period_ns, target_stamps, target_values)
    else:
        target = interpolated(observed + period_ns, joint_stamps, joints)
    keep = moving(state, target, config.idle_rad, config.idle_gripper)
    if len(keep) < 2:
        raise DataError(f"nothing moves further than {config.idle_rad} rad in {len(grid)} frames")
    given = job.texts
    planned = one_plan(streams.plans)
    said = normalised(info.instruction) or planned[0]
    instruction = normalised(given.instruction) or said
    try:
        # Recorded texts belong to the recorded instruction; another one given by hand gets its own.
        recorded = ("", "") if instruction != said else (
            info.goal_reasoning or planned[1], info.kinematics_reasoning or planned[2]
        )  # fmt: skip
        texts = texts_for(instruction, given.coarse or recorded[0], given.fine or recorded[1])
    except ValueError as error:
        raise DataError(str(error)) from error
    jpeg = {c: tuple(images[c][i][1] for i in chosen[c][keep]) for c in CAMERAS}
    return Episode(
        task=task_number(texts.instruction, texts.coarse, texts.fine),
        seed=name_seed(job.bag.resolve().name) if job.seed is None else job.seed,
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
    found = find_bags(paths)
    writer = EpisodeWriter(out, {"source": "bags", "convert": to_plain(config)}, config.images)
    register = SourceRegister(writer.entries)
    todo: list[Job] = []
    errors: list[str] = []
    notes: list[str] = []
    held = 0
    for bag in found.bags:
        try:
            source = fingerprint(bag)
        except OSError as error:
            errors.append(_one_line(bag, error))
            continue
        seed = register.seed_of(bag.resolve().name, source)
        if seed is None:
            held += 1
        else:
            todo.append(Job(bag, config, texts, seed, source))
    jobs, frames, converted = iter(todo), 0, 0
    runner = JobRunner(convert_recording, max(1, min(workers, len(todo) or 1)))
    with tqdm(total=len(todo), disable=not progress, unit="bag") as bar:
        for job, made, failure in runner.run(lambda: next(jobs, None), Deadline(None)):
            bar.update()
            if made is None:
                errors.append(_one_line(job.bag, failure))
                continue
            writer.add(made.episode, job.source)
            converted, frames = converted + 1, frames + len(made.episode)
            notes += [f"{job.bag}: {note}" for note in made.notes]
            errors += made.passed_over
    writer.save_manifest()
    aside = tuple(map(str, found.set_aside))
    return ConvertReport(converted, held, frames, tuple(sorted(errors)), tuple(sorted(notes)), aside)


def _one_line(bag: Path, error: Exception | None) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    named = " ".join(str(bag).split())
    return printable(text if named in text else f"{named}: {text}", MAX_REFUSAL)
