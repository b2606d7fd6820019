from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from kinevla.actions import (
    ActionNormaliser,
    ActionTokenizer,
    BiLevelTokenizer,
    BinTokenizer,
    SingleLevelTokenizer,
)
from kinevla.actions.rvq_config import RvqVaeConfig
from kinevla.actions.rvq_vae import RvqVae
from kinevla.backbone.model import KineVLAModel
from kinevla.checkpoint import CheckpointParts, save_checkpoint
from kinevla.configs import MODELS
from kinevla.data.chunks import ChunkConfig
from kinevla.generation.grammar import Grammar
from kinevla.generation.sequence import SequenceBuilder
from kinevla.manifest import file_sha256, read_manifest, write_json
from kinevla.observation.images import ImagePipeline
from kinevla.text import Vocabulary, build_word_tokenizer

SENTENCE = "pick up the bread and move it to the front"
TEXTS = ((SENTENCE, "move the bread", "To the front; pick first, then move."),)


def make_tokenizer(kind: str, scale: float = 0.1) -> ActionTokenizer:
    """An untrained action tokenizer whose statistics follow from `scale`."""
    torch.manual_seed(0)
    actions = np.random.default_rng(0).normal(0.0, scale, (50, 5, 8))
    actions[..., -1] = actions[..., -1] > 0.0
    normaliser = ActionNormaliser.fit(actions)
    network = RvqVaeConfig(latent=8, hidden=16, blocks=1, codebook_size=16)
    if kind == "bilevel_rvq":
        return BiLevelTokenizer(RvqVae(network), normaliser, ChunkConfig(), 0.1)
    if kind == "rvq":
        single = replace(network, goal_levels=4, kinematics_levels=0)
        return SingleLevelTokenizer(RvqVae(single), normaliser, ChunkConfig(), 0.1)
    return BinTokenizer(normaliser, ChunkConfig(), 0.1, codebook_size=16)


def make_parts(kind: str, tokenizer_directory: Path) -> CheckpointParts:
    """A tiny untrained policy around a saved action tokenizer."""
    tokenizer = make_tokenizer(kind)
    tokenizer.save(tokenizer_directory)
    text = build_word_tokenizer([SENTENCE])
    vocabulary = Vocabulary.after_text(
        len(text), codebook_size=tokenizer.codebook_size, goal_codes=tokenizer.goal_levels,
        kinematics_codes=tokenizer.kinematics_levels, bos=text.bos_token_id, eos=text.eos_token_id,
        pad=text.pad_token_id, shared_block=tokenizer.shared_block,
    )  # fmt: skip
    grammar = Grammar(vocabulary, first_text_id=len(text.all_special_ids), max_text_tokens=4)
    torch.manual_seed(1)
    sizes = replace(MODELS.get("tiny"), vocabulary_size=vocabulary.padded_size)
    # Bins cannot spell a motion that is read: the output head chooses them.
    model = KineVLAModel(sizes if kind != "bins" else replace(sizes, readout=None), vocabulary.pad)
    images = ImagePipeline(model.config.vision.image_size)
    return CheckpointParts(
        model.eval(), SequenceBuilder(text, grammar), tokenizer, tokenizer_directory, TEXTS, images, 2.5
    )


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> CheckpointParts:
    """A tiny policy of the method's kind."""
    return make_parts("bilevel_rvq", tmp_path_factory.mktemp("parts") / "tokenizer")


@pytest.fixture
def checkpoint(parts: CheckpointParts, tmp_path: Path) -> Path:
    """A checkpoint of it that a test may damage."""
    save_checkpoint(tmp_path / "policy", parts, {})
    return tmp_path / "policy"


def reseal(directory: Path) -> None:
    """Make the manifest agree with the files as they are now, as a careless editor would."""
    manifest = read_manifest(directory)
    for name in manifest["files"]:
        path = directory / name
        manifest["files"][name] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    write_json(directory / "manifest.json", manifest)


def edit_config(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change config.json and make the manifest agree."""
    config = json.loads((directory / "config.json").read_text())
    change(config)
    write_json(directory / "config.json", config)
    reseal(directory)


def edit_weights(directory: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the weights and make the manifest agree."""
    weights = load_file(directory / "model.safetensors")
    change(weights)
    save_file(weights, directory / "model.safetensors")
    reseal(directory)
