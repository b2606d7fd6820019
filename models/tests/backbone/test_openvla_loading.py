"""A checkpoint directory of the public format, written without the library, loads and computes the same."""

from __future__ import annotations

import json
import math
import resource
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from kinevla.backbone.model import KineVLAModel
from kinevla.backbone.openvla import load_openvla
from kinevla.backbone.openvla_format import PublicWeightsError, openvla_config
from kinevla.backbone.openvla_weights import load_public_weights

from .openvla_export import save_openvla

Weights = dict[str, Tensor]
MEAN, STD = [0.484375, 0.455078125, 0.40625], [0.228515625, 0.2236328125, 0.224609375]


# --- The published architecture once more, as plain arithmetic on the raw tensors ---


def affine(w: Weights, name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def layer_norm(w: Weights, name: str, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    spread = (centred**2).mean(-1, keepdim=True)
    return centred / (spread + 1e-6).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.erf(x / math.sqrt(2.0)))


def attend(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
    """(heads, L, d) each."""
    scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
    if causal:
        length = scores.shape[-1]
        scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -math.inf)
    return torch.softmax(scores, -1) @ value


def split_heads(x: Tensor, heads: int) -> Tensor:
    return x.reshape(len(x), heads, -1).transpose(0, 1)


def join_heads(x: Tensor) -> Tensor:
    return x.transpose(0, 1).reshape(x.shape[1], -1)


def vit_patches(w: Weights, name: str, pixels: Tensor, heads: int, patch: int = 14) -> Tensor:
    """Patch features after the last block but one, without final norm; `pixels` (3, S, S)."""
    grid = pixels.shape[-1] // patch
    rows = [
        pixels[:, r * patch : (r + 1) * patch, c * patch : (c + 1) * patch].reshape(-1)
        for r in range(grid)
        for c in range(grid)
    ]
    kernel = w[f"{name}.patch_embed.proj.weight"].flatten(1)
    x = torch.stack(rows) @ kernel.T + w[f"{name}.patch_embed.proj.bias"]
    x = x + w[f"{name}.pos_embed"][0]
    tokens = [w[f"{name}.{token}"][0] for token in ("cls_token", "reg_token") if f"{name}.{token}" in w]
    prefix = sum(len(token) for token in tokens)
    x = torch.cat([*tokens, x])
    depth = 1 + max(int(key.split(".")[3]) for key in w if key.startswith(f"{name}.blocks."))
    for index in range(depth - 1):
        block = f"{name}.blocks.{index}"
        qkv = affine(w, f"{block}.attn.qkv", layer_norm(w, f"{block}.norm1", x))
        query, key, value = (split_heads(part, heads) for part in qkv.chunk(3, -1))
        mixed = affine(w, f"{block}.attn.proj", join_heads(attend(query, key, value, causal=False)))
        x = x + mixed * w.get(f"{block}.ls1.scale_factor", 1.0)
        hidden = gelu(affine(w, f"{block}.mlp.fc1", layer_norm(w, f"{block}.norm2", x)))
        x = x + affine(w, f"{block}.mlp.fc2", hidden) * w.get(f"{block}.ls2.scale_factor", 1.0)
    return x[prefix:]


def rotate(x: Tensor, theta: float) -> Tensor:
    """Rotary positions on (heads, L, d): the first half of each head pairs with the second."""
    half = x.shape[-1] // 2
    frequencies = theta ** (-torch.arange(half, dtype=x.dtype) / half)
    angles = torch.arange(x.shape[1], dtype=x.dtype)[:, None] * frequencies
    first, second = x[..., :half], x[..., half:]
    return torch.cat(
        [first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()], -1
    )


def rms_norm(weight: Tensor, x: Tensor, epsilon: float) -> Tensor:
    return x / ((x**2).mean(-1, keepdim=True) + epsilon).sqrt() * weight


def llama_logits(w: Weights, x: Tensor, heads: int, theta: float, epsilon: float) -> Tensor:
    layers = 1 + max(int(key.split(".")[3]) for key in w if key.startswith("language_model.model.layers."))
    for index in range(layers):
        layer = f"language_model.model.layers.{index}"
        inputs = rms_norm(w[f"{layer}.input_layernorm.weight"], x, epsilon)
        query, key, value = (
            split_heads(inputs @ w[f"{layer}.self_attn.{part}_proj.weight"].T, heads) for part in "qkv"
        )
        mixed = join_heads(attend(rotate(query, theta), rotate(key, theta), value, causal=True))
        x = x + mixed @ w[f"{layer}.self_attn.o_proj.weight"].T
        inputs = rms_norm(w[f"{layer}.post_attention_layernorm.weight"], x, epsilon)
        gate = inputs @ w[f"{layer}.mlp.gate_proj.weight"].T
        gate = gate / (1.0 + torch.exp(-gate))
        x = x + (gate * (inputs @ w[f"{layer}.mlp.up_proj.weight"].T)) @ w[f"{layer}.mlp.down_proj.weight"].T
    x = rms_norm(w["language_model.model.norm.weight"], x, epsilon)
    return x @ w["language_model.lm_head.weight"].T


def public_logits(
    raw: Weights, images: Tensor, ids: list[int], theta: float = 10000.0, epsilon: float = 1e-6
) -> Tensor:
    """Logits over [BOS | patches of every image | rest]; images (N, S, S, 3), ids beginning with BOS."""
    w = {name: value.double() for name, value in raw.items()}
    patches = []
    for image in images:
        pixels = image.double().permute(2, 0, 1) / 255.0
        first = (pixels - torch.tensor(MEAN).double()[:, None, None]) / torch.tensor(STD).double()[
            :, None, None
        ]
        dino = vit_patches(w, "vision_backbone.featurizer", first, heads=2)
        siglip = vit_patches(w, "vision_backbone.fused_featurizer", (pixels - 0.5) / 0.5, heads=2)
        x = torch.cat([dino, siglip], -1)
        x = affine(w, "projector.fc2", gelu(affine(w, "projector.fc1", x)))
        patches.append(affine(w, "projector.fc3", gelu(x)))
    text = w["language_model.model.embed_tokens.weight"][ids]
    return llama_logits(w, torch.cat([text[:1], *patches, text[1:]]), 4, theta, epsilon)


# --- The library ---


def our_logits(model: KineVLAModel, images: Tensor, ids: list[int]) -> Tensor:
    state = torch.zeros(1, model.config.state_dim)
    with torch.no_grad():
        tokens = model.observe(model.features(images[None]), state).tokens
        text = model.embed_ids(torch.tensor([ids]))
        return model.logits(model.hidden_states(torch.cat([text[:, :1], tokens, text[:, 1:]], 1)))[0]


def random_images(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 42, 42, 3), dtype=torch.uint8, generator=generator)


