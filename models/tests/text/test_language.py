"""The language of table-top motion: what is said is what is meant, in every way of saying it."""

from __future__ import annotations

import numpy as np
import pytest

from kinevla.text.corpus import load_task_texts
from kinevla.text.language import (
    Displacement,
    Instruction,
    LanguageError,
    Orientation,
    Path,
    Target,
    parse_sentence,
    parse_texts,
    say,
    write_goal,
    write_kinematics,
)
from kinevla.text.language.draw import draw_instruction


def round_trip(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        instruction = draw_instruction(rng)
        sentence = say(instruction, rng)
        assert parse_sentence(sentence) == instruction, sentence
        goal, kinematics = write_goal(instruction), write_kinematics(instruction)
        assert parse_texts(goal, kinematics) == instruction, kinematics


def test_what_is_said_and_written_is_understood_again() -> None:
    round_trip(1000, 0)


@pytest.mark.slow
def test_ten_thousand_drawn_instructions_are_understood_again() -> None:
    round_trip(10_000, 1)


@pytest.mark.parametrize("task", load_task_texts("kine_realman"), ids=lambda task: str(task.number))
def test_the_papers_tasks_belong_to_the_language_and_keep_their_texts(task) -> None:
    instruction = parse_sentence(task.instruction)
    assert say(instruction) == task.instruction
    assert (write_goal(instruction), write_kinematics(instruction)) == (task.coarse, task.fine)
    assert parse_texts(task.coarse, task.fine) == instruction


def test_every_attribute_is_heard_in_one_sentence() -> None:
    sentence = (
        "Please grab the banana by its stem end and put it behind the mug, slowly, "
        "lifting it high over the table, rotated 45 degrees clockwise."
    )
    assert parse_sentence(sentence) == Instruction(
        "banana",
        target=Target("beside", "back", "mug"),
        part="stem",
        path=Path("high"),
        orientation=Orientation("turned", None, -45),
        speed="slow",
    )


@pytest.mark.parametrize(
    "said", ["12 cm to the left", "twelve centimetres to the left", "leftwards by 12 cm"]
)
def test_a_distance_is_a_number_or_a_word(said: str) -> None:
    assert parse_sentence(f"push the mug {said}") == Instruction(
        "mug", displacement=Displacement("left", 12), contact="push"
    )


def test_no_two_instructions_are_said_alike() -> None:
    rng = np.random.default_rng(3)
    drawn = {draw_instruction(rng) for _ in range(3000)}
    assert len({say(instruction) for instruction in drawn}) == len(drawn)
    assert len({write_kinematics(item) + write_goal(item) for item in drawn}) == len(drawn)


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("eat the banana on the left side of the plate", "not understood at 'eat the banana'"),
        ("push the mug 3 cm to the left", r"4\.\.20 cm, got 3"),
        ("push the mug 30 cm to the left", r"4\.\.20 cm, got 30"),
        ("push the mug", "needs a target or a displacement"),
        ("push the mug 5 cm to the left, 6 cm to the front", "says twice"),
        (
            "hold the carrot by the stem and move it to the front",
            "'stem' of the carrot is none of upper",
        ),
        ("hold the carrot by the upper part and put it to the front, held by the tip", "names two parts"),
        ("push the mug left of the mug", "in relation to itself"),
        ("push the mug on the left side of the plate", "does not come onto the plate"),
        ("push the block to the front, high above the table", "is not lifted"),
        ("push the mug 9 cm to the left, passing the bowl on its left", "does not pass it"),
        ("put the mug left of the bowl, passing the bowl on its right", "does not pass it"),
        ("place the block to the front, pointing to the left", "points nowhere"),
        ("place the carrot to the front, with its label to the left", "has no label"),
        ("put the mug to the front, first to the left, then to the right", "across each other"),
        ("put the dragon to the front", "not understood at"),
        ("", "not understood at"),
    ],
)
def test_what_the_language_cannot_mean_is_said(sentence: str, reason: str) -> None:
    with pytest.raises(LanguageError, match=reason):
        parse_sentence(sentence)


def test_texts_that_contradict_each_other_are_refused() -> None:
    instruction = parse_sentence("push the mug 5 cm to the left")
    with pytest.raises(LanguageError, match="contradicts"):
        parse_texts("move the bowl", write_kinematics(instruction))
    with pytest.raises(LanguageError, match="no text of the language"):
        parse_texts("move the mug", "as you like")
    with pytest.raises(LanguageError, match="nothing the language writes"):
        parse_texts("move the mug", write_kinematics(instruction).replace("5 cm", "some way"))


def test_only_things_that_are_there_are_spoken_of() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        drawn = draw_instruction(rng, ("mug", "spoon"))
        others = {drawn.target and drawn.target.other, drawn.path and drawn.path.other} - {None}
        assert {drawn.thing, *others} <= {"mug", "spoon"}
    with pytest.raises(LanguageError, match="no 'dragon'"):
        draw_instruction(rng, ("dragon",))
    with pytest.raises(LanguageError, match="needs a thing"):
        draw_instruction(rng, ())
