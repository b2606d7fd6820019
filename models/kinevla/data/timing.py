"""Which images and joint states of a recording a frame shows, judged by their stamps before anything is made.

Time that is taken from stamps can be anything: a clock that was set, or none at all. The work that is done
here is in proportion to the messages and not to the time between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from kinevla.data.convert_config import ConvertConfig
from kinevla.data.episode import CAMERAS
from kinevla.data.packing import DataError
from kinevla.observation.pairing import FRAMES_KEPT, NS_PER_S, choose

Array = NDArray[np.float64]
Stamps = NDArray[np.int64]
Value = TypeVar("Value")
_JUMP_NS = NS_PER_S


@dataclass(frozen=True)
class InTime(Generic[Value]):
    """Samples by their stamps, which rise, and what had to be done for that."""

    kept: list[tuple[int, Value]]  # stamp in ns and value
    left_out: tuple[tuple[str, int], ...] = ()  # reasons, and how many samples were left out for each
    # in words how many samples came after later ones and were put in their place; "" where none did
    moved: str = ""


def in_time(samples: Sequence[tuple[int, Value]], what: str, back_s: float) -> InTime[Value]:
    """Put the samples of a topic in order; single ones far beside their neighbours are left out.

    Args:
        samples: stamp in ns and value, in the order of recording.
        back_s: how far a sample may come after a later one, s: as far as an image may lie from its joints.

    Raises:
        DataError: from some sample on the stamps go on further back: a clock was set.
    """
    kept, left_out = _without_single_ones(samples)
    if len(kept) < 2:
        return InTime(kept, left_out)
    stamps = np.array([stamp for stamp, _ in kept], dtype=np.int64)
    highest = np.maximum.accumulate(stamps)
    back_ns = np.concatenate([[-1], highest[:-1] - stamps[1:]])
    _refuse_a_clock_set_back(stamps, back_ns, what, round(back_s * NS_PER_S))
    far = back_ns > back_s * NS_PER_S
    if far.any():
        reason = f"its stamp {seconds(stamps[far.argmax()])} lies {seconds(back_ns[far.argmax()])} back"
        left_out += ((reason, int(far.sum())),)
    moved = (back_ns > 0) & ~far
    most = seconds(back_ns[moved].max(initial=0))
    told = f"{what}: {moved.sum()} messages came after later ones, by up to {most}" if moved.any() else ""
    _, first = np.unique(np.where(far, -1, stamps), return_index=True)
    order = [place for place in first if not far[place]]
    if repeated := int((~far).sum()) - len(order):
        left_out += (("its stamp is that of an earlier message", repeated),)
    return InTime([kept[place] for place in order], left_out, told)


def _refuse_a_clock_set_back(stamps: Stamps, back_ns: Stamps, what: str, bound_ns: int) -> None:
    """Tell a clock that was set from single bad stamps: after those time goes on as if nothing had been."""
    period_ns = (stamps.max() - stamps.min()) / (len(stamps) - 1)
    for start in range(1, len(stamps)):
        if back_ns[start] <= 0 or back_ns[start - 1] > 0:
            continue
        end = start + 1
        while end < len(stamps) and back_ns[end] > 0:
            end += 1
        if end == start + 1 == len(stamps):
            return  # the last one alone
        before, after = max(0, start - 2), min(end, len(stamps) - 1)
        lacking_ns = (after - before) * period_ns - (stamps[after] - stamps[before])
        if lacking_ns > bound_ns:
            raise DataError(
                f"the stamps of {what} run back by {seconds(back_ns[start])}, from "
                f"{seconds(stamps[start - 1])} to {seconds(stamps[start])}, and go on from there, bound "
                f"{seconds(bound_ns)}: a clock was set while recording"
            )


def _without_single_ones(
    samples: Sequence[tuple[int, Value]],
) -> tuple[list[tuple[int, Value]], tuple[tuple[str, int], ...]]:
    stamps = np.array([stamp for stamp, _ in samples], dtype=np.int64)
    if len(stamps) <= 2:
        return list(samples), ()
    far = abs(np.diff(stamps)) > _JUMP_NS
    beside = np.zeros(len(stamps), dtype=np.bool_)
    beside[1:-1] = far[:-1] & far[1:] & (abs(stamps[2:] - stamps[:-2]) <= _JUMP_NS)
    # At either end there is one neighbour alone: a single message there is no stretch of its own.
    beside[0], beside[-1] = far[0] and not far[1], far[-1] and not far[-2]
    if not beside.any():
        return list(samples), ()
    index = int(beside.argmax())
    near = stamps[index + 1 if index == 0 else index - 1]
    reason = f"its stamp {seconds(stamps[index])} lies {seconds(stamps[index] - near)} from its neighbour's"
    kept = [sample for sample, wrong in zip(samples, beside, strict=True) if not wrong]
    return kept, ((reason, int(beside.sum())),)


def seconds(time_ns: int | np.int64) -> str:
    """Write a time for people."""
    return f"{int(time_ns) / NS_PER_S:.3f} s"


def in_order(samples: Sequence[tuple[int, Array]], what: str) -> tuple[Stamps, Array]:
    """Return stamps (N,) and values (N, D), sorted and without repeated stamps.

    Raises:
        DataError: fewer than two samples.
    """
    if len(samples) < 2:
        raise DataError(f"{what} has {len(samples)} messages, at least 2 are needed")
    stamps = np.array([stamp for stamp, _ in samples], dtype=np.int64)
    stamps, index = np.unique(stamps, return_index=True)
    return stamps, np.stack([samples[position][1] for position in index])


def interpolated(times_ns: Stamps, stamps: Stamps, values: Array) -> Array:
    """Interpolate (N, D) values linearly; before the first and after the last they are held."""
    zero = stamps[0]
    columns = [np.interp(times_ns - zero, stamps - zero, column) for column in values.T]
    return np.stack(columns, axis=1)


def frame_times(
    joints: Stamps,
    images: dict[str, Stamps],
    first_target: int | None,
    config: ConvertConfig,
    joint_topic: str,
) -> Stamps:
    """Return the times of the frames, ns: from when all has begun until the first thing ends.

    Args:
        first_target: stamp of the first joint target; None where the measured joints serve as targets.

    Raises:
        DataError: no common time, or a gap that no frame may span.
    """
    period_ns = round(NS_PER_S / config.rate_hz)
    starts = [joints[0], *(_first_from(joints[0], stamps) for stamps in images.values())]
    ends = [joints[-1], *(stamps[-1] for stamps in images.values())]
    if first_target is not None:
        starts.append(np.int64(first_target))
    else:
        ends.append(joints[-1] - period_ns)
    start, end = int(max(starts)), int(min(ends))
    if end <= start:
        spans = {joint_topic: joints, **{f"{camera} images": stamps for camera, stamps in images.items()}}
        said = [f"{what} {seconds(stamps[0])} to {seconds(stamps[-1])}" for what, stamps in spans.items()]
        said += [] if first_target is None else [f"targets from {seconds(first_target)}"]
        raise DataError(
            f"images, joints and targets share no time: {', '.join(said)}: are the clocks synchronised?"
        )
    _check_gap(
        joints, start, end, round(config.max_joint_gap_s * NS_PER_S), joint_topic, config.max_joint_gap_s
    )
    for camera, stamps in images.items():
        # In a gap wider than this at least one frame falls that is too old; narrower ones are judged there.
        bound_ns = round(config.max_image_age_s * NS_PER_S) + period_ns
        _check_gap(stamps, start, end, bound_ns, f"the {camera} camera", bound_ns / NS_PER_S)
    return np.arange(start, end + 1, period_ns, dtype=np.int64)


def _check_gap(stamps: Stamps, start: int, end: int, bound_ns: int, what: str, bound_s: float) -> None:
    within = stamps[(stamps >= start) & (stamps <= end)]
    gaps = np.diff(within)
    if len(gaps) and gaps.max() > bound_ns:
        at = int(gaps.argmax())
        raise DataError(
            f"{what} has a gap of {seconds(gaps[at])}, bound {bound_s:g} s, from stamp {seconds(within[at])} "
            f"to {seconds(within[at + 1])}"
        )


def _first_from(time_ns: np.int64, stamps: Stamps) -> np.int64:
    """Return the first stamp at or after a time, the last one where there is none."""
    return np.int64(stamps[min(int(np.searchsorted(stamps, time_ns)), len(stamps) - 1)])


def together(
    grid: Stamps, image_stamps: dict[str, Stamps], joint_stamps: Stamps, config: ConvertConfig
) -> dict[str, Stamps]:
    """Return which images and which joint state a frame shows: those the live policy would take.

    Raises:
        DataError: nothing belongs together at some frame, or an image is too old.
    """
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
    chosen = dict(zip((*CAMERAS, "state"), np.array(found).T, strict=True))
    _check_ages(grid, image_stamps, chosen, config)
    return chosen


def _check_ages(
    grid: Stamps, stamps: dict[str, Stamps], chosen: dict[str, Stamps], config: ConvertConfig
) -> None:
    for camera in CAMERAS:
        age_s = (grid - stamps[camera][chosen[camera]]) / NS_PER_S
        if age_s.max() > config.max_image_age_s:
            at_s = (grid[age_s.argmax()] - grid[0]) / NS_PER_S
            raise DataError(
                f"the newest image of the {camera} camera is {age_s.max():.3f} s old at {at_s:.2f} s, "
                f"bound {config.max_image_age_s} s"
            )
