"""`kinevla evaluate --through-ros`: trials on the whole stack, with the same files as any evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kinevla.cli.main import main
from kinevla.manifest import verify_manifest
from running_stack import PATIENT_DRIVER, PATIENT_POLICY

CHECKPOINT = Path(__file__).resolve().parents[1] / "models" / "checkpoints" / "nano"


def run(out: Path, *options: str) -> dict:
    line = ["evaluate", "--through-ros", "--out", str(out), "--trials", "1", "--no-bert", "--no-progress"]
    line += ["--launch", f"driver_config:={PATIENT_DRIVER}", f"policy_config:={PATIENT_POLICY}"]
    assert main([*line, *options]) == 0
    header, row = (json.loads(text) for text in (out / "trials.jsonl").read_text().splitlines())
    assert header["through_ros"] is True
    verify_manifest(out, kind="evaluation")
    assert (out / "index.html").stat().st_size > 10_000
    return row


def test_a_trial_of_the_policy_runs_through_all_nodes(tmp_path: Path):
    out = tmp_path / "evaluation"
    row = run(out, "--checkpoint", str(CHECKPOINT), "--tasks", "5", "--films", "all")
    assert row["task"] == 5 and row["seed"] == 9_000_000
    assert row["chunks"] >= 5 and row["latency_ms"]["total"] > 0.0
    assert all(goal and fine and count > 0 for goal, fine, count in row["reasoning"])
    assert row["reasons"] and row["ended"]
    assert row["motion"]["path_length_m"] > 0.1 and row["motion"]["path_deviation_mm"] is not None
    assert (out / "films" / row["film"]).stat().st_size > 10_000


@pytest.mark.slow
def test_the_scripted_expert_is_a_control_through_ros_too(tmp_path: Path):
    for task in (1, 6):
        row = run(tmp_path / str(task), "--control", "expert", "--tasks", str(task), "--films", "none")
        assert row["goal"] and row["kinematics"], row["reasons"]
        assert row["ended"] == "at rest for 3 chunks"
        assert row["motion"]["path_deviation_mm"] < 20.0
