from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinevla.text import InstructionError, check_instruction, load_task_texts
from kinevla.text.instruction import normalised, tidy


def test_every_task_instruction_is_accepted_as_it_is() -> None:
    for task in load_task_texts("kine_realman"):
        assert check_instruction(task.instruction) == task.instruction.lower()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("  Pick up   the Bread and move it to the FRONT. ", "pick up the bread and move it to the front"),
        ("pick up the bread\u00a0and move it to the front!", "pick up the bread and move it to the front"),
    ],
)
def test_case_spaces_and_final_marks_do_not_matter(typed: str, expected: str) -> None:
    assert check_instruction(typed) == expected


@pytest.mark.parametrize("text", ["", "   ", "\n", " . "])
def test_empty_instructions_are_refused(text: str) -> None:
    with pytest.raises(InstructionError, match=r"empty|no words"):
        check_instruction(text)


def test_the_longest_instruction_has_200_characters() -> None:
    assert check_instruction("t" * 200) == "t" * 200
    with pytest.raises(InstructionError, match="201 characters, at most 200"):
        check_instruction("t" * 201)


@pytest.mark.parametrize(
    ("text", "code_point", "position"),
    [("the\x00bread", "U\\+0000", 3), ("the bread\nthe", "U\\+000A", 9), ("the \u202ebread", "U\\+202E", 4)],
)
def test_control_characters_are_named_with_their_position(text: str, code_point: str, position: int) -> None:
    with pytest.raises(InstructionError, match=f"{code_point} at position {position}"):
        check_instruction(text)


@pytest.mark.parametrize("text", ["grab the bannana", "сотри the bread", "schiebe das brot nach vorn"])
def test_what_words_mean_is_left_to_the_network(text: str) -> None:
    assert check_instruction(text) == text


def test_something_that_is_no_text_is_refused() -> None:
    with pytest.raises(InstructionError, match="int"):
        check_instruction(5)  # type: ignore[arg-type]


def test_the_refusal_is_a_value_error() -> None:
    assert issubclass(InstructionError, ValueError)


@pytest.mark.parametrize(
    "typed",
    [
        "Place the cup  on the shelf.",
        "place the cup\u00a0on the \u200bshelf",
        "\ufeff\u201cplace the cup on the shelf.\u201d",
        "'PLACE THE CUP ON THE SHELF'!",
        "place the cup on the shelf\u2026",
        "ｐｌａｃｅ the cup on the shelf\u3002",
    ],
)
def test_one_sentence_has_one_prompt_however_it_was_typed(typed: str) -> None:
    assert normalised(typed) == check_instruction(typed) == "place the cup on the shelf"


def test_marks_inside_a_sentence_are_kept_and_spelt_in_one_way() -> None:
    assert (
        normalised("hold the carrot\u2019s end, then \u201clift\u201d it")
        == 'hold the carrot\'s end, then "lift" it'
    )
    assert normalised("cafe\u0301") == normalised("caf\u00e9")


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)
    assert tidy(tidy(text)) == tidy(text)
