from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kinevla.backbone.lora import (
    AdapterError,
    LoraSettings,
    add_lora,
    lora_layers,
    trainable_parameters,
)
from kinevla.backbone.model import KineVLAModel
from kinevla.backbone.openvla import load_openvla
from kinevla.backbone.openvla_format import openvla_config
from kinevla.training.export import plain_state

from .openvla_export import save_openvla

OWN = ("observation.", "coupling_reasoning.", "coupling_action.")
Write = Callable[..., dict[str, Tensor]]


@pytest.fixture
def model(write_checkpoint: Write, tmp_path: Path) -> KineVLAModel:
    write_checkpoint(tmp_path / "base")
    torch.manual_seed(0)
    return load_openvla(tmp_path / "base", ("front", "wrist"), dtype=torch.float32).model


def outputs(model: KineVLAModel) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (1, 2, 42, 42, 3), dtype=torch.uint8, generator=generator)
    state = torch.full((1, 8), 0.3)
    with torch.no_grad():
        tokens = model.observe(model.features(images), state).tokens
        text = model.embed_ids(torch.tensor([[1, 17, 5]]))
        return model.logits(model.hidden_states(torch.cat([text[:, :1], tokens, text[:, 1:]], 1)))


def disturb(model: KineVLAModel) -> None:
    """Give the adapters some effect, as training would."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, value in trainable_parameters(model).items():
            if "lora_B" in name:
                value.copy_(torch.randn(value.shape, generator=generator) * 0.05)


def test_full_size_adapters_are_those_of_openvlas_fine_tuning() -> None:
    with torch.device("meta"):
        model = KineVLAModel(openvla_config())
    names = [name for name in add_lora(model) if ".lora_" in name]
    assert len(names) == 2 * 439
    # "trainable params: 110,828,288 || all params: 7,652,065,472", as its public script prints.
    trained = trainable_parameters(model)
    assert sum(trained[name].numel() for name in names) == 110_828_288
    assert sum("patch_embed.proj" in name for name in names) == 2 * 2
    assert any("lm_head" in name for name in names) and any("attn_pool.mlp.fc1" in name for name in names)


def test_new_adapters_change_no_output(model: KineVLAModel) -> None:
    before = outputs(model)
    add_lora(model, LoraSettings(rank=4))
    torch.testing.assert_close(outputs(model), before, atol=1e-6, rtol=1e-6)


def test_only_adapters_and_the_named_parts_are_trained(model: KineVLAModel) -> None:
    expected_own = {name for name, _ in model.named_parameters() if name.startswith(OWN)}
    names = set(add_lora(model, LoraSettings(rank=4)))
    lora = {name for name in names if "lora_A" in name or "lora_B" in name}
    assert names - lora == expected_own and expected_own
    assert len(lora) == 2 * len(list(lora_layers(model))) == 2 * len(lora_targets_of_plain(model))


def lora_targets_of_plain(model: KineVLAModel) -> list[str]:
    """Weights of two or four dimensions that adapters stand beside: linear layers, patch convolutions."""
    return [
        name
        for name, value in model.named_parameters()
        if name.endswith("base_layer.weight") and value.dim() in (2, 4)
    ]


def test_a_training_step_moves_the_adapters_and_nothing_frozen(model: KineVLAModel) -> None:
    add_lora(model, LoraSettings(rank=4))
    frozen = {n: p.detach().clone() for n, p in model.named_parameters() if not p.requires_grad}
    trained = trainable_parameters(model)
    optimiser = torch.optim.AdamW(trained.values(), lr=1e-2)
    images = torch.randint(0, 256, (2, 2, 42, 42, 3), dtype=torch.uint8)
    state = torch.zeros(2, 8)
    tokens = model.observe(model.features(images), state).tokens
    model.logits(model.hidden_states(tokens)).square().mean().backward()
    optimiser.step()
    reached = {
        name for name, value in trained.items() if value.grad is not None and value.grad.abs().sum() > 0
    }
    for part in (
        "featurizer.blocks.0.attn.qkv",
        "patch_embed.proj",
        "projector.fc2",
        "layers.1.mlp",
        "lm_head",
    ):
        assert any(part in name and "lora_B" in name for name in reached), part
    assert all(torch.equal(value, model.get_parameter(name)) for name, value in frozen.items())


def test_folded_weights_give_the_outputs_of_the_adapted_network_and_leave_it_alone(
    model: KineVLAModel,
) -> None:
    before = outputs(model)
    plain = copy.deepcopy(model)
    add_lora(model, LoraSettings(rank=4))
    disturb(model)
    adapted = outputs(model)
    assert (adapted - before).abs().max() > 1e-2
    plain.load_state_dict(plain_state(model))
    torch.testing.assert_close(outputs(plain), adapted, atol=1e-4, rtol=1e-4)
    assert torch.equal(outputs(model), adapted)


def test_adapters_beside_half_precision_weights_keep_single_precision(
    write_checkpoint: Write, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path / "base")
    model = load_openvla(tmp_path / "base", ("front", "wrist"), dtype=torch.bfloat16).model
    before = outputs(model)
    names = add_lora(model, LoraSettings(rank=4))
    assert {model.get_parameter(name).dtype for name in names} == {torch.float32}
    assert torch.equal(outputs(model), before)


def test_misuse_is_refused(model: KineVLAModel, tmp_path: Path) -> None:
    for bad in ({"rank": 0}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            LoraSettings(**bad)  # type: ignore[arg-type]
    add_lora(model, LoraSettings(rank=2))
    with pytest.raises(AdapterError, match="adapters already"):
        add_lora(model)
    with pytest.raises(ValueError, match="only plain weights"):
        save_openvla(tmp_path / "x", model, None)  # type: ignore[arg-type]
