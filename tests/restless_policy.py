"""The policy node around a policy that never rests: it swings joint 1 as long as its instruction runs.

What is tested with it is who may move the arm, not what a network makes of pictures; the node, its loop and
its topics are the real ones.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kinevla_policy import policy_node

SWING_RAD, STEP_RAD, THINK_S, PERIOD_S = 0.5, 0.03, 0.03, 0.1


@dataclass
class Plan:
    actions: np.ndarray
    goal_text: str = "swing"
    kinematics_text: str = "joint 1 to and fro"
    period_s: float = PERIOD_S
    goal_codes: tuple[int, ...] = (1,)
    kinematics_codes: tuple[int, ...] = (2,)
    reasoning_reused: bool = False
    tokens_reused: int = 0
    tokens_decoded: int = 1
    unclear: str = ""
    latency_s: dict[str, float] = field(default_factory=dict)


class RestlessPolicy:
    """In the place of a checkpoint."""

    def __init__(self, checkpoint: str, threads: int = 1) -> None:
        self._direction = 1.0

    def check_instruction(self, text: str) -> str:
        if not text.strip():
            raise ValueError("the instruction is empty")
        return text.strip()

    def check_reasoning(self, text: str) -> str:
        return text

    def understand(self, observation: Any, instruction: str) -> None:
        """Everything is clear."""

    def plan_from(self, observation: Any, instruction: str, draft: Any, forced: Any = None) -> Plan:
        time.sleep(THINK_S)
        state = np.asarray(observation.state, dtype=np.float64)
        if abs(state[0]) > SWING_RAD:
            self._direction = -np.sign(state[0])
        actions = np.tile(state, (5, 1))
        actions[:, 0] += self._direction * STEP_RAD * np.arange(1, 6)
        return Plan(actions)


if __name__ == "__main__":
    policy_node.CheckpointPolicy = RestlessPolicy  # type: ignore[misc, assignment]
    policy_node.main()
