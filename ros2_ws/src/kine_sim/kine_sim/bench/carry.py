"""Finds the piece of a trace in which a thing is on its way, lifted or pushed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kine_sim.bench.limits import LIMITS
from kine_sim.bench.trace import Grip, Sample, Trace
from kine_sim.rm75 import Array


@dataclass(frozen=True)
class Carry:
    """A thing on its way.

    Attributes:
        time_s: (N,) moments, N at least 2.
        way_m: (N, 3) the point of the thing that is held (its middle where it is pushed): a thing that is
            turned in the hand goes straight where the hand does.
        middle_m: (N, 3) the thing's middle.
        grip: how it was held when it left the table, None where it is pushed.
        slid_m: how far it had been pushed when it left the table.
    """

    time_s: Array
    way_m: Array
    middle_m: Array
    grip: Grip | None
    slid_m: float

    @property
    def speed_m_s(self) -> float:
        """Horizontal speed while it moves: way and `speed_slack_m` over the time; 0 where it stands still."""
        step_s = np.diff(self.time_s)
        step_m = np.linalg.norm(np.diff(self.way_m[:, :2], axis=0), axis=1)
        speed = step_m / step_s
        moves = speed > max(LIMITS.moving_m_s, LIMITS.moving_share * float(speed.max()))
        if not moves.any():
            return 0.0
        return float((step_m[moves].sum() + LIMITS.speed_slack_m) / step_s[moves].sum())


def find_carry(trace: Trace, thing: str) -> Carry | None:
    """Return the last way of a thing in the hand, or without one its way over the table, or None.

    It is in the hand from when it is between both fingers and lifted until it was last between them.
    """
    start = trace.samples[0].poses[thing]
    lifts = _lifts(trace.samples, thing, float(start[2, 3]))
    if lifts:
        first, last = lifts[-1]
        grip = trace.samples[first].grip
        slid = trace.samples[lifts[0][0]].poses[thing][:2, 3] - start[:2, 3]
        return _carry(trace.samples[first : last + 1], thing, grip, float(np.hypot(*slid)))
    pushed = _pushed(trace.samples, thing)
    return None if pushed is None else _carry(pushed, thing, None, 0.0)


def _lifts(samples: list[Sample], thing: str, rest_m: float) -> list[tuple[int, int]]:
    """Return index of the first and the last sample of every time it was in the hand."""
    found: list[tuple[int, int]] = []
    held = False
    for index, sample in enumerate(samples):
        between = sample.grip is not None and sample.grip.thing == thing
        if between and not held and sample.poses[thing][2, 3] - rest_m > LIMITS.lift_m:
            held = True
            found.append((index, index))
        elif between and held:
            found[-1] = (found[-1][0], index)
        elif thing not in sample.touched:
            held = False
    return [(first, last) for first, last in found if last > first]


def _pushed(samples: list[Sample], thing: str) -> list[Sample] | None:
    """Return the samples from the first to the last touch that moves it."""
    moved = [
        index
        for index in range(1, len(samples))
        if thing in samples[index].touched
        and np.linalg.norm(samples[index].poses[thing][:2, 3] - samples[index - 1].poses[thing][:2, 3])
        > LIMITS.moving_m_s * (samples[index].time_s - samples[index - 1].time_s)
    ]
    return samples[moved[0] - 1 : moved[-1] + 1] if moved else None


def _carry(samples: list[Sample], thing: str, grip: Grip | None, slid_m: float) -> Carry:
    held = np.array([*(grip.at_m if grip else (0.0, 0.0, 0.0)), 1.0])
    poses = np.array([sample.poses[thing] for sample in samples])
    return Carry(
        np.array([sample.time_s for sample in samples]),
        (poses @ held)[:, :3],
        poses[:, :3, 3],
        grip,
        slid_m,
    )