IDS = [1, 17, 5, 40, 9, 33]
WriteCheckpoint = Callable[..., Weights]


def load(directory: Path, cameras: tuple[str, ...] = ("front",), **settings: Any) -> Any:
    return load_openvla(directory, cameras, **({"state_token": False, "dtype": torch.float32} | settings))


def test_one_camera_without_extras_gives_the_public_logits(
    write_checkpoint: WriteCheckpoint, tmp_path: Path
) -> None:
    raw = write_checkpoint()
    parts = load(tmp_path)
    images = random_images(1)
    expected = public_logits(raw, images, IDS)
    found = our_logits(parts.model, images, IDS)
    assert found.shape == expected.shape == (1 + 9 + 5, 128)
    assert expected.std() > 0.1, "logits that are all alike would prove nothing"
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)


def test_the_second_cameras_patches_follow_the_firsts(
    write_checkpoint: WriteCheckpoint, tmp_path: Path
) -> None:
    raw = write_checkpoint()
    model = load(tmp_path, ("front", "wrist")).model
    images = random_images(2)
    expected = public_logits(raw, images, IDS)
    torch.testing.assert_close(our_logits(model, images, IDS).double(), expected, atol=1e-5, rtol=1e-5)
    swapped = our_logits(model, images.flip(0), IDS).double()
    assert (swapped - expected).abs().max() > 1e-3


