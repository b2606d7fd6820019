from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from kinevla.backbone.config import DecoderConfig, ModelConfig, TowersConfig, VitTowerConfig
from kinevla.bench import memory, subjects
from kinevla.bench.dictation import corrupt, made_up_answer
from kinevla.bench.measure import PHASES, PLAIN, Figures, measure
from kinevla.bench.report import as_text, as_values, describe_machine, draw
from kinevla.bench.static_decoder import StaticDecoder
from kinevla.bench.subjects import Subject, demonstrated_observations, made_up_observations, random_subject
from kinevla.cli.main import main
from kinevla.configs.models import MODELS
from kinevla.configs.registry import Entry, Registry
from kinevla.data.demonstrations import DemonstrationConfig, DemonstrationJob, record_demonstration
from kinevla.data.episodes import EpisodeWriter
from kinevla.policy import Observation

CPU = torch.device("cpu")
TEXT_TOKENS = (6, 10)
FAKE = Path(__file__).parents[1] / "data" / "fake"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return random_subject("tiny", CPU, torch.float32, text_tokens=TEXT_TOKENS)


def frames() -> Iterator[Observation]:
    return made_up_observations(8, size=64)


@pytest.fixture(scope="module")
def figures(subject: Subject) -> Figures:
    return measure(subject, frames(), 4, warmup=1)


def test_the_answer_is_the_dictated_one_whatever_the_draft(figures: Figures) -> None:
    assert set(figures.variants) == {PLAIN, "reuse 100%", "reuse 50%", "reuse 0%"}
    assert all(row.same_answer == figures.repetitions == 4 for row in figures.variants.values())
    assert figures.text_tokens == sum(TEXT_TOKENS)


