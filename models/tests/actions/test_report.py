from __future__ import annotations

import json

import numpy as np
import pytest

from kinevla.actions import BiLevelTokenizer
from kinevla.actions.baselines import measure_baselines
from kinevla.actions.report import codebook_use, level_error, measure_tokenizer, write_report
from kinevla.actions.rvq_vae import RvqVaeConfig
from kinevla.actions.training import TokenizerTrainingConfig, train_tokenizer
from kinevla.data.chunks import ChunkConfig, ChunkSet
from kinevla.manifest import verify_manifest

CONFIG = TokenizerTrainingConfig(
    network=RvqVaeConfig(latent=8, hidden=16, blocks=1, codebook_size=16),
    stage1_steps=10,
    stage2_steps=10,
    warmup_steps=3,
    batch=64,
    start_batch=64,
)


def chunk_set(count: int = 200) -> ChunkSet:
    rng = np.random.default_rng(0)
    chunks = (rng.normal(size=(count, 1, 8)) * np.linspace(0.01, 0.05, 5)[None, :, None]).astype(np.float32)
    chunks[..., 7] = 1.0
    zeros = np.zeros(count, np.int64)
    states = np.tile(np.append(np.deg2rad([0, 20, 0, 70, 0, 90, 0]), 1.0), (count, 1)).astype(np.float32)
    return ChunkSet(chunks, states, zeros, zeros, zeros)


def test_error_is_told_in_mrad_and_in_millimetres_at_the_tool():
    truth = chunk_set()
    decoded = truth.chunks.astype(np.float64)
    decoded[..., 0] += 0.01
    keep = np.array([False] * 7 + [True])
    error = level_error(decoded, truth, keep, (-1,))
    assert error.joint_l1_mrad == pytest.approx(10 / 7, rel=1e-4)
    # Turning the base by 10 mrad moves a tool about 0.3 m away by about 3 mm.
    assert error.tool_mean_mm == pytest.approx(3.0, abs=0.3)
    assert error.gripper_l1 == 0.0


def test_codebook_use_counts_dead_codes_and_perplexity():
    codes = np.array([[0, 0], [1, 0], [2, 0], [3, 0]])
    even, collapsed = codebook_use(codes, 8, ["goal 1", "goal 2"])
    assert (even.used, even.dead, round(even.perplexity, 6)) == (4, 4, 4.0)
    assert (collapsed.used, collapsed.dead, round(collapsed.perplexity, 6)) == (1, 7, 1.0)


def test_report_holds_levels_codebooks_and_baselines(tmp_path):
    data = chunk_set()
    trained = train_tokenizer(data.chunks, data.chunks, CONFIG, progress=False)
    tokenizer = BiLevelTokenizer(trained.network, trained.normaliser, ChunkConfig(), 0.1)
    report = measure_tokenizer(tokenizer, data)
    assert list(report.errors) == ["goal", "goal + kinematics"]
    assert [use.level for use in report.codebooks] == ["goal 1", "goal 2", "kinematics 1", "kinematics 2"]
    baselines = measure_baselines(tokenizer, data, data, steps=8, training=CONFIG, progress=False)
    assert list(baselines) == ["256 bins", "single codebook", "single level x4"]
    assert baselines["256 bins"].codes_per_chunk == 40
    assert baselines["single level x4"].codes_per_chunk == 4
    write_report(tmp_path, report, baselines)
    verify_manifest(tmp_path, kind="tokenizer-report")
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["tokenizer"]["errors"]["goal"]["joint_l1_mrad"] > 0
    assert "256 bins (40)" in (tmp_path / "report.txt").read_text()
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
