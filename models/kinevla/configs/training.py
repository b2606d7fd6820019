"""Policy trainings by name: the method, its ablation rows, and the baselines, all of one code base.

Each row of the ablation (Table 3 of the paper, with the two tokenisers below it) adds one thing to the row
before: `bins` -> `single-vq` -> `bi-rep` -> `bi-rea` -> `mi`. The last is the method of the paper. None of
the rows and baselines has what is the small model's own: the code readout, which bins could not have, the
goal codes that ways of doing a task share, and the exchanged instructions.
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
from kinevla.training.config import PolicyTrainConfig, WarmupConfig


@dataclass(frozen=True)
class TrainingPreset:
    """A training without its paths.

    Attributes:
        tokenizer: name of the tokenizer preset it belongs to.
        tokenizer_kind: kind a tokeniser must have for it.
        needs_base: it starts from a checkpoint of the public OpenVLA format, else from towers.
        settings: fields of `PolicyTrainConfig` that differ from their defaults.
    """

    tokenizer: str
    tokenizer_kind: str
    needs_base: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Return every setting but the paths, by name of the field of `PolicyTrainConfig`."""
        start = self.config(Path("data"), Path("tokenizer"), Path("start"), Path("out"))
        names = (item.name for item in dataclasses.fields(start))
        return {name: getattr(start, name) for name in names if name not in PATHS}

    def config(
        self, data: Path, tokenizer: Path, start: Path, out: Path, **changes: Any
    ) -> PolicyTrainConfig:
        """Return the whole configuration.

        Args:
            data: demonstrations.
            tokenizer: action tokeniser.
            start: pretrained towers, or the base checkpoint where `needs_base`.
            out: directory of the run.
            changes: fields of `PolicyTrainConfig` that are to differ from the preset.

        Raises:
            ValueError: values out of bounds.
        """
        origin = {"base": start} if self.needs_base else {"vision": start}
        values = dict(self.settings) | origin | changes
        return PolicyTrainConfig(data=data, tokenizer=tokenizer, out=out, **values)


PATHS = ("data", "tokenizer", "vision", "base", "out")
_PLAIN: dict[str, Any] = {"reasoning": False, "coupling_weight": 0.0, "readout": False}


def _preset(tokenizer: str, kind: str, *, needs_base: bool = False, **settings: Any) -> TrainingPreset:
    return TrainingPreset(tokenizer, kind, needs_base, MappingProxyType(settings))


def _tiny() -> TrainingPreset:
    model = MODELS.get("tiny")
    return _preset(
        "tiny", "bilevel_rvq",
        max_minutes=None, max_steps=4, batch_size=16, warmup_steps=1, precision="fp32",
        log_every=1, val_every=100, val_samples=16, save_every=2,
        decoder=model.decoder, geometry=model.geometry, warmup=WarmupConfig(max_steps=3, batch_size=16),
    )  # fmt: skip


def _paper() -> TrainingPreset:
    return _preset(
        "kinevla", "bilevel_rvq", needs_base=True,
        max_minutes=None, max_steps=50_000, batch_size=64, accumulation=2, processes=4, device="cuda",
        precision="bf16",
        learning_rate=5e-4, schedule="constant", warmup_steps=0,
        tuning="lora", lora_rank=32, lora_alpha=16, lora_dropout=0.0,
        reasoning_loss_fraction=1.0, variant_share=0.0, code_noise=0.0,
    )  # fmt: skip


TRAININGS: Registry[TrainingPreset] = Registry(
    "training preset",
    Entry(
        "kinevla",
        "the small model as it is shipped: goal codes that ways of doing a task share, motion that follows "
        "the kinematics reasoning",
        lambda: _preset("shared-goal", "bilevel_rvq", goal_motion="shared", prompt_exchange=0.5),
    ),
    Entry("paper", "the paper's recipe: OpenVLA-7B, LoRA, 50 000 steps of 64 on four GPUs", _paper),
    Entry(
        "openvla-bins",
        "baseline OpenVLA: 256 bins, no reasoning, clean codes in the context",
        lambda: _preset("bins", "bins", **_PLAIN, code_noise=0.0),
    ),
    Entry(
        "vq-vla",
        "baseline VQ-VLA: one residual quantiser, no reasoning, clean codes in the context",
        lambda: _preset("single-vq", "rvq", **_PLAIN, code_noise=0.0),
    ),
    Entry(
        "pi-flow",
        "baseline of the pi kind: a flow-matching head instead of codes, no reasoning",
        lambda: _preset("kinevla", "bilevel_rvq", **_PLAIN, code_noise=0.0, action_head="flow"),
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
