"""Judges a trial: was the goal reached, and each thing that the sentence says about the way?

The goal is what the goal text says (`kinevla.text.language.write_goal`): moved, on the plate, or beside the
other. Every attribute that is said is judged apart from the others; what is not said is free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from kine_sim.bench import judge_place, judge_way
from kine_sim.bench.facts import Facts, Outcome, facts_of
from kine_sim.bench.trace import Trace
from kinevla.text.language import Instruction

Attribute = Literal["part", "target", "displacement", "path", "orientation", "speed", "contact"]
ATTRIBUTES: tuple[Attribute, ...] = get_args(Attribute)

_CHECKS: dict[Attribute, Callable[[Facts], Outcome]] = {
    "part": judge_way.judge_part,
    "target": judge_place.judge_target,
    "displacement": judge_place.judge_displacement,
    "path": judge_way.judge_path,
    "orientation": judge_place.judge_orientation,
    "speed": judge_way.judge_speed,
    "contact": judge_way.judge_contact,
}


@dataclass(frozen=True)
class BenchVerdict:
    """Outcome of a trial so far.

    Attributes:
        goal: what the goal text says.
        attributes: everything that is said about the way, and nothing else.
        displacement_error_m: how much too far along, and how far off across (positive counter-clockwise
            of the direction); None where no displacement is asked.
    """

    goal: Outcome
    attributes: Mapping[Attribute, Outcome]
    displacement_error_m: tuple[float, float] | None = None

    @property
    def as_told(self) -> bool:
        """The goal and everything that is said."""
        return self.goal.passed and all(outcome.passed for outcome in self.attributes.values())

    @property
    def reasons(self) -> tuple[str, ...]:
        """A line for the goal and each attribute, beginning with 'ok' or 'failed'."""
        told = [("goal", self.goal), *self.attributes.items()]
        return tuple(f"{'ok' if it.passed else 'failed'}: {name}: {it.reason}" for name, it in told)


def said(instruction: Instruction) -> tuple[Attribute, ...]:
    """Return the attributes that an instruction says; a contact always is."""
    return tuple(name for name in ATTRIBUTES if getattr(instruction, name) is not None)


def judge(instruction: Instruction, trace: Trace) -> BenchVerdict:
    """Judge what a trace shows so far by an instruction.

    Raises:
        ValueError: an empty trace, or one without a thing, a part or a label that the instruction names.
    """
    facts = facts_of(instruction, trace)
    outcomes = {name: _CHECKS[name](facts) for name in said(instruction)}
    error = None if instruction.displacement is None else judge_place.displacement_error_m(facts)
    return BenchVerdict(judge_place.judge_goal(facts), outcomes, error)
