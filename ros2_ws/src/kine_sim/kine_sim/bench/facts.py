"""What a trace shows of the thing that an instruction means, and the outcome of one check of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kine_sim.bench.carry import Carry, find_carry
from kine_sim.bench.trace import ThingShape, Trace
from kine_sim.rm75 import Array
from kinevla.text.language import Instruction


@dataclass(frozen=True)
class Outcome:
    """One thing that was judged.

    Attributes:
        passed: whether it was done.
        reason: what was seen and what was asked, with value and bound.
    """

    passed: bool
    reason: str


@dataclass(frozen=True)
class Facts:
    """What is judged.

    Attributes:
        asked: the instruction.
        trace: the trial so far.
        shape: of the thing that is meant.
        start, end: its first and its last pose, (4, 4).
        carry: its way, None where it never went one.
    """

    asked: Instruction
    trace: Trace
    shape: ThingShape
    start: Array
    end: Array
    carry: Carry | None

    @property
    def name(self) -> str:
        """The thing that is meant."""
        return self.asked.thing

    @property
    def moved_m(self) -> Array:
        """From where the thing was to where it is, (2,)."""
        return self.end[:2, 3] - self.start[:2, 3]

    @property
    def raised_m(self) -> Array:
        """Height above where the thing rested at the start, of every sample."""
        heights = [sample.poses[self.name][2, 3] for sample in self.trace.samples]
        return np.array(heights) - self.start[2, 3]

    @property
    def end_speed_m_s(self) -> float:
        """Speed of the thing over the last period; 0 with one sample."""
        if len(self.trace.samples) < 2:
            return 0.0
        before, last = self.trace.samples[-2:]
        way = last.poses[self.name][:3, 3] - before.poses[self.name][:3, 3]
        return float(np.linalg.norm(way)) / (last.time_s - before.time_s)


def facts_of(asked: Instruction, trace: Trace) -> Facts:
    """Gather what is judged.

    Raises:
        ValueError: an empty trace, or one without a thing, a part or a label that the instruction names.
    """
    if not trace.samples:
        raise ValueError("the trace has no sample")
    others = {
        item.other for item in (asked.target, asked.path) if item is not None and item.other is not None
    }
    if missing := {asked.thing, *others} - set(trace.shapes):
        raise ValueError(
            f"the scene has no {', '.join(sorted(missing))}, but {', '.join(sorted(trace.shapes))}"
        )
    shape = trace.shapes[asked.thing]
    if asked.part is not None and asked.part not in shape.parts:
        raise ValueError(f"the shape of the {asked.thing} has no {asked.part!r}, but {sorted(shape.parts)}")
    if asked.orientation is not None and asked.orientation.kind == "label" and shape.label_rad is None:
        raise ValueError(f"the shape of the {asked.thing} has no label")
    first, last = (trace.samples[index].poses[asked.thing] for index in (0, -1))
    return Facts(asked, trace, shape, first, last, find_carry(trace, asked.thing))


def cm(metres: float, sign: str = "") -> str:
    """Write a length as a reason states it; sign '+' keeps the plus."""
    return f"{metres * 100:{sign}.1f} cm"
