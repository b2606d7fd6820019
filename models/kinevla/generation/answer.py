"""A finished answer, and what it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kinevla.generation.draft import Draft

PassKind = Literal["prefill", "verify", "decode", "read"]


@dataclass(frozen=True)
class PassTiming:
    """One pass of the decoder."""

    # 'prefill' is the first pass, over observation and prompt (it checks the first text of a draft as well),
    # 'verify' a later one that checks ids of a draft, 'decode' a later one without any, 'read' one that reads
    # codes: from what is written and seen, never from the instruction
    kind: PassKind
    new_tokens: int
    seconds: float  # time since the pass before, the choice of ids included
    drafted: int = 0  # proposed ids among these positions


@dataclass(frozen=True)
class Generation:
    """A finished answer."""

    ids: tuple[int, ...]  # the whole answer with delimiters and eos
    goal_text: tuple[int, ...]  # ids of the coarse reasoning
    goal_codes: tuple[int, ...]
    kinematics_text: tuple[int, ...]  # ids of the fine reasoning
    kinematics_codes: tuple[int, ...]
    goal_text_reused: bool  # the draft's coarse text was confirmed as it stood
    kinematics_text_reused: bool  # likewise for the fine text
    accepted: int
    passes: tuple[PassTiming, ...]  # every pass of the decoder in order
    # (goal, kinematics) per text the largest negative log probability of one of its ids, its end included,
    # nat; 0 for a text that was forced
    surprise: tuple[float, float] = (0.0, 0.0)

    @property
    def forward_passes(self) -> int:
        """Decoder passes, the first included; a readout needs none for its codes."""
        return sum(item.new_tokens > 0 for item in self.passes)

    @property
    def first_pass_s(self) -> float:
        """Seconds of the first pass (prefill and verification of the first text)."""
        return self.passes[0].seconds if self.passes else 0.0

    @property
    def decode_s(self) -> float:
        """Seconds of all later passes."""
        return sum(item.seconds for item in self.passes[1:])

    @property
    def draft(self) -> Draft:
        """This answer as the draft of the next one."""
        return Draft(self.goal_text, self.goal_codes, self.kinematics_text, self.kinematics_codes)
