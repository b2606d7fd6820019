from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinevla.backbone.config import FlowConfig
from kinevla.backbone.features import VisualFeatures
from kinevla.backbone.model import KineVLAModel
from kinevla.configs import MODELS
from kinevla.generation.grammar import Grammar
from kinevla.generation.sequence import SequenceBuilder
from kinevla.text import Vocabulary, build_word_tokenizer, load_task_texts
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.dataset import TokenBatch

CODES, GOAL, KINEMATICS = 8, 2, 2
TINY_FLOW = FlowConfig(width=32, layers=2, heads=2, intermediate_size=64)


@dataclass(frozen=True)
class Sample:
    """A tiny random network and a batch of four samples of four tasks."""

    model: KineVLAModel
    builder: SequenceBuilder
    features: VisualFeatures
    state: Tensor
    batch: TokenBatch

    @property
    def vocabulary(self) -> Vocabulary:
        return self.builder.vocabulary

    def arguments(self) -> tuple[KineVLAModel, VisualFeatures, Tensor, TokenBatch, int]:
        """What `policy_loss` takes before its settings."""
        return self.model, self.features, self.state, self.batch, self.vocabulary.bos


def settings(**changes: Any) -> PolicyTrainConfig:
    """Settings of a training whose paths are never opened."""
    values: dict[str, Any] = {"coupling_weight": 0.1, "batch_size": 4} | changes
    here = Path("unused")
    return PolicyTrainConfig(data=here, tokenizer=here, vision=here, out=here, **values)


def make_sample(*, flow: bool = False, reasoning: bool = True) -> Sample:
    """Build a sample; the same numbers each time."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    texts = load_task_texts("kine_realman")[:4]
    tokenizer = build_word_tokenizer([x for t in texts for x in (t.instruction, t.coarse, t.fine)])
    vocabulary = Vocabulary.after_text(
        len(tokenizer), codebook_size=CODES, goal_codes=GOAL, kinematics_codes=KINEMATICS,
        bos=tokenizer.bos_token_id, eos=tokenizer.eos_token_id, pad=tokenizer.pad_token_id,
    )  # fmt: skip
    grammar = Grammar(
        vocabulary, first_text_id=len(tokenizer.all_special_ids), reasoning=reasoning, codes=not flow
    )
    builder = SequenceBuilder(tokenizer, grammar)
    head = {"action_head": "flow", "flow": TINY_FLOW} if flow else {}
    config = dataclasses.replace(MODELS.get("tiny"), vocabulary_size=vocabulary.padded_size, **head)
    model = KineVLAModel(config, pad_id=vocabulary.pad).eval()
    model.vision_backbone.requires_grad_(False)
    side = config.vision.image_size
    images = torch.from_numpy(rng.integers(0, 256, (4, 2, side, side, 3), dtype=np.uint8))
    state = torch.from_numpy(rng.normal(0.0, 0.3, (4, 8)).astype(np.float32))
    with torch.no_grad():
        features = model.vision_backbone(images, state)
    rows = [
        builder.build(
            t.instruction, t.coarse, t.fine, rng.integers(CODES, size=GOAL).tolist(),
            rng.integers(CODES, size=KINEMATICS).tolist(),
        )
        for t in texts
    ]  # fmt: skip
    length = max(len(row.ids) for row in rows)

    def padded(values: tuple[Any, ...], fill: Any) -> list[Any]:
        return [*values, *[fill] * (length - len(values))]

    ids = torch.tensor([padded(row.ids, vocabulary.pad) for row in rows])
    positions = torch.tensor([np.flatnonzero(row.action).tolist() for row in rows], dtype=torch.long)
    batch = TokenBatch(
        ids=ids,
        reasoning=torch.tensor([padded(row.reasoning, False) for row in rows]),
        span=torch.tensor([padded(row.reasoning_span, False) for row in rows]),
        code_positions=positions,
        code_labels=ids.gather(1, positions),
        task=torch.arange(4),
        chunks=torch.from_numpy(rng.normal(0.0, 0.5, (4, 5, 8)).astype(np.float32)),
    )
    return Sample(model, builder, features, state, batch)


@pytest.fixture(scope="module")
def sample() -> Sample:
    made = make_sample()
    made.model.requires_grad_(False)
    return made