def test_rotation_base_and_norm_constant_come_from_the_checkpoint(
    write_checkpoint: WriteCheckpoint, tmp_path: Path
) -> None:
    raw = write_checkpoint()
    content = json.loads((tmp_path / "config.json").read_text())
    content["text_config"] |= {"rope_theta": 500.0, "rms_norm_eps": 1e-2}
    (tmp_path / "config.json").write_text(json.dumps(content))
    images = random_images(1)
    expected = public_logits(raw, images, IDS, theta=500.0, epsilon=1e-2)
    found = our_logits(load(tmp_path).model, images, IDS).double()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert (public_logits(raw, images, IDS) - expected).abs().max() > 1e-3


def test_one_weight_file_is_as_good_as_shards(write_checkpoint: WriteCheckpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "shards")
    write_checkpoint(tmp_path / "single", shards=1)
    one, many = load(tmp_path / "single").model.state_dict(), load(tmp_path / "shards").model.state_dict()
    names = [name for name in one if name.startswith(("vision", "projector", "language"))]
    assert len(names) > 100 and all(torch.equal(one[name], many[name]) for name in names)


def test_a_state_token_stands_after_all_patches_and_starts_untrained(
    write_checkpoint: WriteCheckpoint, tmp_path: Path
) -> None:
    write_checkpoint()
    parts = load(tmp_path, ("front", "wrist"), state_token=True, state_dim=5)
    images, state = random_images(2)[None], torch.zeros(1, 5)
    with torch.no_grad():
        tokens = parts.model.observe(parts.model.features(images), state).tokens
        moved = parts.model.observe(parts.model.features(images), state + 1).tokens
    assert tokens.shape == (1, 2 * 9 + 1, 32)
    assert torch.equal(tokens[:, :-1], moved[:, :-1]) and not torch.equal(tokens[:, -1], moved[:, -1])
    assert "observation.state.0.weight" in parts.untrained
    assert not any(name.startswith(("projector", "language_model")) for name in parts.untrained)


def test_half_precision_is_near_and_leaves_constants_in_full(
    write_checkpoint: WriteCheckpoint, tmp_path: Path
) -> None:
    raw = write_checkpoint()
    model = load(tmp_path, dtype=torch.bfloat16).model
    assert {p.dtype for n, p in model.named_parameters() if n.startswith("language")} == {torch.bfloat16}
    assert model.coupling_action.weight.dtype == torch.float32
    assert model.language_model.model.rotary_emb.inv_freq.dtype == torch.float32
    assert model.vision_backbone.featurizer.mean.flatten().tolist() == MEAN
    found = our_logits(model, random_images(1), IDS)
    assert found.dtype == torch.bfloat16
    expected = public_logits(raw, random_images(1), IDS)
    assert (found.double() - expected).abs().max() < 0.1 * expected.abs().max()


def test_the_tokenizer_has_the_checkpoints_special_tokens(
    write_checkpoint: WriteCheckpoint, tmp_path: Path
) -> None:
    write_checkpoint()
    tokenizer = load(tmp_path).text_tokenizer
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 64)
    assert tokenizer("w0 w5", add_special_tokens=False).input_ids == [3, 8]


