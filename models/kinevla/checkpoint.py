"""A policy as one directory: configuration, weights, both tokenizers, statistics, model card.

Everything the runtime needs travels together under one manifest of hashes; a directory with a missing or
changed file is refused before any of it is used.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from transformers import PreTrainedTokenizerFast

from kinevla.actions import BiLevelTokenizer
from kinevla.backbone.config import ModelConfig
from kinevla.backbone.model import KineVLAModel
from kinevla.generation.grammar import Grammar
from kinevla.generation.sequence import SequenceBuilder
from kinevla.manifest import (
    MANIFEST_NAME,
    read_manifest,
    verify_manifest,
    write_atomically,
    write_json,
    write_manifest,
)
from kinevla.text.vocabulary import Vocabulary
from kinevla.training.model_card import model_card

CHECKPOINT_KIND = "policy"
CHECKPOINT_FORMAT = 1
CONFIG_NAME, WEIGHTS_NAME, TRAINING_NAME, CARD_NAME = (
    "config.json",
    "model.safetensors",
    "training.json",
    "README.md",
)
TEXT_TOKENIZER, ACTION_TOKENIZER = "text_tokenizer.json", "action_tokenizer"


class CheckpointError(RuntimeError):
    """A policy directory is damaged or its parts do not belong together; the text says which."""


@dataclass(frozen=True)
class CheckpointParts:
    """What a checkpoint holds.

    Attributes:
        model: the network, towers included.
        builder: prompt and sequence layout with the text tokenizer.
        action_tokenizer: codes to motion.
        action_tokenizer_directory: where it is stored.
        known_words: words of the training instructions.
    """

    model: KineVLAModel
    builder: SequenceBuilder
    action_tokenizer: BiLevelTokenizer
    action_tokenizer_directory: Path
    known_words: tuple[str, ...]


def save_checkpoint(directory: Path, parts: CheckpointParts, training: dict[str, Any]) -> None:
    """Write a checkpoint, replacing the one that is there.

    Weights are stored in half precision: they are trained in mixed precision anyway, and the file is half as
    large. Statistics (state range, batch norm) keep full precision.

    Args:
        directory: where to.
        parts: what it holds.
        training: figures for the model card (see `model_card`).
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    grammar = parts.builder.grammar
    write_atomically(directory / WEIGHTS_NAME, save(_half(parts.model)))
    tokenizer = parts.builder.tokenizer
    write_atomically(directory / TEXT_TOKENIZER, tokenizer.backend_tokenizer.to_str().encode())
    if (directory / ACTION_TOKENIZER).exists():
        shutil.rmtree(directory / ACTION_TOKENIZER)
    listed = read_manifest(parts.action_tokenizer_directory)["files"]
    for name in (*listed, MANIFEST_NAME):
        content = (parts.action_tokenizer_directory / name).read_bytes()
        write_atomically(directory / ACTION_TOKENIZER / name, content)
    config = {
        "format": CHECKPOINT_FORMAT,
        "model": parts.model.config.to_dict(),
        "vocabulary": dataclasses.asdict(grammar.vocabulary),
        "grammar": {
            "first_text_id": grammar.first_text_id,
            "reasoning": grammar.reasoning,
            "max_text_tokens": grammar.max_text_tokens,
        },
        "prompt_suffix": list(parts.builder.prompt_suffix),
        "text_tokens": {name: getattr(tokenizer, f"{name}_token") for name in ("bos", "eos", "pad", "unk")},
        "known_words": list(parts.known_words),
        "statistics_sha256": parts.action_tokenizer.normaliser.sha256,
    }
    write_json(directory / CONFIG_NAME, config)
    _write_card(directory, config, training, parts.model, parts.known_words)


