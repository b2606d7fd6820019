"""A training run as plain values, read from TOML with every name and bound checked."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from kinevla.bounded import MIB, read_bounded

MAX_RECIPE_BYTES = MIB


class RecipeError(ValueError):
    """A recipe cannot be read or cannot be run; the text names the entry, its value and the bound."""


@dataclass(frozen=True)
class ModelPart:
    """What is trained.

    Attributes:
        size: entry of `kinevla.configs.models.MODELS`.
        cameras: names of the cameras in token order.
        state_dim: D of the joint state.
        state_token: the joint state is one more observation token.
    """

    size: str
    cameras: tuple[str, ...]
    state_dim: int
    state_token: bool


@dataclass(frozen=True)
class TokenizerPart:
    """The action tokeniser.

    Attributes:
        goal_codes: codes of the goal level.
        kinematics_codes: codes of the kinematics level.
        batch_size: chunks per step of its training.
    """

    horizon: int
    goal_codes: int
    kinematics_codes: int
    codebook_size: int
    batch_size: int


@dataclass(frozen=True)
class LoraPart:
    """Adapters on all linear layers.

    Attributes:
        alpha: scale, divided by the rank.
        dropout: share of inputs dropped.
    """

    rank: int
    alpha: int
    dropout: float


@dataclass(frozen=True)
class TrainingPart:
    """The run.

    Attributes:
        batch_per_gpu: samples per GPU and step.
        accumulation: parts a GPU's batch is computed in.
        schedule: what it does after the warm-up.
        image_augmentation: random crop and colour jitter.
        weight_dtype: type of the frozen weights.
        gradient_checkpointing: keep only the input of each block and compute the rest again.
    """

    gpus: int
    batch_per_gpu: int
    accumulation: int
    steps: int
    learning_rate: float
    schedule: Literal["constant", "cosine"]
    warmup_steps: int
    image_augmentation: bool
    weight_dtype: Literal["bfloat16", "float32"]
    gradient_checkpointing: bool

    @property
    def global_batch(self) -> int:
        """Samples per optimiser step."""
        return self.gpus * self.batch_per_gpu


@dataclass(frozen=True)
class SequencePart:
    """How long texts are in ids.

    Attributes:
        characters_per_id: characters of text per id of its tokenizer; small is cautious.
    """

    characters_per_id: float


@dataclass(frozen=True)
class HardwarePart:
    """What it runs on.

    Attributes:
        gpu_memory_gb: memory per GPU in 1e9 bytes.
    """

    gpu_memory_gb: float


@dataclass(frozen=True)
class Recipe:
    """A whole run."""

    model: ModelPart
    tokenizer: TokenizerPart
    lora: LoraPart
    training: TrainingPart
    sequence: SequencePart
    hardware: HardwarePart

    def __post_init__(self) -> None:
        positive = {
            "tokenizer": ("horizon", "goal_codes", "codebook_size", "batch_size"),
            "lora": ("rank", "alpha"),
            "training": ("gpus", "batch_per_gpu", "accumulation", "steps", "learning_rate"),
            "sequence": ("characters_per_id",),
            "hardware": ("gpu_memory_gb",),
            "model": ("state_dim",),
        }
        for part, names in positive.items():
            for name in names:
                value = getattr(getattr(self, part), name)
                if not value > 0:
                    raise RecipeError(f"{part}.{name} must be above 0, got {value}")
        if not self.model.cameras:
            raise RecipeError("model.cameras must name at least one camera")
        if self.training.batch_per_gpu % self.training.accumulation:
            raise RecipeError(
                f"training.batch_per_gpu {self.training.batch_per_gpu} must be a multiple of "
                f"training.accumulation {self.training.accumulation}"
            )
        for name, known in (("weight_dtype", ("bfloat16", "float32")), ("schedule", ("constant", "cosine"))):
            if (value := getattr(self.training, name)) not in known:
                raise RecipeError(f"training.{name} must be one of {', '.join(known)}, got {value!r}")


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        RecipeError: no such file, no TOML, an unknown, missing or misplaced entry, or a value out of bounds.
    """
    try:
        content = tomllib.loads(read_bounded(Path(path), MAX_RECIPE_BYTES).decode("utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path} is no TOML: {error}") from error
    try:
        parts: dict[str, Any] = {
            name: _part(name, kind, content.pop(name, None))
            for name, kind in {
                "model": ModelPart, "tokenizer": TokenizerPart, "lora": LoraPart, "training": TrainingPart,
                "sequence": SequencePart, "hardware": HardwarePart,
            }.items()
        }  # fmt: skip
        if content:
            raise RecipeError(f"unknown section {', '.join(sorted(content))}")
        return Recipe(**parts)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from error


_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,), "float": (float, int), "bool": (bool,), "str": (str,), "tuple[str, ...]": (list,),
}  # fmt: skip


def _part(section: str, kind: type, values: object) -> Any:
    if not isinstance(values, dict):
        raise RecipeError(f"section [{section}] is missing")
    fields = {item.name: str(item.type) for item in dataclasses.fields(kind)}
    if unknown := sorted(set(values) - set(fields)):
        raise RecipeError(f"[{section}] has no entry {', '.join(unknown)}")
    if absent := sorted(set(fields) - set(values)):
        raise RecipeError(f"[{section}] lacks {', '.join(absent)}")
    for name, value in values.items():
        expected = _TYPES.get(fields[name], (str,))
        if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
            raise RecipeError(f"{section}.{name} must be {fields[name]}, got {value!r}")
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes that come with this package."""
    files = resources.files("kinevla.recipes").iterdir()
    return tuple(sorted(item.name.removesuffix(".toml") for item in files if item.name.endswith(".toml")))


def find_recipe(name: str) -> Path:
    """Return the file of a recipe given by path, or by name where it comes with this package.

    Raises:
        RecipeError: neither a file nor a known name.
    """
    if name in recipe_names():
        return Path(str(resources.files("kinevla.recipes").joinpath(f"{name}.toml")))
    if Path(name).is_file():
        return Path(name)
    raise RecipeError(f"{name} is no file and no known recipe ({', '.join(recipe_names())})")
