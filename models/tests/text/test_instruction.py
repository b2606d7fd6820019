from __future__ import annotations

import pytest

from kinevla.text import InstructionError, check_instruction, instruction_words, load_task_texts

WORDS = instruction_words(task.instruction for task in load_task_texts("kine_realman"))


def test_every_task_instruction_is_accepted_as_it_is() -> None:
    for task in load_task_texts("kine_realman"):
        assert check_instruction(task.instruction, WORDS) == task.instruction.lower()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("  Pick up   the Bread and move it to the FRONT. ", "pick up the bread and move it to the front"),
        ("pick up the bread\u00a0and move it to the front!", "pick up the bread and move it to the front"),
    ],
)
def test_case_spaces_and_final_marks_do_not_matter(typed: str, expected: str) -> None:
    assert check_instruction(typed, WORDS) == expected


@pytest.mark.parametrize("text", ["", "   ", "\n", " . "])
def test_empty_instructions_are_refused(text: str) -> None:
    with pytest.raises(InstructionError, match=r"empty|no words"):
        check_instruction(text, WORDS)


def test_the_longest_instruction_has_200_characters() -> None:
    exact = ("the " * 50).strip() + " x"[:1]
    assert check_instruction("the " * 49 + "the", WORDS)
    with pytest.raises(InstructionError, match="201 characters, at most 200"):
        check_instruction("t" * 201, WORDS)
    assert len(exact) <= 200


@pytest.mark.parametrize(
    ("text", "code_point", "position"),
    [("the\x00bread", "U\\+0000", 3), ("the bread\nthe", "U\\+000A", 9), ("the \u202ebread", "U\\+202E", 4)],
)
def test_control_characters_are_named_with_their_position(text: str, code_point: str, position: int) -> None:
    with pytest.raises(InstructionError, match=f"{code_point} at position {position}"):
        check_instruction(text, WORDS)


def test_unknown_words_are_all_listed_with_near_ones() -> None:
    with pytest.raises(InstructionError) as refusal:
        check_instruction("pick up the bannana and the carot", WORDS)
    assert "'bannana'" in str(refusal.value)
    assert "'carot'" in str(refusal.value)
    assert "carrot" in str(refusal.value)


def test_other_scripts_are_refused_as_unknown_words() -> None:
    with pytest.raises(InstructionError, match="сотри"):
        check_instruction("сотри the bread", WORDS)


def test_something_that_is_no_text_is_refused() -> None:
    with pytest.raises(InstructionError, match="int"):
        check_instruction(5, WORDS)  # type: ignore[arg-type]


def test_the_refusal_is_a_value_error() -> None:
    assert issubclass(InstructionError, ValueError)
