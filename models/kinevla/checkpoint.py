"""A policy as one directory: configuration, weights, both tokenizers, statistics, model card.

Everything the runtime needs travels together under one manifest of hashes; a directory with a missing or
changed file is refused before any of it is used.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights

from kinevla.actions.base import ActionTokenizer
from kinevla.actions.loading import load_policy_tokenizer
from kinevla.backbone.config import ModelConfig
from kinevla.backbone.model import KineVLAModel
from kinevla.backbone.pretrained import PRETRAINED, PretrainedPart
from kinevla.bounded import read_json
from kinevla.checkpoint_checks import (
    ACTION_TOKENIZER,
    CHECKPOINT_FORMAT,
    CONFIG_NAME,
    CheckpointError,
    check_inputs,
    check_levels,
    check_pretrained,
    load_text_tokenizer,
    read_config,
)
from kinevla.data.whole_folder import whole_folder
from kinevla.generation.grammar import Grammar
from kinevla.generation.sequence import SequenceBuilder
from kinevla.manifest import (
    MANIFEST_NAME,
    describe_input,
    read_manifest,
    require_listed,
    verify_manifest,
    write_atomically,
    write_json,
    write_manifest,
)
from kinevla.model_card import model_card
from kinevla.observation.images import ImagePipeline
from kinevla.text.vocabulary import Vocabulary
from kinevla.weights import STEM, Storage, WeightsError, load_weights, save_weights

CHECKPOINT_KIND = "policy"
TRAINING_NAME, CARD_NAME = "training.json", "README.md"
TEXT_TOKENIZER = "text_tokenizer.json"
_WEIGHT_PREFIXES = (f"{STEM}.", f"{STEM}-")
_LOADED = (CONFIG_NAME, TRAINING_NAME, TEXT_TOKENIZER, f"{ACTION_TOKENIZER}/{MANIFEST_NAME}")


@dataclass(frozen=True)
class CheckpointParts:
    """What a checkpoint holds."""

    model: KineVLAModel  # the network, without the pretrained parts that come by pip
    builder: SequenceBuilder  # prompt and sequence layout with the text tokenizer
    action_tokenizer: ActionTokenizer
    action_tokenizer_directory: Path
    texts: tuple[tuple[str, str, str], ...]  # (instruction, goal text, kinematics text) of the training
    images: ImagePipeline  # what is done to camera images before the network sees them
    # how unlikely the least likely word of a written text may be before the policy says that it did not
    # understand
    doubt_limit_nat: float = float("inf")


def save_checkpoint(
    directory: Path,
    parts: CheckpointParts,
    training: dict[str, Any],
    *,
    settings: Any = None,
    inputs: Mapping[str, Path] | None = None,
    storage: Storage | None = None,
) -> None:
    """Write a checkpoint, replacing the one that is there.

    By default parameters are stored in half precision: they are trained in mixed precision anyway, and the
    file is half as large. Statistics (state range, batch norm) keep full precision.

    Args:
        settings: the training's configuration, a dataclass; its paths are left out.
        inputs: what it was trained from by role: 'data', 'base'. Tokenizer and statistics are
            added to them.

    Raises:
        CheckpointError: weights that are not finite, or too large for the precision.
        ManifestError: an input that is no result.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    storage = storage or Storage()
    grammar = parts.builder.grammar
    try:
        weights = save_weights(directory, parts.model, storage)
    except WeightsError as error:
        raise CheckpointError(f"{directory} was not written: {error}") from error
    tokenizer = parts.builder.tokenizer
    write_atomically(directory / TEXT_TOKENIZER, tokenizer.backend_tokenizer.to_str().encode())
    if (directory / ACTION_TOKENIZER).exists():
        shutil.rmtree(directory / ACTION_TOKENIZER)
    listed = read_manifest(parts.action_tokenizer_directory)["files"]
    for name in (*listed, MANIFEST_NAME):
        content = (parts.action_tokenizer_directory / name).read_bytes()
        write_atomically(directory / ACTION_TOKENIZER / name, content)
    statistics = parts.action_tokenizer.normaliser.sha256
    rules = {item.name: getattr(grammar, item.name) for item in dataclasses.fields(grammar)}
    config = {
        "format": CHECKPOINT_FORMAT,
        "model": parts.model.config.to_dict(),
        "vocabulary": dataclasses.asdict(grammar.vocabulary),
        "grammar": {name: value for name, value in rules.items() if name != "vocabulary"},
        "prompt_suffix": list(parts.builder.prompt_suffix),
        "text_tokens": {name: getattr(tokenizer, f"{name}_token") for name in ("bos", "eos", "pad", "unk")},
        "texts": [list(texts) for texts in parts.texts],
        "doubt_limit_nat": None if math.isinf(parts.doubt_limit_nat) else parts.doubt_limit_nat,
        "pretrained": list(PRETRAINED) if parts.model.config.reads_alone else [],
        "images": parts.images,
        "statistics_sha256": statistics,
    }
    write_json(directory / CONFIG_NAME, config)
    made_from = {role: describe_input(path) for role, path in (inputs or {}).items()}
    made_from["tokenizer"] = describe_input(parts.action_tokenizer_directory)
    made_from["statistics"] = {"kind": "statistics", "sha256": statistics}
    made_with = {"grammar": config["grammar"], "storage": storage, "training": _without_paths(settings)}
    _write_card(directory, weights, training, parts, made_with, made_from)


