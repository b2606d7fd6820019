from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kinevla.actions import StatisticsError
from kinevla.checkpoint import CheckpointError, record_closed_loop
from kinevla.evaluation.wordings import training_sentences
from kinevla.manifest import ManifestError, read_manifest, write_json
from kinevla.policy import InstructionError, KineVLAPolicy, Observation, ObservationError, Plan
from kinevla.provenance import require_input
from kinevla.text.unclear import UNCLEAR
from kinevla.text.wordings import numbered_wording
from kinevla.training.stages.policy import train_policy
from kinevla.understanding import NOT_UNDERSTOOD, Understanding

from .conftest import tiny_run

SENTENCE = "pick up the bread and move it to the left front"


@pytest.fixture(scope="module")
def checkpoint(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("policy")
    train_policy(tiny_run(workplace, out, max_steps=2))
    return out / "best"


def observation(seed: int = 0) -> Observation:
    rng = np.random.default_rng(seed)
    front, wrist = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    return Observation(front, wrist, rng.normal(0.0, 0.3, 8))


def test_a_saved_policy_answers_with_texts_codes_and_a_chunk(checkpoint: Path) -> None:
    policy = KineVLAPolicy.load(checkpoint)
    plan = policy.plan(observation(), SENTENCE)
    assert plan.actions.shape == (5, 8)
    assert np.isfinite(plan.actions).all()
    assert plan.period_s == pytest.approx(0.1)
    assert len(plan.goal_codes) == 2 and len(plan.kinematics_codes) == 2
    assert {"vision", "generation", "action_decoder", "total"} <= set(plan.latency_s)
    assert plan.latency_s["total"] >= plan.latency_s["vision"] > 0.0
    assert not plan.reasoning_reused and plan.tokens_reused == 0


def test_the_same_checkpoint_loaded_twice_gives_the_same_chunk(checkpoint: Path) -> None:
    first = KineVLAPolicy.load(checkpoint).plan(observation(), SENTENCE)
    second = KineVLAPolicy.load(checkpoint).plan(observation(), SENTENCE)
    np.testing.assert_array_equal(first.actions, second.actions)
    assert first.draft == second.draft


def test_a_previous_plan_saves_passes_and_changes_nothing(checkpoint: Path) -> None:
    policy = KineVLAPolicy.load(checkpoint)
    fresh = policy.plan(observation(), SENTENCE)
    again = policy.plan(observation(), SENTENCE, previous=fresh)
    np.testing.assert_array_equal(again.actions, fresh.actions)
    assert again.draft == fresh.draft
    assert again.forward_passes <= 4 < fresh.forward_passes
    assert again.reasoning_reused
    other = policy.plan(observation(1), SENTENCE, previous=fresh)
    assert other.draft == policy.plan(observation(1), SENTENCE).draft


def test_joint_targets_are_absolute_near_the_measured_joints(checkpoint: Path) -> None:
    policy = KineVLAPolicy.load(checkpoint)
    seen = observation()
    shifted = Observation(seen.front, seen.wrist, seen.state)
    plan = policy.plan(shifted, SENTENCE)
    np.testing.assert_allclose(plan.actions[0, :7], seen.state[:7], atol=0.6)
    assert ((plan.actions[:, 7] >= 0.0) & (plan.actions[:, 7] <= 1.0)).all()


def test_given_reasoning_is_used_instead_of_the_policys_own(checkpoint: Path) -> None:
    policy = KineVLAPolicy.load(checkpoint)
    plan = policy.plan(observation(), SENTENCE, forced_reasoning=("move the bread", "the carrot"))
    assert (plan.goal_text, plan.kinematics_text) == ("move the bread", "the carrot")


def test_unusable_observations_are_refused_by_name(checkpoint: Path) -> None:
    policy = KineVLAPolicy.load(checkpoint)
    good = observation()
    state = good.state.copy()
    state[2] = np.nan
    with pytest.raises(ObservationError, match="joint_3 is nan"):
        policy.plan(Observation(good.front, good.wrist, state), SENTENCE)
    with pytest.raises(ObservationError, match=r"\(8,\)"):
        policy.plan(Observation(good.front, good.wrist, good.state[:7]), SENTENCE)
    with pytest.raises(ObservationError, match=r"front camera: .*uint8"):
        policy.plan(Observation(good.front.astype(np.float32), good.wrist, good.state), SENTENCE)
    with pytest.raises(ObservationError, match=r"wrist camera: .*too small"):
        policy.plan(Observation(good.front, good.wrist[:16, :16], good.state), SENTENCE)


def test_the_form_of_an_instruction_is_checked_before_anything_is_computed(checkpoint: Path) -> None:
    policy = KineVLAPolicy.load(checkpoint)
    for bad in ("", "  ", "?!", "pick\x00up", "a " * 150):
        with pytest.raises(InstructionError):
            policy.plan(observation(), bad)
    assert policy.check_instruction("  Pick up the BREAD, move it to the front. ") == (
        "pick up the bread, move it to the front"
    )


def test_what_was_written_decides_whether_an_instruction_is_understood(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = KineVLAPolicy.load(checkpoint)
    # Untrained texts are no goal of the training.
    with pytest.raises(InstructionError, match=NOT_UNDERSTOOD):
        policy.understand(observation(), SENTENCE)
    known = next(text for text in policy.parts.texts if text[0] == SENTENCE)
    whole = policy.plan
    texts = [known[1:]]

    def plan(seen: Observation, sentence: str) -> Plan:
        return whole(seen, sentence, forced_reasoning=texts[-1])

    monkeypatch.setattr(policy, "plan", plan)
    assert policy.understand(observation(), SENTENCE).goal_text == known[1]
    texts.append((UNCLEAR["place"], known[2]))
    with pytest.raises(InstructionError, match="where the thing shall go; it knows the sentence itself"):
        policy.understand(observation(), SENTENCE)


def test_a_policy_in_doubt_of_its_words_does_not_act(checkpoint: Path) -> None:
    policy = KineVLAPolicy.load(checkpoint)
    limit = policy.parts.doubt_limit_nat
    assert 0.3 <= limit < float("inf")
    texts = policy.parts.texts
    understanding = Understanding(texts, limit)
    understanding.check(SENTENCE, texts[0][1], texts[0][2], limit)
    with pytest.raises(InstructionError, match="not sure of what it understood"):
        understanding.check(SENTENCE, texts[0][1], texts[0][2], limit + 0.1)


def test_a_checkpoint_tells_the_sentences_it_was_trained_on(checkpoint: Path) -> None:
    told = training_sentences(checkpoint)
    assert told[SENTENCE] == SENTENCE and len(told) > 300
    others = [sentence for sentence, meant in told.items() if meant == SENTENCE and sentence != SENTENCE]
    assert numbered_wording(SENTENCE, 7) in others


def test_a_changed_weight_file_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ManifestError, match=r"model\.safetensors"):
        KineVLAPolicy.load(copy)


def test_a_missing_file_is_named(checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    (copy / "text_tokenizer.json").unlink()
    with pytest.raises(ManifestError, match=r"text_tokenizer\.json"):
        KineVLAPolicy.load(copy)


def test_statistics_of_another_training_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    import json

    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    config["statistics_sha256"] = "0" * 64
    reseal(copy, config)
    with pytest.raises(StatisticsError):
        KineVLAPolicy.load(copy)


def test_weights_of_another_size_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    import json

    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    config["model"]["decoder"]["layers"] = 3
    reseal(copy, config)
    with pytest.raises(CheckpointError, match="does not fit"):
        KineVLAPolicy.load(copy)


def reseal(directory: Path, config: dict) -> None:
    """Change the configuration and make the manifest agree, as a careless editor would."""
    from kinevla.manifest import file_sha256

    write_json(directory / "config.json", config)
    manifest = read_manifest(directory)
    manifest["files"]["config.json"] = {
        "bytes": (directory / "config.json").stat().st_size,
        "sha256": file_sha256(directory / "config.json"),
    }
    write_json(directory / "manifest.json", manifest)


def test_the_manifest_names_data_tokenizer_and_settings(checkpoint: Path, workplace: Path) -> None:
    manifest = read_manifest(checkpoint)
    assert set(manifest["inputs"]) == {"data", "tokenizer", "statistics"}
    for role, name in (("data", "demos"), ("tokenizer", "tokenizer")):
        assert require_input(manifest, workplace / name) == (role,)
    training = manifest["config"]["training"]
    assert training["max_steps"] == 2 and not {"data", "out"} & set(training)


def test_the_model_card_says_what_it_stands_on_and_what_it_cost(checkpoint: Path) -> None:
    card = (checkpoint / "README.md").read_text()
    assert "EfficientNet-Lite0" in card and "MiniLM" in card
    assert "minutes" in card and "joint error of the decoded chunk" in card
    assert SENTENCE in card


def test_closed_loop_figures_enter_the_card_and_the_checkpoint_stays_valid(
    checkpoint: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    row = {"instruction": SENTENCE, "trials": 20, "goal": 19, "kinematics": 17}
    record_closed_loop(copy, {"tasks": [row], "note": "20 scenes a task."})
    assert f"| {SENTENCE} | 20 | 19 | 17 |" in (copy / "README.md").read_text()
    KineVLAPolicy.load(copy)
    with pytest.raises(CheckpointError, match="not possible"):
        record_closed_loop(copy, {"tasks": [row | {"kinematics": 21}], "note": ""})
