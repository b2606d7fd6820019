"""The weights a training begins with where an earlier policy is to be taken on."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np

from kinevla.actions import ActionTokenizer
from kinevla.backbone.model import KineVLAModel
from kinevla.checkpoint import CheckpointParts
from kinevla.generation.sequence import SequenceBuilder

log = logging.getLogger(__name__)


def same_codes(one: ActionTokenizer, other: ActionTokenizer) -> bool:
    """Say whether the codes of two tokenizers mean the same vectors."""
    ours, theirs = one.code_vectors(), other.code_vectors()
    if ours is None or theirs is None:
        return one.kind == other.kind
    return len(ours) == len(theirs) and all(np.array_equal(*pair) for pair in zip(ours, theirs, strict=True))


def start_from(model: KineVLAModel, parts: CheckpointParts, builder: SequenceBuilder) -> None:
    """Copy the weights of a policy where names and shapes agree.

    Raises:
        ValueError: the policy has another vocabulary.
    """
    known, own_layout = parts.builder, builder.vocabulary
    # How the codes are shared out between the levels is no part of it: with other codes, they begin anew.
    layout = dataclasses.replace(
        known.vocabulary, goal_codes=own_layout.goal_codes, kinematics_codes=own_layout.kinematics_codes
    )
    if layout != own_layout or known.tokenizer.get_vocab() != builder.tokenizer.get_vocab():
        raise ValueError("the policy to start from has another vocabulary")
    own, given = model.state_dict(), parts.model.state_dict()
    taken = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    model.load_state_dict(own | taken)
    log.info("%d of %d tensors taken from the policy to start from", len(taken), len(own))
