"""Whether the parts of a policy directory can be read by this code and belong together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from kinevla.actions.base import ActionTokenizer
from kinevla.backbone.config import ModelConfig
from kinevla.backbone.pretrained import PRETRAINED, PretrainedPart
from kinevla.bounded import read_json
from kinevla.manifest import MANIFEST_NAME, file_sha256
from kinevla.text.vocabulary import Vocabulary

CHECKPOINT_FORMAT = 2
CONFIG_NAME, ACTION_TOKENIZER = "config.json", "action_tokenizer"
_ENTRIES = (
    "model", "vocabulary", "grammar", "prompt_suffix", "text_tokens", "texts", "doubt_limit_nat", "images",
    "pretrained", "statistics_sha256",
)  # fmt: skip


class CheckpointError(RuntimeError):
    """A policy directory is damaged or its parts do not belong together; the text says which."""


def read_config(path: Path) -> dict[str, Any]:
    """Return config.json after refusing what this code cannot read.

    Raises:
        CheckpointError: no JSON object, another format, or a missing entry (named).
    """
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or "format" not in content:
        raise CheckpointError(f"{path} is no configuration of a policy: it names no format")
    if content["format"] != CHECKPOINT_FORMAT:
        raise CheckpointError(f"{path} has format {content['format']!r}, this code reads {CHECKPOINT_FORMAT}")
    if absent := [name for name in _ENTRIES if name not in content]:
        raise CheckpointError(f"{path} lacks {', '.join(absent)}")
    return content


def check_pretrained(directory: Path, config: ModelConfig, stored: list[PretrainedPart]) -> None:
    """Refuse a network that was trained on top of other pretrained parts than this code has."""
    wanted = list(PRETRAINED) if config.reads_alone else []
    if stored != wanted:
        names = ", ".join(f"{part.distribution} {part.sha256[:12]}" for part in stored) or "none"
        raise CheckpointError(
            f"{directory / CONFIG_NAME} was trained on the pretrained parts {names}; this code has "
            + (", ".join(f"{part.distribution} {part.sha256[:12]}" for part in wanted) or "none")
        )


def check_inputs(directory: Path, inputs: Mapping[str, Any], statistics: str) -> None:
    """Compare what is in the directory with what the manifest says it was made from."""
    named = {"tokenizer": file_sha256(directory / ACTION_TOKENIZER / MANIFEST_NAME), "statistics": statistics}
    for role, found in named.items():
        stated = inputs.get(role, {})
        expected = stated.get("manifest_sha256", stated.get("sha256"))
        if expected is not None and expected != found:
            raise CheckpointError(
                f"{directory} was trained with the {role} {expected[:12]}, it holds the {role} {found[:12]}"
            )


def check_levels(directory: Path, tokenizer: ActionTokenizer, vocabulary: Vocabulary) -> None:
    """Refuse an action tokenizer with other codes than the ids were laid out for."""
    found = {
        "goal codes": tokenizer.goal_levels, "kinematics codes": tokenizer.kinematics_levels,
        "codebook size": tokenizer.codebook_size, "one block for all codes": tokenizer.shared_block,
    }  # fmt: skip
    expected = (
        vocabulary.goal_codes, vocabulary.kinematics_codes, vocabulary.codebook_size, vocabulary.shared_block,
    )  # fmt: skip
    for (name, value), wanted in zip(found.items(), expected, strict=True):
        if value != wanted:
            raise CheckpointError(
                f"{directory}: the {tokenizer.kind} action tokenizer has {name} {value}, the vocabulary was "
                f"laid out for {wanted}"
            )


def load_text_tokenizer(
    path: Path, tokens: dict[str, str], vocabulary: Vocabulary
) -> PreTrainedTokenizerFast:
    """Read the text tokenizer; one with more ids than the vocabulary is refused."""
    try:
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(path), clean_up_tokenization_spaces=False, **tokens
        )
    # The library raises plain Exception for a file it cannot read.
    except Exception as error:
        raise CheckpointError(f"{path} is no readable text tokenizer: {error}") from error
    if len(tokenizer) > vocabulary.padded_size:
        raise CheckpointError(
            f"{path} has {len(tokenizer)} ids, the vocabulary holds {vocabulary.padded_size}"
        )
    return tokenizer
