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
    write_json(directory / TRAINING_NAME, training)
    parameters = sum(parameter.numel() for parameter in parts.model.parameters())
    write_atomically(directory / CARD_NAME, model_card(training, parameters, parts.known_words).encode())
    write_manifest(
        directory,
        kind=CHECKPOINT_KIND,
        files=[
            CONFIG_NAME, WEIGHTS_NAME, TRAINING_NAME, CARD_NAME, TEXT_TOKENIZER,
            *(f"{ACTION_TOKENIZER}/{name}" for name in (*listed, MANIFEST_NAME)),
        ],
        config=config["grammar"],
        summary=training.get("policy"),
    )  # fmt: skip


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
