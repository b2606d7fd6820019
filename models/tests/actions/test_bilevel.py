from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from kinevla.actions import BiLevelTokenizer, StatisticsError, TokenizerError
from kinevla.actions.rvq_config import RvqVaeConfig
from kinevla.actions.rvq_vae import RvqVae
from kinevla.data.chunks import ChunkConfig
from kinevla.manifest import ManifestError, read_manifest, write_manifest
from kinevla.training.stages.tokenizer import train_tokenizer
from kinevla.training.tokenizer_config import TokenizerTrainingConfig

SMALL = RvqVaeConfig(latent=16, hidden=32, blocks=1, codebook_size=16)
FAST = TokenizerTrainingConfig(
    network=SMALL, stage1_steps=60, stage2_steps=60, warmup_steps=20, batch=64, start_batch=128
)


def motions(count: int = 600, horizon: int = 5, dimensions: int = 8) -> np.ndarray:
    rng = np.random.default_rng(3)
    # Two hidden causes move all joints together, as a real arm's task does.
    speed = (rng.normal(size=(count, 2)) @ rng.normal(size=(2, dimensions)))[:, None] * 0.05
    chunks = speed * np.arange(1, horizon + 1)[None, :, None]
    chunks += rng.normal(size=chunks.shape) * 0.004
    chunks[..., -1] = rng.random((count, 1)) > 0.5
    return chunks


def tokenizer_for(chunks: np.ndarray, config: TokenizerTrainingConfig = FAST) -> BiLevelTokenizer:
    trained = train_tokenizer(chunks * 0.9, chunks, config, progress=False)
    return BiLevelTokenizer(
        trained.network, trained.normaliser, ChunkConfig(horizon=config.network.horizon), 0.1
    )


@pytest.fixture(scope="module")
def tokenizer() -> BiLevelTokenizer:
    return tokenizer_for(motions())


def test_codes_are_goal_levels_first_and_within_the_codebook(tokenizer):
    codes = tokenizer.encode(motions())
    assert codes.shape == (600, 4)
    assert codes.min() >= 0
    assert codes.max() < 16
    assert tokenizer.decode(codes).shape == (600, 5, 8)


def test_each_level_brings_the_motion_closer(tokenizer):
    chunks = motions()
    codes = tokenizer.encode(chunks)
    nothing = np.abs(chunks - chunks.mean(axis=0))[..., :7].mean()
    full = np.abs(tokenizer.decode(codes) - chunks)[..., :7].mean()
    shuffled = codes.copy()
    shuffled[:, 2:] = codes[::-1, 2:]
    assert full < 0.8 * nothing
    assert full < np.abs(tokenizer.decode(shuffled) - chunks)[..., :7].mean()


def test_goal_codes_alone_decode_to_a_coarse_motion(tokenizer):
    chunks = motions()
    coarse = tokenizer.decode(tokenizer.encode(chunks)[:, :2])
    assert coarse.shape == chunks.shape
    assert np.isfinite(coarse).all()


@pytest.mark.parametrize(("horizon", "dimensions"), [(1, 1), (3, 7), (8, 14)])
def test_any_horizon_and_number_of_dimensions_works(horizon, dimensions):
    config = replace(FAST, network=replace(SMALL, horizon=horizon, dimensions=dimensions))
    chunks = motions(300, horizon, dimensions)
    tokenizer = tokenizer_for(chunks, config)
    assert tokenizer.decode(tokenizer.encode(chunks)).shape == (300, horizon, dimensions)


def test_stage_two_leaves_goal_codebooks_and_their_choice_untouched():
    torch.manual_seed(0)
    network = RvqVae(SMALL)
    data = torch.randn(256, 5, 8)
    network.train()
    network(data, kinematics=False)
    network.freeze_goal()
    books = network.codebooks()["goal"]
    latents = network.encode_latent(data).detach()
    codes = network.quantise(latents).codes[:, :2].clone()
    network.train()
    for _ in range(5):
        network(torch.randn(256, 5, 8))
    assert torch.equal(network.codebooks()["goal"], books)
    assert torch.equal(network.quantise(latents).codes[:, :2], codes)
    assert not torch.equal(
        network.codebooks()["kinematics"], torch.zeros_like(network.codebooks()["kinematics"])
    )


