"""A command that is told to write into its own input, or among recordings, refuses and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinevla.cli.main import main
from kinevla.manifest import write_manifest
from kinevla.out_folder import refuse_inputs

TRAIN = "train --data {tmp}/demos --tokenizer {tmp}/tokenizer --out "
TOKENIZER = "tokenizer train --data {tmp}/demos --out "
LINES = {
    f"{TRAIN}{{tmp}}/demos": "demos is the folder of --data",
    f"{TRAIN}{{tmp}}/bags/../demos": "demos is the folder of --data",
    f"{TRAIN}{{tmp}}/demos/episodes": "demos/episodes lies in the folder of --data",
    f"{TRAIN}{{tmp}}/tokenizer": "tokenizer is the folder of --tokenizer",
    f"{TRAIN}{{tmp}}/base --base {{tmp}}/base": "base is the folder of --base",
    f"{TRAIN}{{tmp}}/other": "kind 'policy'",
    f"{TRAIN}{{tmp}}/bags": "bags holds recordings (first/first_0.mcap)",
    f"{TRAIN}{{tmp}}/bags/first": "first holds recordings (first_0.mcap)",
    f"{TRAIN}{{tmp}}/note": "note is a file",
    f"{TOKENIZER}{{tmp}}/demos": "demos is the folder of --data",
    f"{TOKENIZER}{{tmp}}/bags": "bags holds recordings",
    "tokenizer compare --data {tmp}/demos --out {tmp}/bags": "bags holds recordings",
    "tokenizer report --tokenizer {tmp}/t --data {tmp}/demos --out {tmp}/bags": "bags holds recordings",
    "data convert {tmp}/bags --out {tmp}/bags": "bags holds recordings",
    "data convert {tmp}/bags --out {tmp}/bags/first": "first holds recordings",
    "data generate --out {tmp}/bags": "bags holds recordings",
    "evaluate --checkpoint {tmp}/other --out {tmp}/bags": "bags holds recordings",
}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name, kind in (("demos", "episodes"), ("tokenizer", "tokenizer"), ("other", "policy")):
        (tmp_path / name / "episodes").mkdir(parents=True)
        write_manifest(tmp_path / name, kind=kind, files=())
    (tmp_path / "base").mkdir()
    (tmp_path / "note").write_text("mine")
    (tmp_path / "bags" / "first").mkdir(parents=True)
    for name in ("metadata.yaml", "first_0.mcap"):
        (tmp_path / "bags" / "first" / name).write_text("")
    return tmp_path


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.mark.parametrize(("line", "told"), LINES.items(), ids=LINES)
def test_a_result_is_never_written_into_an_input_or_among_recordings(folders, capsys, line, told):
    before = content(folders)
    assert main(line.format(tmp=folders).split()) == 1
    error = capsys.readouterr().err
    assert told in error and "use another --out" in error and error.count("\n") == 1
    assert content(folders) == before


def test_a_folder_beside_the_inputs_or_around_them_is_taken(folders):
    for out in (folders / "new", folders / "demos-2", folders):
        refuse_inputs(out, {"--data": folders / "demos", "--base": None})
