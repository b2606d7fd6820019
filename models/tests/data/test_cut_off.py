"""What is cut off leaves nothing that looks whole, and the same command can be given again."""

from __future__ import annotations

import fcntl
import os

import numpy as np
import pytest
from lerobot_reader import read_video

from kinevla.cli.main import main
from kinevla.data.demonstrations import DemonstrationConfig
from kinevla.data.episode import encode_frames
from kinevla.data.episodes import EpisodeReader, EpisodeWriter
from kinevla.data.generate import GenerateConfig, generate
from kinevla.data.packing import DataError
from kinevla.data.video import write_video
from kinevla.data.whole_folder import UNFINISHED, whole_folder
from kinevla.observation.images import ImagePipeline

FAKE = DemonstrationConfig(environment_id="fake_table:fake/Table-v0", expert="fake_table:Expert")


@pytest.fixture
def sets(tmp_path, make_episode):
    for name, seed in (("a", 1), ("b", 2)):
        EpisodeWriter(tmp_path / name, {"source": name}).add(make_episode(seed=seed))
    return tmp_path


def cut_off(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def commands(root):
    merge = ["data", "merge", str(root / "a"), str(root / "b"), "--out", str(root / "new" / "out")]
    export = ["data", "export", "lerobot", str(root / "a"), "--out", str(root / "new" / "out")]
    return {
        "merge": (merge, "kinevla.data.episodes.EpisodeWriter.save_manifest"),
        "export": (export, "kinevla.data.lerobot.write_video"),
        "show": (
            ["data", "show", str(root / "a"), "--out", str(root / "new" / "film.mp4")],
            "kinevla.data.video.check_film_size",
        ),
    }


@pytest.mark.parametrize("name", ["merge", "export", "show"])
def test_after_ctrl_c_nothing_is_left_and_the_same_command_works(name, sets, monkeypatch, capsys):
    line, step = commands(sets)[name]
    before = sorted(sets.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(step, cut_off)
        assert main(line) == 130
    assert "run the same command again" in capsys.readouterr().err
    left = [path for path in sets.rglob("*") if path.is_file() and "new" in path.parts]
    assert left == []
    if name != "show":
        assert sorted(sets.iterdir()) == before
    assert main(line) == 0


def test_what_a_killed_program_left_is_cleared_away_but_nothing_else(tmp_path):
    (tmp_path / "out" / UNFINISHED / "data").mkdir(parents=True)
    (tmp_path / "out" / UNFINISHED / "data" / "half").write_text("x")
    with whole_folder(tmp_path / "out") as folder:
        (folder / "data").mkdir()
        (folder / "data" / "whole").write_text("y")
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["whole"]
    with pytest.raises(DataError, match="is not empty"), whole_folder(tmp_path / "out"):
        pass
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="is no folder"), whole_folder(tmp_path / "file"):
        pass
    assert (tmp_path / "file").read_text() == "mine"


def test_a_link_of_that_name_is_not_followed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / UNFINISHED).symlink_to(tmp_path / "mine")
    with pytest.raises(OSError), whole_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "mine" / "letter").exists()


def test_two_programs_do_not_write_to_one_folder(tmp_path):
    (tmp_path / "out" / UNFINISHED).mkdir(parents=True)
    other = os.open(tmp_path / "out" / UNFINISHED, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(DataError, match="another program is writing"), whole_folder(tmp_path / "out"):
        pass
    os.close(other)


def test_a_size_that_films_cannot_have_is_refused_before_anything_is_written(tmp_path, make_episode, capsys):
    frames = encode_frames([np.zeros((129, 129, 3), np.uint8)] * 12)
    writer = EpisodeWriter(tmp_path / "set", {"source": "x"}, ImagePipeline(129))
    writer.add(make_episode(front_jpeg=frames, wrist_jpeg=frames))
    line = ["data", "export", "lerobot", str(tmp_path / "set"), "--out", str(tmp_path / "out")]
    assert main(line) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "129 x 129 px" in told and "lossless or png" in told
    assert not (tmp_path / "out").exists()
    for store in ("lossless", "png"):
        assert main([*line[:-1], str(tmp_path / store), "--store", store]) == 0
    assert main(["data", "show", str(tmp_path / "set"), "--out", str(tmp_path / "film.mp4")]) == 0


def test_a_film_that_fails_leaves_the_old_one(tmp_path):
    film = tmp_path / "film.mp4"
    write_video(film, [np.zeros((64, 64, 3), np.uint8)] * 3, 10)
    with pytest.raises(ValueError, match="33 x 64 px"):
        write_video(film, [np.zeros((33, 64, 3), np.uint8)], 10)
    assert len(read_video(film)) == 3
    assert list(tmp_path.iterdir()) == [film]


def run(out, **changes):
    values = {"demonstration": FAKE, "tasks": (1,), "episodes_per_task": 4, "workers": 1}
    return generate(GenerateConfig(out=out, **(values | changes)), progress=False)


@pytest.mark.parametrize("broken", [{0}, {2}, {4}])
def test_an_attempt_that_the_machine_spoilt_is_made_again(tmp_path, fake_simulator, monkeypatch, broken):
    import fake_table

    monkeypatch.setattr(fake_table, "BROKEN_SEEDS", broken)
    with pytest.raises(DataError, match="no picture can be drawn") as told:
        run(tmp_path / "set")
    assert f"seed {min(broken)}, which is not counted" in str(told.value)
    monkeypatch.setattr(fake_table, "BROKEN_SEEDS", set())
    report = run(tmp_path / "set")
    assert report.complete and report.dropped == 1
    run(tmp_path / "undisturbed")
    assert EpisodeReader(tmp_path / "set").summary == EpisodeReader(tmp_path / "undisturbed").summary


def test_a_run_in_which_nothing_works_binds_the_folder_to_nothing(tmp_path, fake_simulator):
    broken = DemonstrationConfig(environment_id=FAKE.environment_id, expert="fake_table:BrokenExpert")
    with pytest.raises(DataError, match="no way to the bread"):
        run(tmp_path, demonstration=broken)
    assert run(tmp_path).complete


def test_when_all_attempts_are_used_up_nobody_is_told_to_go_on(tmp_path, fake_simulator):
    report = run(tmp_path, max_attempts_factor=1.0)
    assert (report.kept, report.complete, report.exhausted) == (3, False, True)
    assert "ask for fewer episodes" in report.text() and "again" not in report.text()
