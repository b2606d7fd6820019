"""What every kind of tokeniser promises."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinevla.actions import (
    ActionNormaliser,
    ActionTokenizer,
    BiLevelTokenizer,
    BinTokenizer,
    FastTokenizer,
    StatisticsError,
    TokenizerError,
    load_policy_tokenizer,
    load_tokenizer,
)
from kinevla.data.chunks import ChunkConfig
from kinevla.manifest import ManifestError, read_manifest, write_manifest
from kinevla.training.tokenizer_kinds import build_tokenizer

from .made_up import KINDS, SMALL, chunk_set, make, motions

POLICY_KINDS = ("bilevel_rvq", "rvq", "bins")


@pytest.fixture(scope="module")
def made() -> dict[str, ActionTokenizer]:
    return {kind: make(kind, motions()) for kind in KINDS}


def joint_error(tokenizer: ActionTokenizer, chunks: np.ndarray) -> float:
    return float(np.abs(tokenizer.decode(tokenizer.encode(chunks)) - chunks)[..., :-1].mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("horizon", "dimensions"), [(1, 2), (3, 7), (5, 8), (8, 14)])
def test_motion_of_any_size_survives_the_round_trip(kind, horizon, dimensions):
    chunks = motions(120, horizon, dimensions)
    training = replace(SMALL, network=replace(SMALL.network, latent=horizon * dimensions), stage2_steps=40)
    tokenizer = make(kind, chunks, training)
    codes = tokenizer.encode(chunks)
    assert codes.dtype == np.int64 and len(codes) == 120
    assert codes.max() < tokenizer.codebook_size
    assert tokenizer.decode(codes).shape == chunks.shape
    nothing = np.abs(chunks - chunks.mean(axis=0))[..., :-1].mean()
    assert joint_error(tokenizer, chunks) < 0.7 * nothing


@settings(max_examples=30, deadline=None)
@given(
    horizon=st.integers(1, 7),
    dimensions=st.integers(1, 9),
    seed=st.integers(0, 999),
    mode=st.sampled_from(["min_max", "quantile"]),
    gripper=st.booleans(),
)
def test_bins_lose_half_a_bin_and_fast_half_a_step_per_coefficient(horizon, dimensions, seed, mode, gripper):
    rng = np.random.default_rng(seed)
    chunks = rng.normal(size=(20, horizon, dimensions))
    kept = (-1,) if gripper else ()
    if gripper:
        chunks[..., -1] = rng.random((20, horizon))
    normaliser = ActionNormaliser.fit(chunks, keep_dimensions=kept, mode=mode)
    inside = normaliser.denormalise(normaliser.normalise(chunks))  # The quantile mode clips by design.
    config = ChunkConfig(horizon=horizon)
    half = np.where(normaliser.keep, 0.5, normaliser.scale)
    bins = BinTokenizer(normaliser, config, 0.1)
    assert np.all(np.abs(bins.decode(bins.encode(chunks)) - inside) <= half / 256 + 1e-7)
    fast = FastTokenizer.fit(chunks, normaliser, config, 0.1)
    bound = half * np.sqrt(horizon) * 0.5 / fast.scale
    assert np.all(np.abs(fast.decode(fast.encode(chunks)) - inside) <= bound * horizon + 1e-7)
    assert np.abs(fast.decode(fast.encode(chunks)) - inside).mean() <= bound.mean() + 1e-7


@settings(max_examples=8, deadline=None)
@given(
    horizon=st.integers(1, 6), dimensions=st.integers(1, 9), levels=st.sampled_from([(1, 1), (3, 2), (2, 0)])
)
def test_residual_codes_of_any_size_decode_to_finite_motion(horizon, dimensions, levels):
    chunks = motions(80, horizon, dimensions)
    network = replace(SMALL.network, goal_levels=levels[0], kinematics_levels=levels[1])
    training = replace(SMALL, network=network, stage1_steps=2, stage2_steps=2)
    tokenizer = make("bilevel_rvq" if levels[1] else "rvq", chunks, training)
    assert (tokenizer.goal_levels, tokenizer.kinematics_levels) == levels
    codes = tokenizer.encode(chunks)
    assert codes.shape == (80, sum(levels))
    assert np.isfinite(tokenizer.decode(codes)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["min_max", "quantile"])
def test_dead_dimension_decodes_to_its_constant(kind, mode):
    chunks = motions(120)
    chunks[..., 2] = 0.25
    tokenizer = make(kind, chunks, replace(SMALL, mode=mode))
    assert not tokenizer.normaliser.normalise(chunks)[..., 2].any()
    moved = chunks.copy()
    moved[..., 2] = 0.4
    assert np.all(tokenizer.decode(tokenizer.encode(moved))[..., 2] == 0.25)


@pytest.mark.parametrize("kind", KINDS)
def test_relative_joints_go_through_the_measured_state(made, kind):
    tokenizer, chunks = made[kind], motions()
    states = np.random.default_rng(0).normal(size=(len(chunks), 8))
    targets = chunks + np.where(np.arange(8) < 7, states, 0.0)[:, None]
    codes = tokenizer.encode_absolute(targets, states)
    np.testing.assert_allclose(tokenizer.decode(codes), tokenizer.decode(tokenizer.encode(chunks)), atol=0.02)
    decoded = tokenizer.decode_absolute(codes, states)
    np.testing.assert_allclose(decoded[..., :7] - states[:, None, :7], tokenizer.decode(codes)[..., :7])
    assert decoded[..., 7].min() >= 0.0 and decoded[..., 7].max() <= 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_absolute_targets_do_not_depend_on_the_state(kind):
    chunks = motions(120, 5, 7)
    tokenizer = make(kind, chunks, chunk_config=ChunkConfig(joint_targets="absolute"))
    codes = tokenizer.encode(chunks)
    # A state of another size than the action, as a gripper with two fingers gives.
    for state in (np.zeros((120, 9)), np.ones((120, 9))):
        np.testing.assert_array_equal(tokenizer.encode_absolute(chunks, state), codes)
        motion = tokenizer.decode(codes)
        np.testing.assert_array_equal(tokenizer.decode_absolute(codes, state)[..., :6], motion[..., :6])


@pytest.mark.parametrize("kind", KINDS)
def test_gripper_keeps_its_scale_where_all_targets_are_absolute(kind):
    tokenizer = make(kind, motions(120), chunk_config=ChunkConfig(joint_targets="absolute"))
    assert tokenizer.normaliser.keep == (False,) * 7 + (True,)


def test_gripper_mask_and_absolute_dimensions_are_two_settings():
    chunks = motions(120, gripper=False)
    training = replace(SMALL, keep_dimensions=(0,))
    tokenizer = make("bins", chunks, training, ChunkConfig(absolute_dimensions=(-1, -2)))
    assert tokenizer.normaliser.keep == (True,) + (False,) * 7
    state = np.ones((120, 8))
    moved = tokenizer.decode_absolute(tokenizer.encode(chunks), state) - tokenizer.decode(
        tokenizer.encode(chunks)
    )
    np.testing.assert_allclose(moved[..., 1:6], 1.0)
    np.testing.assert_allclose(moved[..., 6:], 0.0)


def test_end_effector_deltas_are_scaled_by_quantiles_and_clipped():
    deltas = motions(400, 5, 7)
    training = replace(SMALL, mode="quantile")
    tokenizer = make("bins", deltas, training, ChunkConfig(joint_targets="absolute"))
    low = np.quantile(deltas[..., 0], 0.01)
    assert tokenizer.normaliser.low[0] == pytest.approx(low, abs=1e-6)
    assert tokenizer.decode(tokenizer.encode(deltas - 9.0 * (np.arange(7) < 6)))[..., 0].min() > low - 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_comes_back_from_disk_unchanged(tmp_path, made, kind):
    made[kind].save(tmp_path, training=SMALL)
    back = load_tokenizer(tmp_path)
    assert (back.kind, type(back)) == (kind, type(made[kind]))
    codes = made[kind].encode(motions())
    np.testing.assert_array_equal(back.encode(motions()), codes)
    np.testing.assert_array_equal(back.decode(codes), made[kind].decode(codes))
    assert back.chunk_config == made[kind].chunk_config
    assert back.period_s == 0.1
    assert back.normaliser.sha256 == made[kind].normaliser.sha256


@pytest.mark.parametrize("kind", POLICY_KINDS)
def test_policy_gets_one_set_of_code_vectors_per_place(made, kind, tmp_path):
    tokenizer = made[kind]
    tokenizer.save(tmp_path)
    assert load_policy_tokenizer(tmp_path).codes_per_chunk == tokenizer.codes_per_chunk
    vectors = tokenizer.code_vectors()
    assert len(vectors) == tokenizer.codes_per_chunk == tokenizer.goal_levels + tokenizer.kinematics_levels
    assert all(len(book) == tokenizer.codebook_size for book in vectors)


@pytest.mark.parametrize("kind", ["bilevel_rvq", "rvq"])
def test_code_vectors_sum_up_to_about_the_latent(made, kind):
    tokenizer = made[kind]
    latents, codes = tokenizer.latents(motions()), tokenizer.encode(motions())
    total = sum(book[codes[:, place]] for place, book in enumerate(tokenizer.code_vectors()))
    assert np.linalg.norm(latents - total, axis=1).mean() < 0.7 * np.linalg.norm(latents, axis=1).mean()


def test_fast_refuses_to_be_a_policys_tokeniser(made, tmp_path):
    made["fast"].save(tmp_path)
    with pytest.raises(TokenizerError, match="fixed number"):
        load_policy_tokenizer(tmp_path)
    assert made["fast"].code_vectors() is None
    assert made["fast"].latents(motions()) is None


def test_fast_is_shorter_than_bins_and_pads_with_minus_one(made):
    codes = made["fast"].encode(motions())
    assert (codes >= 0).sum(axis=1).mean() < made["bins"].codes_per_chunk
    longest = (codes >= 0).sum(axis=1).max()
    assert codes.shape[1] == longest
    assert codes.min() == -1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda codes: codes[:, :1], "spell"),
        (lambda codes: codes + 5000, r"0\.\."),
        (lambda codes: np.concatenate([np.full((len(codes), 1), -1), codes], axis=1), "followed by -1"),
        (lambda codes: codes.astype(float), "float64"),
    ],
)
def test_fast_refuses_codes_that_spell_no_chunk(made, change, told):
    with pytest.raises(TokenizerError, match=told):
        made["fast"].decode(change(made["fast"].encode(motions())))


def test_fast_refuses_a_chunk_far_outside_its_range_instead_of_clipping_it(made):
    chunks = motions(5)
    chunks[3, :, 1] = 50.0
    with pytest.raises(TokenizerError, match=r"chunk 3 .*dimension 1"):
        made["fast"].encode(chunks)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("chunks", "told"),
    [
        (np.zeros((3, 5, 8), np.int64), "floating point numbers, got int64"),
        (np.zeros((3, 4, 8)), r"\(N, 5, 8\), got \(3, 4, 8\)"),
        (np.full((3, 5, 8), np.inf), "inf at frame 0, dimension 0"),
    ],
)
def test_chunks_of_a_wrong_type_shape_or_value_are_refused(made, kind, chunks, told):
    with pytest.raises(TokenizerError, match=told):
        made[kind].encode(chunks)


@pytest.mark.parametrize("kind", KINDS)
def test_states_of_another_size_are_refused(made, kind):
    with pytest.raises(TokenizerError, match=r"states must have shape \(3, 8\), got \(3, 7\)"):
        made[kind].encode_absolute(motions(3), np.zeros((3, 7)))


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_statistics_are_refused(tmp_path, made, kind):
    made[kind].save(tmp_path)
    ActionNormaliser.fit(2.0 * motions()).save(tmp_path / "normaliser.json")
    write_manifest(tmp_path, kind="tokenizer", files=list(read_manifest(tmp_path)["files"]))
    with pytest.raises(StatisticsError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_another_kind_is_refused_by_name(tmp_path, made):
    made["bins"].save(tmp_path)
    with pytest.raises(TokenizerError, match="kind 'bins', expected 'bilevel_rvq'"):
        BiLevelTokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "wavelet"}, "kind 'wavelet', known: bilevel_rvq, rvq, bins, fast"),
        ({"kind": "rvq"}, "no kinematics levels, got 2"),
        ({"network": {"latents": 3}}, "incomplete or damaged"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, made, change, told):
    made["bilevel_rvq"].save(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    write_manifest(tmp_path, kind="tokenizer", files=list(read_manifest(tmp_path)["files"]))
    with pytest.raises(TokenizerError, match=told):
        load_tokenizer(tmp_path)


def test_truncated_weights_are_refused_by_the_manifest_and_without_it(tmp_path, made):
    made["rvq"].save(tmp_path)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ManifestError, match=r"weights\.safetensors"):
        load_tokenizer(tmp_path)
    write_manifest(tmp_path, kind="tokenizer", files=list(read_manifest(tmp_path)["files"]))
    with pytest.raises(TokenizerError, match=r"weights\.safetensors is truncated or damaged"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: {name: value.half() for name, value in state.items()}, "float16, expected"),
        (lambda state: {name: value * float("nan") for name, value in state.items()}, "not finite|has type"),
        (lambda state: dict(list(state.items())[:-1]), "does not fit"),
    ],
)
def test_weights_of_a_wrong_type_or_value_are_refused(tmp_path, made, change, told):
    from safetensors.torch import load, save

    made["rvq"].save(tmp_path)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save(change(load(path.read_bytes()))))
    write_manifest(tmp_path, kind="tokenizer", files=list(read_manifest(tmp_path)["files"]))
    with pytest.raises(TokenizerError, match=told):
        load_tokenizer(tmp_path)


def test_damaged_byte_pairs_are_refused(tmp_path, made):
    made["fast"].save(tmp_path)
    (tmp_path / "bpe.json").write_text("{}")
    write_manifest(tmp_path, kind="tokenizer", files=list(read_manifest(tmp_path)["files"]))
    with pytest.raises(TokenizerError, match=r"bpe\.json"):
        load_tokenizer(tmp_path)


def test_unknown_kind_cannot_be_built():
    with pytest.raises(TokenizerError, match="'wavelet'"):
        build_tokenizer("wavelet", chunk_set(motions()), chunk_set(motions()), SMALL, ChunkConfig(), 0.1)


def test_shipped_tokeniser_loads_as_bi_level_with_and_without_its_kind(tmp_path: Path):
    shipped = Path(__file__).parents[2] / "checkpoints" / "nano" / "action_tokenizer"
    old = shutil.copytree(shipped, tmp_path / "old")
    settings = json.loads((old / "tokenizer.json").read_text())
    del settings["kind"]
    (old / "tokenizer.json").write_text(json.dumps(settings))
    write_manifest(old, kind="tokenizer", files=list(read_manifest(old)["files"]))
    for directory in (shipped, old):
        tokenizer = load_tokenizer(directory)
        assert isinstance(tokenizer, BiLevelTokenizer)
        assert tokenizer.normaliser.sha256 == load_tokenizer(shipped).normaliser.sha256
        assert (tokenizer.goal_levels, tokenizer.kinematics_levels, tokenizer.codebook_size) == (2, 4, 256)
        still = np.zeros((1, 5, 8))
        assert np.abs(tokenizer.decode(tokenizer.encode(still))[..., :7]).max() < 0.05
