"""The file that says which episodes are held out is honoured by training, or refused with what is wrong."""

from __future__ import annotations

import json

import pytest

from kinevla.cli.main import main
from kinevla.data.chunks import ChunkConfig, build_chunks
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
