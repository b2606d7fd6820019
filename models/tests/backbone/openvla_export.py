"""Writes a network in the public OpenVLA format, so that other tools of that family read it.

Only the parts with public names travel: what is ours (joint state, coupling projections) has no place there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from kinevla.backbone.config import TowersConfig
from kinevla.backbone.model import KineVLAModel
from kinevla.backbone.openvla_format import (
    CONFIG_NAME,
    DINO_ID,
    PREPROCESSOR_NAME,
    SIGLIP_ID,
    TOKENIZER_NAME,
    TOWERS,
    TOWERS_KEY,
)
from kinevla.backbone.openvla_weights import INDEX_NAME, PUBLIC_PARTS, SINGLE_NAME

MAX_SHARD_BYTES = 7_000_000_000
_SIZES = ("width", "depth", "heads", "mlp_hidden", "patch_size")


def save_openvla(
    directory: Path | str,
    model: KineVLAModel,
    tokenizer: PreTrainedTokenizerFast,
    *,
    dtype: torch.dtype = torch.bfloat16,
    pad_to_multiple_of: int = 64,
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> None:
    """Write a directory that `load_openvla` reads back.

    Args:
        directory: where to; made if absent.
        model: a network with two vision transformers as towers and without adapters.
        tokenizer: the text tokenizer.
        dtype: type of the stored weights.
        pad_to_multiple_of: rows of the embedding beyond the text tokenizer.
        max_shard_bytes: largest weight file.

    Raises:
        ValueError: towers of another kind, adapters that were not removed, or limits below one byte.
    """
    vision = model.config.vision
    if not isinstance(vision, TowersConfig):
        raise ValueError("the public format holds two vision transformers")
    towers = (vision.featurizer, vision.fused_featurizer)
    state = {name: value for name, value in model.state_dict().items() if name.startswith(PUBLIC_PARTS)}
    if any(".base_layer." in name for name in state):
        raise ValueError("the network has adapters: only plain weights can be saved")
    if max_shard_bytes < 1:
        raise ValueError(f"max_shard_bytes must be at least 1, got {max_shard_bytes}")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    _write_weights(directory, state, dtype, max_shard_bytes)
    config = _config(model, pad_to_multiple_of, tokenizer.pad_token_id)
    _write_json(directory / CONFIG_NAME, config)
    _write_json(directory / PREPROCESSOR_NAME, _preprocessor(vision.image_size, towers))
    (directory / TOKENIZER_NAME).write_text(tokenizer.backend_tokenizer.to_str())
    special = {f"{role}_token": getattr(tokenizer, f"{role}_token") for role in ("bos", "eos", "unk", "pad")}
    _write_json(directory / "special_tokens_map.json", {k: v for k, v in special.items() if v is not None})


def _write_weights(directory: Path, state: dict[str, Tensor], dtype: torch.dtype, limit: int) -> None:
    shards: list[list[str]] = [[]]
    filled = total = 0
    for name, value in state.items():
        size = value.numel() * dtype.itemsize
        if shards[-1] and filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled, total = filled + size, total + size
    count = len(shards)
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = SINGLE_NAME if count == 1 else f"model-{number:05d}-of-{count:05d}.safetensors"
        tensors = {name: state[name].detach().to("cpu", dtype).contiguous() for name in names}
        save_file(tensors, directory / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(names, file)
    if count > 1:
        _write_json(directory / INDEX_NAME, {"metadata": {"total_size": total}, "weight_map": weight_map})


def _config(model: KineVLAModel, padding: int, pad_id: int | None) -> dict[str, Any]:
    vision, decoder = model.config.vision, model.config.decoder
    content = {
        "architectures": ["OpenVLAForActionPrediction"],
        "model_type": "openvla",
        "arch_specifier": "no-align+fused-gelu-mlp",
        "vision_backbone_id": "dinosiglip-vit-so-224px",
        "llm_backbone_id": "llama2-7b-pure",
        "timm_model_ids": [DINO_ID, SIGLIP_ID],
        "timm_override_act_layers": [None, None],
        "use_fused_vision_backbone": True,
        "image_sizes": [vision.image_size, vision.image_size],
        "image_resize_strategy": "resize-naive",
        "pad_token_id": model.language_model.config.pad_token_id if pad_id is None else pad_id,
        "pad_to_multiple_of": padding,
        "text_config": {
            "model_type": "llama",
            "vocab_size": model.config.vocabulary_size,
            "hidden_size": decoder.hidden_size,
            "intermediate_size": decoder.intermediate_size,
            "num_hidden_layers": decoder.layers,
            "num_attention_heads": decoder.heads,
            "max_position_embeddings": decoder.max_positions,
            "rope_theta": decoder.rope_theta,
            "rms_norm_eps": decoder.norm_eps,
        },
    }
    changes = []
    for tower, name in ((vision.featurizer, DINO_ID), (vision.fused_featurizer, SIGLIP_ID)):
        sizes = {
            key: getattr(tower, key) for key in _SIZES if getattr(tower, key) != getattr(TOWERS[name], key)
        }
        changes.append(sizes)
    return content | ({TOWERS_KEY: changes} if any(changes) else {})


def _preprocessor(size: int, towers: tuple[Any, ...]) -> dict[str, Any]:
    statistics = [tower.pixel_statistics for tower in towers]
    return {
        "image_processor_type": "PrismaticImageProcessor",
        "image_resize_strategy": "resize-naive",
        "use_fused_vision_backbone": True,
        "input_sizes": [[3, size, size]] * len(towers),
        "interpolations": ["bicubic"] * len(towers),
        "means": [list(mean) for mean, _ in statistics],
        "stds": [list(std) for _, std in statistics],
        "tvf_normalize_params": [
            {"inplace": False, "mean": list(mean), "std": list(std)} for mean, std in statistics
        ],
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
