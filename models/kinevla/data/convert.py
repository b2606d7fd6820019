"""From recordings to training episodes: one fixed rate, images and joints as the policy will see them live.

Frames stand `period_s` apart. A frame shows the newest pair of images captured at or before its time and
the joint state nearest to the older one, by the function that pairs them live (`observation.pairing`); the
action is the joint target one period after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kinevla.data.bags import BagInfo, find_bags, open_bag, read_info
from kinevla.data.convert_config import ConvertConfig
from kinevla.data.episode import CAMERAS, Episode
from kinevla.data.episodes import EpisodeWriter
from kinevla.data.identity import name_seed, task_number, texts_for
from kinevla.data.packing import DataError
from kinevla.data.streams import (
    IMAGE_TOPICS,
    JOINT_TOPIC,
    Array,
    Streams,
    joint_targets,
    one_plan,
    read_streams,
)
from kinevla.data.workers import Deadline, JobRunner
from kinevla.manifest import to_plain
from kinevla.observation.pairing import FRAMES_KEPT, NS_PER_S, choose


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


def convert_bag(job: Job) -> Episode:
    """Convert one recording.

    Raises:
        DataError: damaged or foreign recording, missing topics, gaps, no motion, no texts; the bag is named.
    """
    info, config = read_info(job.bag), job.config
    _refuse_unwanted(job.bag, info, config)
    with open_bag(job.bag) as bag:
        streams = read_streams(bag, config)
        return _episode(job, info, streams)


def _refuse_unwanted(path: Path, info: BagInfo, config: ConvertConfig) -> None:
    if not config.accept_bad and (info.audit.get("verdict") == "bad" or not info.complete):
        reasons = "; ".join(info.audit.get("reasons", ())) or "it is incomplete"
        raise DataError(f"{path} is marked bad: {reasons} (--accept-bad converts it all the same)")
    if not config.accept_failures and info.success is False:
        raise DataError(f"{path} was judged a failure (--accept-failures converts it all the same)")


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


def _episode(job: Job, info: BagInfo, streams: Streams) -> Episode:
    config, period_ns = job.config, round(NS_PER_S / job.config.rate_hz)
    joint_stamps, joints = _sorted(streams.joints, JOINT_TOPIC)
    images = {camera: _rising(frames) for camera, frames in streams.images.items()}
    for camera, frames in images.items():
        if not frames:
            raise DataError(f"{IMAGE_TOPICS[camera]} has no messages")
    image_stamps = {c: np.array([s for s, _ in frames], dtype=np.int64) for c, frames in images.items()}
    targets = joint_targets(streams)
    starts = [joint_stamps[0], *(_first_from(joint_stamps[0], stamps) for stamps in image_stamps.values())]
    ends = [joint_stamps[-1], *(stamps[-1] for stamps in image_stamps.values())]
    if targets:
        starts.append(min(stamp for stamp, _ in targets))
    else:
        ends.append(joint_stamps[-1] - period_ns)
    if min(ends) <= max(starts):
        raise DataError("images, joints and targets share no time: are the clocks synchronised?")
    grid = np.arange(max(starts), min(ends) + 1, period_ns, dtype=np.int64)
    _check_joint_gaps(grid, joint_stamps, config)
    chosen = _together(grid, image_stamps, joint_stamps, config)
    _check_ages(grid, image_stamps, chosen, config)
    observed = np.minimum(*(image_stamps[camera][chosen[camera]] for camera in CAMERAS))
    state = joints[chosen["state"]]
    target = (
        _at(observed + period_ns, *_sorted(targets, "the joint targets"))
        if targets
        else _at(observed + period_ns, joint_stamps, joints)
    )
    keep = moving(state, target, config.idle_rad, config.idle_gripper)
    if len(keep) < 2:
        raise DataError(f"nothing moves further than {config.idle_rad} rad in {len(grid)} frames")
    given = job.texts
    planned = one_plan(streams.plans)
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


def _rising(frames: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Leave out images whose stamp repeats or runs backwards, as the live policy does."""
    kept: list[tuple[int, bytes]] = []
    for frame in frames:
        if not kept or frame[0] > kept[-1][0]:
            kept.append(frame)
    return kept


def _first_from(time_ns: int, stamps: NDArray[np.int64]) -> int:
    """Return the first stamp at or after a time, the last one where there is none."""
    return int(stamps[min(int(np.searchsorted(stamps, time_ns)), len(stamps) - 1)])


def _together(
    grid: NDArray[np.int64],
    image_stamps: dict[str, NDArray[np.int64]],
    joint_stamps: NDArray[np.int64],
    config: ConvertConfig,
) -> dict[str, NDArray[np.int64]]:
    """Return which images and which joint state a frame shows: those the live policy would take."""
    stamps = {camera: image_stamps[camera].tolist() for camera in CAMERAS}
    joints = joint_stamps.tolist()
    # The live policy keeps the latest frames; later ones do not exist yet.
    ends = {camera: np.searchsorted(image_stamps[camera], grid, side="right").tolist() for camera in CAMERAS}
    found = []
    for k, time_ns in enumerate(grid):
        first = {camera: max(0, ends[camera][k] - FRAMES_KEPT) for camera in CAMERAS}
        front, wrist = (stamps[camera][first[camera] : ends[camera][k]] for camera in CAMERAS)
        places = choose(
            front,
            wrist,
            joints,
            max_pair_gap_s=config.max_pair_gap_s,
            max_state_gap_s=config.max_joint_gap_s / 2,
        )
        if isinstance(places, str):
            raise DataError(f"{places} (at {(time_ns - grid[0]) / NS_PER_S:.2f} s)")
        found.append((first["front"] + places.front, first["wrist"] + places.wrist, places.state))
    return dict(zip((*CAMERAS, "state"), np.array(found).T, strict=True))


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
    writer = EpisodeWriter(out, {"source": "bags", "convert": to_plain(config)}, config.images)
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
