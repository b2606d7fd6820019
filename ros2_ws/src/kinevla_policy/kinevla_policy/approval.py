"""Waiting for a person to approve what the policy wants to do, with its reasoning as it is or edited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Proposal:
    """What waits for approval: the instruction and the two texts the policy has written."""

    instruction_id: int
    goal_text: str
    kinematics_text: str


@dataclass(frozen=True)
class Answer:
    """The answer to a request: granted or not, why, and for which instruction (0 when refused)."""

    accepted: bool
    text: str
    instruction_id: int = 0


class ApprovalDesk:
    """Holds at most one proposal; the caller guards it with a lock.

    Args:
        check_reasoning: returns a text as it will be used, or raises ValueError saying what is wrong with it.
    """

    def __init__(self, check_reasoning: Callable[[str], str]) -> None:
        self._check = check_reasoning
        self._proposal: Proposal | None = None
        self._approved: Proposal | None = None

    @property
    def waiting(self) -> Proposal | None:
        """The proposal that waits, None when none does."""
        return self._proposal

    def propose(self, proposal: Proposal) -> None:
        """Put a proposal on the desk, in the place of an older one."""
        self._proposal, self._approved = proposal, None

    def withdraw(self) -> None:
        """Take the proposal away: nothing that was not approved yet can be approved any more."""
        self._proposal = self._approved = None

    def approve(self, instruction_id: int, kinematics_text: str) -> Answer:
        """Approve what waits.

        Args:
            instruction_id: 0, or the instruction meant: another one is refused.
            kinematics_text: replaces the proposed one; empty: as proposed.
        """
        proposal = self._proposal
        if proposal is None:
            return Answer(False, "no plan waits for approval")
        if instruction_id not in (0, proposal.instruction_id):
            text = f"instruction {instruction_id} does not wait for approval, {proposal.instruction_id} does"
            return Answer(False, text)
        edited = kinematics_text.strip()
        if edited:
            try:
                edited = self._check(edited)
            except ValueError as error:
                return Answer(False, f"{error}; the plan still waits, with the reasoning as proposed")
        used = edited or proposal.kinematics_text
        self._approved = Proposal(proposal.instruction_id, proposal.goal_text, used)
        self._proposal = None
        how = "with the edited reasoning" if edited else "as proposed"
        return Answer(True, f"approved {how}: {used}", proposal.instruction_id)

    def take(self) -> Proposal | None:
        """The approved proposal, once; None while there is none."""
        approved, self._approved = self._approved, None
        return approved
