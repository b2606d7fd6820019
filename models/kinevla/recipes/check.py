"""Dry run of a recipe: the whole network and one micro-batch without memory, and what the real run will need.

Tensors on torch's meta device have shapes but no values. Building the network, adding the adapters and
running a batch there checks that all parts fit together, in seconds and on any machine.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch

from kinevla.backbone.config import ModelConfig, TowersConfig
from kinevla.backbone.lora import LoraSettings, add_lora, trainable_parameters
from kinevla.backbone.model import KineVLAModel
from kinevla.bench.memory import count_parameters
from kinevla.configs.models import MODELS
from kinevla.generation.grammar import Cursor, Grammar
from kinevla.recipes.memory import (
    MemoryEstimate,
    decoder_bytes,
    logit_bytes,
    state_bytes,
    tower_bytes,
)
from kinevla.recipes.recipe import Recipe, RecipeError
from kinevla.text import load_task_texts
from kinevla.text.corpus import PROMPT_HEAD, PROMPT_TAIL
from kinevla.text.vocabulary import Vocabulary

_PUBLIC = {
    "featurizer (DINOv2)": "vision_backbone.featurizer.",
    "fused_featurizer (SigLIP)": "vision_backbone.fused_featurizer.",
    "projector": "projector.",
    "language model": "language_model.",
}


@dataclass(frozen=True)
class SequenceLength:
    """Positions of the longest training sample."""

    bos: int
    observation: int  # patches of all cameras, and the state
    prompt: int  # ids of the prompt (bound)
    coarse: int  # ids of the coarse text (bound)
    fine: int  # ids of the fine text (bound)
    codes: int
    marks: int

    @property
    def total(self) -> int:
        """All positions."""
        return sum(dataclasses.astuple(self))


@dataclass(frozen=True)
class RecipeReport:
    """What a dry run found."""

    public_parameters: dict[str, int]  # weights the public checkpoint has, by part
    own_parameters: int  # weights it does not have
    lora_parameters: int
    adapted_layers: int
    trained_parameters: int
    sequence: SequenceLength  # positions of the longest sample
    shapes: dict[str, tuple[int, ...]]  # shapes met in the forward pass of one micro-batch
    memory: MemoryEstimate  # bytes per GPU
    checkpointing: bool  # the recipe computes activations again
    gpu_memory: int  # bytes a GPU has

    @property
    def public_total(self) -> int:
        """Weights of the public checkpoint."""
        return sum(self.public_parameters.values())

    @property
    def total_parameters(self) -> int:
        """All weights, adapters included."""
        return self.public_total + self.own_parameters + self.lora_parameters

    @property
    def fits(self) -> bool:
        """The estimate is below a GPU's memory."""
        return self.memory.total(checkpointing=self.checkpointing) <= self.gpu_memory


def check_recipe(recipe: Recipe) -> RecipeReport:
    """Build everything on the meta device, run one micro-batch and count.

    Raises:
        RecipeError: parts that do not fit together.
        UnknownNameError: no model of that name.
    """
    config = model_config(recipe)
    vocabulary = _vocabulary(recipe, config)
    sequence = sequence_length(recipe, config, Grammar(vocabulary, first_text_id=3))
    if sequence.total > config.decoder.max_positions:
        raise RecipeError(
            f"samples of up to {sequence.total} positions exceed the decoder's {config.decoder.max_positions}"
        )
    with torch.device("meta"):
        model = KineVLAModel(config, pad_id=vocabulary.pad)
    for part in (model.vision_backbone, model.projector, model.language_model):
        part.to(getattr(torch, recipe.weight_dtype))
    public = {
        name: sum(v.numel() for key, v in model.named_parameters() if key.startswith(prefix))
        for name, prefix in _PUBLIC.items()
    }
    before = count_parameters(model)
    options = recipe.training
    with torch.device("meta"):
        add_lora(model, LoraSettings(options.lora_rank, options.lora_alpha, options.lora_dropout))
    lora = count_parameters(model) - before
    trained = sum(value.numel() for value in trainable_parameters(model).values())
    shapes = _forward(model, config, recipe, sequence)
    return RecipeReport(
        public_parameters=public,
        own_parameters=before - sum(public.values()),
        lora_parameters=lora,
        adapted_layers=sum(1 for name, _ in model.named_parameters() if ".lora_A." in name),
        trained_parameters=trained,
        sequence=sequence,
        shapes=shapes,
        memory=estimate_memory(config, recipe, before + lora, trained, sequence),
        checkpointing=recipe.gradient_checkpointing,
        gpu_memory=int(recipe.gpu_memory_gb * 1e9),
    )


def model_config(recipe: Recipe) -> ModelConfig:
    """Return the sizes of the recipe's network.

    Raises:
        RecipeError: towers that are not vision transformers (there is no public checkpoint to adapt).
    """
    config = MODELS.get(recipe.size)
    if not isinstance(config.vision, TowersConfig):
        raise RecipeError(f"size {recipe.size!r} has no public weights that adapters could go on")
    return config


