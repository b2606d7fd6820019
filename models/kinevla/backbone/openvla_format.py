"""The text files of a public OpenVLA checkpoint: what `config.json` and its neighbours say, checked.

A checkpoint directory holds `config.json` (sizes by name), `preprocessor_config.json` (pixels), the files of
a Llama tokenizer and weights (see `openvla_weights`). What it says of OpenVLA's own action tokens and of the
data they were made for is not needed: codes and statistics are those of this project's tokenizer.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from kinevla.backbone.config import DecoderConfig, ModelConfig, TowersConfig, VitTowerConfig
from kinevla.bounded import read_json as read_json_file
from kinevla.observation.images import ImagePipeline

CONFIG_NAME = "config.json"
PREPROCESSOR_NAME = "preprocessor_config.json"
TOKENIZER_NAME = "tokenizer.json"
TOKENIZER_SETTINGS = ("special_tokens_map.json", "tokenizer_config.json")
# Not in public checkpoints: sizes that differ from those the tower's name stands for.
TOWERS_KEY = "vision_towers"

# The two towers of Prismatic's `dinosiglip-vit-so-224px` under their names in the timm library.
DINO_ID, SIGLIP_ID = "vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224"
TOWERS: dict[str, VitTowerConfig] = {
    DINO_ID: VitTowerConfig(
        width=1024, depth=24, heads=16, mlp_hidden=4096, class_token=True, register_tokens=4,
        layer_scale=True, normalisation="imagenet",
    ),
    SIGLIP_ID: VitTowerConfig(
        width=1152, depth=27, heads=16, mlp_hidden=4304, attention_pool=True, normalisation="half"
    ),
}  # fmt: skip

# Trained on crops of this share at random places, and run on the central one.
_CROP_AREA = 0.9

# What a Llama configuration means by leaving an entry out.
_LLAMA_DEFAULTS: dict[str, Any] = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-6,
}
# Entries that must have these values (or be absent), because the network is built for nothing else.
_LLAMA_FIXED: dict[str, tuple[Any, ...]] = {
    "model_type": ("llama",),
    "hidden_act": ("silu",),
    "rope_scaling": (None,),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "tie_word_embeddings": (False,),
}
_FIXED: dict[str, tuple[Any, ...]] = {
    "model_type": ("openvla",),
    "image_resize_strategy": ("resize-naive",),
    "use_fused_vision_backbone": (True, None),
}


class PublicWeightsError(RuntimeError):
    """A directory is no checkpoint of this architecture; the text lists everything that does not fit."""


@dataclass(frozen=True)
class PublicConfig:
    """What `config.json` and `preprocessor_config.json` say."""

    # both image towers, with the checkpoint's own pixel statistics
    towers: tuple[VitTowerConfig, VitTowerConfig]
    image_size: int  # side of the square images, pixels
    decoder: DecoderConfig  # sizes of the language model
    vocabulary_size: int  # rows of embedding and head, padding included
    pad_to_multiple_of: int  # how many of these rows are padding beyond the text tokenizer
    pad_id: int  # id of the padding token

    @property
    def images(self) -> ImagePipeline:
        """What is done to camera images: resized without keeping the aspect ratio, then cropped."""
        return ImagePipeline(self.image_size, square="stretch", interpolation="bicubic", crop_area=_CROP_AREA)

    @property
    def text_size(self) -> int:
        """Ids of the text tokenizer, without the padding rows."""
        return self.vocabulary_size - self.pad_to_multiple_of

    def model_config(self, cameras: tuple[str, ...], **own: Any) -> ModelConfig:
        """Return the whole network's sizes.

        Args:
            cameras: names in token order; one or more.
            own: settings of `ModelConfig` that public checkpoints know nothing of.

        Raises:
            ValueError: sizes that exclude one another.
        """
        return ModelConfig(
            vision=TowersConfig(self.image_size, cameras, *self.towers),
            decoder=self.decoder,
            vocabulary_size=self.vocabulary_size,
            **own,
        )


def openvla_config(
    cameras: tuple[str, ...] = ("front", "wrist"), state_dim: int = 8, state_token: bool = True
) -> ModelConfig:
    """Return the sizes of OpenVLA-7B (Prismatic: DINOv2 ViT-L/14 reg4, SigLIP SO400M/14, Llama-2-7B).

    Args:
        state_token: the state is an observation token; False with one camera is OpenVLA's own layout.
    """
    public = PublicConfig((TOWERS[DINO_ID], TOWERS[SIGLIP_ID]), 224, _decoder({}), 32064, 64, 32000)
    return public.model_config(cameras, state_dim=state_dim, state_token=state_token)


def read_config(directory: Path) -> PublicConfig:
    """Read `config.json` and, where there is one, `preprocessor_config.json`.

    Raises:
        PublicWeightsError: no such file, or settings of another architecture (all of them listed).
    """
    content = read_json(directory, CONFIG_NAME)
    text = content.get("text_config") or {}
    problems = [*_unfit(content, _FIXED, ""), *_unfit(text, _LLAMA_FIXED, "text_config.")]
    heads = text.get("num_attention_heads", _LLAMA_DEFAULTS["num_attention_heads"])
    if text.get("num_key_value_heads", heads) != heads:
        problems.append(f"text_config.num_key_value_heads {text['num_key_value_heads']} must equal {heads}")
    sizes = content.get("image_sizes", [224, 224])
    if not isinstance(sizes, list) or len(sizes) != 2 or len(set(sizes)) != 1:
        problems.append(f"image_sizes {sizes} must be the same size for two towers")
    towers = _towers(content, problems)
    pixels = _pixels(directory, sizes, problems)
    vocabulary = int(text.get("vocab_size", 0))
    multiple = int(content.get("pad_to_multiple_of", 64))
    if vocabulary <= multiple:
        problems.append(f"text_config.vocab_size {vocabulary} must exceed pad_to_multiple_of {multiple}")
    if problems:
        raise PublicWeightsError(
            f"{directory / CONFIG_NAME} describes another network: {'; '.join(problems)}"
        )
    try:
        return PublicConfig(
            towers=(
                dataclasses.replace(towers[0], **pixels[0]),
                dataclasses.replace(towers[1], **pixels[1]),
            ),
            image_size=int(sizes[0]),
            decoder=_decoder(text),
            vocabulary_size=vocabulary,
            pad_to_multiple_of=multiple,
            pad_id=int(content.get("pad_token_id", 32000)),
        )
    except (TypeError, ValueError) as error:
        raise PublicWeightsError(f"{directory / CONFIG_NAME} does not make sense: {error}") from error


def read_tokenizer(directory: Path, config: PublicConfig) -> PreTrainedTokenizerFast:
    """Load the text tokenizer with the special tokens of its own settings.

    Raises:
        PublicWeightsError: no tokenizer, or one that does not belong to this vocabulary.
    """
    path = directory / TOKENIZER_NAME
    if not path.is_file():
        raise PublicWeightsError(f"{directory} holds no {TOKENIZER_NAME}")
    special: dict[str, str] = {}
    for file in TOKENIZER_SETTINGS:
        settings = read_json(directory, file) if (directory / file).is_file() else {}
        for role in ("bos_token", "eos_token", "unk_token", "pad_token"):
            if (value := settings.get(role)) is not None:
                special[role] = value["content"] if isinstance(value, dict) else str(value)
    try:
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(path), clean_up_tokenization_spaces=False, **special
        )
    except Exception as error:  # the library raises bare Exception for a damaged file
        raise PublicWeightsError(f"{path} is no tokenizer: {error}") from error
    problems = []
    if len(tokenizer) > config.vocabulary_size:
        problems.append(f"{len(tokenizer)} tokens for {config.vocabulary_size} rows of the embedding")
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id != config.pad_id:
        problems.append(f"its padding id {tokenizer.pad_token_id} is not pad_token_id {config.pad_id}")
    if tokenizer.bos_token_id is None:
        problems.append("it names no bos_token, with which every sequence begins")
    if problems:
        raise PublicWeightsError(f"{path} does not fit {CONFIG_NAME}: {'; '.join(problems)}")
    return tokenizer


def read_json(directory: Path, name: str) -> dict[str, Any]:
    """Read a JSON object of a checkpoint directory.

    Raises:
        PublicWeightsError: missing or damaged.
    """
    path = directory / name
    if not path.is_file():
        raise PublicWeightsError(f"{directory} is no OpenVLA checkpoint: it holds no {name}")
    try:
        content = read_json_file(path)
    except (OSError, ValueError) as error:
        raise PublicWeightsError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise PublicWeightsError(f"{path} must hold an object, got {type(content).__name__}")
    return content


def _unfit(content: dict[str, Any], fixed: dict[str, tuple[Any, ...]], prefix: str) -> list[str]:
    return [
        f"{prefix}{key} {content[key]!r} must be {allowed[0]!r}"
        for key, allowed in fixed.items()
        if key in content and content[key] not in allowed
    ]


def _decoder(text: dict[str, Any]) -> DecoderConfig:
    settings = _LLAMA_DEFAULTS | {key: text[key] for key in _LLAMA_DEFAULTS if key in text}
    return DecoderConfig(
        hidden_size=settings["hidden_size"],
        layers=settings["num_hidden_layers"],
        heads=settings["num_attention_heads"],
        intermediate_size=settings["intermediate_size"],
        max_positions=settings["max_position_embeddings"],
        rope_theta=float(settings["rope_theta"]),
        norm_eps=float(settings["rms_norm_eps"]),
    )


def _towers(content: dict[str, Any], problems: list[str]) -> list[VitTowerConfig]:
    """Look up both towers by name; sizes under `vision_towers` replace those of the name."""
    names = content.get("timm_model_ids")
    if names is None:
        # Older files name only the pair.
        pair = content.get("vision_backbone_id")
        names = [DINO_ID, SIGLIP_ID] if pair == "dinosiglip-vit-so-224px" else [pair]
    if len(names) != 2 or any(name not in TOWERS for name in names):
        problems.append(f"timm_model_ids {names} must be two of {', '.join(TOWERS)}")
        return [TOWERS[DINO_ID], TOWERS[SIGLIP_ID]]
    changes = content.get(TOWERS_KEY, [{}, {}])
    try:
        return [
            dataclasses.replace(TOWERS[name], **change) for name, change in zip(names, changes, strict=True)
        ]
    except (TypeError, ValueError) as error:
        problems.append(f"{TOWERS_KEY}: {error}")
        return [TOWERS[DINO_ID], TOWERS[SIGLIP_ID]]


def _pixels(directory: Path, sizes: Any, problems: list[str]) -> list[dict[str, Any]]:
    """Return mean and std per tower; the normalisation the public processor applies wins over its inputs.

    Public files were written by a process that kept its constants in bfloat16, so `tvf_normalize_params`
    reads 0.484375 where `means` reads 0.485, and the former is what the public code applies.
    """
    if not (directory / PREPROCESSOR_NAME).is_file():
        return [{}, {}]
    content = read_json(directory, PREPROCESSOR_NAME)
    problems.extend(
        f"{PREPROCESSOR_NAME}: {problem}"
        for problem in _unfit(content, {"image_resize_strategy": ("resize-naive",)}, "")
    )
    if any(name != "bicubic" for name in content.get("interpolations", [])):
        problems.append(f"{PREPROCESSOR_NAME}: interpolations {content['interpolations']} must be bicubic")
    stored = [list(size) for size in content.get("input_sizes", [])]
    if stored and stored != [[3, size, size] for size in sizes]:
        problems.append(f"{PREPROCESSOR_NAME}: input_sizes {stored} do not fit image_sizes {sizes}")
    if "tvf_normalize_params" in content:
        pairs = [(entry["mean"], entry["std"]) for entry in content["tvf_normalize_params"]]
    else:
        pairs = list(zip(content.get("means", []), content.get("stds", []), strict=False))
    if not pairs:
        return [{}, {}]
    if len(pairs) != 2:
        problems.append(f"{PREPROCESSOR_NAME}: {len(pairs)} pixel normalisations for two towers")
        return [{}, {}]
    return [{"mean": tuple(mean), "std": tuple(std)} for mean, std in pairs]
