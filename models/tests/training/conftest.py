from __future__ import annotations

import json
import multiprocessing.dummy
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from kinevla.actions import ActionNormaliser, BiLevelTokenizer
from kinevla.backbone.model import KineVLAModel
from kinevla.backbone.openvla_format import read_config
from kinevla.backbone.openvla_weights import PUBLIC_PARTS
from kinevla.configs import MODELS, TOKENIZERS
from kinevla.data.chunks import ChunkConfig, build_chunks
from kinevla.data.episode import Episode, encode_frames
from kinevla.data.episodes import EpisodeReader, EpisodeWriter
from kinevla.observation.images import ImagePipeline
from kinevla.text import load_task_texts
from kinevla.text.corpus import PROMPT_HEAD, PROMPT_TAIL
from kinevla.text.tokenizer import _PATTERN as TEXT_PATTERN
from kinevla.text.tokenizer import split_words
from kinevla.text.wordings import WORDINGS, numbered_wording
from kinevla.training import feature_cache
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.distributed import join_processes
from kinevla.training.policy_run import PolicyRun, prepare_run
from kinevla.training.stages.policy import PolicyStage
from kinevla.training.stages.tokenizer import train_tokenizer

TINY = MODELS.get("tiny")
SIZE = TINY.vision.image_size


@pytest.fixture(scope="session", autouse=True)
def features_in_this_process() -> Iterator[None]:
    """Compute feature maps in threads of this process: processes of their own take seconds to start."""
    with pytest.MonkeyPatch.context() as patch:
        here = SimpleNamespace(get_context=lambda method: multiprocessing.dummy)
        patch.setattr(feature_cache, "multiprocessing", here)
        yield


def make_episode(task: int, seed: int, frames: int = 12) -> Episode:
    """A made-up demonstration: a smooth random motion and images of noise."""
    rng = np.random.default_rng([task, seed])
    texts = load_task_texts("kine_realman")[task - 1]
    path = rng.normal(0.0, 0.3, 8) + np.cumsum(rng.normal(0.0, 0.03, (frames + 1, 8)), axis=0)
    path[:, 7] = np.clip(path[:, 7], 0.0, 1.0)
    images = [
        encode_frames(list(rng.integers(0, 256, (frames, SIZE, SIZE, 3), dtype=np.uint8))) for _ in range(2)
    ]
    return Episode(
        task=task, seed=seed, instruction=texts.instruction, coarse=texts.coarse, fine=texts.fine,
        period_s=0.1,
        front_jpeg=images[0], wrist_jpeg=images[1], state=path[:-1], target=path[1:], executed=path[1:],
    )  # fmt: skip


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with tiny demonstrations and a tiny tokenizer."""
    root = tmp_path_factory.mktemp("workplace")
    writer = EpisodeWriter(root / "demos", {"made": "up"}, ImagePipeline(SIZE))
    for task in (1, 2, 5):
        for seed in range(6):
            writer.add(make_episode(task, seed))
    reader = EpisodeReader(root / "demos")
    chunk_config = ChunkConfig(val_percent=20)
    chunks = build_chunks(reader, chunk_config)
    settings = TOKENIZERS.get("tiny").training
    trained = train_tokenizer(
        chunks.chunks, chunks.chunks, settings, directory=root / "tokenizer", progress=False
    )
    assert isinstance(trained.normaliser, ActionNormaliser)
    BiLevelTokenizer(trained.network, trained.normaliser, chunk_config, 0.1).save(root / "tokenizer")
    return root


def tiny_run(workplace: Path, out: Path, **changes: object) -> PolicyTrainConfig:
    """Settings of a policy run that takes seconds; all runs in a workplace share their feature maps."""
    shared = workplace / "feature_cache"
    shared.mkdir(exist_ok=True)
    if not (beside := out.parent / "feature_cache").exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        beside.symlink_to(shared)
    values: dict[str, object] = {
        "data": workplace / "demos", "tokenizer": workplace / "tokenizer", "out": out,
        "max_minutes": None, "max_steps": 4, "batch_size": 16, "warmup_steps": 1, "precision": "fp32",
        "log_every": 1, "val_every": 100, "val_samples": 16, "save_every": 2,
        "decoder": TINY.decoder, "sight": TINY.vision, "motion": TINY.readout,
    }  # fmt: skip
    return PolicyTrainConfig(**(values | changes))  # type: ignore[arg-type]


def started(config: PolicyTrainConfig, run: PolicyRun | None = None) -> PolicyStage:
    """A policy that is about to do its first step."""
    stage = PolicyStage(run or prepare_run(config), join_processes(config))
    stage.start(None)
    return stage


def stop_policy_at(patch: pytest.MonkeyPatch, step: int) -> None:
    """Interrupt policy trainings in this step."""
    whole_step = PolicyStage.step

    def stops(self: PolicyStage, number: int, rate: float) -> Mapping[str, torch.Tensor]:
        if number == step:
            raise KeyboardInterrupt
        return whole_step(self, number, rate)

    patch.setattr(PolicyStage, "step", stops)


def write_tiny_base(directory: Path) -> Path:
    """Write a checkpoint of the public OpenVLA format: tiny towers and decoder, Llama's number of ids."""
    towers = [
        {"width": 24, "depth": 3, "heads": 2, "mlp_hidden": 48},
        {"width": 16, "depth": 3, "heads": 2, "mlp_hidden": 40},
    ]
    config = {
        "model_type": "openvla",
        "image_resize_strategy": "resize-naive",
        "image_sizes": [28, 28],
        "n_action_bins": 256,
        "norm_stats": {},
        "pad_to_multiple_of": 64,
        "pad_token_id": 32000,
        "text_config": {
            "model_type": "llama", "vocab_size": 32064, "pad_token_id": 32000, "hidden_size": 32,
            "intermediate_size": 56, "num_attention_heads": 4, "num_key_value_heads": 4,
            "num_hidden_layers": 2,
        },
        "timm_model_ids": ["vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224"],
        "use_fused_vision_backbone": True,
        "vision_towers": towers,
    }  # fmt: skip
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(config))
    texts = [x for text in load_task_texts() for x in (text.instruction, text.coarse, text.fine)]
    # A real base spells any word; this one knows those of all wordings.
    texts += [numbered_wording(t.instruction, n) for t in load_task_texts() for n in range(WORDINGS)]
    pieces = {piece for text in texts for word in split_words(text) for piece in (word, word.lower())}
    pieces |= {PROMPT_HEAD.rstrip(), PROMPT_TAIL, " ", "\n"}
    pieces |= {f" {piece.strip()}" for piece in pieces if piece.strip()}
    words = ["<unk>", "<s>", "</s>", *sorted(pieces)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(TEXT_PATTERN), behavior="isolated")
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.save(str(directory / "tokenizer.json"))
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (directory / "special_tokens_map.json").write_text(json.dumps(special))
    torch.manual_seed(0)
    model = KineVLAModel(read_config(directory).model_config(("front",)), pad_id=32000)
    public = {k: v.contiguous() for k, v in model.state_dict().items() if k.startswith(PUBLIC_PARTS)}
    save_file(public, directory / "model.safetensors")
    return directory
