"""Sentences other than the tasks' own: which of them are in training, and which are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kinevla.evaluation import trial
from kinevla.evaluation.controllers import ControllerConfig, ExpertController, Start
from kinevla.evaluation.runner import EvaluationError, config_of, evaluate
from kinevla.evaluation.training_sentences import refusal, training_sentences
from kinevla.evaluation.wordings import WordingError, read_wordings
from kinevla.manifest import file_sha256, read_manifest, write_json
from kinevla.text import InstructionError, check_instruction
from kinevla.text.variants import instruction_variants

NANO = Path(__file__).parents[2] / "checkpoints" / "nano"
OWN = "pick up the bread and move it to the front"
UNSEEN = "move it, the bread, to the front"
UNKNOWN = "shove the bread to the front"


class Gated(ExpertController):
    """The fake expert behind the shipped policy's gate."""

    def __init__(self, config: ControllerConfig) -> None:
        super().__init__(ControllerConfig(control="expert", expert="fake_table:Expert"))
        self._known = json.loads((NANO / "config.json").read_text())["known_words"]

    def start(self, start: Start) -> None:
        check_instruction(start.instruction, self._known)
        super().start(start)


@pytest.fixture
def gated(fake_simulator, settings, monkeypatch):
    """Build an evaluation of a policy that moves as the fake expert and refuses as the shipped policy."""
    monkeypatch.setattr(trial, "make_controller", Gated)
    return lambda **changes: settings(
        **{"control": "none", "checkpoint": NANO, "bert": False, "tasks": (3,), "first_seed": 24} | changes
    )


def test_the_variants_that_were_trained_on_are_told_as_such():
    sentences = training_sentences(NANO)
    assert OWN in sentences and set(instruction_variants(OWN)) <= set(sentences)
    assert UNSEEN not in sentences


def test_a_training_without_variants_knows_the_tasks_alone(tmp_path):
    copy = tmp_path / "nano"
    shutil.copytree(NANO, copy)
    manifest = read_manifest(copy)
    manifest["config"]["training"]["variant_share"] = 0.0
    write_json(copy / "manifest.json", {k: v for k, v in manifest.items() if k != "config_sha256"})
    assert set(instruction_variants(OWN)).isdisjoint(training_sentences(copy))
    told = json.loads((copy / "training.json").read_text()) | {"sentences": [OWN]}
    write_json(copy / "training.json", told)
    assert training_sentences(copy) == (OWN,)


def test_a_sentence_is_refused_for_the_words_of_the_checkpoint():
    assert refusal(NANO, UNSEEN) is None
    assert "'shove' was not in the training instructions" in str(refusal(NANO, UNKNOWN))


def test_paraphrases_of_the_rules_are_reported_as_trained(gated):
    outcome = evaluate(gated(wording=1, trials=2))
    (row,) = outcome.summary.tasks
    assert (row.instruction, row.trained) == ("move the bread to the front", True)
    assert "yes        move the bread to the front" in outcome.summary.text()


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
    assert failed.reasons[0].startswith("refused: the word 'shove' was not in the training")
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


def test_the_frozen_list_holds_hundred_sentences_that_the_shipped_policy_was_not_trained_on():
    path = Path(__file__).parents[3] / "benchmarks" / "wordings" / "seven_tasks.tsv"
    assert file_sha256(path) == "b11ed345b54048d7ecd09f76ed776db250d3a4c66894edea93171b8edef1e76b"
    listed = read_wordings(path)
    assert sum(len(sentences) for sentences in listed.values()) == 100
    assert sorted(listed) == [1, 2, 3, 4, 5, 6, 7]
    trained = set(training_sentences(NANO))
    assert trained and not trained & {sentence for sentences in listed.values() for sentence in sentences}
