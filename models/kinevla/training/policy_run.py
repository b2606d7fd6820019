"""Puts a training run together: data, tokenizers, sequence layout, network, and where the frames come from.

There are two kinds of run. Without `base` a network of any size is built around pretrained encoders that come
by pip, whose feature maps are computed once. With `base` a checkpoint of the public OpenVLA format is the
start, its Llama vocabulary takes the codes, and images are looked at anew in every step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kinevla.actions import ActionTokenizer, load_policy_tokenizer
from kinevla.backbone.config import FlowConfig, ModelConfig, ReadoutConfig
from kinevla.backbone.lora import LoraSettings, add_lora
from kinevla.backbone.model import KineVLAModel
from kinevla.backbone.openvla import load_openvla
from kinevla.backbone.openvla_format import PublicConfig
from kinevla.checkpoint import load_checkpoint
from kinevla.data.episode import CAMERAS
from kinevla.data.episodes import EpisodeReader
from kinevla.data.split import SPLIT_NAME
from kinevla.flow.head import FlowHead
from kinevla.generation.grammar import Grammar
from kinevla.generation.sequence import LLAMA_SPACE_ID, SequenceBuilder
from kinevla.generation.spelling import Spelling
from kinevla.manifest import MANIFEST_NAME, file_sha256
from kinevla.observation.augmentation import ImageAugmentation
from kinevla.observation.images import ImagePipeline
from kinevla.text import Vocabulary, build_word_tokenizer, load_task_texts
from kinevla.text.language.wording import every_text, of_language
from kinevla.text.unclear import UNCLEAR
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.dataset import Layout, PolicyData, Texts, demonstrated_texts, load_policy_data
from kinevla.training.feature_cache import CacheConfig, open_cache
from kinevla.training.inputs import ImageInputs, InputSource
from kinevla.training.starting_point import same_codes, seed_code_embeddings, start_from

log = logging.getLogger(__name__)
# Public checkpoints have no manifest; this file tells one from another.
_BASE_FILE = "config.json"
_LLAMA_VOCABULARY = (32000, 32064)
_FIRST_LLAMA_TEXT_ID = 3


@dataclass
class PolicyRun:
    """Everything a run works with."""

    config: PolicyTrainConfig
    model: KineVLAModel  # the network; parameters that are not trained do not require gradients
    builder: SequenceBuilder
    tokenizer: ActionTokenizer
    layout: Layout  # of the sequences, with the data set
    images: ImagePipeline  # what is done to camera images, which the checkpoint keeps
    inputs: InputSource  # images or features of the frames
    data_summary: dict[str, Any]  # counts of the data set
    spelling: Spelling | None = None  # how motions become codes, with a readout

    @property
    def data(self) -> PolicyData:
        """The data set."""
        return self.layout.data

    def past(self, rows: NDArray[np.int64]) -> torch.Tensor:
        """Return the earlier states (B, H, D) of rows, as a policy that plans every chunk remembers them."""
        chunk = np.full(len(rows), self.tokenizer.horizon)
        return torch.from_numpy(self.data.past(rows, chunk, self.model.config.moments)).to(self.model.device)

    def identity(self) -> dict[str, Any]:
        """Return what a continued run must share with this one: settings and the content of its inputs."""
        config = self.config
        files = {"data": config.data / MANIFEST_NAME, "tokenizer": config.tokenizer / MANIFEST_NAME}
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
    """Load data, tokenizers and weights, compute features (the first process does), build the network (CPU).

    Raises:
        ManifestError: a damaged input.
        PipelineError: images the network cannot see.
        PretrainedError: a pretrained part is not installed.
        PublicWeightsError: a base that is no OpenVLA checkpoint.
        ValueError: settings that contradict the inputs.
    """
    torch.manual_seed(config.seed)
    reader = EpisodeReader(config.data)
    tokenizer = load_policy_tokenizer(config.tokenizer)
    texts = demonstrated_texts(reader, config.without)
    if config.base is not None:
        run = _run_from_base(config, reader, tokenizer, texts)
    else:
        run = _small_run(config, reader, tokenizer, texts, main_first)
    if not len(run.data.val):
        log.warning("no episode of %s is held out: validation looks at those learnt from", config.data)
    states = torch.from_numpy(run.data.states[run.data.train])
    run.model.set_state_range(states.amin(0), states.amax(0))
    if run.model.readout is not None:
        run.spelling = Spelling(tokenizer, device or "cpu")
    return run


def _small_run(
    config: PolicyTrainConfig,
    reader: EpisodeReader,
    tokenizer: ActionTokenizer,
    texts: tuple[Texts, ...],
    main_first: Callable[[], AbstractContextManager[None]],
) -> PolicyRun:
    """Build a network of the configured size around pretrained encoders, with a word-level text tokenizer."""
    annotated = [x for t in load_task_texts() for x in (t.instruction, t.coarse, t.fine)]
    text_tokenizer = build_word_tokenizer(
        [
            *annotated,
            *UNCLEAR.values(),
            *(every_text() if of_language(texts) else ()),
            *(x for text in texts for x in text),
        ]
    )
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
    wanted = ImagePipeline(config.sight.image_size)
    with main_first():
        cache = open_cache(
            config.out.parent / "feature_cache",
            config.data,
            CacheConfig(wanted, config.light, config.seed, tokenizer.chunk_config.val_percent),
            workers=max(config.threads, config.workers),
            progress=config.progress,
        )
    data = load_policy_data(reader, tokenizer, texts, config.out.parent)
    torch.manual_seed(config.seed)
    model = KineVLAModel(
        ModelConfig(
            vision=config.sight,
            decoder=config.decoder,
            vocabulary_size=vocabulary.padded_size,
            state_dim=data.states.shape[1],
            action_head=config.action_head,
            flow=_flow(config, tokenizer),
            readout=_readout(config, tokenizer),
        ),
        pad_id=vocabulary.pad,
    )
    seed_code_embeddings(model, vocabulary, tokenizer)
    if config.start is not None:
        parts = load_checkpoint(config.start)
        start_from(model, parts, builder)
        if not same_codes(parts.action_tokenizer, tokenizer):
            log.info("the policy to start from has other codes: their embeddings begin anew")
            seed_code_embeddings(model, vocabulary, tokenizer)
    return PolicyRun(
        config=config,
        model=model,
        builder=builder,
        tokenizer=tokenizer,
        layout=Layout(data, builder, prompted=False),
        images=wanted.on(reader.images),
        inputs=cache,
        data_summary=dict(reader.summary),
    )


def _run_from_base(
    config: PolicyTrainConfig,
    reader: EpisodeReader,
    tokenizer: ActionTokenizer,
    texts: tuple[Texts, ...],
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
    data = load_policy_data(reader, tokenizer, texts, config.out.parent)
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
        layout=Layout(data, builder, prompted=True),
        images=images,
        inputs=ImageInputs(reader, images, augmentation),
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
    """Return the sizes of the readout; none without codes that are sums of vectors in a latent space."""
    wanted = config.readout and config.reasoning and config.action_head == "codes"
    empty = np.zeros((0, tokenizer.horizon, tokenizer.dimensions))
    if not wanted or tokenizer.shared_block or tokenizer.latents(empty) is None:
        return None
    return dataclasses.replace(config.motion, horizon=tokenizer.horizon, dimensions=tokenizer.dimensions)


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
