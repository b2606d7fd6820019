"""A random network small enough to answer hundreds of times in a test, and its layout."""

from __future__ import annotations

import torch

from kinevla.backbone import (
    DecoderConfig,
    GeometryConfig,
    KineVLAModel,
    ModelConfig,
    TowerConfig,
    VisionConfig,
)
from kinevla.generation import Cursor, Draft, Generation, Grammar, SequenceBuilder
from kinevla.text import Vocabulary, build_word_tokenizer, load_task_texts

TASKS = load_task_texts("kine_realman")
TOKENIZER = build_word_tokenizer([text for t in TASKS for text in (t.instruction, t.coarse, t.fine)])
VOCABULARY = Vocabulary.after_text(
    len(TOKENIZER), codebook_size=16, goal_codes=2, kinematics_codes=2, bos=1, eos=2, pad=0
)
GRAMMAR = Grammar(VOCABULARY, first_text_id=4, max_text_tokens=24)
BUILDER = SequenceBuilder(TOKENIZER, GRAMMAR)
MODEL = ModelConfig(
    vision=VisionConfig(
        image_size=32,
        patch_grid=2,
        featurizer=TowerConfig((4, 4, 4, 4)),
        fused_featurizer=TowerConfig((4, 4, 4, 4)),
    ),
    geometry=GeometryConfig(width=16, blocks=1, tokens=1, lifter_width=8),
    decoder=DecoderConfig(hidden_size=32, layers=2, heads=2, intermediate_size=64),
    vocabulary_size=VOCABULARY.padded_size,
)


def random_model(seed: int) -> KineVLAModel:
    torch.manual_seed(seed)
    model = KineVLAModel(MODEL).eval()
    # Large random weights: every position then has a clear favourite that depends on all ids before it.
    with torch.no_grad():
        for parameter in model.language_model.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.25)
    return model


def observation(seed: int) -> torch.Tensor:
    return torch.randn(1, 5, 32, generator=torch.Generator().manual_seed(seed))


PROMPT = BUILDER.prompt(TASKS[0].instruction)


def slow_greedy(model: KineVLAModel, tokens: torch.Tensor) -> tuple[int, ...]:
    """Reference: no cache, no draft, one id per full forward pass."""
    cursor = Cursor(GRAMMAR)
    with torch.no_grad():
        while not cursor.done:
            token = cursor.determined()
            if token is None:
                ids = [VOCABULARY.bos]
                start = model.embed_ids(torch.tensor([ids]))
                rest = model.embed_ids(torch.tensor([[*PROMPT, *cursor.written]]))
                scores = model.logits(model.hidden_states(torch.cat([start, tokens, rest], 1)))[0, -1]
                allowed, extra = cursor.admissible()
                candidates = [*allowed, *([extra] if extra is not None else [])]
                token = max(candidates, key=lambda index: float(scores[index]))
            cursor.advance(token)
    return tuple(cursor.written)


def spoil(values: tuple[int, ...], keep: float, limit: int) -> tuple[int, ...]:
    """Change all ids after the first `keep` share."""
    start = round(len(values) * keep)
    return tuple(v if i < start else 4 + (v + 1) % (limit - 4) for i, v in enumerate(values))


def draft_like(answer: Generation, keep: float) -> Draft:
    return Draft(
        spoil(answer.goal_text, keep, VOCABULARY.text_size),
        tuple((c + (keep < 1.0)) % 16 for c in answer.goal_codes),
        spoil(answer.kinematics_text, keep, VOCABULARY.text_size),
        tuple((c + (keep < 1.0)) % 16 for c in answer.kinematics_codes),
    )
