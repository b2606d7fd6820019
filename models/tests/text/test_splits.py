"""The splits of KineBench: frozen, and nothing that is only tested is ever trained."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from kinevla.text import check_instruction, load_task_texts
from kinevla.text.language import LanguageError, parse_sentence, say
from kinevla.text.language.pairs import pairs_of, values_of
from kinevla.text.language.splits import (
    HELD_DISTANCES_CM,
    SIZES,
    SplitError,
    digest,
    draw_seen,
    load_splits,
    make_splits,
    read_meant,
    read_refused,
    split_instructions,
    split_of,
    written,
)

WORDINGS = Path(__file__).parents[3] / "benchmarks" / "wordings"
SPLITS_JSON = Path(__file__).parents[2] / "kinevla" / "text" / "language" / "splits.json"
HASHES = {
    "kinebench.tsv": "6fd741a284cda6611754e3667680cd45844888b60557b2b44d74d1afa694e1fc",
    "kinebench_refused.tsv": "6b3b03cb57eacd27ff16c94ffbf46a4a373df70b2158feb8715bf963046dbc54",
}
HELD = frozenset(frozenset(pair) for pair in load_splits()["held_pairs"])


@pytest.fixture(scope="module")
def trained() -> list:
    rng = np.random.default_rng(11)
    return [draw_seen(rng) for _ in range(1500)]


def test_the_splits_are_those_that_were_frozen() -> None:
    assert load_splits()["sha256"] == "ec5a4b7c3cffc9cafe4535b805419f54ecdba4356a63982d6f3d511ccce05c4b"
    assert written(load_splits()) == SPLITS_JSON.read_text()
    changed = {**load_splits(), "held_distances_cm": [6]}
    assert digest(changed) != load_splits()["sha256"]


@pytest.mark.parametrize("name", HASHES)
def test_the_lists_of_sentences_are_those_that_were_frozen(name: str) -> None:
    assert hashlib.sha256((WORDINGS / name).read_bytes()).hexdigest() == HASHES[name]


@pytest.mark.slow
def test_the_splits_can_be_drawn_again() -> None:
    assert written(make_splits()) == SPLITS_JSON.read_text()


def test_a_quarter_of_the_pairs_is_never_trained() -> None:
    splits = load_splits()
    assert len(HELD) >= 0.25 * splits["possible_pairs"]


def test_one_of_four_pairs_of_carrot_and_plate_is_left_out() -> None:
    held = {
        (part, side)
        for part in ("upper", "lower")
        for side in ("left", "right")
        if frozenset({f"part carrot {part}", f"target plate {side}"}) in HELD
    }
    assert held == {("lower", "left")}
    of_the_paper = {
        task.number: split_of(parse_sentence(task.instruction)) for task in load_task_texts("kine_realman")
    }
    assert [number for number, split in of_the_paper.items() if split != "seen"] == [6]


def test_what_is_trained_has_no_pair_and_no_distance_of_another_split(trained: list) -> None:
    for instruction in trained:
        assert HELD.isdisjoint(pairs_of(instruction))
        assert (
            instruction.displacement is None or instruction.displacement.distance_cm not in HELD_DISTANCES_CM
        )


def test_every_value_and_all_other_distances_are_trained(trained: list) -> None:
    values = {value for instruction in trained for value in values_of(instruction)}
    assert {value for pair in HELD for value in pair} <= values
    distances = {item.displacement.distance_cm for item in trained if item.displacement is not None}
    assert distances == set(range(4, 21)) - set(HELD_DISTANCES_CM)
    assert all({distance - 1, distance + 1} <= distances for distance in HELD_DISTANCES_CM)


@pytest.mark.parametrize("split", SIZES)
def test_the_instructions_of_a_split_belong_to_it_alone(split: str) -> None:
    instructions = split_instructions(split)  # type: ignore[arg-type]
    assert len(set(instructions)) == SIZES[split]  # type: ignore[index]
    assert {split_of(instruction) for instruction in instructions} == {split}
    others = {item for name in SIZES if name != split for item in split_instructions(name)}
    assert others.isdisjoint(instructions)


def test_instructions_that_hold_out_both_belong_to_no_split() -> None:
    assert frozenset({"contact push", "displacement left"}) in HELD
    assert split_of(parse_sentence("push the mug 13 cm to the left")) is None
    assert split_of(parse_sentence("push the mug 12 cm to the left")) == "composition"
    assert split_of(parse_sentence("move the mug 13 cm to the left")) == "number"


def test_a_wording_means_something_trained_and_is_never_said_so() -> None:
    meant = read_meant(WORDINGS / "kinebench.tsv")
    assert len(meant) >= 200
    assert {"part", "target", "displacement", "path", "orientation", "speed", "contact"} == {
        value.split()[0] for instruction, _ in meant for value in values_of(instruction)
    }
    for instruction, sentence in meant:
        assert split_of(instruction) == "seen", sentence
        assert check_instruction(sentence) != say(instruction)
        with pytest.raises(LanguageError):
            parse_sentence(sentence)


def test_what_must_be_refused_is_none_of_the_language_and_none_of_the_wordings() -> None:
    refused = read_refused(WORDINGS / "kinebench_refused.tsv")
    assert len(refused) >= 100
    assert {"impossible", "contradictory", "off topic", "word salad", "harmful"} <= {
        kind for kind, _ in refused
    }
    assert {text for _, text in refused}.isdisjoint(
        text for _, text in read_meant(WORDINGS / "kinebench.tsv")
    )
    for _, sentence in refused:
        check_instruction(sentence)
        with pytest.raises(LanguageError):
            parse_sentence(sentence)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no sentence"),
        ("push the mug to the front", "line 1: need plain sentence<TAB>sentence"),
        ("fly\tfly", "line 1: 'fly' is not understood"),
        ("push the mug to the front\tgo\n\npush the mug to the front\tgo", "line 3: 'go' is there already"),
    ],
)
def test_a_list_that_cannot_be_used_says_where(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "list.tsv").write_text(text)
    with pytest.raises(SplitError, match=reason):
        read_meant(tmp_path / "list.tsv")
    with pytest.raises(SplitError, match="cannot be read"):
        read_refused(tmp_path / "none.tsv")
