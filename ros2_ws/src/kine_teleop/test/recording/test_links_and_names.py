"""A recording that points elsewhere, or whose description is nonsense: nothing else on the disk is hurt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recording_helpers import TOPICS, Clock, feed

from kine_teleop.recording.episode import Episode, read_calibration
from kine_teleop.recording.repair import repair, repair_all
from kine_teleop.recording.session import Recorder, RecorderSettings

PRECIOUS = b"\x89MCAP0\r\n" + b"precious" * 100


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """The folder of an episode that a kill has cut off."""
    folder = tmp_path / "episodes" / "a"
    folder.mkdir(parents=True)
    Episode("a", "pick it up").save(folder)
    (folder / "a_0.mcap").write_bytes(PRECIOUS[:8])
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(ValueError) as error:
        repair(folder)
    _, (text,) = repair_all(folder.parent)
    assert str(error.value) in text
    return text


def test_a_linked_recording_is_not_repaired_and_its_target_stays_as_it_is(cut: Path, tmp_path: Path):
    (tmp_path / "precious").write_bytes(PRECIOUS)
    (cut / "a_0.mcap").unlink()
    (cut / "a_0.mcap").symlink_to(tmp_path / "precious")
    assert "is a link: only what lies in the folder itself is repaired" in refused(cut)
    assert (tmp_path / "precious").read_bytes() == PRECIOUS


def test_a_linked_episode_folder_is_not_repaired(cut: Path, tmp_path: Path):
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "a").symlink_to(cut)
    done, failed = repair_all(tmp_path / "others")
    assert done == [] and "is a link" in failed[0]
    assert (cut / "a_0.mcap").read_bytes() == PRECIOUS[:8]


@pytest.mark.parametrize("name", ["../../precious", "/tmp/precious", "..", "", 7, None])
def test_an_episode_id_that_is_no_plain_name_reaches_no_other_file(cut: Path, tmp_path: Path, name):
    (tmp_path / "precious_0.mcap").write_bytes(PRECIOUS)
    content = json.loads((cut / "episode.json").read_text())
    (cut / "episode.json").write_text(json.dumps(content | {"episode_id": name}))
    assert "is no plain name" in refused(cut)
    assert (tmp_path / "precious_0.mcap").read_bytes() == PRECIOUS


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "nested too deep"),
        ("[]", "is damaged"),
        ('{"episode_id": "a", "instruction": "x", "topics": [{"wings": 2}]}', "damaged beyond repair"),
        ('{"episode_id": "a", "instruction": "x", "topics": 7}', "damaged beyond repair"),
    ],
    ids=["deep", "list", "topic", "topics"],
)
def test_a_description_that_is_nonsense_is_one_line_and_does_not_keep_the_recorder_from_starting(
    cut: Path, text: str, told: str
):
    (cut / "episode.json").write_text(text)
    assert told in refused(cut)


def test_a_huge_description_is_refused_before_it_is_read(cut: Path):
    with (cut / "episode.json").open("w") as stream:
        stream.truncate(5 << 30)
    assert "has 5368709120 bytes, the bound is" in refused(cut)


@pytest.mark.parametrize("place", ["quarantine", "discarded"])
def test_where_bad_recordings_go_is_no_link_and_the_recording_stays_where_it_is(tmp_path: Path, place: str):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "episodes").mkdir()
    (tmp_path / "episodes" / place).symlink_to(tmp_path / "elsewhere")
    clock = Clock()
    recorder = Recorder(RecorderSettings(tmp_path / "episodes", 1, 1, 64), TOPICS, clock)
    name = recorder.start("a").episode_id
    feed(recorder, clock, 1.0, skip_images=tuple(range(5, 25)))  # bad: most images are missing
    if place == "discarded":
        recorder.discard("bumped")
    else:
        assert "bad" in recorder.stop().audit
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (tmp_path / "episodes" / name / "episode.json").is_file()
    assert f"{place} is a link, the episode stays where it is" in recorder.last_error


def test_a_calibration_that_refers_to_itself_is_refused(tmp_path: Path):
    path = tmp_path / "c.yaml"
    lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    path.write_text("\n".join(["a0: &a0 [x, x]", *lines]))
    with pytest.raises(ValueError, match=r"c\.yaml cannot be read: it holds a reference \(\*a0\)"):
        read_calibration(str(path))