def _write_card(
    directory: Path,
    config: dict[str, Any],
    training: dict[str, Any],
    model: KineVLAModel,
    known_words: tuple[str, ...],
) -> None:
    """Write figures, model card and, last, the manifest that covers everything."""
    write_json(directory / TRAINING_NAME, training)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    write_atomically(directory / CARD_NAME, model_card(training, parameters, known_words).encode())
    listed = (*read_manifest(directory / ACTION_TOKENIZER)["files"], MANIFEST_NAME)
    names = [CONFIG_NAME, WEIGHTS_NAME, TRAINING_NAME, CARD_NAME, TEXT_TOKENIZER]
    write_manifest(
        directory,
        kind=CHECKPOINT_KIND,
        files=[*names, *(f"{ACTION_TOKENIZER}/{name}" for name in listed)],
        config=config["grammar"],
        summary=training.get("policy"),
    )


def record_closed_loop(directory: Path, figures: dict[str, Any]) -> None:
    """Add the figures of a closed-loop evaluation to a checkpoint's model card.

    Args:
        directory: a checkpoint; it is verified first.
        figures: 'tasks', a list of {'instruction', 'trials', 'goal', 'kinematics'} with counts, and
            'note', a sentence on how they were measured.

    Raises:
        ManifestError: the checkpoint is damaged.
        CheckpointError: a count is missing or larger than its number of trials.
    """
    directory = Path(directory)
    parts = load_checkpoint(directory)
    for row in figures["tasks"]:
        if not all(0 <= row[name] <= row["trials"] for name in ("goal", "kinematics")):
            raise CheckpointError(f"closed-loop figures of {row['instruction']!r} are not possible: {row}")
    training = json.loads((directory / TRAINING_NAME).read_text()) | {"closed_loop": figures}
    config = json.loads((directory / CONFIG_NAME).read_text())
    _write_card(directory, config, training, parts.model, parts.known_words)


def _half(model: KineVLAModel) -> dict[str, torch.Tensor]:
    exact = {name for name, _ in model.named_buffers()}
    return {
        name: (value if name in exact or not value.is_floating_point() else value.half())
        .detach()
        .contiguous()
        .clone()
        for name, value in model.state_dict().items()
    }


def load_checkpoint(directory: Path) -> CheckpointParts:
    """Read a checkpoint written by `save_checkpoint`; the network comes back in evaluation mode.

    Raises:
        ManifestError: a file is missing or differs from the manifest (named).
        StatisticsError: the action statistics are not those the policy was trained with.
        CheckpointError: parts that do not fit together.
    """
    directory = Path(directory)
    verify_manifest(directory, kind=CHECKPOINT_KIND)
    content = json.loads((directory / CONFIG_NAME).read_text())
    if content["format"] != CHECKPOINT_FORMAT:
        raise CheckpointError(
            f"{directory} has format {content['format']}, this code reads {CHECKPOINT_FORMAT}"
        )
    action_tokenizer = BiLevelTokenizer.load(directory / ACTION_TOKENIZER)
    action_tokenizer.normaliser.require(content["statistics_sha256"], str(directory / CONFIG_NAME))
    vocabulary = Vocabulary(**content["vocabulary"])
    levels = (
        action_tokenizer.goal_levels,
        action_tokenizer.kinematics_levels,
        action_tokenizer.codebook_size,
    )
    if levels != (vocabulary.goal_codes, vocabulary.kinematics_codes, vocabulary.codebook_size):
        raise CheckpointError(
            f"{directory}: the action tokenizer's levels {levels} do not fit the vocabulary"
        )
    tokens = {f"{name}_token": value for name, value in content["text_tokens"].items()}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(directory / TEXT_TOKENIZER), clean_up_tokenization_spaces=False, **tokens
    )
    builder = SequenceBuilder(tokenizer, Grammar(vocabulary, **content["grammar"]), content["prompt_suffix"])
    try:
        model = KineVLAModel(ModelConfig.from_dict(content["model"]), pad_id=vocabulary.pad)
        model.load_state_dict(load((directory / WEIGHTS_NAME).read_bytes()))
    except (RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"{directory / WEIGHTS_NAME} does not fit {CONFIG_NAME}: {error}") from error
    model.eval().requires_grad_(False)
    return CheckpointParts(
        model, builder, action_tokenizer, directory / ACTION_TOKENIZER, tuple(content["known_words"])
    )
