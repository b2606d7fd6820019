"""Sentences other than the tasks' own: which of them are in training, and which are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kinevla.evaluation import trial
from kinevla.evaluation.controllers import ControllerConfig, Decision, ExpertController, Start
from kinevla.evaluation.runner import EvaluationError, config_of, evaluate
from kinevla.evaluation.wordings import WordingError, read_wordings, training_sentences
from kinevla.manifest import file_sha256, read_manifest, write_json
from kinevla.text import InstructionError, check_instruction
from kinevla.text.unclear import UNCLEAR
from kinevla.text.wordings import WORDINGS, numbered_wording
from kinevla.understanding import Understanding

NANO = Path(__file__).parents[2] / "checkpoints" / "nano"
OWN = "pick up the bread and move it to the front"
UNSEEN = "move it, the bread, to the front"
UNKNOWN = "shove the bread to the front"


class Gated(ExpertController):
    """The fake expert as a policy that understands what it was taught, and moving it, the bread."""

    def __init__(self, config: ControllerConfig) -> None:
        super().__init__(ControllerConfig(control="expert", expert="fake_table:Expert"))

    def start(self, start: Start) -> None:
        self._sentence, self._first = check_instruction(start.instruction), True
        super().start(start)

    def decide(self, observation: dict[str, Any], step: int) -> Decision:
        understood = {UNSEEN, *(numbered_wording(OWN, number) for number in range(3))}
        if self._first and self._sentence not in understood:
            gate = Understanding(((OWN, "move the bread", ""),), 1.0)
            gate.check(self._sentence, UNCLEAR["action"], "", 0.0)
        self._first = False
        return super().decide(observation, step)


@pytest.fixture
def gated(fake_simulator, settings, monkeypatch):
    """Build an evaluation of a policy that moves as the fake expert where it understands."""
    monkeypatch.setattr(trial, "make_controller", Gated)
    return lambda **changes: settings(
        **{"control": "none", "checkpoint": NANO, "bert": False, "tasks": (3,), "first_seed": 24} | changes
    )


def test_the_wordings_that_were_trained_on_are_told_with_their_instruction():
    sentences = training_sentences(NANO)
    assert sentences[OWN] == OWN and UNSEEN not in sentences
    assert all(sentences[numbered_wording(OWN, number)] == OWN for number in range(WORDINGS))
    assert len(set(sentences.values())) == 7


def test_a_training_without_wordings_knows_the_tasks_alone(tmp_path):
    copy = tmp_path / "nano"
    shutil.copytree(NANO, copy)
    manifest = read_manifest(copy)
    manifest["config"]["training"]["variant_share"] = 0.0
    write_json(copy / "manifest.json", {k: v for k, v in manifest.items() if k != "config_sha256"})
    told = training_sentences(copy)
    assert len(told) == 7 and all(wording == instruction for wording, instruction in told.items())


def test_a_checkpoint_without_texts_tells_no_sentences(tmp_path):
    copy = tmp_path / "nano"
    shutil.copytree(NANO, copy)
    config = json.loads((copy / "config.json").read_text())
    write_json(copy / "config.json", {name: value for name, value in config.items() if name != "texts"})
    assert training_sentences(copy) == {}


def test_wordings_of_training_are_reported_as_trained(gated):
    outcome = evaluate(gated(wording=1, trials=2))
    (row,) = outcome.summary.tasks
    said = numbered_wording(OWN, 1)
    assert said != OWN and (row.instruction, row.trained) == (said, True)
    assert f"yes        {said}" in outcome.summary.text()


def test_a_list_of_sentences_tells_seen_unseen_and_refused_ones_apart(gated, tmp_path):
    listed = tmp_path / "wordings.tsv"
    listed.write_text(f"# frozen\n\n3\t{OWN}\n3\t{UNSEEN}\n3\t{UNKNOWN}\n1\tnot asked for\n")
    config = gated(wording_file=listed, trials=2)
    outcome = evaluate(config)
    rows = [(r.instruction, r.trained, r.refused, r.goal.successes) for r in outcome.summary.tasks]
    assert rows == [(OWN, True, 0, 2), (UNSEEN, False, 0, 2), (UNKNOWN, False, 2, 0)]
    assert [(r.trained, r.goal.successes, r.goal.trials) for r in outcome.summary.wordings] == [
        (True, 2, 2),
        (False, 2, 4),
    ]
    failed = outcome.results[2]
    assert failed.refused and not failed.goal and failed.ended == "sentence refused" and failed.chunks == 0
    assert failed.reasons == (
        f"refused: {UNKNOWN!r} was not understood: it is not clear what to do, or it is nothing this policy "
        f"can do; the nearest sentence it knows: {OWN!r}",
    )
    assert f"{UNKNOWN} (refused 2 times)" in outcome.summary.text()
    assert (config.out / "index.html").read_text().count('class="trial"') == 2
    # The list is an input: it belongs to the evaluation as the checkpoint does.
    assert read_manifest(config.out)["config"]["inputs"]["wording_file"] == file_sha256(listed)
    assert config_of(config.out, tmp_path / "again").identity() == config.identity()
    assert evaluate(config).results == outcome.results
    listed.write_text(f"3\t{OWN}\n")
    with pytest.raises(EvaluationError, match="inputs"):
        evaluate(config)
    with pytest.raises(EvaluationError, match="not the wording_file"):
        config_of(config.out, tmp_path / "again")


def test_an_instruction_that_is_refused_does_not_end_an_evaluation(gated):
    def refuse(self: Gated, start: Start) -> None:
        raise InstructionError("the instruction is empty")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gated, "start", refuse)
        outcome = evaluate(gated(trials=1))
    assert outcome.summary.failures == {"refused: the instruction is empty": 1}
    assert outcome.summary.ended == {"sentence refused": 1}


def test_a_sentence_that_is_lost_on_the_way_ends_a_trial_that_the_judge_still_judges(gated, monkeypatch):
    decide = Gated.decide

    def lost(self: Gated, observation: dict[str, Any], step: int) -> Decision:
        if step >= 10:
            raise InstructionError("the thing it names is not seen")
        return decide(self, observation, step)

    monkeypatch.setattr(Gated, "decide", lost)
    (result,) = evaluate(gated(trials=1, wording=1)).results
    assert (result.ended, result.steps, result.chunks) == ("refused: the thing it names is not seen", 10, 2)
    assert not result.refused


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("3 no tab", r"line 1: need task<TAB>sentence"),
        ("\n3\t", "line 2: need"),
        ("three\tmove", "line 1: need"),
        ("3\tmove\n3\tmove", "line 2: task 3 has this sentence already"),
        ("# nothing", "holds no sentence"),
    ],
)
def test_a_list_of_another_form_is_refused_by_line(content, said, tmp_path):
    path = tmp_path / "list"
    path.write_text(content)
    with pytest.raises(WordingError, match=said):
        read_wordings(path)
    with pytest.raises(WordingError, match="cannot be read"):
        read_wordings(tmp_path / "missing")


def test_sentences_of_unknown_or_other_tasks_are_refused(settings, tmp_path):
    path = tmp_path / "list"
    path.write_text("9\tmove")
    with pytest.raises(ValueError, match="task 9 is unknown"):
        settings(wording_file=path).jobs()
    path.write_text("3\tmove")
    with pytest.raises(ValueError, match=r"no sentence for the tasks \[1, 2\]"):
        settings(wording_file=path).jobs()
    with pytest.raises(ValueError, match="exclude each other"):
        settings(wording_file=path, wording=1)


@pytest.mark.parametrize(
    ("name", "sha256", "count"),
    [
        ("seven_tasks", "b11ed345b54048d7ecd09f76ed776db250d3a4c66894edea93171b8edef1e76b", 100),
        ("refused", "b0286fedbbbc1c9df24d7a73e140eb6b2530af8112d989f4e495bc6b17d2d810", 106),
    ],
)
def test_the_frozen_lists_are_what_they_were(name, sha256, count):
    path = Path(__file__).parents[3] / "benchmarks" / "wordings" / f"{name}.tsv"
    assert file_sha256(path) == sha256
    listed = read_wordings(path)
    assert sum(len(sentences) for sentences in listed.values()) == count


def test_the_shipped_policy_was_not_trained_on_the_frozen_sentences():
    path = Path(__file__).parents[3] / "benchmarks" / "wordings" / "seven_tasks.tsv"
    listed = read_wordings(path)
    assert sorted(listed) == [1, 2, 3, 4, 5, 6, 7]
    trained = set(training_sentences(NANO))
    assert trained and not trained & {sentence for sentences in listed.values() for sentence in sentences}
