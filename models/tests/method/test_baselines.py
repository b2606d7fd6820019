"""Baselines and ablation rows are one code base: each named training runs, is saved, loaded and plans."""

from __future__ import annotations

import csv
import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from kinevla.configs import TOKENIZERS, TRAININGS
from kinevla.data.chunks import ChunkConfig, build_chunks
from kinevla.data.episodes import EpisodeReader, EpisodeWriter
from kinevla.flow.decoding import chunk_of_sequence
from kinevla.observation.images import ImagePipeline
from kinevla.policy import KineVLAPolicy, Observation, Plan
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.objective import sequence_states
from kinevla.training.stages.policy import train_policy
from kinevla.training.tokenizer_kinds import build_tokenizer

from ..training.conftest import SIZE, make_episode, stop_policy_at
from .conftest import TINY_FLOW, make_sample

SENTENCE = "pick up the bread and move it to the left front"
KINDS = ("bilevel_rvq", "rvq", "bins")
# Name of the training: codes per chunk, whether it reasons, whether it couples.
ROWS = {
    "openvla-bins": (40, False, False),
    "vq-vla": (4, False, False),
    "pi-flow": (0, False, False),
    "bins": (40, False, False),
    "single-vq": (4, False, False),
    "bi-rep": (4, False, False),
    "bi-rea": (4, True, False),
    "mi": (4, True, True),
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny demonstrations and a tokenizer of every kind a policy can have."""
    root = tmp_path_factory.mktemp("inputs")
    writer = EpisodeWriter(root / "demos", {"made": "up"}, ImagePipeline(SIZE))
    for task in (1, 2, 5):
        for seed in range(4):
            writer.add(make_episode(task, seed))
    chunk_config = ChunkConfig(val_percent=20)
    chunks = build_chunks(EpisodeReader(root / "demos"), chunk_config)
    training = TOKENIZERS.get("tiny").training
    for kind in KINDS:
        tokenizer, _ = build_tokenizer(kind, chunks, chunks, training, chunk_config, 0.1, progress=False)
        assert tokenizer is not None and tokenizer.kind == kind
        tokenizer.save(root / kind)
    return root


def tiny(inputs: Path, name: str, run: str, **changes: object) -> PolicyTrainConfig:
    """A named training with the sizes and the length of the tiny one; all share a cache of features."""
    preset, small = TRAININGS.get(name), TRAININGS.get("tiny").settings
    sizes = {key: small[key] for key in small if key not in preset.settings}
    sizes |= {
        "max_steps": 3,
        "batch_size": 8,
        "val_samples": 8,
        "save_every": 3,
        "log_every": 3,
        "flow": TINY_FLOW,
    }
    return preset.config(
        inputs / "demos", inputs / preset.tokenizer_kind, None, inputs / run, **(sizes | changes)
    )


def losses(out: Path) -> list[dict[str, float]]:
    with (out / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return [{k: float(row[f"loss_{k}"]) for k in ("reasoning", "action", "coupling")} for row in rows]


def planned(checkpoint: Path, seed: int = 0) -> Plan:
    rng = np.random.default_rng(seed)
    front, wrist = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    policy = KineVLAPolicy.load(checkpoint)
    return policy.plan(Observation(front, wrist, rng.normal(0.0, 0.3, 8)), SENTENCE)


@pytest.mark.parametrize("name", ROWS)
def test_a_named_training_runs_and_its_checkpoint_plans(inputs: Path, name: str) -> None:
    codes, reasons, couples = ROWS[name]
    config = tiny(inputs, name, f"{name}-policy")
    figures = train_policy(config)
    assert figures["step"] == 3 and np.isfinite(figures["joint_l1_mrad"])
    for row in losses(config.out):
        assert row["action"] > 0.0
        assert (row["reasoning"] > 0.0) == reasons
        assert (row["coupling"] > 0.0) == couples
    plan = planned(config.out / "best")
    assert plan.actions.shape == (5, 8) and np.isfinite(plan.actions).all()
    assert ((plan.actions[:, 7] >= 0.0) & (plan.actions[:, 7] <= 1.0)).all()
    assert len(plan.goal_codes) + len(plan.kinematics_codes) == codes
    assert bool(plan.goal_text or plan.kinematics_text) == reasons


def test_the_rows_of_the_ablation_differ_in_one_thing_each() -> None:
    rows = ("bins", "single-vq", "bi-rep", "bi-rea", "mi")
    found = []
    for one, other in itertools.pairwise(rows):
        first, second = TRAININGS.get(one), TRAININGS.get(other)
        changed = {k for k, v in first.values().items() if v != second.values()[k]}
        if first.tokenizer_kind != second.tokenizer_kind:
            changed.add("tokenizer")
        found.append(changed)
    assert found == [{"tokenizer"}, {"tokenizer"}, {"reasoning"}, {"coupling_weight"}]


def test_the_flow_head_answers_the_same_observation_with_the_same_chunk(inputs: Path) -> None:
    config = tiny(inputs, "pi-flow", "repeated", max_steps=1)
    train_policy(config)
    checkpoint = config.out / "best"
    first, again, other = planned(checkpoint), planned(checkpoint), planned(checkpoint, seed=1)
    np.testing.assert_array_equal(first.actions, again.actions)
    assert np.abs(first.actions - other.actions).max() > 1e-3
    assert first.forward_passes == 1


def test_a_flow_head_behind_reasoning_needs_statistics_only(inputs: Path) -> None:
    config = tiny(inputs, "pi-flow", "speaking", reasoning=True)
    config = dataclasses.replace(config, tokenizer=inputs / "bins")
    train_policy(config)
    assert all(row["reasoning"] > 0.0 and row["action"] > 0.0 for row in losses(config.out))
    plan = planned(config.out / "best")
    assert np.isfinite(plan.actions).all() and not plan.goal_codes
    assert plan.forward_passes > 1


def test_a_flow_training_continued_ends_like_an_uninterrupted_one(inputs: Path) -> None:
    whole, parts = tiny(inputs, "pi-flow", "whole"), tiny(inputs, "pi-flow", "parts", save_every=1)
    train_policy(whole)
    with pytest.MonkeyPatch.context() as patch:
        stop_policy_at(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train_policy(parts)
    assert train_policy(parts)["step"] == 3
    one, other = (planned(config.out / "last").actions for config in (whole, parts))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["small", "towers"])
def test_planning_reads_the_sequence_as_training_does(kind: str) -> None:
    sample = make_sample(kind, flow=True)
    model, ids, bos = sample.model.requires_grad_(False), sample.batch.ids, sample.vocabulary.bos
    assert model.flow_head is not None
    for name, parameter in model.flow_head.named_parameters():
        if "modulation" in name:  # Gates start at zero and would hide the prefix.
            torch.nn.init.normal_(parameter, std=0.2)
    states = sequence_states(model, sample.seen(), ids, bos)
    expected = model.flow_head.sample(states.whole, states.mask).numpy()
    for row in range(len(ids)):
        kept = ids[row][ids[row] != sample.vocabulary.pad]
        # In one sequence the instruction comes first; the small network does not read it for the motion.
        told = 5 if kind == "towers" else 0
        prompt = model.embed_ids(kept[:told]) if told else torch.empty(0, 64)
        seen = sample.seen(slice(row, row + 1))
        chunk = chunk_of_sequence(model, seen, prompt, kept[told:].tolist(), bos)
        np.testing.assert_allclose(chunk, expected[row], atol=1e-4)
    assert np.abs(expected[0] - expected[1]).max() > 1e-2


def test_the_answer_before_a_flow_head_holds_both_texts_and_no_codes() -> None:
    sample = make_sample(flow=True)
    mark, ids = sample.vocabulary.delimiter, sample.batch.ids[0].tolist()
    order = [ids.index(mark(name)) for name in ("<goal>", "</goal>", "<kin>", "</kin>")]
    assert order == sorted(order) and ids.index(sample.vocabulary.eos) == order[-1] + 1
    assert not any(i >= sample.vocabulary.code_start for i in ids)
    assert sample.batch.code_positions.shape == (4, 0)
