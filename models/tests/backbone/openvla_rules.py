"""Names and shapes of a public OpenVLA checkpoint, from the construction rules of its three ancestors.

Nothing here uses the library under test. The rules are those of timm's vision transformers (0.9), the public
three-layer projector, and transformers' Llama:

- a tower holds, per block, two norms, a fused qkv and an output projection, a two-layer perceptron, and with
  layer scale two factors (the public conversion calls them `scale_factor`); class and register tokens only in
  DINOv2, whose position table covers the patches alone; a latent attention pool only in SigLIP, whose
  hidden width is 3.7362 times its width, cut to a whole number;
- the projector goes from the sum C of both widths to 4 C, to the decoder's width, to the same;
- the decoder has no biases; its embedding and its head are separate tables with 64 rows of padding.

`python openvla_rules.py` writes the list of the 7 B model as `openvla_7b_names.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

Shapes = dict[str, list[int]]


@dataclass(frozen=True)
class Tower:
    width: int
    depth: int
    mlp_ratio: float
    prefix: int
    layer_scale: bool
    pool: bool
    patch: int = 14


@dataclass(frozen=True)
class Llama:
    width: int
    depth: int
    hidden: int
    vocabulary: int


DINO = Tower(width=1024, depth=24, mlp_ratio=4.0, prefix=5, layer_scale=True, pool=False)
SIGLIP = Tower(width=1152, depth=27, mlp_ratio=3.7362, prefix=0, layer_scale=False, pool=True)
LLAMA_7B = Llama(width=4096, depth=32, hidden=11008, vocabulary=32000 + 64)


def affine(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": [outputs, inputs], f"{name}.bias": [outputs]}


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": [width], f"{name}.bias": [width]}


def perceptron(name: str, width: int, hidden: int) -> Shapes:
    return affine(f"{name}.fc1", width, hidden) | affine(f"{name}.fc2", hidden, width)


def tower(name: str, t: Tower, image_size: int) -> Shapes:
    w, hidden = t.width, int(t.width * t.mlp_ratio)
    shapes: Shapes = {
        f"{name}.patch_embed.proj.weight": [w, 3, t.patch, t.patch],
        f"{name}.patch_embed.proj.bias": [w],
        f"{name}.pos_embed": [1, (image_size // t.patch) ** 2, w],
    }
    if t.prefix:
        shapes |= {f"{name}.cls_token": [1, 1, w], f"{name}.reg_token": [1, t.prefix - 1, w]}
    for index in range(t.depth):
        block = f"{name}.blocks.{index}"
        shapes |= norm(f"{block}.norm1", w) | norm(f"{block}.norm2", w)
        shapes |= affine(f"{block}.attn.qkv", w, 3 * w) | affine(f"{block}.attn.proj", w, w)
        shapes |= perceptron(f"{block}.mlp", w, hidden)
        if t.layer_scale:
            shapes |= {f"{block}.ls1.scale_factor": [w], f"{block}.ls2.scale_factor": [w]}
    shapes |= norm(f"{name}.norm", w)
    if t.pool:
        pool = f"{name}.attn_pool"
        shapes |= {f"{pool}.latent": [1, 1, w]}
        shapes |= affine(f"{pool}.q", w, w) | affine(f"{pool}.kv", w, 2 * w) | affine(f"{pool}.proj", w, w)
        shapes |= norm(f"{pool}.norm", w) | perceptron(f"{pool}.mlp", w, hidden)
    return shapes


def llama(name: str, m: Llama) -> Shapes:
    shapes: Shapes = {
        f"{name}.model.embed_tokens.weight": [m.vocabulary, m.width],
        f"{name}.lm_head.weight": [m.vocabulary, m.width],
        f"{name}.model.norm.weight": [m.width],
    }
    for index in range(m.depth):
        layer = f"{name}.model.layers.{index}"
        for part in "qkvo":
            shapes[f"{layer}.self_attn.{part}_proj.weight"] = [m.width, m.width]
        shapes[f"{layer}.mlp.gate_proj.weight"] = [m.hidden, m.width]
        shapes[f"{layer}.mlp.up_proj.weight"] = [m.hidden, m.width]
        shapes[f"{layer}.mlp.down_proj.weight"] = [m.width, m.hidden]
        for part in ("input", "post_attention"):
            shapes[f"{layer}.{part}_layernorm.weight"] = [m.width]
    return shapes


def openvla(
    dino: Tower = DINO, siglip: Tower = SIGLIP, decoder: Llama = LLAMA_7B, image_size: int = 224
) -> Shapes:
    seen = dino.width + siglip.width
    return (
        tower("vision_backbone.featurizer", dino, image_size)
        | tower("vision_backbone.fused_featurizer", siglip, image_size)
        | affine("projector.fc1", seen, 4 * seen)
        | affine("projector.fc2", 4 * seen, decoder.width)
        | affine("projector.fc3", decoder.width, decoder.width)
        | llama("language_model", decoder)
    )


if __name__ == "__main__":
    target = Path(__file__).with_name("openvla_7b_names.json")
    rows = (f"{json.dumps(name)}: {json.dumps(shape)}" for name, shape in sorted(openvla().items()))
    target.write_text("{\n" + ",\n".join(rows) + "\n}\n")
