"""A checkpoint moves the arm: as it is, with other reasoning, told the goal alone, or without pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinevla.evaluation.bench_split import known_texts
from kinevla.evaluation.controllers import ControllerConfig, Decision, Start
from kinevla.evaluation.interventions import Exchange, intervene
from kinevla.policy import InstructionError, KineVLAPolicy, Observation, Plan

GREY = 127
"""Every pixel of a blind policy's pictures: neither of the extremes, and the same whatever is there."""
_INTERVENTION_STREAM = 11
# What `KineVLAPolicy.plan` forces: (goal text, kinematics text), None for a level that is the policy's.
_Forced = tuple[str | None, str | None]


def observation_of(values: dict[str, NDArray[Any]]) -> Observation:
    """What an environment shows, as the policy takes it."""
    return Observation(front=values["front"], wrist=values["wrist"], state=values["state"])


class PolicyController:
    """A checkpoint, its previous answer the draft of the next; an intervention's text is forced upon it."""

    def __init__(self, config: ControllerConfig) -> None:
        assert config.checkpoint is not None
        self._policy = KineVLAPolicy.load(config.checkpoint, threads=1)
        self._exchange: Exchange = "shuffled" if config.control == "shuffled" else config.intervention
        self._texts = known_texts(config.texts)
        self._instruction = ""
        self._forced: _Forced | None = None
        self._draft: Plan | None = None

    def start(self, start: Start) -> None:
        """Check the instruction and choose what is forced.

        Raises:
            InstructionError: the policy refuses it.
        """
        self._instruction, self._forced = self._told(start)
        self._draft = None

    def decide(self, observation: dict[str, NDArray[Any]], step: int) -> Decision:
        """Plan one chunk.

        Raises:
            InstructionError: the policy did not understand what it is told.
        """
        plan = self._plan(self._seen(observation))
        self._draft = plan
        return Decision(
            plan.actions, plan.goal_text, plan.kinematics_text, dict(plan.latency_s), plan.reasoning_reused
        )

    def _plan(self, seen: Observation) -> Plan:
        if self._forced is None and self._draft is None:
            return self._policy.understand(seen, self._instruction)
        plan = self._policy.plan(seen, self._instruction, self._draft, self._forced)
        if plan.unclear and self._forced is None:
            raise InstructionError(plan.unclear)
        return plan

    def _told(self, start: Start) -> tuple[str, _Forced | None]:
        """Return the instruction in the form of the prompt, and the texts to force."""
        seed = (start.seed, start.task, _INTERVENTION_STREAM)
        fine = intervene(self._exchange, start.texts, self._texts, seed)
        return self._policy.check_instruction(start.instruction), None if fine is None else (None, fine)

    def _seen(self, observation: dict[str, NDArray[Any]]) -> Observation:
        return observation_of(observation)


class GoalOnlyController(PolicyController):
    """The policy told what, and not how: the goal text stands for the instruction and is the goal reasoning.

    The kinematics reasoning is forced to be empty. The goal text in its place would be words where the policy
    has learned to read a way of doing it; an empty one cannot be read as any.
    """

    def _told(self, start: Start) -> tuple[str, _Forced | None]:
        goal = self._policy.check_instruction(start.texts[0])
        return goal, (start.texts[0], "") if self._policy.parts.builder.grammar.reasoning else None


class BlindController(PolicyController):
    """The policy with plain pictures; it still feels its joints, and nothing asks whether it understood."""

    def _plan(self, seen: Observation) -> Plan:
        return self._policy.plan(seen, self._instruction, self._draft, self._forced)

    def _seen(self, observation: dict[str, NDArray[Any]]) -> Observation:
        grey = {name: np.full_like(observation[name], GREY) for name in ("front", "wrist")}
        return super()._seen(observation | grey)
