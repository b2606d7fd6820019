from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinevla.backbone.config import FlowConfig, ModelConfig, TowersConfig, VitTowerConfig
from kinevla.backbone.model import Features, KineVLAModel, Seen
from kinevla.configs import MODELS
from kinevla.generation.grammar import Grammar
from kinevla.generation.sequence import SequenceBuilder
from kinevla.text import Vocabulary, build_word_tokenizer, load_task_texts
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.dataset import TokenBatch
from kinevla.training.objective import PolicyLoss, policy_loss
from kinevla.training.writing import WriterBatch

CODES, GOAL, KINEMATICS = 8, 2, 2
WEIGHT = torch.tensor([1.3, 0.7, 1.1, 0.9, 1.0, 1.2, 0.8, 1.0])
TINY_FLOW = FlowConfig(width=32, layers=2, heads=2, intermediate_size=64)


_TOWER = VitTowerConfig(width=16, depth=2, heads=2, mlp_hidden=32)
TINY_TOWERS = TowersConfig(28, ("front", "wrist"), _TOWER, _TOWER)


@dataclass(frozen=True)
class Sample:
    """A tiny random network and a batch of four samples of four tasks.

    Attributes:
        model: the network; the towers of one that has them are frozen.
        builder: layout of its sequences.
        features: what its encoders make of the images.
        state: measured.
        batch: sequences.
        writing: what is written under each sample's own instruction, of a network that reads it apart.
    """

    model: KineVLAModel
    builder: SequenceBuilder
    features: Features
    state: Tensor
    batch: TokenBatch
    writing: WriterBatch | None

    @property
    def vocabulary(self) -> Vocabulary:
        return self.builder.vocabulary

    def seen(self, rows: slice = slice(None)) -> Seen:
        """Look at the world of some samples."""
        return self.model.observe(tuple(item[rows] for item in self.features), self.state[rows])

    def loss(self, **changes: Any) -> PolicyLoss:
        """The objective under some settings."""
        return policy_loss(
            self.model, self.seen(), self.batch, self.vocabulary.bos, settings(**changes),
            writing=self.writing, generator=torch.Generator().manual_seed(0),
            goal_codes=self.vocabulary.goal_codes, weight=WEIGHT,
        )  # fmt: skip


def settings(**changes: Any) -> PolicyTrainConfig:
    """Settings of a training whose paths are never opened."""
    values: dict[str, Any] = {"coupling_weight": 0.1, "batch_size": 4} | changes
    here = Path("unused")
    return PolicyTrainConfig(data=here, tokenizer=here, out=here, **values)


def make_sample(kind: str = "motion", *, flow: bool = False, reasoning: bool = True) -> Sample:
    """Build a sample; the same numbers each time.

    Args:
        kind: 'motion' (the small network), 'codes' (the same without readout), or 'towers' (OpenVLA format).
        flow: with the flow head instead of codes.
        reasoning: with reasoning texts.
    """
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
    changes: dict[str, Any] = {"action_head": "flow", "flow": TINY_FLOW} if flow else {}
    if flow or kind != "motion":
        changes |= {"readout": None}
    if kind == "towers":
        changes |= {"vision": TINY_TOWERS}
    tiny: ModelConfig = MODELS.get("tiny")
    config = dataclasses.replace(tiny, vocabulary_size=vocabulary.padded_size, **changes)
    model = KineVLAModel(config, pad_id=vocabulary.pad).eval()
    if kind == "towers":
        model.vision_backbone.requires_grad_(False)
    side = config.vision.image_size
    images = torch.from_numpy(rng.integers(0, 256, (4, 2, side, side, 3), dtype=np.uint8))
    state = torch.from_numpy(rng.normal(0.0, 0.3, (4, 8)).astype(np.float32))
    with torch.no_grad():
        features = model.features(images)
    codes = [(rng.integers(CODES, size=GOAL), rng.integers(CODES, size=KINEMATICS)) for _ in texts]
    rows = [
        builder.build(t.instruction, t.coarse, t.fine, *pair)
        if kind == "towers"
        else builder.answer(t.coarse, t.fine, *pair)
        for t, pair in zip(texts, codes, strict=True)
    ]
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
        text=torch.arange(4),
        chunks=torch.from_numpy(rng.normal(0.0, 0.5, (4, 5, 8)).astype(np.float32)),
        keyframes=torch.from_numpy(rng.normal(0.0, 0.5, (4, 8)).astype(np.float32)),
    )
    writing = None
    if kind != "towers":
        sentences = tuple(t.instruction for t in texts)
        writing = WriterBatch(torch.arange(4), sentences, batch.ids, batch.reasoning)
    return Sample(model, builder, features, state, batch, writing)


@pytest.fixture(scope="module", params=["codes", "towers"])
def sample(request: pytest.FixtureRequest) -> Sample:
    """A network whose codes the output head chooses."""
    made = make_sample(request.param)
    made.model.requires_grad_(False)
    return made
