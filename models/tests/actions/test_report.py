from __future__ import annotations

import json

import numpy as np
import pytest

from kinevla.actions import BiLevelTokenizer
from kinevla.actions.report import codebook_use, level_error, measure_tokenizer, write_report
from kinevla.actions.rvq_config import RvqVaeConfig
from kinevla.data.chunks import ChunkConfig, ChunkSet
from kinevla.manifest import verify_manifest
from kinevla.training.stages.tokenizer import train_tokenizer
from kinevla.training.tokenizer_comparison import SeedComparison, compare_seeds, write_comparison
from kinevla.training.tokenizer_config import TokenizerTrainingConfig
from kinevla.training.tokenizer_kinds import measure_baselines

from .made_up import KINDS, SMALL, make

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
    assert list(baselines) == ["256 bins", "FAST", "single codebook", "single level x4"]
    assert baselines["256 bins"].codes_per_chunk == 40
    assert baselines["single level x4"].codes_per_chunk == 4
    write_report(tmp_path, report, baselines)
    verify_manifest(tmp_path, kind="tokenizer-report")
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["tokenizer"]["errors"]["goal"]["joint_l1_mrad"] > 0
    assert "256 bins (40)" in (tmp_path / "report.txt").read_text()
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_report_with_figure_text_and_json(tmp_path, kind):
    data = chunk_set()
    report = make(kind, data.chunks).report(data, data)
    write_report(tmp_path, report, {})
    content = json.loads((tmp_path / "report.json").read_text())["tokenizer"]
    assert content["kind"] == kind
    assert 0.0 < report.total.joint_l1_mrad == list(content["errors"].values())[-1]["joint_l1_mrad"]
    assert report.total.tool_mean_mm > 0.0
    assert all(use.train_used_percent == use.used_percent > 0.0 for use in report.codebooks)
    assert (tmp_path / "report.txt").read_text().startswith(f"{kind}: 200 held-out chunks")
    assert (tmp_path / "report.png").stat().st_size > 10_000
    assert (len(report.codebooks) == 4) == (kind in ("bilevel_rvq", "rvq"))


def test_length_of_fast_codes_is_reported_as_their_mean():
    data = chunk_set()
    tokenizer = make("fast", data.chunks)
    report = tokenizer.report(data)
    assert report.codes_per_chunk == pytest.approx((tokenizer.encode(data.chunks) >= 0).sum(axis=1).mean())
    assert report.codes_per_chunk < 40
    assert report.codebooks[0].train_used_percent is None


def test_padding_does_not_count_as_a_code():
    (use,) = codebook_use(np.array([[0], [1], [-1]]), 4, ["all places"], np.array([[3], [-1]]))
    assert (use.used, use.dead, use.used_percent, use.train_used_percent) == (2, 2, 50.0, 25.0)


def test_seeds_are_compared_with_mean_and_range_and_a_stopped_comparison_goes_on(tmp_path):
    data = chunk_set()

    def compare(minutes: float | None) -> SeedComparison | None:
        return compare_seeds(
            data, data, data, SMALL, ChunkConfig(), 0.1, seeds=(3, 4), directory=tmp_path,
            max_minutes=minutes, progress=False,
        )  # fmt: skip

    assert compare(1e-9) is None
    comparison = compare(None)
    errors = [report.total.joint_l1_mrad for report in comparison.reports["bi-level"]]
    row = comparison.figures()["bi-level"]
    assert len(errors) == 2 and errors[0] != errors[1]
    assert row["joint_l1_mrad"] == {
        "mean": pytest.approx(np.mean(errors)),
        "min": min(errors),
        "max": max(errors),
    }
    assert row["goal_joint_l1_mrad"]["mean"] > 0.0
    assert len(comparison.reports["256 bins"]) == len(comparison.reports["FAST"]) == 1
    again = compare(None)
    assert again.figures() == comparison.figures()
    write_comparison(tmp_path, comparison, SMALL)
    verify_manifest(tmp_path, kind="tokenizer-comparison")
    assert json.loads((tmp_path / "comparison.json").read_text())["seeds"] == [3, 4]
    assert "single level x4" in (tmp_path / "comparison.txt").read_text()
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_comparison_without_a_seed_is_refused(tmp_path):
    data = chunk_set()
    with pytest.raises(ValueError, match="at least one seed"):
        compare_seeds(data, data, data, SMALL, ChunkConfig(), 0.1, seeds=(), directory=tmp_path)
