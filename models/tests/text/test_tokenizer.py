from __future__ import annotations

import pytest

from kinevla.text import DELIMITERS, CodeLevel, Vocabulary, build_word_tokenizer, load_task_texts, split_words
from kinevla.text.unclear import UNCLEAR

TEXTS = [text for task in load_task_texts() for text in (task.instruction, task.coarse, task.fine)]


@pytest.fixture(scope="module")
def tokenizer():  # type: ignore[no-untyped-def]
    return build_word_tokenizer(TEXTS)


def test_there_are_48_annotated_tasks_seven_of_them_for_the_realman() -> None:
    assert len(load_task_texts()) == 48
    assert [task.number for task in load_task_texts("kine_realman")] == [1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(ValueError, match="kine_realman"):
        load_task_texts("bridge")


def test_every_task_text_comes_back_character_for_character(tokenizer) -> None:  # type: ignore[no-untyped-def]
    for text in TEXTS:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        assert tokenizer.unk_token_id not in ids, text
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize(
    "text",
    [
        "the carrot, the bread; the plate (left)",
        "move the bread  to the front",
        "In: What action should the robot take to move the bread?\nOut:",
        "Robot Action: Trajectory Shape - To the front",
        "",
    ],
)
def test_any_text_of_known_words_comes_back(tokenizer, text: str) -> None:  # type: ignore[no-untyped-def]
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text
    assert "".join(split_words(text)) == text


def test_the_same_texts_give_the_same_ids_in_any_order() -> None:
    first = build_word_tokenizer(TEXTS).get_vocab()
    assert first == build_word_tokenizer(reversed(TEXTS)).get_vocab()


def test_what_is_unclear_can_be_spelt_where_it_was_built_in() -> None:
    tokenizer = build_word_tokenizer([*TEXTS, *UNCLEAR.values()])
    for text in UNCLEAR.values():
        ids = tokenizer(text, add_special_tokens=False).input_ids
        assert tokenizer.unk_token_id not in ids and tokenizer.decode(ids) == text


def layout(text_size: int = 466) -> Vocabulary:
    return Vocabulary.after_text(
        text_size, codebook_size=256, goal_codes=2, kinematics_codes=2, bos=1, eos=2, pad=0
    )


def test_codes_end_exactly_at_the_tail_and_no_ids_overlap() -> None:
    vocabulary = layout()
    blocks = [set(vocabulary.block(level)) for level in vocabulary.levels()]
    delimiters = {vocabulary.delimiter(name) for name in DELIMITERS}
    assert max(max(block) for block in blocks) == vocabulary.padded_size - 1
    assert vocabulary.padded_size % 64 == 0
    everything = [*blocks, delimiters, set(range(vocabulary.text_size))]
    assert sum(len(part) for part in everything) == len(set().union(*everything))


def test_a_code_and_its_id_belong_to_each_other_and_to_one_level() -> None:
    vocabulary = layout()
    level = CodeLevel("kinematics", 1)
    token = vocabulary.code_id(level, 255)
    assert token == vocabulary.block(level)[255]
    with pytest.raises(ValueError, match=r"0\.\.255"):
        vocabulary.code_id(level, 256)
    with pytest.raises(ValueError, match="stage 2"):
        vocabulary.block(CodeLevel("goal", 2))


def test_the_llama_layout_keeps_1024_codes_and_refuses_more() -> None:
    vocabulary = Vocabulary.llama()
    assert vocabulary.block(CodeLevel("goal", 0))[0] == 32000 - 1024
    assert (vocabulary.delimiter("<goal>"), vocabulary.delimiter("</kin_act>")) == (32001, 32008)
    assert vocabulary.padded_size == 32064
    with pytest.raises(ValueError, match="overwrite letters"):
        Vocabulary.llama(codebook_size=512)
