"""Settings of a policy training run: what is trained on what, for how long, with which losses."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kinevla.backbone.config import DecoderConfig, FlowConfig, ReadoutConfig, SightConfig
from kinevla.observation.photometric import PhotometricNoise

# What a continued run may change: where things lie, how long it goes on, how it is spread over the machine
# and how often it reports. None of it changes what a step computes.
_FREE = frozenset(
    {
        "data", "tokenizer", "base", "out", "start", "max_minutes", "threads", "processes",
        "device", "workers", "progress", "log_every", "save_every", "val_every",
    }
)  # fmt: skip


@dataclass(frozen=True)
class PolicyTrainConfig:
    """One policy training run. A run that is there already is continued to the step.

    Without `base` the small network is trained around pretrained encoders that come by pip, whose feature
    maps are computed once. `base` is a checkpoint of the public OpenVLA format, whose images are looked at
    anew in every step.
    """

    data: Path  # Demonstrations (kinevla data generate)
    tokenizer: Path  # Action tokenizer (kinevla tokenizer train)
    out: Path  # Where best, last, metrics and the resumable state go
    base: Path | None = None  # Base checkpoint directory of the OpenVLA format, instead of the small network
    # Instructions whose demonstrations are left out, to see what is made of them unseen
    without: tuple[str, ...] = ()
    max_minutes: float | None = 40.0  # Time of this call, features not counted; None for no bound
    max_steps: int | None = None  # Bound on steps over all continuations; None for no bound
    batch_size: int = 64  # Samples per step over all processes and accumulation steps
    accumulation: int = 1  # Parts a step's batch is computed in, one after the other, to save memory
    # Processes started on this machine, on cuda one per GPU; without effect under torchrun
    processes: int = 1
    device: Literal["cpu", "cuda"] = "cpu"  # Where the network runs
    # 'bf16' runs the network in mixed precision; weights and optimiser stay fp32
    precision: Literal["fp32", "bf16"] = "bf16"
    learning_rate: float = 1e-3  # Peak of AdamW (the paper's recipe: 5e-4)
    # Learning rate after the warm-up (the paper's recipe: constant)
    schedule: Literal["cosine", "constant"] = "cosine"
    final_rate: float = 0.02  # The cosine ends at this share of the peak
    warmup_steps: int = 200  # Steps of linear warm-up (the paper's recipe: 0)
    weight_decay: float = 0.01  # Weight decay of AdamW
    clip: float = 1.0  # Bound on the norm of the gradient
    reasoning: bool = True  # Reasoning texts in the sequence (off: an ablation)
    reasoning_loss: bool = True  # Cross-entropy of the reasoning ids, eq. 4
    # Share of a batch that carries it, and with the readout the goal level's motion; texts are learned sooner
    # than motion, and costly to score
    reasoning_loss_fraction: float = 0.125
    # Weight of that loss beside the action loss; with a fifth of it the words that tell two ways of a task
    # apart stayed a coin toss (small network)
    reasoning_weight: float = 0.5
    # Decay of the running mean of the weights, which is validated and exported; 0 takes the weights
    average_decay: float = 0.998
    action_loss: bool = True  # Cross-entropy of the action codes, eq. 5 (with the flow head: its loss)
    coupling_weight: float = 0.1  # Lambda of the mutual-information loss, eq. 7 (0: off)
    # What a sample is compared with: samples of other reasoning texts, or all (eq. 7 to the letter)
    coupling_negatives: Literal["other_texts", "all"] = "other_texts"
    temperature: float = 0.07  # Tau of eq. 6
    # 'codes' is the method; 'flow' a flow-matching head as a baseline
    action_head: Literal["codes", "flow"] = "codes"
    # 'full' trains all but encoders and towers; 'lora' adapts all linear layers of a base (peft)
    tuning: Literal["full", "lora"] = "full"
    lora_rank: int = 32  # Rank of the adapters
    lora_alpha: int = 16  # Scale of the adapters, divided by the rank
    lora_dropout: float = 0.0  # Dropout before the adapters
    image_augmentation: bool = True  # Random crop and colour jitter of live images (with `base`)
    # Share of samples whose instruction is worded differently. With seven tenths, what is said in twenty ways
    # ("upper part", "leaf end") stayed unread for half an hour; with half it is read within minutes
    variant_share: float = 0.5
    # Share of the draws that bring a sentence to refuse (small network); the others bring an instruction and,
    # where there is one, the one most like it, so that of all sentences it is about a fifth
    unclear_share: float = 0.35
    # Share of the draws whose sentence names a thing of other scenes; 0 where one scene serves several things
    absent_share: float = 0.1
    state_noise: float = 0.003  # Standard deviation of noise on the state, rad (small network)
    # Changes of the light in the pictures (small network)
    light: PhotometricNoise | None = field(default_factory=PhotometricNoise)
    seed: int = 0  # Seed of weights, order and noise
    threads: int = 1  # CPU threads per process; so many processes compute the features
    # Processes that prepare batches ahead, and compute the features where they are more than the threads; 0
    # prepares batches in the training process
    workers: int = 0
    progress: bool = True  # Progress bar
    log_every: int = 50  # Steps between rows of metrics
    val_every: int = 500  # Steps between validations
    val_samples: int = 256  # Held-out frames a validation looks at
    save_every: int = 250  # Steps between resumable states
    # Codes spell a motion that is read from the pictures (small network with reasoning, residual codes); else
    # the output head chooses them
    readout: bool = True
    # Weight of the distance to where the hand closes or opens next (see `data/keyframes`), with the readout
    keyframe_weight: float = 1.0
    # Policy whose weights the network begins with where names and shapes agree; of the same vocabulary
    start: Path | None = None
    # Sizes of the language model (small network)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    # Sizes of what is learned on top of the image encoder (small network)
    sight: SightConfig = field(default_factory=SightConfig)
    # Sizes of the readout; horizon and dimensions follow from the tokenizer (small network)
    motion: ReadoutConfig = field(default_factory=ReadoutConfig)
    # Sizes of the flow head; horizon and dimensions follow from the tokenizer
    flow: FlowConfig = field(default_factory=FlowConfig)

    def __post_init__(self) -> None:
        if self.tuning == "lora" and self.base is None:
            raise ValueError("tuning 'lora' adapts pretrained weights: it needs a base")
        _at_least("batch_size", self.batch_size, 2, "the coupling loss compares samples")
        for name in ("accumulation", "processes", "threads", "log_every", "val_every", "val_samples"):
            _at_least(name, getattr(self, name), 1)
        _at_least("save_every", self.save_every, 1)
        _at_least("lora_rank", self.lora_rank, 1)
        _at_least("lora_alpha", self.lora_alpha, 1)
        for name in ("warmup_steps", "workers", "seed"):
            _at_least(name, getattr(self, name), 0)
        if self.max_minutes is not None:
            _positive("max_minutes", self.max_minutes)
        if self.max_steps is not None:
            _at_least("max_steps", self.max_steps, 1)
        for name in ("learning_rate", "clip", "temperature"):
            _positive(name, getattr(self, name))
        for name in ("weight_decay", "coupling_weight", "reasoning_weight", "keyframe_weight", "state_noise"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)}")
        for name in ("final_rate", "variant_share", "unclear_share", "absent_share", "average_decay"):
            _within(name, getattr(self, name), 0.0, 1.0)
        if not 0.0 < self.reasoning_loss_fraction <= 1.0:
            raise ValueError(
                f"reasoning_loss_fraction must lie in (0, 1], got {self.reasoning_loss_fraction}"
            )
        if not 0.0 <= self.lora_dropout < 1.0:
            raise ValueError(f"lora_dropout must lie in [0, 1), got {self.lora_dropout}")
        for item in dataclasses.fields(self):
            _one_of(item.name, getattr(self, item.name), _CHOICES.get(item.name))
        if self.coupling_weight > 0.0 and self.batch_size // self.accumulation < 2:
            raise ValueError(
                f"batch_size {self.batch_size} in {self.accumulation} accumulation parts leaves the coupling "
                "loss nothing to compare: it needs at least 2 samples in a part"
            )
        if self.action_head == "flow" and self.coupling_weight > 0.0:
            raise ValueError(
                "the flow head has no action codes to couple with the reasoning: coupling_weight must be 0, "
                f"got {self.coupling_weight}"
            )
        if not (self.action_loss or (self.reasoning and self.reasoning_loss)):
            raise ValueError("both action_loss and reasoning_loss are off: there is nothing to learn")

    @property
    def bf16(self) -> bool:
        """Mixed precision is on."""
        return self.precision == "bf16"

    def identity(self) -> dict[str, Any]:
        """Return what a continued run must share with the run it continues."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key not in _FREE}


_CHOICES: dict[str, tuple[str, ...]] = {
    "device": ("cpu", "cuda"),
    "precision": ("fp32", "bf16"),
    "schedule": ("cosine", "constant"),
    "coupling_negatives": ("other_texts", "all"),
    "action_head": ("codes", "flow"),
    "tuning": ("full", "lora"),
}


def _at_least(name: str, value: int, bound: int, why: str = "") -> None:
    if value < bound:
        raise ValueError(f"{name} must be at least {bound}{f' ({why})' if why else ''}, got {value}")


def _positive(name: str, value: float) -> None:
    if not 0.0 < value < float("inf"):
        raise ValueError(f"{name} must be positive and finite, got {value}")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in {low:g}..{high:g}, got {value}")


def _one_of(name: str, value: object, choices: tuple[str, ...] | None) -> None:
    if choices is not None and value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
