"""The full-size configuration and its public weights.

Every tensor of the public `openvla-7b` checkpoint has its place under the same name and in the same shape;
what this network has besides (joint state, coupling projections) starts untrained.
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import load_file

from kinevla.backbone.config import DecoderConfig, GeometryConfig, ModelConfig, VisionConfig, VitTowerConfig
from kinevla.backbone.model import KineVLAModel

_INDEX_NAME = "model.safetensors.index.json"
_OWN = ("observation.", "coupling_", "state_")


class PublicWeightsError(RuntimeError):
    """A directory does not hold the weights of this architecture; the text names tensors."""


def openvla_config(cameras: tuple[str, ...] = ("front", "wrist"), state_dim: int = 8) -> ModelConfig:
    """Return the sizes of OpenVLA-7B (Prismatic: DINOv2 ViT-L/14 reg4, SigLIP SO400M/14, Llama-2-7B)."""
    dino = VitTowerConfig(
        width=1024, depth=24, heads=16, mlp_hidden=4096, class_token=True, register_tokens=4,
        layer_scale=True, normalisation="imagenet",
    )  # fmt: skip
    siglip = VitTowerConfig(
        width=1152, depth=27, heads=16, mlp_hidden=4304, attention_pool=True, normalisation="half"
    )
    return ModelConfig(
        vision=VisionConfig(
            image_size=224,
            cameras=cameras,
            keypoints=(),
            patch_grid=16,
            patch_position=False,
            featurizer=dino,
            fused_featurizer=siglip,
        ),
        geometry=GeometryConfig(tokens=0, robot="none"),
        decoder=DecoderConfig(
            hidden_size=4096, layers=32, heads=32, intermediate_size=11008, max_positions=2048
        ),
        vocabulary_size=32064,
        state_dim=state_dim,
    )


def load_public_weights(model: KineVLAModel, directory: Path) -> tuple[str, ...]:
    """Load sharded public weights into a network of the same sizes.

    Args:
        model: built from `openvla_config` (or smaller sizes, with weights to match).
        directory: holds `model.safetensors.index.json` and its shards.

    Returns:
        Names of this network's tensors that the public weights do not have.

    Raises:
        PublicWeightsError: missing, unknown or misshapen tensors.
    """
    path = directory / _INDEX_NAME
    if not path.is_file():
        raise PublicWeightsError(f"{directory} holds no {_INDEX_NAME}")
    where: dict[str, str] = json.loads(path.read_text())["weight_map"]
    own = model.state_dict()
    if unknown := sorted(set(where) - set(own)):
        raise PublicWeightsError(
            f"{directory} has tensors this network does not know: {', '.join(unknown[:5])}"
        )
    absent = sorted(name for name in set(own) - set(where) if not name.startswith(_OWN))
    if absent:
        raise PublicWeightsError(f"{directory} lacks {', '.join(absent[:5])}")
    for shard in sorted(set(where.values())):
        tensors = load_file(directory / shard)
        for name, value in tensors.items():
            if (expected := own[name].shape) != value.shape:
                raise PublicWeightsError(
                    f"{name} has shape {tuple(value.shape)} in {shard}, the network needs {tuple(expected)}"
                )
        # Shard by shard, so that a 15 GB checkpoint is never in memory twice.
        model.load_state_dict(tensors, strict=False)
    return tuple(sorted(set(own) - set(where)))
