"""The file that says which episodes are held out is honoured by training, or refused with what is wrong."""

from __future__ import annotations

import json

import pytest

from kinevla.cli.main import main
from kinevla.data.chunks import ChunkConfig, build_chunks, split_of
from kinevla.data.episodes import DataError, EpisodeReader, EpisodeWriter
from kinevla.data.split import SPLIT_NAME, data_split, read_split


@pytest.fixture
def data_set(tmp_path, make_episode):
    writer = EpisodeWriter(tmp_path / "set", {"made": "up"})
    for seed in range(6):
        writer.add(make_episode(seed=seed, frames=6 + seed))
    return tmp_path / "set"


def write(data_set, **parts):
    names = [entry.name for entry in EpisodeReader(data_set).entries]
    chosen = {part: [names[i] if isinstance(i, int) else i for i in items] for part, items in parts.items()}
    (data_set / SPLIT_NAME).write_text(json.dumps({"val_percent": 10} | chosen))
    return names


def test_without_a_file_episodes_are_divided_by_hash(data_set):
    reader = EpisodeReader(data_set)
    assert read_split(reader, 40) == data_split(reader, 40)


def test_what_the_command_writes_is_what_training_reads(data_set, capsys):
    assert main(["data", "split", str(data_set), "--val-percent", "60"]) == 0
    reader = EpisodeReader(data_set)
    # The share asked for in training is overruled.
    assert read_split(reader, 10) == data_split(reader, 60) != data_split(reader, 10)


def small_set(path, make_episode, seeds):
    writer = EpisodeWriter(path, {"made": "up"})
    for task, seed in enumerate(seeds, start=1):
        writer.add(make_episode(task=task, seed=seed))
    return EpisodeReader(path)


TRAIN_ONLY = (0, 1, 2, 3, 5)  # None of these scenes is among the 10 % by hash.


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_of_a_few_demonstrations_one_is_held_out_and_a_tokenizer_can_be_trained(
    tmp_path, make_episode, capsys, count
):
    reader = small_set(tmp_path / "set", make_episode, TRAIN_ONLY[:count])
    assert all(split_of(entry.seed, 10) == "train" for entry in reader.entries)
    split = data_split(reader, 10)
    assert len(split.val) == 1 and len(split.train) == count - 1
    line = ["tokenizer", "train", "--data", str(tmp_path / "set"), "--out", str(tmp_path / "bins")]
    assert main([*line, "--kind", "bins", "--no-progress"]) == 0
    assert main(["tokenizer", "report", "--tokenizer", line[-1], *line[2:4], "--no-baselines"]) == 0
    assert capsys.readouterr().err == ""


def test_a_set_with_a_held_out_episode_is_divided_by_hash_alone(data_set):
    reader = EpisodeReader(data_set)
    for percent in (40, 60, 99):
        parts = data_split(reader, percent).parts()
        assert "val" in parts.values()
        assert parts == {entry.name: split_of(entry.seed, percent) for entry in reader.entries}
    assert data_split(reader, 0).val == ()


def test_the_one_held_out_of_a_small_set_is_the_first_that_a_larger_share_holds_out(tmp_path, make_episode):
    reader = small_set(tmp_path / "set", make_episode, TRAIN_ONLY)
    (name,) = data_split(reader, 1).val
    share = next(
        percent for percent in range(1, 100) if split_of(reader_seed(reader, name), percent) == "val"
    )
    assert data_split(reader, share).val == (name,) == data_split(reader, share - 1).val


def reader_seed(reader, name):
    return next(entry.seed for entry in reader.entries if entry.name == name)


@pytest.mark.parametrize(
    ("seeds", "options", "told"),
    [
        ((1,), (), "holds 1 episode, none of which is held out: at least 2 of different scenes"),
        ((1, 1), (), "holds 2 episodes, none of which is held out: at least 2 of different scenes"),
        ((1, 2), ("--chunks.val-percent", "0"), "val_percent above 0 (it is 0)"),
    ],
)
def test_a_set_of_which_nothing_can_be_held_out_is_refused_with_what_is_needed(
    tmp_path, make_episode, capsys, seeds, options, told
):
    small_set(tmp_path / "set", make_episode, seeds)
    line = ["tokenizer", "train", "--data", str(tmp_path / "set"), "--out", str(tmp_path / "bins")]
    assert main([*line, "--kind", "bins", "--no-progress", *options]) == 1
    error = capsys.readouterr().err
    assert told in error and str(tmp_path / "set") in error and SPLIT_NAME in error
    assert error.count("\n") == 1 and not (tmp_path / "bins").exists()


