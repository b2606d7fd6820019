from __future__ import annotations

import re

import numpy as np
import pytest

from kinevla.evaluation.interventions import InterventionError, intervene, mismatched_text, shuffled_text
from kinevla.text import load_task_texts
from kinevla.text.tokenizer import build_word_tokenizer

TEXTS = [(task.coarse, task.fine) for task in load_task_texts("kine_realman")]


@pytest.mark.parametrize("own", TEXTS)
def test_mismatched_reasoning_keeps_the_goal_and_changes_the_kinematics(own):
    fine = intervene("mismatched", own, TEXTS, (3, 1))
    assert fine != own[1]
    assert (own[0], fine) in TEXTS


def test_shuffled_reasoning_is_that_of_any_other_instruction():
    drawn = {intervene("shuffled", TEXTS[0], TEXTS, (trial, 1)) for trial in range(100)}
    assert drawn == {fine for _, fine in TEXTS} - {TEXTS[0][1]}
    with pytest.raises(InterventionError, match="no other instruction"):
        shuffled_text(TEXTS[0], TEXTS[:1], np.random.default_rng(0))


def test_random_reasoning_is_as_long_as_the_true_one_and_from_the_same_words():
    own = TEXTS[4]
    fine = intervene("random", own, TEXTS, (3, 1))
    words = {word for _, text in TEXTS for word in re.findall(r"\w+", text)}
    assert 0.6 * len(re.findall(r"\w+", own[1])) < len(fine.split()) <= len(re.findall(r"\w+", own[1]))
    assert set(fine.split()) <= words
    assert fine != own[1]


def test_random_reasoning_can_be_spelt_by_the_small_models_tokenizer():
    tokenizer = build_word_tokenizer([text for pair in TEXTS for text in pair])
    for trial in range(50):
        fine = intervene("random", TEXTS[4], TEXTS, (trial, 7))
        assert tokenizer.unk_token_id not in tokenizer(fine)["input_ids"], fine


def test_the_same_trial_gets_the_same_text_again():
    assert intervene("random", TEXTS[0], TEXTS, (3, 1)) == intervene("random", TEXTS[0], TEXTS, (3, 1))
    assert intervene("random", TEXTS[0], TEXTS, (3, 1)) != intervene("random", TEXTS[0], TEXTS, (4, 1))


def test_a_goal_with_one_instruction_only_cannot_be_mismatched():
    with pytest.raises(InterventionError, match="no other instruction has the goal 'alone'"):
        mismatched_text(("alone", "a"), [("alone", "a"), ("other", "b")], np.random.default_rng(0))
