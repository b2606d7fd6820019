from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor

# What the public preprocessor files say: constants that were once kept in bfloat16.
MEAN, STD = [0.484375, 0.455078125, 0.40625], [0.228515625, 0.2236328125, 0.224609375]
TEXT_SIZE, PADDING = 64, 64
WriteCheckpoint = Callable[..., dict[str, Tensor]]


@pytest.fixture(scope="session")
def rules() -> SimpleNamespace:
    """The construction rules of `openvla_rules.py`, which know nothing of the library."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("openvla_rules.py"))))


def tiny_config(**changes: Any) -> dict[str, Any]:
    """A `config.json` of the public kind; only the sizes differ from the public one's."""
    action = {
        "mean": [0.0] * 7, "std": [1.0] * 7, "min": [-2.0] * 7, "max": [2.0] * 7,
        "q01": [-1.0] * 6 + [0.0], "q99": [0.5] * 6 + [1.0], "mask": [True] * 6 + [False],
    }  # fmt: skip
    proprio = {"q01": [-3.0] * 8, "q99": [3.0] * 8}
    content = {
        "architectures": ["OpenVLAForActionPrediction"],
        "arch_specifier": "no-align+fused-gelu-mlp",
        "auto_map": {"AutoConfig": "configuration_prismatic.OpenVLAConfig"},
        "hf_llm_id": "meta-llama/Llama-2-7b-hf",
        "image_resize_strategy": "resize-naive",
        "image_sizes": [42, 42],
        "llm_backbone_id": "llama2-7b-pure",
        "llm_max_length": 2048,
        "model_type": "openvla",
        "n_action_bins": 256,
        "norm_stats": {
            "bridge_orig": {
                "action": action, "proprio": proprio, "num_transitions": 100, "num_trajectories": 7,
            },
        },
        "output_projector_states": False,
        "pad_to_multiple_of": PADDING,
        "pad_token_id": TEXT_SIZE,
        "text_config": {
            "model_type": "llama", "pad_token_id": TEXT_SIZE, "torch_dtype": "bfloat16",
            "vocab_size": TEXT_SIZE + PADDING, "hidden_size": 32, "intermediate_size": 56,
            "num_attention_heads": 4, "num_key_value_heads": 4, "num_hidden_layers": 2,
            "rope_scaling": None,
        },
        "timm_model_ids": ["vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224"],
        "timm_override_act_layers": [None, None],
        "torch_dtype": "bfloat16",
        "transformers_version": "4.40.1",
        "use_fused_vision_backbone": True,
        "vision_backbone_id": "dinosiglip-vit-so-224px",
        "vision_towers": [
            {"width": 24, "depth": 3, "heads": 2, "mlp_hidden": 96},
            {"width": 16, "depth": 3, "heads": 2, "mlp_hidden": 59},
        ],
    }  # fmt: skip
    return content | changes


def tiny_tensors(rules: SimpleNamespace) -> dict[str, Tensor]:
    """Random weights of that size; nothing is zero or one, so that every tensor used shows in the outputs."""
    tower = rules.Tower
    shapes = rules.openvla(
        tower(width=24, depth=3, mlp_ratio=4.0, prefix=5, layer_scale=True, pool=False),
        tower(width=16, depth=3, mlp_ratio=3.7362, prefix=0, layer_scale=False, pool=True),
        rules.Llama(width=32, depth=2, hidden=56, vocabulary=TEXT_SIZE + PADDING),
        image_size=42,
    )
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in shapes.items():
        fan_in = shape[-1] if len(shape) > 1 else 16
        tensors[name] = torch.randn(shape, generator=generator) / fan_in**0.5
        if "norm" in name and name.endswith("weight"):
            tensors[name] += 1.0
    return tensors


def write_shards(directory: Path, tensors: dict[str, Tensor], shards: int = 3) -> None:
    names = sorted(tensors)
    files = {f"model-{i + 1:05d}-of-{shards:05d}.safetensors": names[i::shards] for i in range(shards)}
    for file, members in files.items():
        save_file({name: tensors[name].contiguous() for name in members}, directory / file)
    index = {
        "metadata": {"total_size": sum(value.numel() * value.element_size() for value in tensors.values())},
        "weight_map": {name: file for file, members in files.items() for name in members},
    }
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.fixture
def write_checkpoint(rules: SimpleNamespace, tmp_path: Path) -> WriteCheckpoint:
    """Return a writer of a tiny checkpoint directory in the public format; it returns the raw tensors."""

    def write(directory: Path = tmp_path, shards: int = 3, **changes: Any) -> dict[str, Tensor]:
        directory.mkdir(exist_ok=True)
        tensors = tiny_tensors(rules)
        if shards == 1:
            save_file(tensors, directory / "model.safetensors")
        else:
            write_shards(directory, tensors, shards)
        (directory / "config.json").write_text(json.dumps(tiny_config(**changes)))
        preprocessor = {
            "image_processor_type": "PrismaticImageProcessor",
            "image_resize_strategy": "resize-naive",
            "input_sizes": [[3, 42, 42], [3, 42, 42]],
            "interpolations": ["bicubic", "bicubic"],
            "means": [[0.485, 0.456, 0.406], [0.5, 0.5, 0.5]],
            "stds": [[0.229, 0.224, 0.225], [0.5, 0.5, 0.5]],
            "tvf_normalize_params": [
                {"inplace": False, "mean": MEAN, "std": STD},
                {"inplace": False, "mean": [0.5] * 3, "std": [0.5] * 3},
            ],
            "use_fused_vision_backbone": True,
        }
        (directory / "preprocessor_config.json").write_text(json.dumps(preprocessor))
        words = ["<unk>", "<s>", "</s>", *(f"w{i}" for i in range(TEXT_SIZE - 3)), "<PAD>"]
        tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
        tokenizer.pre_tokenizer = Whitespace()
        tokenizer.add_special_tokens(["<unk>", "<s>", "</s>", "<PAD>"])
        tokenizer.save(str(directory / "tokenizer.json"))
        special = {
            "bos_token": {"content": "<s>", "lstrip": False},
            "eos_token": "</s>",
            "unk_token": "<unk>",
        }
        (directory / "special_tokens_map.json").write_text(json.dumps(special | {"pad_token": "<PAD>"}))
        return tensors

    return write