def test_chunks_come_from_the_episodes_the_file_names(data_set):
    write(data_set, train=[0, 1, 3, 5], val=[4, 2])
    reader = EpisodeReader(data_set)
    parts = read_split(reader, 10).parts()
    episodes = list(reader.motions())
    held_out = build_chunks(episodes, ChunkConfig(), split="val", parts=parts)
    assert sorted(set(held_out.episode.tolist())) == [2, 4] and len(held_out) == 8 + 10
    assert len(build_chunks(episodes, ChunkConfig(), split="train", parts=parts)) == 6 + 7 + 9 + 11


def test_the_tokenizer_learns_from_the_episodes_the_file_names(data_set, tmp_path, capsys):
    write(data_set, train=[0, 1, 2, 3, 4], val=[5])
    line = ["tokenizer", "train", "--data", str(data_set), "--out", str(tmp_path / "bins"), "--kind", "bins"]
    assert main([*line, "--no-progress"]) == 0
    assert f"{6 + 7 + 8 + 9 + 10} chunks to learn from, 11 held out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (
            {"train": [0, 1, 2], "val": [3]},
            "does not name all episodes of the set: task01-seed00000004 and 1",
        ),
        (
            {"train": [0, 1, 2, 3, 4, 5, "task01-seed00000099"], "val": []},
            "does not hold: task01-seed00000099;",
        ),
        ({"train": [0, 1, 2, 3, 4, 5], "val": [5]}, "more than once task01-seed00000005;"),
        ({"train": [], "val": [0, 1, 2, 3, 4, 5]}, "no episode to learn from"),
        ({"train": [0, 1, 2, 3, 4, 5]}, "damaged: KeyError"),
        ({"train": "all", "val": []}, "damaged: TypeError"),
    ],
)
def test_a_file_that_does_not_fit_the_set_is_refused_with_what_is_wrong(data_set, parts, told):
    if parts["train"] == "all":
        (data_set / SPLIT_NAME).write_text(json.dumps({"val_percent": 10} | parts))
    else:
        write(data_set, **parts)
    with pytest.raises(DataError) as error:
        read_split(EpisodeReader(data_set), 10)
    assert told in str(error.value) and str(data_set / SPLIT_NAME) in str(error.value)


@pytest.mark.parametrize("name", ["set/manifest.json", "notes.json", "."])
def test_a_split_is_written_over_a_split_and_over_nothing_else(data_set, tmp_path, capsys, name):
    out = tmp_path / name
    if name == "notes.json":
        out.write_text('{"mine": 1}')
    before = out.read_bytes() if out.is_file() else b""
    assert main(["data", "split", str(data_set), "--out", str(out)]) == 1
    assert capsys.readouterr().err == f"kinevla data split: {out} is no split: it is left as it is\n"
    assert not out.is_file() or out.read_bytes() == before
    for _ in range(2):
        assert main(["data", "split", str(data_set), "--out", str(tmp_path / "new.json")]) == 0


def test_a_stale_file_stops_training_with_one_line(data_set, tmp_path, make_episode, capsys):
    assert main(["data", "split", str(data_set)]) == 0
    EpisodeWriter(data_set, {"made": "up"}).add(make_episode(seed=77))
    line = ["tokenizer", "train", "--data", str(data_set), "--out", str(tmp_path / "bins"), "--kind", "bins"]
    assert main([*line, "--no-progress"]) == 1
    assert "kinevla data split" in capsys.readouterr().err
    (data_set / SPLIT_NAME).write_text("{")
    with pytest.raises(DataError, match="damaged"):
        read_split(EpisodeReader(data_set), 10)