def _vocabulary(recipe: Recipe, config: ModelConfig) -> Vocabulary:
    codes = recipe.codes
    vocabulary = Vocabulary.llama(
        codebook_size=codes.codebook_size,
        goal_codes=codes.goal_levels,
        kinematics_codes=codes.kinematics_levels,
    )
    if vocabulary.padded_size != config.vocabulary_size:
        raise RecipeError(
            f"the network has {config.vocabulary_size} ids, the layout {vocabulary.padded_size}"
        )
    return vocabulary


def sequence_length(recipe: Recipe, config: ModelConfig, grammar: Grammar) -> SequenceLength:
    """Bound the positions of a sample over all annotated tasks.

    Texts of c characters are taken to be ceil(c / characters_per_id) ids.
    """
    per_id = recipe.characters_per_id
    tasks = load_task_texts()

    def ids(texts: list[str]) -> int:
        return max(math.ceil(len(text) / per_id) for text in texts)

    skeleton = Cursor(grammar, {"goal": (), "kinematics": ()})
    marks = 0
    while not skeleton.done:
        token = skeleton.determined()
        marks += token is not None
        skeleton.advance(grammar.vocabulary.code_start if token is None else token)
    vision = config.vision
    assert isinstance(vision, TowersConfig)
    return SequenceLength(
        bos=1,
        observation=len(vision.cameras) * vision.patches + int(config.state_token),
        prompt=ids([f"{PROMPT_HEAD}{task.instruction}{PROMPT_TAIL}" for task in tasks]) + 1,
        coarse=ids([task.coarse for task in tasks]),
        fine=ids([task.fine for task in tasks]),
        codes=grammar.vocabulary.stages,
        marks=marks,
    )


def _forward(
    model: KineVLAModel, config: ModelConfig, recipe: Recipe, sequence: SequenceLength
) -> dict[str, tuple[int, ...]]:
    """Run one micro-batch on the meta device and return the shapes on its way."""
    batch, size, cameras = recipe.micro_batch, config.vision.image_size, len(config.vision.cameras)
    with torch.device("meta"):
        images = torch.empty(batch, cameras, size, size, 3, dtype=torch.uint8)
        state = torch.empty(batch, config.state_dim)
        ids = torch.zeros(batch, sequence.total - sequence.observation, dtype=torch.long)
        features = model.features(images)
        tokens = model.observe(features, state).tokens
        text = model.embed_ids(ids)
        embeddings = torch.cat([text[:, :1], tokens.to(text.dtype), text[:, 1:]], dim=1)
        # A mask given whole: the library would look into positions that have no values here.
        length = embeddings.shape[1]
        mask = torch.empty(batch, 1, length, length, dtype=torch.bool)
        hidden = model.language_model.model(
            inputs_embeds=embeddings, attention_mask=mask, use_cache=False
        ).last_hidden_state
        logits = model.logits(hidden)
    if tokens.shape[1] != sequence.observation:
        raise RecipeError(
            f"the network makes {tokens.shape[1]} observation tokens, counted were {sequence.observation}"
        )
    return {
        "images": tuple(images.shape),
        "patch features": tuple(features[0].shape),
        "observation tokens": tuple(tokens.shape),
        "sequence": tuple(embeddings.shape),
        "hidden states": tuple(hidden.shape),
        "logits": tuple(logits.shape),
    }


def estimate_memory(
    config: ModelConfig, recipe: Recipe, total: int, trained: int, sequence: SequenceLength
) -> MemoryEstimate:
    """Estimate the bytes on one GPU (formulas in `recipes.memory`).

    Scores are taken for all positions after the observation.
    """
    weight_bytes = getattr(torch, recipe.weight_dtype).itemsize
    weights, gradients, optimiser = state_bytes(total, trained, weight_bytes)
    tokens = recipe.micro_batch * sequence.total
    kept = {}
    for checkpointing in (False, True):
        kept[checkpointing] = decoder_bytes(config.decoder, tokens, checkpointing=checkpointing)
        assert isinstance(config.vision, TowersConfig)
        for tower in (config.vision.featurizer, config.vision.fused_featurizer):
            patches = (config.vision.image_size // tower.patch_size) ** 2
            leading = int(tower.class_token) + tower.register_tokens
            seen = recipe.micro_batch * len(config.vision.cameras) * (patches + leading)
            kept[checkpointing] += tower_bytes(tower, seen, checkpointing=checkpointing)
    rows = recipe.micro_batch * (sequence.total - sequence.observation)
    return MemoryEstimate(
        weights, gradients, optimiser, kept[False], kept[True], logit_bytes(rows, config.vocabulary_size)
    )
