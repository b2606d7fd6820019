"""The trained policy as the plan loop sees it."""

from __future__ import annotations

from typing import Any

from kinevla_policy.loop_types import Reasoning
from kinevla_policy.observation_buffer import SyncedObservation


class CheckpointPolicy:
    """A `kinevla` checkpoint behind the loop's interface.

    torch is imported here and not before, so that the node answers parameters and services at once.

    Raises:
        ValueError, OSError: from loading, with the folder and what is wrong in it.
    """

    def __init__(self, checkpoint: str, threads: int = 1) -> None:
        import torch

        from kinevla.policy import KineVLAPolicy, Observation

        torch.set_num_threads(threads)
        self._observation = Observation
        self._policy = KineVLAPolicy.load(checkpoint)

    def check_instruction(self, text: str) -> str:
        """Normalised text; a ValueError names what is wrong with it."""
        return str(self._policy.check_instruction(text))

    def understand(self, observation: SyncedObservation, instruction: str) -> None:
        """Nothing, or a ValueError that says what of a checked instruction the policy did not understand."""
        seen = self._observation(observation.front, observation.wrist, observation.state)
        self._policy.understand(seen, instruction)

    def check_reasoning(self, text: str) -> str:
        """Reasoning as it will be used; a ValueError names what is wrong with it."""
        return str(self._policy.check_reasoning(text))

    def plan_from(
        self,
        observation: SyncedObservation,
        instruction: str,
        draft: Any | None,
        forced: Reasoning | None = None,
    ) -> Any:
        """One chunk with its reasoning, from one synchronised observation; `forced` texts replace its own."""
        seen = self._observation(observation.front, observation.wrist, observation.state)
        return self._policy.plan(seen, instruction, draft, forced)
