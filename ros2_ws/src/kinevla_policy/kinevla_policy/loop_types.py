"""What the plan loop is given and what it gives: settings, a policy, chunks, its status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from kinevla_policy.observation_buffer import SyncedObservation

EXECUTIONS = ("async", "sync")
CANNOT_SEE = "the policy cannot see what is meant"
"""In the text of a refusal that may pass: there are no images and joint states of one moment."""
Reasoning = tuple[str | None, str | None]


class Policy(Protocol):
    """What the loop needs of a policy; `kinevla.policy.KineVLAPolicy` is one."""

    def check_instruction(self, text: str) -> str:
        """Normalised text, or a ValueError that says what is wrong with it."""

    def check_reasoning(self, text: str) -> str:
        """A text of reasoning as it will be used, or a ValueError that says what is wrong with it."""

    def understand(self, observation: SyncedObservation, instruction: str) -> None:
        """Nothing, or a ValueError that says what of the instruction was not understood."""

    def plan_from(
        self, observation: SyncedObservation, instruction: str, draft: Any | None, forced: Reasoning | None
    ) -> Any:
        """A plan with `actions` (T, 8) absolute targets and `period_s`; `forced` texts replace its own.

        Where it was not understood any more what is meant, `unclear` says what.
        """


@dataclass(frozen=True)
class LoopSettings:
    """Timing of the loop; the names are those of the node's parameters."""

    execution: str = "async"
    max_observation_age_s: float = 0.5
    latency_quantile: float = 0.9
    look_margin_s: float = 0.03
    settle_s: float = 0.05
    max_plan_age_s: float = 1.0
    max_blind_s: float = 2.0
    max_instruction_s: float = 60.0
    done_motion_rad: float = 0.03
    done_chunks: int = 3
    observation_timeout_s: float = 0.5
    require_approval: bool = False
    approval_timeout_s: float = 120.0

    def __post_init__(self) -> None:
        if self.execution not in EXECUTIONS:
            raise ValueError(f"execution is '{self.execution}', must be {' or '.join(EXECUTIONS)}")


@dataclass(frozen=True)
class ChunkReport:
    """One chunk with everything that led to it.

    Attributes:
        awaiting_approval: shown only, nothing of it moves.
        epoch: of the right to move the arm for which the instruction was given.
    """

    instruction: str
    instruction_id: int
    chunk_id: int
    observation: SyncedObservation
    plan: Any
    latency_s: float
    awaiting_approval: bool = False
    epoch: int = 0


@dataclass
class LoopStatus:
    """What the loop is doing, for diagnostics."""

    phase: str = "idle"
    instruction: str = ""
    instruction_id: int = 0
    chunks: int = 0
    late_plans: int = 0
    underruns: int = 0
    refused_chunks: int = 0
    last_refusal: str = ""
    predicted_latency_s: float = 0.0
    ended_because: str = ""
    waits: dict[str, int] = field(default_factory=dict)
