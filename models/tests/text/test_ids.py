"""No text spells an action id or a delimiter, with the nano tokenizer and with that of Llama."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinevla.generation.grammar import Grammar
from kinevla.generation.sequence import LLAMA_SPACE_ID, SequenceBuilder
from kinevla.text import DELIMITERS, CodeLevel, Vocabulary, build_word_tokenizer, load_task_texts
from kinevla.text.corpus import PROMPT_HEAD, PROMPT_TAIL

TASKS = load_task_texts()
TEXTS = [text for task in TASKS for text in (task.instruction, task.coarse, task.fine)]
TOKENIZER = build_word_tokenizer(TEXTS)
# Ids of the real Llama tokenizer, see "source" in the file.
LLAMA: dict[str, Any] = json.loads((Path(__file__).parent / "llama_ids.json").read_text())


def nano_layout(codebook_size: int, levels: tuple[int, int], shared: bool) -> Vocabulary:
    return Vocabulary.after_text(
        len(TOKENIZER), codebook_size=codebook_size, goal_codes=levels[0], kinematics_codes=levels[1],
        bos=1, eos=2, pad=0, shared_block=shared,
    )  # fmt: skip


def reserved(vocabulary: Vocabulary) -> set[int]:
    """Ids of codes and delimiters."""
    codes = {token for level in vocabulary.levels() for token in vocabulary.block(level)}
    return codes | {vocabulary.delimiter(name) for name in DELIMITERS}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    codebook_size=st.integers(1, 512), goal=st.integers(1, 40), kinematics=st.integers(0, 6),
    shared=st.booleans(), words=st.lists(st.sampled_from(TEXTS), max_size=2), junk=st.text(max_size=20),
)  # fmt: skip
def test_no_text_at_all_spells_an_action_id_or_a_delimiter(
    codebook_size: int, goal: int, kinematics: int, shared: bool, words: list[str], junk: str
) -> None:
    vocabulary = nano_layout(codebook_size, (goal, kinematics), shared)
    marks = "".join(DELIMITERS)
    for text in (*words, junk, f"{' '.join(words)}{junk}", marks, f"{PROMPT_HEAD}{junk}{PROMPT_TAIL}"):
        ids = set(TOKENIZER(text, add_special_tokens=False).input_ids)
        assert not ids & reserved(vocabulary)


def test_prompts_and_texts_of_all_48_tasks_stay_below_the_reserved_ids_and_come_back() -> None:
    for shared, levels in ((False, (2, 2)), (True, (40, 0))):
        vocabulary = nano_layout(256, levels, shared)
        builder = SequenceBuilder(TOKENIZER, Grammar(vocabulary, first_text_id=4))
        for task in TASKS:
            prompt = builder.prompt(task.instruction)
            assert builder.decode_text(prompt) == f"{PROMPT_HEAD}{task.instruction.lower()}{PROMPT_TAIL}"
            for text in (task.instruction, task.coarse, task.fine):
                assert builder.decode_text(builder.text(text)) == text
                assert not reserved(vocabulary) & {*builder.text(text), *prompt}


def test_the_48_tasks_have_ids_of_the_llama_tokenizer_that_spell_their_texts() -> None:
    pieces = {int(token): piece for token, piece in LLAMA["pieces"].items()}

    def spelled(ids: list[int]) -> str:
        return "".join(pieces[token] for token in ids).replace("\u2581", " ").removeprefix(" ")

    for task, row in zip(TASKS, LLAMA["tasks"], strict=True):
        assert row["task"] == f"{task.dataset} {task.number}"
        assert spelled(row["instruction"]) == task.instruction
        assert spelled(row["coarse"]) == task.coarse
        assert spelled(row["fine"]) == task.fine
        assert spelled(row["prompt"]) == f"{PROMPT_HEAD}{task.instruction.lower()}{PROMPT_TAIL}"


@pytest.mark.parametrize(
    "vocabulary",
    [
        Vocabulary.llama(),
        Vocabulary.llama(goal_codes=4, kinematics_codes=0),
        Vocabulary.llama(goal_codes=40, kinematics_codes=0, shared_block=True),
    ],
    ids=["bi-level", "single", "bins"],
)
def test_llama_ids_of_all_prompts_and_texts_are_no_codes_and_no_delimiters(vocabulary: Vocabulary) -> None:
    grammar = Grammar(vocabulary, first_text_id=3)
    for row in LLAMA["tasks"]:
        for name in ("prompt", "instruction", "coarse", "fine"):
            assert not reserved(vocabulary) & set(row[name])
            grammar.check_text([*row[name], LLAMA_SPACE_ID])
        assert max(len(row["coarse"]), len(row["fine"])) <= grammar.max_text_tokens


def test_the_llama_layout_overlays_no_id_that_is_written_in_ascii() -> None:
    assert LLAMA["last_ascii_id"] < Vocabulary.llama().code_start == 32000 - 1024
    # A layout twice as large would: this is why it is refused.
    assert LLAMA["last_ascii_id"] >= 32000 - 2048


class RecordedTokenizer:
    """Stands for the Llama tokenizer: knows the recorded texts."""

    unk_token_id = 0

    def __init__(self) -> None:
        self.known = {"Out: ": LLAMA["prompt_with_final_space"], "Out:": LLAMA["prompt_without"]}
        for task, row in zip(TASKS, LLAMA["tasks"], strict=True):
            self.known[f"{PROMPT_HEAD}{task.instruction.lower()}{PROMPT_TAIL}"] = row["prompt"]

    def __call__(self, text: str, **_: object) -> Any:
        ids = self.known[text]
        return type("Coded", (), {"input_ids": ids, "offset_mapping": [(0, 0)] * len(ids)})()


def test_the_space_id_is_appended_to_every_llama_prompt_exactly_once() -> None:
    builder = SequenceBuilder(
        RecordedTokenizer(),  # type: ignore[arg-type]
        Grammar(Vocabulary.llama(), first_text_id=3),
        prompt_suffix=(LLAMA_SPACE_ID,),
    )
    for task, row in zip(TASKS, LLAMA["tasks"], strict=True):
        assert LLAMA_SPACE_ID not in row["prompt"][-1:]
        assert builder.prompt(task.instruction) == (*row["prompt"], LLAMA_SPACE_ID)
    # A prompt typed with a final space ends with this id already.
    assert builder.text("Out: ")[-1] == LLAMA_SPACE_ID
    assert builder.text("Out:")[-1] != LLAMA_SPACE_ID


@pytest.mark.parametrize("llama", [False, True])
def test_all_stages_of_a_shared_block_use_the_same_ids(llama: bool) -> None:
    settings_ = {"codebook_size": 256, "goal_codes": 40, "kinematics_codes": 0, "shared_block": True}
    if llama:
        vocabulary = Vocabulary.llama(**settings_)  # type: ignore[arg-type]
        assert vocabulary.code_start == 32000 - 256
    else:
        vocabulary = nano_layout(256, (40, 0), shared=True)
        assert vocabulary.code_start + 256 == vocabulary.padded_size
        assert vocabulary.padded_size - len(TOKENIZER) < 256 + 8 + 64
    assert len({vocabulary.block(level) for level in vocabulary.levels()}) == 1
    assert vocabulary.code_ids == 256
    level = CodeLevel("goal", 39)
    assert vocabulary.code_id(level, 17) == vocabulary.block(level)[17]
    with pytest.raises(ValueError, match="stage 40"):
        vocabulary.block(CodeLevel("goal", 40))


def test_forty_stages_with_blocks_of_their_own_do_not_fit_the_llama_layout() -> None:
    with pytest.raises(ValueError, match="10240 code ids would overwrite letters"):
        Vocabulary.llama(goal_codes=40, kinematics_codes=0)


def test_a_layout_written_before_shared_blocks_existed_is_read_as_it_was() -> None:
    vocabulary = nano_layout(256, (2, 2), shared=False)
    old = dataclasses.asdict(vocabulary)
    del old["shared_block"]
    assert Vocabulary(**old) == vocabulary
    assert Vocabulary(**dataclasses.asdict(vocabulary)) == vocabulary
