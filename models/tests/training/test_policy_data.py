"""What policy training reads: the same rows as ever, from files, divided as the data set says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kinevla.actions import load_policy_tokenizer
from kinevla.data.chunks import build_chunks
from kinevla.data.episodes import DataError, EpisodeReader
from kinevla.data.split import SPLIT_NAME
from kinevla.training.mapped import mapped_array, mapped_result
from kinevla.training.policy_run import prepare_run
from kinevla.training.stages.policy import train_policy
from kinevla.training.state import ResumeError

from .conftest import tiny_run


def test_rows_are_the_chunks_of_all_episodes_in_their_order(workplace: Path, tmp_path: Path) -> None:
    data = prepare_run(tiny_run(workplace, tmp_path / "run")).data
    tokenizer = load_policy_tokenizer(workplace / "tokenizer")
    expected = build_chunks(EpisodeReader(workplace / "demos"), tokenizer.chunk_config)
    np.testing.assert_array_equal(data.chunks, expected.chunks)
    np.testing.assert_array_equal(data.states, expected.states)
    np.testing.assert_array_equal(data.codes, tokenizer.encode(expected.chunks))
    normalised = tokenizer.normaliser.normalise(expected.chunks).astype(np.float32)
    np.testing.assert_array_equal(data.normalised, normalised)
    held_out = build_chunks(EpisodeReader(workplace / "demos"), tokenizer.chunk_config, split="val")
    np.testing.assert_array_equal(data.chunks[data.val], held_out.chunks)
    assert sorted([*data.train, *data.val]) == list(range(len(expected)))


def test_an_instruction_that_is_left_out_is_neither_learned_from_nor_held_out(
    workplace: Path, tmp_path: Path
) -> None:
    whole = prepare_run(tiny_run(workplace, tmp_path / "run")).data
    left_out = whole.texts[1][0]
    data = prepare_run(tiny_run(workplace, tmp_path / "run", without=(left_out,))).data
    assert left_out not in data.instructions and len(data.texts) == len(whole.texts) - 1
    kept = [row for row in whole.train if whole.texts[whole.text[row]][0] != left_out]
    assert data.train.tolist() == kept
    assert not set(data.val) & set(np.flatnonzero(whole.text == 1))
    with pytest.raises(DataError, match="has no instruction 'fly to the moon' to leave out"):
        prepare_run(tiny_run(workplace, tmp_path / "run", without=("fly to the moon",)))


def test_arrays_lie_in_files_that_leave_nothing_behind(tmp_path: Path) -> None:
    rows = mapped_array(tmp_path / "scratch", (100_000, 3), np.float32)
    rows[:] = np.arange(3)
    doubled = mapped_result(tmp_path / "scratch", lambda part: part * 2.0, rows, np.float64)
    assert doubled.dtype == np.float64 and (doubled == np.arange(3) * 2.0).all()
    mapped = Path("/proc/self/maps").read_text().splitlines()
    assert any("deleted" in line and "scratch" in line for line in mapped)
    assert not list((tmp_path / "scratch").iterdir())
    assert mapped_result(tmp_path, lambda part: part + 1, np.zeros((0, 4)), np.float32).shape == (0, 4)


def test_too_little_room_for_the_arrays_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        mapped_array(tmp_path, (1 << 50,), np.float32)
    assert not list(tmp_path.iterdir())


def divided(workplace: Path, root: Path, val: list[int]) -> Path:
    """A workplace of its own whose data set holds out some episodes by file."""
    shutil.copytree(workplace, root)
    names = [entry.name for entry in EpisodeReader(root / "demos").entries]
    split = {"val_percent": 10, "val": [names[i] for i in val]}
    split["train"] = [name for name in names if name not in split["val"]]
    (root / "demos" / SPLIT_NAME).write_text(json.dumps(split))
    return root


def test_the_policy_learns_from_the_episodes_the_split_names(workplace: Path, tmp_path: Path) -> None:
    own = divided(workplace, tmp_path / "own", [1, 7])
    data = prepare_run(tiny_run(own, tmp_path / "run")).data
    assert data.val.tolist() == [*range(12, 24), *range(84, 96)]  # Episodes have 12 frames.


def test_a_run_does_not_go_on_with_another_split(workplace: Path, tmp_path: Path) -> None:
    own = divided(workplace, tmp_path / "own", [1])
    train_policy(tiny_run(own, tmp_path / "run", max_steps=2))
    names = json.loads((own / "demos" / SPLIT_NAME).read_text())
    names["train"], names["val"] = names["val"] + names["train"][1:], names["train"][:1]
    (own / "demos" / SPLIT_NAME).write_text(json.dumps(names))
    with pytest.raises(ResumeError, match="split"):
        train_policy(tiny_run(own, tmp_path / "run", max_steps=2))
    names["val"] = []
    (own / "demos" / SPLIT_NAME).write_text(json.dumps(names))
    with pytest.raises(DataError, match="does not name all"):
        prepare_run(tiny_run(own, tmp_path / "run"))
