"""KineBench by the method's commands, in the simulator: demonstrations and the expert's verdict."""

from __future__ import annotations

import json
from pathlib import Path

from kinevla.cli.main import main
from kinevla.data.episodes import EpisodeReader
from kinevla.text.language import parse_sentence, parse_texts
from kinevla.text.language.splits import load_splits, split_of


def test_demonstrations_of_sentences_are_pictured_judged_and_labelled(tmp_path: Path) -> None:
    out = tmp_path / "demos"
    line = f"data generate --suite kinebench --episodes 2 --image-size 160 --workers 1 --out {out}"
    assert main([*line.split(), "--no-progress"]) == 0
    reader = EpisodeReader(out)
    assert len(reader) == 2
    for episode in reader:
        asked = parse_sentence(episode.instruction)
        assert split_of(asked) == "seen"
        assert parse_texts(episode.coarse, episode.fine) == asked
        assert episode.goal_success and episode.kinematics_success
        for camera in ("front", "wrist"):
            pictures = episode.images(camera)
            assert pictures.shape[1:] == (160, 160, 3)
            assert pictures.std() > 10, "a picture shows something"


def test_the_expert_does_what_a_split_says_attribute_by_attribute(tmp_path: Path) -> None:
    out = tmp_path / "composition"
    line = f"evaluate --env kinebench --split composition --control expert --trials 2 --out {out}"
    options = ["--films", "none", "--workers", "1", "--no-bert", "--no-progress"]
    assert main([*line.split(), *options]) == 0
    trials = [json.loads(row) for row in (out / "trials.jsonl").read_text().splitlines()[1:]]
    assert [trial["instruction"] for trial in trials] == load_splits()["sentences"]["composition"][:2]
    for trial in trials:
        asked = parse_sentence(trial["instruction"])
        said = {name for name in trial["attributes"] if getattr(asked, name) is not None}
        assert set(trial["attributes"]) == said and "contact" in said
        assert all(trial["attributes"].values()) and trial["kinematics"]
        assert parse_texts(*trial["annotated"]) == asked
