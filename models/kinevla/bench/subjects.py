"""What is measured: a policy from a checkpoint, or one of any size with random weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import nn

from kinevla.actions import ActionNormaliser, BiLevelTokenizer
from kinevla.actions.rvq_config import RvqVaeConfig
from kinevla.actions.rvq_vae import RvqVae
from kinevla.backbone.config import ModelConfig
from kinevla.backbone.model import KineVLAModel
from kinevla.bench.dictation import BenchGenerator, count_positions
from kinevla.bench.memory import count_parameters, require_memory
from kinevla.bench.static_decoder import DEFAULT_BUCKETS, StaticDecoder
from kinevla.checkpoint import CheckpointParts, load_checkpoint
from kinevla.configs.models import MODELS
from kinevla.data.chunks import ChunkConfig
from kinevla.data.episodes import EpisodeReader
from kinevla.data.images import decode_jpeg
from kinevla.generation.grammar import Grammar
from kinevla.generation.sequence import LLAMA_SPACE_ID, SequenceBuilder
from kinevla.generation.spelling import Spelling
from kinevla.observation.images import ImagePipeline
from kinevla.policy import KineVLAPolicy, Observation
from kinevla.text import load_task_texts
from kinevla.text.tokenizer import build_word_tokenizer
from kinevla.text.vocabulary import Vocabulary

_NORMAL_STD = 0.02


@dataclass(frozen=True)
class Subject:
    """A policy ready to be timed."""

    name: str  # what it is, for the report
    policy: KineVLAPolicy
    generator: BenchGenerator
    # length of each text when answers are dictated; None when the policy speaks for itself
    text_tokens: dict[str, int] | None
    instruction: str  # a sentence it knows

    @property
    def parts(self) -> CheckpointParts:
        """Network, layout and tokenizers."""
        return self.policy.parts

    @property
    def grammar(self) -> Grammar:
        """Form of its answers."""
        return self.parts.builder.grammar

    @property
    def text_ids(self) -> range:
        """Ids its texts consist of."""
        end = min(self.grammar.vocabulary.text_ids_end, len(self.parts.builder.tokenizer))
        return range(self.grammar.first_text_id, end)


def median_text_tokens(builder: SequenceBuilder) -> dict[str, int]:
    """Return the median number of ids of the coarse and fine texts of all annotated tasks."""
    tasks = load_task_texts()
    return {
        "goal": round(median(len(builder.text(task.coarse)) for task in tasks)),
        "kinematics": round(median(len(builder.text(task.fine)) for task in tasks)),
    }


def checkpoint_subject(
    directory: Path,
    device: torch.device,
    *,
    instruction: str | None = None,
    static: bool = False,
) -> Subject:
    """Load a checkpoint, to be told the instruction or, by default, the one with reasoning of median length.

    Raises:
        ManifestError: a file is missing or was changed.
        CheckpointError: parts that do not fit together.
    """
    parts = load_checkpoint(directory)
    if instruction is None:
        # The typical one: of median length of its reasoning.
        texts = sorted(
            parts.texts, key=lambda text: len(parts.builder.tokenizer(text[1] + text[2]).input_ids)
        )
        if not texts:
            raise ValueError(f"{directory} tells no instruction of its training: give one")
        instruction = texts[len(texts) // 2][0]
    parts.model.to(device)
    return _subject(str(directory), parts, instruction, None, static)


def random_subject(
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    *,
    text_tokens: tuple[int, int] | None = None,
    static: bool = False,
    force: bool = False,
    seed: int = 0,
) -> Subject:
    """Build a policy of a registered size with random weights, directly on its device.

    Texts are made of the small word-level vocabulary whatever the size: only their number of ids matters for
    time. A Llama tokenizer would cut them into more pieces; `text_tokens` sets another length.

    Args:
        dtype: type of its weights; the small network keeps single precision.
        text_tokens: ids of the coarse and the fine text; None for the medians of the 48 annotated tasks.

    Raises:
        UnknownNameError: no such size.
        MemoryEstimateError: it will not fit.
    """
    config = MODELS.get(name)
    weight_dtype = torch.float32 if config.reads_alone else dtype
    with torch.device("meta"):
        parameters = count_parameters(KineVLAModel(config))
    if not force:
        require_memory(f"random {name}", parameters, weight_dtype, device)
    tasks = load_task_texts()
    # No coarse data, no statistics: codes of random weights mean nothing, decoding them costs the same.
    network = RvqVae(RvqVaeConfig(dimensions=config.state_dim))
    keep = tuple(index == config.state_dim - 1 for index in range(config.state_dim))
    normaliser = ActionNormaliser((-1.0,) * len(keep), (1.0,) * len(keep), keep)
    tokenizer = BiLevelTokenizer(network, normaliser, ChunkConfig(horizon=network.config.horizon), 0.1)
    text = build_word_tokenizer(words for t in tasks for words in (t.instruction, t.coarse, t.fine))
    vocabulary = _vocabulary(config, len(text))
    builder = SequenceBuilder(
        text, Grammar(vocabulary, first_text_id=4), () if config.reads_alone else (LLAMA_SPACE_ID,)
    )
    model = random_model(config, device, weight_dtype, seed=seed)
    instruction = tasks[0].instruction
    images = ImagePipeline(config.vision.image_size)
    parts = CheckpointParts(model, builder, tokenizer, Path(), (), images)
    lengths = median_text_tokens(builder)
    if text_tokens is not None:
        lengths = dict(zip(lengths, text_tokens, strict=True))
    return _subject(f"random weights, {name}", parts, instruction, lengths, static)


def random_model(
    config: ModelConfig, device: torch.device, dtype: torch.dtype, *, seed: int = 0
) -> KineVLAModel:
    """Return a network with random weights, never in memory twice; parts with public weights have `dtype`."""
    torch.manual_seed(seed)
    if config.reads_alone:
        with device:
            return KineVLAModel(config).eval()
    model = KineVLAModel(config, public_on_meta=True)
    parts: tuple[nn.Module, ...] = (model.vision_backbone, model.projector, model.language_model)
    for part in parts:
        part.to(dtype).to_empty(device=device)
    model.restore_buffers()
    model.to(device)
    with torch.no_grad():
        for value in model.parameters():
            # Matrices random, vectors (biases, factors of norms) small or one: activations stay finite.
            value.normal_(0.0, _NORMAL_STD)
            if value.dim() == 1:
                value.add_(1.0)
    return model.eval()


def _vocabulary(config: ModelConfig, text_size: int) -> Vocabulary:
    llama = Vocabulary.llama()
    if config.vocabulary_size == llama.padded_size:
        return llama
    vocabulary = Vocabulary.after_text(
        text_size, codebook_size=256, goal_codes=2, kinematics_codes=2, bos=1, eos=2, pad=0
    )
    if vocabulary.padded_size > config.vocabulary_size:
        raise ValueError(
            f"{vocabulary.padded_size} ids do not fit the network's vocabulary of {config.vocabulary_size}"
        )
    return vocabulary


def _subject(
    name: str,
    parts: CheckpointParts,
    instruction: str,
    text_tokens: dict[str, int] | None,
    static: bool,
) -> Subject:
    model, grammar = parts.model, parts.builder.grammar
    decoders: list[StaticDecoder] = []
    if static:
        longest = count_positions(model) + 128 + 2 * grammar.max_text_tokens + max(DEFAULT_BUCKETS)
        window = min(model.config.decoder.max_positions, longest)
        count = 2 if model.config.reads_alone else 1
        decoders = [StaticDecoder(model, window, graphs=model.device.type == "cuda") for _ in range(count)]
    spelling = Spelling(parts.action_tokenizer, model.device) if model.readout is not None else None
    generator = BenchGenerator(model, grammar, spelling=spelling, decoders=decoders)
    return Subject(name, KineVLAPolicy(parts, generator), generator, text_tokens, instruction)


def made_up_observations(state_dim: int, *, size: int = 480, seed: int = 0) -> Iterator[Observation]:
    """Yield frames of a size in pixels that change a little from one to the next, and joints that drift."""
    rng = np.random.default_rng(seed)
    front, wrist = rng.integers(40, 216, (2, size, size, 3), dtype=np.int16)
    state = rng.uniform(-0.5, 0.5, state_dim)
    while True:
        yield Observation(front.astype(np.uint8), wrist.astype(np.uint8), state.copy())
        shift = rng.integers(-3, 4, (2, *front.shape), dtype=np.int16)
        front, wrist = np.clip(front + shift[0], 0, 255), np.clip(wrist + shift[1], 0, 255)
        state = np.clip(state + rng.normal(0.0, 0.02, state_dim), -1.0, 1.0)


def demonstrated_observations(directory: Path) -> Iterator[Observation]:
    """Yield the frames of demonstrations again and again, as they are stored.

    Raises:
        ManifestError: no data set there.
        DataError: a damaged episode.
    """
    reader = EpisodeReader(directory)
    while True:
        for episode in reader:
            frames = zip(episode.front_jpeg, episode.wrist_jpeg, episode.state, strict=True)
            for front, wrist, state in frames:
                yield Observation(decode_jpeg(front), decode_jpeg(wrist), np.asarray(state, dtype=np.float64))