def convert_checkpoint(source: Path, out: Path, storage: Storage) -> None:
    """Write a checkpoint again in another precision or in other files; what it was made from stays recorded.

    Raises:
        CheckpointError: source and out are the same, or a weight is too large for the precision.
        DataError: out is in use.
    """
    if Path(source).resolve() == Path(out).resolve():
        raise CheckpointError(f"{out} cannot be converted in place: give another directory")
    parts = load_checkpoint(source, dtype=None)
    training = read_json(Path(source) / TRAINING_NAME)
    with whole_folder(Path(out)) as folder:
        save_checkpoint(folder, parts, training, storage=storage)
        manifest, fresh = read_manifest(source), read_manifest(folder)
        weights = [name for name in fresh["files"] if name.startswith(_WEIGHT_PREFIXES)]
        config = dict(manifest["config"] or {}) | {"storage": storage}
        _write_card(folder, weights, training, parts, config, manifest.get("inputs") or fresh["inputs"])


def _without_paths(settings: Any) -> Any:
    if settings is None:
        return None
    values = {item.name: getattr(settings, item.name) for item in dataclasses.fields(settings)}
    return {name: value for name, value in values.items() if not isinstance(value, Path)}


def _write_card(
    directory: Path,
    weights: Sequence[str],
    training: dict[str, Any],
    parts: CheckpointParts,
    made_with: Any,
    made_from: Mapping[str, Any],
) -> None:
    """Write figures, model card and, last, the manifest that covers everything."""
    write_json(directory / TRAINING_NAME, training)
    parameters = sum(parameter.numel() for parameter in parts.model.parameters())
    card = model_card(training, parameters, parts.action_tokenizer.goal_levels, parts.model.config.moments)
    write_atomically(directory / CARD_NAME, card.encode())
    listed = (*read_manifest(directory / ACTION_TOKENIZER)["files"], MANIFEST_NAME)
    names = [CONFIG_NAME, *weights, TRAINING_NAME, CARD_NAME, TEXT_TOKENIZER]
    write_manifest(
        directory,
        kind=CHECKPOINT_KIND,
        files=[*names, *(f"{ACTION_TOKENIZER}/{name}" for name in listed)],
        config=made_with,
        inputs=made_from,
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
    training = read_json(directory / TRAINING_NAME) | {"closed_loop": figures}
    manifest = read_manifest(directory)
    weights = [name for name in manifest["files"] if name.startswith(_WEIGHT_PREFIXES)]
    _write_card(directory, weights, training, parts, manifest["config"], manifest.get("inputs", {}))


def load_checkpoint(directory: Path, *, dtype: torch.dtype | None = torch.float32) -> CheckpointParts:
    """Read a checkpoint written by `save_checkpoint`; the network comes back in evaluation mode.

    The network is built without memory and takes over the stored tensors one by one.

    Args:
        dtype: of parameters in memory; None leaves them as they are stored.

    Raises:
        ManifestError: no checkpoint, or a file is missing or differs from the manifest (named).
        StatisticsError: the action statistics are not those the policy was trained with.
        TokenizerError: an action tokenizer of unknown kind, or a damaged one.
        CheckpointError: an unknown format, damaged or not finite weights, parts that do not fit together.
    """
    directory = Path(directory)
    manifest = verify_manifest(directory, kind=CHECKPOINT_KIND, needs=_LOADED)
    inner = read_manifest(directory / ACTION_TOKENIZER)["files"]
    require_listed(manifest, directory, (f"{ACTION_TOKENIZER}/{name}" for name in inner))
    content = read_config(directory / CONFIG_NAME)
    action_tokenizer = load_policy_tokenizer(directory / ACTION_TOKENIZER)
    action_tokenizer.normaliser.require(content["statistics_sha256"], str(directory / CONFIG_NAME))
    check_inputs(directory, manifest.get("inputs", {}), content["statistics_sha256"])
    try:
        vocabulary = Vocabulary(**content["vocabulary"])
        grammar = Grammar(vocabulary, **content["grammar"])
        config = ModelConfig.from_dict(content["model"])
        tokens = {f"{name}_token": value for name, value in content["text_tokens"].items()}
        suffix = list(content["prompt_suffix"])
        texts = tuple((str(a), str(b), str(c)) for a, b, c in content["texts"])
        limit = content["doubt_limit_nat"]
        doubt_limit_nat = float("inf") if limit is None else float(limit)
        images = ImagePipeline.from_dict(content["images"])
        stored_parts = [PretrainedPart(**part) for part in content["pretrained"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{directory / CONFIG_NAME} is incomplete or damaged: {error}") from error
    check_pretrained(directory, config, stored_parts)
    check_levels(directory, action_tokenizer, vocabulary)
    if images.size_px != config.vision.image_size:
        raise CheckpointError(
            f"{directory / CONFIG_NAME}: the network needs images of {config.vision.image_size} "
            f"pixels, the entry images makes them {images.size_px} pixels large"
        )
    if config.vocabulary_size != vocabulary.padded_size:
        raise CheckpointError(
            f"{directory / CONFIG_NAME}: the network has {config.vocabulary_size} ids, the vocabulary "
            f"{vocabulary.padded_size}"
        )
    try:
        with init_empty_weights():
            model = KineVLAModel(config, pad_id=vocabulary.pad)
        load_weights(model, directory, dtype=dtype, listed=manifest["files"])
    except WeightsError as error:
        raise CheckpointError(f"{directory} does not fit its {CONFIG_NAME}: {error}") from error
    model.eval().requires_grad_(False)
    text_tokenizer = load_text_tokenizer(directory / TEXT_TOKENIZER, tokens, vocabulary)
    builder = SequenceBuilder(text_tokenizer, grammar, suffix)
    return CheckpointParts(
        model, builder, action_tokenizer, directory / ACTION_TOKENIZER, texts, images, doubt_limit_nat
    )
