"""One meaning in many sentences, and sentences that mean nothing the policy can do."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kinevla.evaluation.wordings import read_wordings
from kinevla.text import check_instruction, load_task_texts
from kinevla.text.unclear import UNCLEAR, draw_unclear
from kinevla.text.wordings import WORDINGS, Meaning, draw_wording, meaning_of, numbered_wording

TASKS = load_task_texts("kine_realman")
INSTRUCTIONS = [task.instruction for task in TASKS]
FROZEN = Path(__file__).parents[3] / "benchmarks" / "wordings"


def wordings(instruction: str) -> set[str]:
    return {numbered_wording(instruction, number) for number in range(WORDINGS)}


def test_every_task_is_taken_apart_and_no_two_mean_the_same() -> None:
    meanings = [meaning_of(text) for text in INSTRUCTIONS]
    assert None not in meanings and len(set(meanings)) == len(TASKS)
    assert meaning_of(INSTRUCTIONS[0]) == Meaning("bread", "left front")
    assert meaning_of("hold the carrot by the upper part and place it on the left side of the plate") == (
        Meaning("carrot", "left", "upper", "plate")
    )


def test_a_task_of_another_form_is_said_with_the_words_it_came_with() -> None:
    rng = np.random.default_rng(0)
    others = [task.instruction for task in load_task_texts() if meaning_of(task.instruction) is None]
    assert others and all(draw_wording(text, rng) == text for text in others)
    assert numbered_wording("open the drawer", 7) == "open the drawer"


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_a_task_has_hundreds_of_wordings_that_may_all_be_said(instruction: str) -> None:
    found = wordings(instruction)
    assert len(found) > 0.8 * WORDINGS
    assert all(check_instruction(text) == text.rstrip(".! ") for text in found)


def test_no_sentence_stands_for_two_tasks() -> None:
    counted = Counter(text for instruction in INSTRUCTIONS for text in wordings(instruction))
    assert [text for text, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_a_wording_never_says_the_opposite(instruction: str) -> None:
    meaning = meaning_of(instruction)
    assert meaning is not None
    opposite = {"left": "right", "right": "left", "upper": "lower", "lower": "upper"}
    unsaid = {opposite[word] for word in (*meaning.place.split(), meaning.part) if word in opposite}
    if meaning.place == "front":
        unsaid |= {"left", "right"}
    for text in wordings(instruction):
        words = set(re.findall("[a-z]+", text))
        if meaning.place == "front" and unsaid <= words:
            continue  # between left and right, or neither
        # "right" of the right-hand side is the side's own; nothing else says it in a wording of the left.
        assert not unsaid & words, text


def test_numbered_wordings_are_the_same_on_every_machine_and_begin_with_the_instruction() -> None:
    assert [numbered_wording(INSTRUCTIONS[2], number) for number in (0, 1, WORDINGS, WORDINGS + 1)] == [
        INSTRUCTIONS[2], numbered_wording(INSTRUCTIONS[2], 1), INSTRUCTIONS[2],
        numbered_wording(INSTRUCTIONS[2], 1),
    ]  # fmt: skip
    assert numbered_wording(INSTRUCTIONS[2], 1) == (
        "make sure the bread roll gets in the middle one of the three front areas"
    )


def unclear_sentences(count: int = 4000) -> list[tuple[str, str]]:
    rng = np.random.default_rng(3)
    return [draw_unclear(INSTRUCTIONS, rng) for _ in range(count)]


def test_unclear_sentences_are_of_every_kind_but_the_absent_and_may_all_be_said() -> None:
    drawn = unclear_sentences()
    assert {text for _, text in drawn} == set(UNCLEAR.values()) - {UNCLEAR["absent"]}
    for sentence, _ in drawn:
        assert check_instruction(sentence)


def test_almost_no_unclear_sentence_is_a_wording_of_a_task() -> None:
    said = set().union(*(wordings(instruction) for instruction in INSTRUCTIONS))
    drawn = unclear_sentences()
    assert sum(sentence in said for sentence, _ in drawn) <= 0.002 * len(drawn)
    assert not {sentence for sentence, _ in drawn} & set(INSTRUCTIONS)


def test_a_thing_that_is_taught_is_not_called_unknown() -> None:
    rng = np.random.default_rng(0)
    others = ["pick up the mug and move it to the left front", "pick up the cup and move it to the front"]
    drawn = [draw_unclear(others, rng) for _ in range(4000)]
    unknown = [sentence for sentence, text in drawn if text == UNCLEAR["thing"]]
    assert len(unknown) > 100
    assert not any({"mug", "cup"} & set(re.findall("[a-z]+", sentence)) for sentence in unknown)


def test_unclear_sentences_are_drawn_for_tasks_of_any_form() -> None:
    rng = np.random.default_rng(0)
    others = ["open the drawer", "wipe the table"]
    drawn = {draw_unclear(others, rng)[1] for _ in range(300)}
    assert drawn == {UNCLEAR["sentence"], UNCLEAR["action"]}


def test_frozen_sentences_to_follow_are_in_no_training() -> None:
    said = set().union(*(wordings(instruction) for instruction in INSTRUCTIONS))
    asked = {text for texts in read_wordings(FROZEN / "seven_tasks.tsv").values() for text in texts}
    assert not asked & said


def test_few_frozen_sentences_to_refuse_are_drawn_for_training() -> None:
    unclear = {sentence for sentence, _ in unclear_sentences(20_000)}
    listed = read_wordings(FROZEN / "refused.tsv")
    refused = {text for texts in listed.values() for text in texts}
    assert len(refused & unclear) < 0.1 * len(refused)
    # What says a task is to be refused only in scenes where its thing is absent.
    said = {text: meaning_of(i) for i in INSTRUCTIONS for text in wordings(i)}
    for task, texts in listed.items():
        here = meaning_of(INSTRUCTIONS[task - 1])
        for text in texts:
            assert text not in said or said[text].thing != here.thing, (task, text)
