"""A run to be tried dry: a training preset with changes, and what it runs on, read from TOML and checked."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from kinevla.actions.rvq_config import RvqVaeConfig
from kinevla.bounded import MIB, read_bounded
from kinevla.configs import TOKENIZERS, TRAININGS
from kinevla.training.config import PolicyTrainConfig

MAX_RECIPE_BYTES = MIB


class RecipeError(ValueError):
    """A recipe cannot be read or cannot be run; the text names the entry, its value and the bound."""


@dataclass(frozen=True)
class Recipe:
    """A run that has not been made."""

    preset: str  # training preset
    size: str  # model size; one with public weights
    gpu_memory_gb: float  # memory per GPU in 1e9 bytes
    characters_per_id: float  # characters of text per id of its tokenizer; small is cautious
    gradient_checkpointing: bool = False  # keep only the input of each block and compute the rest again
    changes: dict[str, Any] = field(default_factory=dict)  # training options that differ from the preset

    def __post_init__(self) -> None:
        for name in ("gpu_memory_gb", "characters_per_id"):
            if not getattr(self, name) > 0:
                raise RecipeError(f"{name} must be above 0, got {getattr(self, name)}")
        parts = self.training.processes * self.training.accumulation
        if self.training.batch_size % parts:
            raise RecipeError(
                f"batch_size {self.training.batch_size} must be a multiple of processes x parts = {parts}"
            )

    @cached_property
    def training(self) -> PolicyTrainConfig:
        """The options of the run, its paths made up."""
        preset = TRAININGS.get(self.preset)
        base = Path("base") if preset.needs_base else None
        known = preset.values()
        for name, value in self.changes.items():
            if name not in known:
                raise RecipeError(f"[changes] has no option {name}")
            _check_type(f"changes.{name}", value, known[name])
        try:
            return preset.config(Path("data"), Path("tokenizer"), base, Path("out"), **self.changes)
        except ValueError as error:
            raise RecipeError(f"[changes]: {error}") from error

    @property
    def codes(self) -> RvqVaeConfig:
        """Sizes of the action tokeniser."""
        return TOKENIZERS.get(TRAININGS.get(self.preset).tokenizer).training.network

    @property
    def micro_batch(self) -> int:
        """Samples a GPU computes at once."""
        return self.training.batch_size // (self.training.processes * self.training.accumulation)

    @property
    def weight_dtype(self) -> str:
        """Type of the public weights; frozen ones may be stored in half precision."""
        return "bfloat16" if self.training.tuning == "lora" and self.training.bf16 else "float32"


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        RecipeError: no such file, no TOML, an unknown or missing entry, or a value out of bounds.
    """
    try:
        content = tomllib.loads(read_bounded(Path(path), MAX_RECIPE_BYTES).decode("utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path} is no TOML: {error}") from error
    fields = {item.name: item for item in dataclasses.fields(Recipe)}
    try:
        if unknown := sorted(set(content) - set(fields)):
            raise RecipeError(f"there is no entry {', '.join(unknown)}")
        required = (name for name, item in fields.items() if item.type in ("str", "float"))
        if absent := [name for name in required if name not in content]:
            raise RecipeError(f"it lacks {', '.join(absent)}")
        like = Recipe("paper", "7b", 1.0, 1.0)
        for name, value in content.items():
            _check_type(name, value, getattr(like, name))
        return Recipe(**content)
    except ValueError as error:
        raise RecipeError(f"{path}: {error}") from error


def _check_type(name: str, value: object, like: object) -> None:
    """Refuse a value of another type than a default that is not None; whole numbers are numbers."""
    wanted: tuple[type, ...] = (float, int) if isinstance(like, float) else (type(like),)
    if like is not None and (
        not isinstance(value, wanted) or isinstance(value, bool) != isinstance(like, bool)
    ):
        raise RecipeError(f"{name} must be {type(like).__name__}, got {value!r}")


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
