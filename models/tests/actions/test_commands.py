"""`kinevla tokenizer ...` from demonstrations to figures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kinevla.actions import load_tokenizer
from kinevla.cli.main import main
from kinevla.data.episode import Episode, encode_frames
from kinevla.data.episodes import EpisodeWriter
from kinevla.manifest import verify_manifest
from kinevla.observation.images import ImagePipeline

from .made_up import KINDS

SMALL = [
    *("--training.network.latent", "8", "--training.network.hidden", "16"),
    *("--training.network.codebook-size", "8", "--training.batch", "16", "--training.start-batch", "16"),
    *("--training.stage1-steps", "3", "--training.stage2-steps", "3", "--no-progress"),
]


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve short made-up demonstrations of an eight-dimensional arm."""
    directory = tmp_path_factory.mktemp("demos")
    writer = EpisodeWriter(directory, {"made": "up"}, ImagePipeline(8))
    image = encode_frames([np.zeros((8, 8, 3), np.uint8)] * 12)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        path = np.clip(0.5 + np.cumsum(rng.normal(0.0, 0.03, (13, 8)), axis=0), 0.0, 1.0)
        writer.add(
            Episode(
                task=1, seed=seed, instruction="lift it", coarse="lift", fine="lift slowly", period_s=0.1,
                front_jpeg=image, wrist_jpeg=image, state=path[:-1], target=path[1:], executed=path[1:],
            )
        )  # fmt: skip
    return directory


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_is_trained_and_reported_on_the_command_line(demos, tmp_path, capsys, kind):
    out = tmp_path / kind
    line = ["--data", str(demos), "--out", str(out), "--chunks.val-percent", "30", *SMALL]
    assert main(["tokenizer", "train", "--kind", kind, *line, "--json"]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert trained["kind"] == kind == load_tokenizer(out).kind
    assert main(["tokenizer", "report", "--tokenizer", str(out), "--data", str(demos), "--no-baselines"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{kind}: ")
    assert printed.endswith(f"picture: {out / 'report' / 'report.png'}\n")
    verify_manifest(out / "report", kind="tokenizer-report")
    figures = json.loads((out / "report" / "report.json").read_text())["tokenizer"]["errors"]
    assert figures == trained["errors"]


def test_comparison_prints_means_and_writes_its_results(demos, tmp_path, capsys):
    line = ["tokenizer", "compare", "--data", str(demos), "--out", str(tmp_path), "--seeds", "2"]
    line += ["--chunks.val-percent", "30", *SMALL]
    assert main([*line, "--max-minutes", "1e-9"]) == 3
    assert "run the same command again" in capsys.readouterr().out
    assert main(line) == 0
    assert "single level x4" in capsys.readouterr().out
    assert main([*line, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["bi-level"]["joint_l1_mrad"]) == {"mean", "min", "max"}
    verify_manifest(tmp_path, kind="tokenizer-comparison")


def test_absolute_targets_and_another_gripper_mask_are_options(demos, tmp_path, capsys):
    line = ["tokenizer", "train", "--kind", "bins", "--data", str(demos), "--out", str(tmp_path)]
    line += ["--chunks.val-percent", "30", "--chunks.joint-targets", "absolute"]
    assert main([*line, "--training.keep-dimensions", "0", "-1", *SMALL]) == 0
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.normaliser.keep == (True, *[False] * 6, True)
    assert tokenizer.chunk_config.joint_targets == "absolute"


def test_no_seed_is_refused(demos, tmp_path, capsys):
    line = ["tokenizer", "compare", "--data", str(demos), "--out", str(tmp_path), "--seeds", "0", *SMALL]
    assert main(line) == 1
    assert "seeds must be at least 1, got 0" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["tokenizer train", "tokenizer report", "tokenizer compare", "evaluate"])
def test_no_command_writes_into_a_result_of_another_kind(demos, tmp_path, capsys, command):
    out = tmp_path / "demos"
    shutil.copytree(demos, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    of = ["--checkpoint", str(tmp_path)] if command == "evaluate" else ["--data", str(demos)]
    of += ["--tokenizer", str(tmp_path)] if command == "tokenizer report" else []
    assert main([*command.split(), *of, "--out", str(out), "--no-progress"]) == 1
    told = capsys.readouterr().err
    assert "describes a result of kind 'episodes', expected" in told and "use another --out" in told
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_tokeniser_of_another_kind_is_not_written_over(demos, tmp_path, capsys):
    line = ["tokenizer", "train", "--data", str(demos), "--out", str(tmp_path / "out"), "--no-progress"]
    line += ["--chunks.val-percent", "30"]
    assert main([*line, "--kind", "fast"]) == 0
    assert main([*line, "--kind", "bins"]) == 1
    assert "holds a tokeniser of kind 'fast': use another --out" in capsys.readouterr().err
    assert load_tokenizer(tmp_path / "out").kind == "fast"
    assert main([*line, "--kind", "fast"]) == 0