def test_stage_two_training_leaves_the_goal_codebooks_bit_identical(tmp_path):
    chunks = motions()
    first = train_tokenizer(chunks, chunks, replace(FAST, stage2_steps=1), progress=False)
    second = train_tokenizer(chunks, chunks, FAST, progress=False)
    assert torch.equal(first.network.codebooks()["goal"], second.network.codebooks()["goal"])
    assert not torch.equal(first.network.codebooks()["kinematics"], second.network.codebooks()["kinematics"])


def test_tokenizer_comes_back_from_disk_unchanged(tmp_path, tokenizer):
    tokenizer.save(tmp_path, training=FAST, summary={"note": 1})
    back = BiLevelTokenizer.load(tmp_path)
    codes = tokenizer.encode(motions())
    np.testing.assert_array_equal(back.encode(motions()), codes)
    np.testing.assert_array_equal(back.decode(codes), tokenizer.decode(codes))
    assert back.period_s == 0.1
    assert BiLevelTokenizer.summary(tmp_path) == {"note": 1}


def test_absolute_targets_go_through_the_measured_state(tokenizer):
    states = np.random.default_rng(0).normal(size=(600, 8))
    chunks = motions()
    targets = chunks.copy()
    targets[..., :7] += states[:, None, :7]
    codes = tokenizer.encode_absolute(targets, states)
    np.testing.assert_array_equal(codes, tokenizer.encode(chunks))
    decoded = tokenizer.decode_absolute(codes, states)
    np.testing.assert_allclose(decoded[..., :7] - states[:, None, :7], tokenizer.decode(codes)[..., :7])
    assert decoded[..., 7].min() >= 0.0
    assert decoded[..., 7].max() <= 1.0


@pytest.mark.parametrize("name", ["weights.safetensors", "tokenizer.json", "normaliser.json"])
def test_changed_file_is_refused_by_name(tmp_path, tokenizer, name):
    tokenizer.save(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ManifestError, match=name):
        BiLevelTokenizer.load(tmp_path)


def test_statistics_of_another_training_are_refused(tmp_path, tokenizer):
    tokenizer.save(tmp_path)
    other = tokenizer_for(2.0 * motions())
    other.normaliser.save(tmp_path / "normaliser.json")
    # Even with a manifest that agrees with the swapped file.
    write_manifest(tmp_path, kind="tokenizer", files=list(read_manifest(tmp_path)["files"]))
    with pytest.raises(StatisticsError, match=r"tokenizer\.json"):
        BiLevelTokenizer.load(tmp_path)


def test_chunk_with_nan_is_refused_and_names_frame_and_dimension(tokenizer):
    chunks = motions(3)
    chunks[1, 4, 2] = np.nan
    with pytest.raises(TokenizerError, match=r"chunk 1 .* frame 4, dimension 2"):
        tokenizer.encode(chunks)


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        (np.array([[0, 0, 0, 16]]), "code 16 .* level 3"),
        (np.array([[0, -1, 0, 0]]), "code -1"),
        (np.zeros((2, 3), np.int64), r"\(N, 4 or 2\)"),
        (np.zeros((2, 4)), "integers"),
    ],
)
def test_impossible_codes_are_refused(tokenizer, codes, told):
    with pytest.raises(TokenizerError, match=told):
        tokenizer.decode(codes)


def test_batch_smaller_than_the_codebook_is_refused():
    with pytest.raises(ValueError, match="codebook_size = 16"):
        TokenizerTrainingConfig(network=SMALL, batch=8)


def test_too_little_data_for_the_codebook_is_refused():
    with pytest.raises(ValueError, match="10 chunks"):
        train_tokenizer(motions(10), motions(10), FAST, progress=False)
