"""What a policy answers to one observation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kinevla.generation.draft import Draft


@dataclass(frozen=True)
class Plan:
    """One bi-level answer.

    Attributes:
        goal_text: coarse reasoning.
        kinematics_text: fine reasoning.
        goal_codes: codes of the goal level; none with the flow head.
        kinematics_codes: codes of the kinematics level; none with the flow head or a single level.
        actions: (5, 8) absolute joint targets in rad and gripper opening; row k is to be reached
            (k + 1) * period_s after execution starts.
        reasoning_reused: both texts were taken over from the draft, each id checked.
        tokens_reused: ids of the draft that were confirmed.
        tokens_decoded: ids that had to be decoded anew.
        forward_passes: decoder passes.
        latency_s: seconds of 'vision', 'prefill_verify' (first decoder pass), 'decode' (all further passes),
            'generation' (both), 'action_decoder' and 'total'.
        period_s: time between action rows.
        doubt_nat: how unlikely the least likely word of both texts was; 0 where they were forced.
        unclear: what is wrong with the texts; such a plan must not be followed. Empty where there is nothing.
        draft: this answer in ids, for the next call.
        past: (K, 8) states of this plan and of those before, the latest first, as far as they are remembered.
    """

    goal_text: str
    kinematics_text: str
    goal_codes: tuple[int, ...]
    kinematics_codes: tuple[int, ...]
    actions: NDArray[np.float64]
    reasoning_reused: bool
    tokens_reused: int
    tokens_decoded: int
    forward_passes: int
    latency_s: dict[str, float]
    period_s: float
    doubt_nat: float
    unclear: str
    draft: Draft = field(repr=False)
    past: NDArray[np.float64] = field(repr=False)
