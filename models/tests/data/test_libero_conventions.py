"""LIBERO files of others: a sentence, a gripper and a name mean what they say, or are asked for."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from test_handing_on import write_libero

from kinevla.cli.main import main
from kinevla.data.episodes import EpisodeReader
from kinevla.data.libero_import import LiberoConfig, import_libero


def commands(path: Path, closed: float, opened: float) -> Path:
    """A file whose grippers open first and close then."""
    with h5py.File(write_libero(path), "r+") as file:
        for demo in file["data"].values():
            values = np.array(demo["actions"])
            values[:, 6] = [opened] * 3 + [closed] * 3
            demo["actions"][...] = values
    return path


def test_a_sentence_that_contradicts_the_chosen_task_is_refused(tmp_path):
    write_libero(tmp_path / "a_demo.hdf5", language="Put the bowl on the stove.")
    write_libero(tmp_path / "b_demo.hdf5", language="turn on the stove")
    report = import_libero((tmp_path,), tmp_path / "set", LiberoConfig("kine_libero", task=23))
    assert report.converted == 2 and len(report.errors) == 1
    assert "b_demo.hdf5 says 'turn on the stove', task 23 of kine_libero is" in report.errors[0]


def test_a_task_number_the_set_does_not_have_is_named_with_the_bound(tmp_path):
    write_libero(tmp_path / "a_demo.hdf5")
    report = import_libero((tmp_path,), tmp_path / "set", LiberoConfig(task=23))
    assert report.converted == 0
    assert report.errors[0].endswith("libero_goal_relabeled has no task 23, choose one of 1..10 with --task")


@pytest.mark.parametrize(("name", "converted"), [("turn_on_the_stove_demo", 0), ("session_4", 2)])
def test_a_name_contradicts_only_where_it_is_a_sentence(tmp_path, name, converted):
    path = write_libero(tmp_path / f"{name}.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data"].attrs["problem_info"]
    report = import_libero((path,), tmp_path / "set", LiberoConfig("kine_libero", task=23))
    assert report.converted == converted


@pytest.mark.parametrize(
    "name", ["KITCHEN_SCENE3_turn_on_the_stove_demo", "turn_on_the_stove_view_11_15_100_0_0_initstate_0_demo"]
)
def test_names_with_a_scene_or_a_perturbation_still_tell_the_task(tmp_path, name):
    path = write_libero(tmp_path / f"{name}.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data"].attrs["problem_info"]
    assert import_libero((path,), tmp_path / "set", LiberoConfig()).converted == 2


@pytest.mark.parametrize(("choice", "closed", "opened"), [("one-opens", 0, 1), ("one-closes", 1, 0)])
def test_gripper_commands_of_another_range_are_asked_for(tmp_path, capsys, choice, closed, opened):
    path = commands(tmp_path / "put_the_bowl_on_the_plate_demo.hdf5", closed, opened)
    line = ["data", "import", "libero", str(path), "--out"]
    assert main([*line, str(tmp_path / "none")]) == 1
    assert "its gripper commands run 0..1 and not from -1 (open) to 1 (closed)" in capsys.readouterr().out
    choice = choice.replace("-", "_")
    assert main([*line, str(tmp_path / "set"), "--gripper", choice]) == 0
    target = EpisodeReader(tmp_path / "set").read(0).target[:, 6]
    assert (target[0], target[-1]) == (1.0, 0.0)


def test_one_name_in_two_folders_is_two_files_whatever_they_are_called(tmp_path):
    for number, folder in enumerate(("goal", "plus")):
        (tmp_path / "files" / folder).mkdir(parents=True)
        write_libero(tmp_path / "files" / folder / "x_demo.HDF5", frames=6 + 2 * number, demos=1)
    write_libero(tmp_path / "files" / "without_ending", demos=1, frames=10)
    for again in (0, 3):
        report = import_libero((tmp_path / "files",), tmp_path / "set", LiberoConfig())
        assert (report.held, report.errors) == (again, ())
    lengths = sorted(len(episode) for episode in EpisodeReader(tmp_path / "set"))
    assert len(lengths) == 3 and len(set(lengths)) == 3
