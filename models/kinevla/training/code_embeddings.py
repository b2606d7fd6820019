"""Lets codes that mean similar motion start with similar embeddings (ours).

The codes of a stage are points in the tokenizer's latent space, or the centres of bins. Taken as mere class
numbers, the network would have to learn from examples that code 17 is next to code 203; as projections of
their vectors they start out neighbours, in the embedding and in the output head.
"""

from __future__ import annotations

import torch

from kinevla.actions import ActionTokenizer
from kinevla.backbone.model import KineVLAModel
from kinevla.text.vocabulary import Vocabulary

_EMBEDDING_STD = 0.05
_HEAD_STD = 0.03


@torch.no_grad()
def seed_code_embeddings(model: KineVLAModel, vocabulary: Vocabulary, tokenizer: ActionTokenizer) -> None:
    """Write random projections of the codebook vectors into the rows of the code ids.

    Args:
        model: network whose embedding and head are changed in place.
        tokenizer: action tokenizer; one without code vectors leaves the network as it is.
    """
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
