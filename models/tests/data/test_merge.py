"""Recorded and generated demonstrations become one data set, or it is said why they do not go together."""

from __future__ import annotations

import pytest

from kinevla.cli.main import main
from kinevla.data.episodes import EpisodeReader, EpisodeWriter


@pytest.fixture
def sets(tmp_path, make_episode):
    for name, seeds in (("generated", (1, 2)), ("recorded", (70, 71, 72))):
        writer = EpisodeWriter(tmp_path / name, {"source": name})
        for seed in seeds:
            writer.add(make_episode(seed=seed))
    return tmp_path


def test_all_episodes_are_in_the_new_set_as_they_were(sets, capsys):
    line = ["data", "merge", str(sets / "recorded"), str(sets / "generated"), "--out", str(sets / "all")]
    assert main(line) == 0
    assert capsys.readouterr().out.startswith("5 episodes, 60 frames")
    merged = EpisodeReader(sets / "all")
    assert [entry.seed for entry in merged.entries] == [1, 2, 70, 71, 72]
    for name in ("generated", "recorded"):
        for entry in EpisodeReader(sets / name).entries:
            file = entry.file
            assert (sets / "all" / file).read_bytes() == (sets / name / file).read_bytes()
    assert [len(merged.read(index)) for index in range(5)] == [12] * 5
    assert main(["data", "audit", str(sets / "all")]) == 0
    assert main(line) == 1
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "told"),
    [({"period_s": 0.05}, "period_s 0.05"), ({"seed": 1}, "name of an episode"), ({}, "damaged")],
)
def test_sets_that_do_not_go_together_are_refused(sets, make_episode, capsys, change, told):
    file = EpisodeWriter(sets / "other", {"source": "other"}).add(make_episode(**({"seed": 9} | change)))
    if not change:
        file.write_bytes(file.read_bytes()[:-5])
    line = ["data", "merge", str(sets / "generated"), str(sets / "other"), "--out", str(sets / "all")]
    assert main(line) == 1
    assert told in capsys.readouterr().err
    assert not (sets / "all" / "manifest.json").exists()


def test_one_set_alone_is_a_usage_error(sets):
    assert main(["data", "merge", str(sets / "generated"), "--out", str(sets / "all")]) == 2
