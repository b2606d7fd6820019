"""Puts a training run together: data, tokenizers, sequence layout, network, and where the frames come from.

There are two kinds of run. With `vision` a network of any size is built around frozen pretrained towers,
whose features are computed once. With `base` a checkpoint of the public OpenVLA format is the start, its
Llama vocabulary takes the codes, and images are looked at anew in every step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from kinevla.actions import ActionTokenizer, load_policy_tokenizer
from kinevla.backbone.config import FlowConfig, ModelConfig, ReadoutConfig
from kinevla.backbone.lora import LoraSettings, add_lora
from kinevla.backbone.model import KineVLAModel
from kinevla.backbone.openvla import PublicConfig, load_openvla
from kinevla.checkpoint import load_checkpoint
from kinevla.data.episodes import CAMERAS, EpisodeReader
from kinevla.data.split import SPLIT_NAME
from kinevla.flow import FlowHead
from kinevla.generation.grammar import Grammar
from kinevla.generation.sequence import LLAMA_SPACE_ID, SequenceBuilder
from kinevla.manifest import MANIFEST_NAME, file_sha256
from kinevla.observation.augmentation import ImageAugmentation
from kinevla.observation.images import ImagePipeline
from kinevla.text import Vocabulary, build_word_tokenizer, load_task_texts
from kinevla.text.variants import instruction_variants
from kinevla.training.code_embeddings import seed_code_embeddings
from kinevla.training.code_noise import CodeNoise
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.dataset import PolicyData, load_policy_data, task_texts
from kinevla.training.feature_cache import FeatureCache, build_cache, cache_key, tower_images
from kinevla.training.inputs import CachedInputs, ImageInputs, InputSource
from kinevla.training.mapped import mapped_result
from kinevla.training.starting_point import same_codes, start_from
from kinevla.vision.checkpoint import load_vision

log = logging.getLogger(__name__)
# Public checkpoints have no manifest; this file tells one from another.
_BASE_FILE = "config.json"
_LLAMA_VOCABULARY = (32000, 32064)
_FIRST_LLAMA_TEXT_ID = 3
_LIFTER_SETTINGS = ("lifter_width", "lifter_frequencies", "blocks", "robot")


@dataclass
class PolicyRun:
    """Everything a run works with.

    Attributes:
        config: settings.
        model: the network; parameters that are not trained do not require gradients.
        builder: sequence layout.
        tokenizer: action tokenizer.
        data: all frames but their images.
        images: what is done to camera images, which the checkpoint keeps.
        inputs: images or features of the frames.
        data_summary: counts of the data set.
        cache: features, with frozen towers.
        vision_report: how well those towers do.
        code_noise: draws codes around the exact ones; None where the tokenizer's codes do not sum up.
        latents: (N, d) what that starts from.
    """

    config: PolicyTrainConfig
    model: KineVLAModel
    builder: SequenceBuilder
    tokenizer: ActionTokenizer
    data: PolicyData
    images: ImagePipeline
    inputs: InputSource
    data_summary: dict[str, Any]
    cache: FeatureCache | None = None
    vision_report: dict[str, Any] = field(default_factory=dict)
    code_noise: CodeNoise | None = None
    latents: torch.Tensor | None = None

    @property
    def instructions(self) -> tuple[str, ...]:
        """All wordings that occur in training."""
        own = [text[0] for text in self.data.tasks]
        return tuple(own + [variant for text in own for variant in instruction_variants(text)])

    def identity(self) -> dict[str, Any]:
        """Return what a continued run must share with this one: settings and the content of its inputs."""
        config = self.config
        files = {"data": config.data / MANIFEST_NAME, "tokenizer": config.tokenizer / MANIFEST_NAME}
        if config.vision is not None:
            files["vision"] = config.vision / MANIFEST_NAME
        if config.base is not None:
            files["base"] = config.base / _BASE_FILE
        if (split := config.data / SPLIT_NAME).is_file():
            files["split"] = split
        return config.identity() | {name: file_sha256(path) for name, path in files.items()}


def prepare_run(
    config: PolicyTrainConfig,
    device: torch.device | None = None,
    main_first: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
) -> PolicyRun:
    """Load data, tokenizers and weights, compute features, build the network (on the CPU).

    Args:
        config: settings.
        device: where frozen towers compute their features.
        main_first: holds back all processes but the first while that one computes the features.

    Raises:
        ManifestError: a damaged input.
        PublicWeightsError: a base that is no OpenVLA checkpoint.
        ValueError: settings that contradict the inputs.
    """
    torch.manual_seed(config.seed)
    reader = EpisodeReader(config.data)
    tokenizer = load_policy_tokenizer(config.tokenizer)
    texts = task_texts(reader)
    if config.base is not None:
        run = _run_from_base(config, reader, tokenizer, texts)
    else:
        run = _run_from_towers(config, reader, tokenizer, texts, device or torch.device("cpu"), main_first)
    states = torch.from_numpy(run.data.states[run.data.train])
    run.model.set_state_range(states.amin(0), states.amax(0))
    if config.action_head == "codes" and CodeNoise.possible(tokenizer):
        run.code_noise = noise = CodeNoise(tokenizer, run.builder.vocabulary)
        run.latents = torch.from_numpy(
            mapped_result(
                config.out.parent, lambda rows: noise.latents(rows).numpy(), run.data.chunks, np.float32
            )
        )
    return run


def _run_from_towers(
    config: PolicyTrainConfig,
    reader: EpisodeReader,
    tokenizer: ActionTokenizer,
    texts: tuple[tuple[str, str, str], ...],
    device: torch.device,
    main_first: Callable[[], AbstractContextManager[None]],
) -> PolicyRun:
    """Build a network of the configured size around pretrained towers, with a word-level text tokenizer."""
    assert config.vision is not None
    annotated = [x for t in load_task_texts() for x in (t.instruction, t.coarse, t.fine)]
    wordings = [variant for text in texts for variant in instruction_variants(text[0])]
    text_tokenizer = build_word_tokenizer([*annotated, *wordings, *(x for text in texts for x in text)])
    vocabulary = Vocabulary.after_text(
        len(text_tokenizer),
        **_code_layout(tokenizer),
        bos=text_tokenizer.bos_token_id,
        eos=text_tokenizer.eos_token_id,
        pad=text_tokenizer.pad_token_id,
    )
    builder = SequenceBuilder(
        text_tokenizer, _grammar(config, vocabulary, len(text_tokenizer.all_special_ids))
    )
    backbone, vision_config, vision_report = load_vision(config.vision)
    for name in _LIFTER_SETTINGS:
        if getattr(config.geometry, name) != getattr(vision_config.geometry, name):
            raise ValueError(
                f"geometry.{name} must be {getattr(vision_config.geometry, name)!r} as in {config.vision}"
            )
    with main_first():
        cache = build_cache(
            config.out.parent / "feature_cache",
            cache_key(config.vision, config.data),
            backbone.to(device),
            reader,
            config.bf16,
            config.workers,
        )
    backbone.to("cpu")
    data = load_policy_data(reader, tokenizer, builder, texts, config.out.parent)
    torch.manual_seed(config.seed)
    model = KineVLAModel(
        ModelConfig(
            vision=vision_config.vision,
            geometry=config.geometry,
            decoder=config.decoder,
            vocabulary_size=vocabulary.padded_size,
            state_dim=data.states.shape[1],
            action_head=config.action_head,
            flow=_flow(config, tokenizer),
            readout=_readout(config, tokenizer),
        ),
        pad_id=vocabulary.pad,
    )
    model.vision_backbone.load_state_dict(backbone.state_dict())
    seed_code_embeddings(model, vocabulary, tokenizer)
    if config.start is not None:
        parts = load_checkpoint(config.start)
        start_from(model, parts, builder)
        if not same_codes(parts.action_tokenizer, tokenizer):
            log.info("the policy to start from has other codes: their embeddings begin anew")
            seed_code_embeddings(model, vocabulary, tokenizer)
    if model.code_readout is not None:
        books = tokenizer.code_vectors()
        assert books is not None  # of the same tokenizer as the readout's sizes
        model.code_readout.codebooks.copy_(torch.stack([torch.from_numpy(book) for book in books]))
    _choose_trainable(model, config)
    return PolicyRun(
        config=config,
        model=model,
        builder=builder,
        tokenizer=tokenizer,
        data=data,
        images=tower_images(vision_config.vision, reader),
        inputs=CachedInputs(cache, config.keypoint_noise, config.point_noise_m),
        data_summary=dict(reader.summary),
        cache=cache,
        vision_report=vision_report,
    )


def _run_from_base(
    config: PolicyTrainConfig,
    reader: EpisodeReader,
    tokenizer: ActionTokenizer,
    texts: tuple[tuple[str, str, str], ...],
) -> PolicyRun:
    """Start from a public checkpoint, whose tokenizer, vocabulary and image size are kept."""
    assert config.base is not None
    # Frozen weights may be stored in half precision; weights that are trained keep single precision.
    frozen = config.tuning == "lora" and config.bf16
    parts = load_openvla(
        config.base,
        CAMERAS,
        state_dim=reader.read(0).state.shape[1],
        dtype=torch.bfloat16 if frozen else torch.float32,
    )
    model = parts.model
    _check_vocabulary(parts.config)
    vocabulary = Vocabulary.llama(**_code_layout(tokenizer))
    builder = SequenceBuilder(
        parts.text_tokenizer, _grammar(config, vocabulary, _FIRST_LLAMA_TEXT_ID), (LLAMA_SPACE_ID,)
    )
    if (flow := _flow(config, tokenizer)) is not None:
        model.config = dataclasses.replace(model.config, action_head="flow", flow=flow)
        model.flow_head = FlowHead(flow, model.config.decoder.hidden_size)
    _choose_trainable(model, config)
    data = load_policy_data(reader, tokenizer, builder, texts, config.out.parent)
    # How its data set cuts the camera's image is learned anew; the rest stays the base's.
    images = dataclasses.replace(parts.config.images, square=reader.images.square)
    augmentation = ImageAugmentation() if config.image_augmentation else None
    if augmentation is None:
        images = dataclasses.replace(images, crop_area=1.0)
    images = images.on(reader.images)
    return PolicyRun(
        config=config,
        model=model,
        builder=builder,
        tokenizer=tokenizer,
        data=data,
        images=images,
        inputs=ImageInputs(reader, CAMERAS, images, augmentation),
        data_summary=dict(reader.summary),
    )


def _check_vocabulary(config: PublicConfig) -> None:
    found = (config.text_size, config.vocabulary_size)
    if found != _LLAMA_VOCABULARY:
        raise ValueError(
            f"the base has {found[0]} text ids in {found[1]} rows; codes are laid out over Llama-2's "
            f"{_LLAMA_VOCABULARY[0]} in {_LLAMA_VOCABULARY[1]}"
        )


def _code_layout(tokenizer: ActionTokenizer) -> dict[str, Any]:
    return {
        "codebook_size": tokenizer.codebook_size,
        "goal_codes": tokenizer.goal_levels,
        "kinematics_codes": tokenizer.kinematics_levels,
    } | ({"shared_block": True} if tokenizer.shared_block else {})


def _grammar(config: PolicyTrainConfig, vocabulary: Vocabulary, first_text_id: int) -> Grammar:
    return Grammar(
        vocabulary,
        first_text_id=first_text_id,
        reasoning=config.reasoning,
        codes=config.action_head == "codes",
    )


def _flow(config: PolicyTrainConfig, tokenizer: ActionTokenizer) -> FlowConfig | None:
    if config.action_head != "flow":
        return None
    return dataclasses.replace(config.flow, horizon=tokenizer.horizon, dimensions=tokenizer.dimensions)


def _readout(config: PolicyTrainConfig, tokenizer: ActionTokenizer) -> ReadoutConfig | None:
    """Return the sizes of the code readout; none without codes that are sums of vectors in a latent space."""
    books = tokenizer.code_vectors()
    wanted = config.readout and config.action_head == "codes" and config.geometry.tokens
    if not wanted or books is None or tokenizer.shared_block:
        return None
    return ReadoutConfig(tokenizer.codes_per_chunk, tokenizer.codebook_size, books[0].shape[1])


def taught_parameters(model: KineVLAModel) -> dict[str, torch.nn.Parameter]:
    """Return by name what the geometry stage trains."""
    names = ("observation.geometry.", "observation.geometry_out.", "code_readout.motion.")
    return {name: value for name, value in model.named_parameters() if name.startswith(names)}


def _choose_trainable(model: KineVLAModel, config: PolicyTrainConfig) -> None:
    """Leave requiring gradients what is trained: adapters and our own parts, or all but the towers."""
    if config.tuning == "lora":
        add_lora(
            model,
            LoraSettings(rank=config.lora_rank, alpha=config.lora_alpha, dropout=config.lora_dropout),
        )
    else:
        model.requires_grad_(True)
        model.vision_backbone.requires_grad_(False)
