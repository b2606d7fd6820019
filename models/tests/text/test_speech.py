"""Sentences that occur once: said in other ways, others to refuse, and texts that are judged by parsing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kinevla.text import load_task_texts
from kinevla.text.language import LanguageError, parse_sentence, say, write_goal, write_kinematics
from kinevla.text.language.draw import draw_instruction
from kinevla.text.language.refuse import digest, draw_refused
from kinevla.text.language.splits import draw_seen, load_splits, read_meant, read_refused, split_instructions
from kinevla.text.language.wording import every_text, of_language, other_wording
from kinevla.text.speech import speech_of
from kinevla.text.tokenizer import split_words
from kinevla.text.unclear import UNCLEAR
from kinevla.text.wordings import WORDINGS, numbered_wording
from kinevla.understanding import NOT_UNDERSTOOD, Understanding

LISTS = Path(__file__).parents[3] / "benchmarks" / "wordings"
TESTED = Path(__file__).parents[2] / "kinevla" / "text" / "language" / "tested.json"
SEVEN = tuple((task.instruction, task.coarse, task.fine) for task in load_task_texts("kine_realman"))


def trained(count: int = 60) -> tuple[tuple[str, str, str], ...]:
    """(instruction, goal text, kinematics text) of sentences of the training."""
    rng = np.random.default_rng(5)
    drawn = (draw_seen(rng) for _ in range(count))
    return tuple((say(asked, rng), write_goal(asked), write_kinematics(asked)) for asked in drawn)


TEXTS = trained()
SENTENCES = tuple(text[0] for text in TEXTS)


@pytest.fixture(scope="module")
def refused() -> list[tuple[str, str]]:
    rng = np.random.default_rng(1)
    return [draw_refused(SENTENCES, rng) for _ in range(1500)]


def test_other_wordings_of_a_sentence_mean_the_same_in_other_words() -> None:
    for sentence in SENTENCES[:20]:
        said = {other_wording(sentence, number) for number in range(1, 30)}
        assert len(said) > 5
        assert {parse_sentence(other) for other in said} == {parse_sentence(sentence)}
    assert other_wording(SENTENCES[0], 0) == SENTENCES[0]
    assert other_wording("fetch the newspaper", 3) == "fetch the newspaper"


def test_no_drawn_refusal_means_anything_in_the_language(refused: list[tuple[str, str]]) -> None:
    for sentence, text in refused:
        assert text in UNCLEAR.values()
        with pytest.raises(LanguageError):
            parse_sentence(sentence)
    assert {text for _, text in refused} == set(UNCLEAR.values()) - {UNCLEAR["absent"]}
    assert len({sentence for sentence, _ in refused}) > 1200


def test_sentences_in_a_persons_own_words_have_refusals_drawn_beside_them() -> None:
    sentence, text = draw_refused(("fetch the newspaper",), np.random.default_rng(0))
    assert sentence and text in UNCLEAR.values()


def test_drawn_refusals_are_contradictions_and_impossible_things_not_rare_words(
    refused: list[tuple[str, str]],
) -> None:
    said = " | ".join(sentence for sentence, _ in refused)
    for thing in ("cm", "held by the", "slowly", "scissors", "do not"):
        assert thing in said
    # Low and straight is one way, the front of the plate is a place, and other words for pushing push.
    for sentence, _ in refused:
        assert not {"drag", "nudge", "shift"} & set(sentence.split())
        assert "on the front of the plate" not in sentence


def test_no_sentence_that_is_tested_is_ever_trained(refused: list[tuple[str, str]]) -> None:
    tested = {sentence for _, sentence in read_meant(LISTS / "kinebench.tsv")}
    tested |= {sentence for _, sentence in read_refused(LISTS / "kinebench_refused.tsv")}
    assert set(json.loads(TESTED.read_text())) == {digest(sentence) for sentence in tested}
    drawn = {digest(sentence) for sentence, _ in refused}
    drawn |= {digest(other_wording(sentence, n)) for sentence in SENTENCES for n in range(40)}
    assert drawn.isdisjoint(digest(sentence) for sentence in tested)


def test_the_words_of_every_split_can_be_written_after_training_on_any_sentence() -> None:
    words = {piece.strip().lower() for text in every_text() for piece in split_words(text)}
    rng = np.random.default_rng(2)
    asked = [draw_instruction(rng, attribute_share=0.6) for _ in range(500)]
    for split in load_splits()["sentences"]:
        asked += split_instructions(split)
    own = {piece.strip().lower() for text in SEVEN for line in text for piece in split_words(line)}
    for instruction in asked:
        for text in (write_goal(instruction), write_kinematics(instruction)):
            assert {piece.strip().lower() for piece in split_words(text)} <= words | own, text


def test_a_data_set_speaks_the_language_when_all_it_writes_is_of_it() -> None:
    assert of_language(TEXTS) and of_language((*TEXTS, *SEVEN))
    assert not of_language(SEVEN), "the paper's seven tasks alone keep their own wordings"
    assert not of_language(()) and not of_language((*TEXTS, ("open the drawer", "open it", "slowly")))
    assert speech_of(SEVEN).wording(SEVEN[0][0], 5) == numbered_wording(SEVEN[0][0], 5)
    assert speech_of(TEXTS).wording(SENTENCES[0], 5) == other_wording(SENTENCES[0], 5)


def test_a_scene_of_many_things_is_never_taught_as_lacking_one() -> None:
    assert {speech_of(TEXTS).thing(sentence) for sentence in SENTENCES} == {None}
    assert speech_of(SEVEN).thing(SEVEN[0][0]) == "bread"


def test_what_nobody_trained_on_may_be_written_when_goal_and_kinematics_agree() -> None:
    gate = Understanding(TEXTS, 1.0)
    written = {text[1:] for text in TEXTS}
    unseen = [
        (write_goal(asked), write_kinematics(asked))
        for split in ("composition", "number")
        for asked in split_instructions(split)
    ]
    assert not written & set(unseen)
    assert {gate.problem(*pair) for pair in unseen} == {""}


def test_texts_that_contradict_each_other_or_say_nothing_of_the_language_are_refused() -> None:
    gate = Understanding(TEXTS, 1.0)
    goal, kinematics = next(text[1:] for text in TEXTS if "block" in text[1])
    other = next(text[1] for text in TEXTS if text[1] != goal)
    assert "contradicts" in gate.problem(other, kinematics)
    assert "is no text of the language" in gate.problem(goal, "Robot Action: fly.")
    assert gate.problem(UNCLEAR["thing"], "") != ""
    assert "not sure" in gate.problem(goal, kinematics, 2.0)
    with pytest.raises(ValueError, match=NOT_UNDERSTOOD):
        gate.check("fly", goal, "fly", 0.0)


def test_of_the_seven_tasks_only_known_texts_are_accepted_as_before() -> None:
    gate = Understanding(SEVEN, 1.0)
    assert gate.problem(*SEVEN[3][1:]) == ""
    assert "no goal it knows" in gate.problem(*next(text[1:] for text in TEXTS if "block" in text[1]))


def test_as_many_wordings_are_numbered_as_for_the_seven_tasks() -> None:
    assert len({other_wording(SENTENCES[1], number) for number in range(WORDINGS)}) > 20
