from __future__ import annotations

import pytest

from kinevla.text import load_task_texts
from kinevla.text.similarity import nearest_sentence

SENTENCES = tuple(task.instruction for task in load_task_texts("kine_realman"))


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_known_sentence_is_its_own_nearest(sentence: str) -> None:
    assert nearest_sentence(sentence, SENTENCES) == sentence
    assert nearest_sentence(f" {sentence.upper()}. ", SENTENCES[::-1]) == sentence


@pytest.mark.parametrize(
    ("sentence", "task"),
    [
        ("take the bread and bring it to the front left", 1),
        ("push the bread forward, to the right", 2),
        ("grasp the carrot at its upper end, then lay it down left of the middle of the plate", 5),
        ("on the right side of the plate I want the carrot, held by the lower part", 7),
    ],
)
def test_other_wordings_find_the_sentence_with_the_same_telling_words(sentence: str, task: int) -> None:
    assert nearest_sentence(sentence, SENTENCES) == SENTENCES[task - 1]


def test_words_in_the_same_order_are_nearer_and_the_first_of_equals_is_taken() -> None:
    assert (
        nearest_sentence("cup left of plate", ("plate left of cup", "cup left of plate"))
        == "cup left of plate"
    )
    assert nearest_sentence("nothing alike", SENTENCES) == SENTENCES[0]