def test_what_is_written_in_the_public_format_reads_back(
    write_checkpoint: WriteCheckpoint, tmp_path: Path
) -> None:
    raw = write_checkpoint(tmp_path / "given")
    parts = load(tmp_path / "given")
    target = tmp_path / "written"
    save_openvla(
        target,
        parts.model,
        parts.text_tokenizer,
        dtype=torch.float32,
        max_shard_bytes=100_000,
    )
    assert len(list(target.glob("model-*.safetensors"))) > 1
    again = load(target)
    assert again.model.config == parts.model.config
    assert again.text_tokenizer.pad_token_id == 64
    state = again.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in raw.items())


def write_empty_shard(path: Path, shapes: dict[str, list[int]]) -> None:
    """A bfloat16 file of zeros whose data is a hole: no disk is used, and memory only once it is read."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    content = json.dumps(header).encode()
    content += b" " * (-len(content) % 8)
    with path.open("wb") as file:
        file.write(len(content).to_bytes(8, "little") + content)
        file.truncate(8 + len(content) + end)


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A directory in memory where there is one: mapping gigabytes of holes on a busy disk takes its time."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        yield Path(directory)


def test_a_full_size_checkpoint_loads_without_a_second_copy(
    write_checkpoint: WriteCheckpoint, rules: SimpleNamespace, in_memory: Path
) -> None:
    tmp_path = in_memory
    write_checkpoint(tmp_path, shards=1)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "preprocessor_config.json").unlink()
    names = list(rules.openvla().items())
    weight_map = {}
    for index in range(3):
        file = f"model-{index + 1:05d}-of-00003.safetensors"
        shard = dict(names[index::3])
        write_empty_shard(tmp_path / file, shard)
        weight_map |= dict.fromkeys(shard, file)
    (tmp_path / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": 15082474368}, "weight_map": weight_map})
    )
    content = json.loads((tmp_path / "config.json").read_text())
    del content["vision_towers"]
    # The public file leaves out what is a Llama configuration's default, so almost everything.
    text = {"model_type": "llama", "pad_token_id": 32000, "torch_dtype": "bfloat16", "vocab_size": 32064}
    content |= {"image_sizes": [224, 224], "text_config": text, "pad_token_id": 64}
    (tmp_path / "config.json").write_text(json.dumps(content))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = load_openvla(tmp_path).model
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert model.config == openvla_config()
    public = [p for n, p in model.named_parameters() if n.startswith(("vision_", "projector", "language_"))]
    assert sum(p.numel() for p in public) == 7_541_237_184
    assert {p.dtype for p in public} == {torch.bfloat16} and not any(p.is_meta for p in model.parameters())
    assert not any(value.is_meta for value in model.buffers())
    assert grown < 2_000_000, f"{grown} kB were used to load what should stay in the file until it is read"


# --- What does not fit ---


def refused(directory: Path, **settings: Any) -> str:
    with pytest.raises(PublicWeightsError) as error:
        load(directory, **settings)
    return str(error.value)


def edit_config(directory: Path, **changes: Any) -> None:
    content = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(content | changes))


def test_a_directory_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    assert "holds no config.json" in refused(tmp_path)
    assert "is no directory" in refused(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text("{")
    assert "is no JSON" in refused(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "text_config": {}}))
    text = refused(tmp_path)
    assert "model_type 'llama' must be 'openvla'" in text and "timm_model_ids [None]" in text


def test_missing_weights_or_tokenizer_are_named(write_checkpoint: WriteCheckpoint, tmp_path: Path) -> None:
    write_checkpoint()
    (tmp_path / "model.safetensors.index.json").unlink()
    assert "neither model.safetensors.index.json nor model.safetensors" in refused(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    assert "holds no tokenizer.json" in refused(tmp_path)


def test_a_missing_shard_is_named_with_what_it_held(
    write_checkpoint: WriteCheckpoint, tmp_path: Path
) -> None:
    raw = write_checkpoint()
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    text = refused(tmp_path)
    lost = len(sorted(raw)[1::3])
    assert f"unreadable files (1): model-00002-of-00003.safetensors (missing; {lost} tensors)" in text
    assert f"missing tensors ({lost})" in text and f"and {lost - 5} more" in text
    assert len(text) < 1000


def test_a_truncated_shard_is_damaged(write_checkpoint: WriteCheckpoint, tmp_path: Path) -> None:
    write_checkpoint()
    path = tmp_path / "model-00001-of-00003.safetensors"
    content = path.read_bytes()
    for kept in (len(content) - 1, len(content) // 2, 4, 0):
        path.write_bytes(content[:kept])
        assert "model-00001-of-00003.safetensors (damaged" in refused(tmp_path)


def test_everything_that_does_not_fit_is_told_at_once(
    write_checkpoint: WriteCheckpoint, tmp_path: Path
) -> None:
    tensors = write_checkpoint(shards=1)
    del tensors["projector.fc1.weight"]
    tensors["projector.fc9.weight"] = torch.zeros(1)
    tensors["projector.fc2.bias"] = torch.zeros(3)
    tensors["projector.fc3.bias"] = torch.zeros(32, dtype=torch.int64)
    save_file(tensors, tmp_path / "model.safetensors")
    text = refused(tmp_path)
    assert "missing tensors (1): projector.fc1.weight" in text
    assert "unknown tensors (1): projector.fc9.weight" in text
    assert "misshapen tensors (1): projector.fc2.bias (3,) instead of (32,)" in text
    assert "tensors of another type (1): projector.fc3.bias I64 instead of torch." in text


def test_another_image_size_is_refused(write_checkpoint: WriteCheckpoint, tmp_path: Path) -> None:
    write_checkpoint()
    edit_config(tmp_path, image_sizes=[56, 56])
    assert "input_sizes [[3, 42, 42], [3, 42, 42]] do not fit image_sizes [56, 56]" in refused(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    text = refused(tmp_path)
    assert "misshapen tensors (2)" in text and "pos_embed (1, 9, 24) instead of (1, 16, 24)" in text
    edit_config(tmp_path, image_sizes=[50, 50])
    assert "multiple of 14" in refused(tmp_path)
    edit_config(tmp_path, image_sizes=[42, 56])
    assert "image_sizes [42, 56] must be the same size" in refused(tmp_path)
    edit_config(tmp_path, image_sizes=[42, 42])
    model = load(tmp_path).model
    with pytest.raises(ValueError, match=r"uint8 \(B, 1, 42, 42, 3\)"):
        model.features(torch.zeros(1, 1, 56, 56, 3, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_resize_strategy": "letterbox"}, "image_resize_strategy 'letterbox' must be 'resize-naive'"),
        ({"use_fused_vision_backbone": False}, "use_fused_vision_backbone False must be True"),
        ({"timm_model_ids": ["vit_large_patch14_clip_224.openai"]}, "vit_large_patch14_clip_224.openai"),
        (
            {"text_config": {"vocab_size": 128, "num_key_value_heads": 8}},
            "num_key_value_heads 8 must equal 32",
        ),
        ({"text_config": {"vocab_size": 64}}, "vocab_size 64 must exceed pad_to_multiple_of 64"),
        ({"text_config": {"vocab_size": 128, "rope_scaling": {"type": "linear"}}}, "rope_scaling"),
        ({"vision_towers": [{"colour": 1}, {}]}, "vision_towers"),
        ({"pad_token_id": 3}, "padding id 64 is not pad_token_id 3"),
    ],
)
def test_settings_of_another_architecture_are_named(
    write_checkpoint: WriteCheckpoint, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write_checkpoint()
    edit_config(tmp_path, **changes)
    assert message in refused(tmp_path)


def test_a_failed_comparison_takes_nothing_over(write_checkpoint: WriteCheckpoint, tmp_path: Path) -> None:
    write_checkpoint()
    model = load(tmp_path).model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    (tmp_path / "model-00003-of-00003.safetensors").unlink()
    with pytest.raises(PublicWeightsError):
        load_public_weights(model, tmp_path)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
