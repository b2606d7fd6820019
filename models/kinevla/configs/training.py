"""Policy trainings by name: the method, its ablation rows, and the baselines, all of one code base.

Each row of the ablation (Table 3 of the paper, with the two tokenisers below it) adds one thing to the row
before: `bins` -> `single-vq` -> `bi-rep` -> `bi-rea` -> `mi`. The last is the method of the paper. None of
the rows and baselines has the readout of motions, which is the small model's own and which bins could not
have.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kinevla.configs.models import MODELS
from kinevla.configs.registry import Entry, Registry
from kinevla.training.config import PolicyTrainConfig


@dataclass(frozen=True)
class TrainingPreset:
    """A training without its paths."""

    tokenizer: str  # name of the tokenizer preset it belongs to
    tokenizer_kind: str  # kind a tokeniser must have for it
    needs_base: bool = False  # it starts from a checkpoint of the public OpenVLA format
    # fields of `PolicyTrainConfig` that differ from their defaults
    settings: Mapping[str, Any] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Return every setting but the paths, by name of the field of `PolicyTrainConfig`."""
        base = Path("base") if self.needs_base else None
        start = self.config(Path("data"), Path("tokenizer"), base, Path("out"))
        names = (item.name for item in dataclasses.fields(start))
        return {name: getattr(start, name) for name in names if name not in PATHS}

    def config(
        self, data: Path, tokenizer: Path, base: Path | None, out: Path, **changes: Any
    ) -> PolicyTrainConfig:
        """Return the whole configuration, with some fields of it changed.

        Raises:
            ValueError: values out of bounds.
        """
        values = dict(self.settings) | {"base": base} | changes
        return PolicyTrainConfig(data=data, tokenizer=tokenizer, out=out, **values)


PATHS = ("data", "tokenizer", "base", "out")
_PLAIN: dict[str, Any] = {"reasoning": False, "coupling_weight": 0.0, "readout": False}


def _preset(tokenizer: str, kind: str, *, needs_base: bool = False, **settings: Any) -> TrainingPreset:
    return TrainingPreset(tokenizer, kind, needs_base, MappingProxyType(settings))


def _tiny() -> TrainingPreset:
    model = MODELS.get("tiny")
    return _preset(
        "tiny", "bilevel_rvq",
        max_minutes=None, max_steps=4, batch_size=16, warmup_steps=1, precision="fp32",
        log_every=1, val_every=100, val_samples=16, save_every=2,
        decoder=model.decoder, sight=model.vision, motion=model.readout,
    )  # fmt: skip


def _paper() -> TrainingPreset:
    return _preset(
        "kinevla", "bilevel_rvq", needs_base=True,
        max_minutes=None, max_steps=50_000, batch_size=64, accumulation=2, processes=4, device="cuda",
        precision="bf16",
        learning_rate=5e-4, schedule="constant", warmup_steps=0,
        tuning="lora", lora_rank=32, lora_alpha=16, lora_dropout=0.0,
        reasoning_loss_fraction=1.0, reasoning_weight=1.0, variant_share=0.0, average_decay=0.0,
    )  # fmt: skip


TRAININGS: Registry[TrainingPreset] = Registry(
    "training preset",
    Entry(
        "kinevla",
        "the small model as it is shipped: codes spell a motion that is read from the pictures; without "
        "mutual information",
        lambda: _preset("fine", "bilevel_rvq", coupling_weight=0.0),
    ),
    Entry("paper", "the paper's recipe: OpenVLA-7B, LoRA, 50 000 steps of 64 on four GPUs", _paper),
    Entry(
        "openvla-bins",
        "baseline OpenVLA: 256 bins, no reasoning",
        lambda: _preset("bins", "bins", **_PLAIN),
    ),
    Entry(
        "vq-vla",
        "baseline VQ-VLA: one residual quantiser, no reasoning",
        lambda: _preset("single-vq", "rvq", **_PLAIN),
    ),
    Entry(
        "pi-flow",
        "baseline of the pi kind: a flow-matching head instead of codes, no reasoning",
        lambda: _preset("kinevla", "bilevel_rvq", **_PLAIN, action_head="flow"),
    ),
    Entry(
        "bins",
        "ablation: 256 bins, no reasoning, no mutual information",
        lambda: _preset("bins", "bins", **_PLAIN),
    ),
    Entry(
        "single-vq",
        "ablation: 4 codes of one quantiser instead of bins",
        lambda: _preset("single-vq", "rvq", **_PLAIN),
    ),
    Entry(
        "bi-rep",
        "ablation: + bi-level representation (goal and kinematics codes)",
        lambda: _preset("kinevla", "bilevel_rvq", **_PLAIN),
    ),
    Entry(
        "bi-rea",
        "ablation: + bi-level reasoning",
        lambda: _preset("kinevla", "bilevel_rvq", coupling_weight=0.0, readout=False),
    ),
    Entry(
        "mi",
        "ablation: + mutual information; the whole method of the paper",
        lambda: _preset("kinevla", "bilevel_rvq", readout=False),
    ),
    Entry("tiny", "four steps of a tiny model, for tests", _tiny),
)