def test_passes_are_those_the_share_of_right_ids_allows(figures: Figures) -> None:
    # Greedy decoding: a pass for every id of both texts and their ends, one for the codes of each level.
    assert figures.variants[PLAIN].passes == sum(TEXT_TOKENS) + 2 + 2
    assert figures.variants["reuse 100%"].passes == 2 + 2
    passes = [figures.variants[name].passes for name in ("reuse 100%", "reuse 50%", PLAIN)]
    assert passes == sorted(passes)
    shares = [figures.variants[f"reuse {share}%"].accepted_share for share in (100, 50, 0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.5 > shares[1] > shares[2] < 0.2
    assert figures.variants[PLAIN].accepted_share == 0.0


def test_phases_add_up_and_actions_share_a_chunk(subject: Subject) -> None:
    figures = measure(subject, frames(), 1, warmup=0)
    for row in figures.variants.values():
        assert tuple(row.phases_s) == PHASES
        assert sum(row.phases_s.values()) == pytest.approx(row.chunk_s.median, rel=1e-6)
        assert row.action_s.median == pytest.approx(row.chunk_s.median / figures.horizon)
        assert min(row.phases_s.values()) >= 0.0
    assert figures.variants[PLAIN].phases_s["verification"] == 0.0
    assert figures.variants["reuse 100%"].phases_s["verification"] > 0.0
    assert min(row.phases_s["codes"] for row in figures.variants.values()) > 0.0


def test_a_report_holds_every_variant_and_the_machine(figures: Figures, tmp_path: Path) -> None:
    machine, settings = describe_machine(CPU), {"precision": "fp32"}
    text = as_text(figures, machine, settings)
    for expected in (
        "reuse 50%",
        "action decoder",
        "codes",
        "read",
        "times as fast",
        torch.__version__,
        "precision fp32",
    ):
        assert expected in text
    values = json.loads(json.dumps(as_values(figures, machine, settings)))
    assert values["machine"]["threads"] == 1
    assert values["ratios"]["reuse 100%"]["low"] <= values["ratios"]["reuse 100%"]["value"]
    draw(figures, machine, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").stat().st_size > 5000


def test_the_static_decoder_takes_as_many_passes_and_reads_the_same(subject: Subject) -> None:
    static = random_subject("tiny", CPU, torch.float32, text_tokens=TEXT_TOKENS, static=True)
    figures = measure(static, frames(), 2, warmup=0)
    assert figures.variants["reuse 100%"].passes == 4
    assert isinstance(static.generator._decoder, StaticDecoder)
    observation = next(frames())
    for made in (subject, static):
        made.generator._dictated = None
    plans = [made.policy.plan(observation, made.instruction) for made in (subject, static)]
    assert plans[0].draft == plans[1].draft


def test_a_draft_is_wrong_from_the_wanted_place_on(subject: Subject) -> None:
    lengths = {"goal": 6, "kinematics": 10}
    ids, draft = made_up_answer(subject.grammar, lengths, subject.text_ids, np.random.default_rng(0))
    assert ids[-1] == subject.grammar.vocabulary.eos
    assert (len(draft.goal_text), len(draft.kinematics_text), len(draft.goal_codes)) == (6, 10, 2)
    half = corrupt(draft, 0.5, subject.text_ids)
    assert half.goal_text[:3] == draft.goal_text[:3] and half.kinematics_text[:5] == draft.kinematics_text[:5]
    assert all(a != b for a, b in zip(half.goal_text[3:], draft.goal_text[3:], strict=True))
    assert corrupt(draft, 1.0, subject.text_ids) == draft


def test_a_full_size_architecture_runs_in_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    def small() -> ModelConfig:
        tower = VitTowerConfig(
            width=16, depth=2, heads=2, mlp_hidden=32, class_token=True, register_tokens=4, layer_scale=True
        )
        other = replace(
            tower, class_token=False, register_tokens=0, attention_pool=True, normalisation="half"
        )
        return ModelConfig(
            vision=TowersConfig(
                image_size=56, cameras=("front", "wrist"), featurizer=tower, fused_featurizer=other
            ),
            decoder=DecoderConfig(hidden_size=32, layers=2, heads=2, intermediate_size=64),
            vocabulary_size=32064,
        )  # fmt: skip

    monkeypatch.setattr(subjects, "MODELS", Registry("model size", Entry("small", "", small)))
    made = random_subject("small", CPU, torch.bfloat16, text_tokens=TEXT_TOKENS, static=True)
    figures = measure(made, frames(), 1, warmup=0)
    assert figures.observation_tokens == 2 * 16 + 1
    assert all(row.same_answer == 1 for row in figures.variants.values())


def test_a_network_too_large_for_the_machine_is_refused_before_it_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda device: 8 * memory.GIB)
    with pytest.raises(memory.MemoryEstimateError, match=r"32\.4 GiB on cpu, 8\.0 GiB are available"):
        random_subject("7b", CPU, torch.float32)
    with pytest.raises(memory.MemoryEstimateError, match=r"16\.2 GiB"):
        random_subject("7b", CPU, torch.bfloat16)
    assert memory.required_bytes(1000, torch.float32) == 4600


def test_codes_that_no_readout_spells_are_dictated_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = replace(MODELS.get("tiny"), readout=None)
    monkeypatch.setattr(subjects, "MODELS", Registry("model size", Entry("plain", "", lambda: plain)))
    made = random_subject("plain", CPU, torch.float32, text_tokens=TEXT_TOKENS)
    ids, told = made_up_answer(made.grammar, made.text_tokens or {}, made.text_ids, np.random.default_rng(0))
    made.generator.dictate(ids)
    assert made.policy.plan(next(frames()), made.instruction).draft == told
    figures = measure(made, frames(), 1, warmup=0)
    assert figures.variants[PLAIN].passes == sum(TEXT_TOKENS) + 2 + 4
    assert all(row.same_answer == 1 for row in figures.variants.values())


def test_frames_of_demonstrations_come_round_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FAKE))
    made = DemonstrationConfig(environment_id="fake_table:fake/Table-v0", expert="fake_table:Expert")
    episode = record_demonstration(DemonstrationJob(made, 1, 20))
    writer = EpisodeWriter(tmp_path, {"fake": True})
    writer.add(episode)
    shown = list(islice(demonstrated_observations(tmp_path), len(episode) + 1))
    np.testing.assert_array_equal(shown[1].state, episode.state[1])
    np.testing.assert_array_equal(shown[-1].front, shown[0].front)


def test_frames_change_a_little_and_keep_their_kind() -> None:
    first, second = islice(made_up_observations(8, size=40), 2)
    assert first.front.shape == (40, 40, 3) and first.front.dtype == np.uint8 and first.state.shape == (8,)
    change = np.abs(first.front.astype(int) - second.front.astype(int))
    assert 0 < change.max() <= 3


def test_the_command_prints_json_and_refuses_what_does_not_go_together(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = ["bench", "--config", "tiny", "--repetitions", "2", "--warmup", "0", "--image-size", "64"]
    sizes = ["--text-tokens", "4", "6", "--figure", str(tmp_path / "bars.png"), "--json"]
    assert main([*line, *sizes]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["subject"] == "random weights, tiny" and values["text_tokens"] == 10
    assert (tmp_path / "bars.png").is_file()
    assert main(["bench", "--text-tokens", "4", "6"]) == 2
    if not torch.cuda.is_available():
        assert main(["bench", "--config", "tiny", "--device", "cuda"]) == 2
    assert main(["bench", "--config", "huge"]) == 2
    assert "huge" in capsys.readouterr().err
