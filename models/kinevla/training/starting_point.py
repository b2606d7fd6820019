"""What the weights of a training begin with: an earlier policy's, and embeddings of codes side by side.

The codes of a stage are points in the tokenizer's latent space, or the centres of bins. Taken as mere class
numbers, the network would have to learn from examples that code 17 is next to code 203; as projections of
their vectors they start out neighbours, in the embedding and in the output head (ours).
"""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import torch

from kinevla.actions import ActionTokenizer
from kinevla.backbone.model import KineVLAModel
from kinevla.checkpoint import CheckpointParts
from kinevla.generation.sequence import SequenceBuilder
from kinevla.text.vocabulary import Vocabulary

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


_EMBEDDING_STD = 0.05
_HEAD_STD = 0.03


@torch.no_grad()
def seed_code_embeddings(model: KineVLAModel, vocabulary: Vocabulary, tokenizer: ActionTokenizer) -> None:
    """Write random projections of the codebook vectors, where there are any, into the rows of their ids."""
    books = tokenizer.code_vectors()
    if books is None:
        return
    hidden = model.config.decoder.hidden_size
    width = books[0].shape[1]
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(width, hidden, generator=generator) / width**0.5 for _ in range(2)]
    embedding = model.language_model.model.embed_tokens.weight
    head = model.language_model.lm_head.weight
    levels = vocabulary.levels()
    # Codes that mean the same at every place have one block of ids: seeded once.
    for level, book in zip(levels[:1] if tokenizer.shared_block else levels, books, strict=False):
        vectors = torch.from_numpy(book)
        vectors = vectors - vectors.mean(0)
        block = vocabulary.block(level)
        for weight, projection, deviation in (
            (embedding, maps[0], _EMBEDDING_STD),
            (head, maps[1], _HEAD_STD),
        ):
            rows = vectors @ projection
            weight[block.start : block.stop] = rows * (deviation / rows.std().clamp_min(1e-8))
