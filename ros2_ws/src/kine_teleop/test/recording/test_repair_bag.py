"""`repair_bag` makes readable what was cut off, and changes nothing that is whole or not the recorder's."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest
from recording_helpers import TOPICS, Clock, feed, joints
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from kine_teleop.recording import repair
from kine_teleop.recording.session import Recorder, RecorderSettings
from kinevla.data.bags import open_bag

STORE = get_typestore(Stores.ROS2_JAZZY)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def plain(folder: Path, plugin=StoragePlugin.MCAP, messages: int = 400, compressed: bool = False) -> Path:
    """What `ros2 bag record` leaves: one topic of joint states, in chunks where it is an mcap."""
    writer = Writer(folder, version=9, storage_plugin=plugin)
    if compressed:
        writer.set_compression(CompressionMode.FILE, CompressionFormat.ZSTD)
    with writer:
        topic = writer.add_connection("/joint_states", "sensor_msgs/msg/JointState", typestore=STORE)
        for number in range(messages):
            writer.write(topic, 10**18 + number * 5_000_000, joints(10**18 + number * 5_000_000))
    return folder


def episode(folder: Path) -> Path:
    clock = Clock()
    recorder = Recorder(RecorderSettings(folder, 1, 1), TOPICS, clock)
    recorder.start("a")
    feed(recorder, clock, 2.0)
    return recorder.stop().folder


def run(*folders: Path, monkeypatch, capsys) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["repair_bag", *map(str, folders)])
    with pytest.raises(SystemExit) as ended:
        repair.main()
    said = capsys.readouterr()
    return int(ended.value.code), said.out, said.err


def count(folder: Path) -> int:
    with open_bag(folder) as bag:
        return sum(1 for _ in bag.messages(tuple(bag.topics)))


@pytest.mark.parametrize("change", ["nothing", "compressed", "renamed", "sqlite3", "audit_lost"])
def test_a_recording_with_a_readable_description_is_never_written_to(tmp_path, change):
    folder = episode(tmp_path)
    file = next(folder.glob("*.mcap"))
    if change == "compressed":
        file.unlink()
        plain(tmp_path / "other", compressed=True)
        shutil.copy(next((tmp_path / "other").glob("*.zstd")), folder / f"{file.name}.zstd")
    elif change == "renamed":
        file.rename(folder / "tidied.mcap")
    elif change == "sqlite3":
        file.unlink()
        plain(tmp_path / "other", StoragePlugin.SQLITE3)
        shutil.copy(next((tmp_path / "other").glob("*.db3")), folder)
    elif change == "audit_lost":  # killed between the description of the bag and that of the episode
        content = json.loads((folder / "episode.json").read_text())
        (folder / "episode.json").write_text(json.dumps(content | {"audit": {}, "complete": False}))
    before = hashes(folder)
    repair.repair_all(tmp_path)
    after = hashes(folder) if folder.exists() else hashes(tmp_path / "quarantine" / folder.name)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == ({"episode.json"} if change == "audit_lost" else set())


@pytest.mark.parametrize("own", [True, False])
def test_a_recording_of_which_a_file_is_lost_is_not_called_complete(tmp_path, own):
    folder = episode(tmp_path) if own else plain(tmp_path / "plain")
    next(folder.glob("*.mcap")).rename(folder / "tidied.mcap")
    before = hashes(folder)
    _, (text,) = repair.repair_all(tmp_path) if own else repair.rescue_all(folder)
    assert "named in metadata.yaml is missing" in text and hashes(folder) == before


def test_a_whole_file_whose_description_was_lost_is_described_and_not_written_to(tmp_path):
    folder = episode(tmp_path)
    (folder / "metadata.yaml").write_text("")
    name = next(folder.glob("*.mcap")).name
    before = hashes(folder)
    done, failed = repair.repair_all(tmp_path)
    assert not failed and done[0].repaired and hashes(done[0].folder)[name] == before[name]
    assert count(done[0].folder) > 400


def test_a_file_of_another_recorder_in_an_episodes_folder_is_left_alone(tmp_path):
    folder = episode(tmp_path)
    (folder / "metadata.yaml").unlink()
    next(folder.glob("*.mcap")).rename(folder / "tidied.mcap")
    before = hashes(folder)
    _, (text,) = repair.repair_all(tmp_path)
    assert "holds tidied.mcap, which this recorder did not write" in text and hashes(folder) == before


@pytest.mark.parametrize("sidecar", [False, True])
@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_killed_plain_recording_is_rescued_and_its_file_stays_as_it_is(
    tmp_path, monkeypatch, capsys, plugin, sidecar
):
    folder = plain(tmp_path / "bags" / "a", plugin, messages=4000)
    (folder / "metadata.yaml").unlink()
    if sidecar:
        (folder / "episode.json").write_text('{"format": 1, "instruction": "wave"}')
    if plugin == StoragePlugin.MCAP:
        file = next(folder.glob("*.mcap"))
        file.write_bytes(file.read_bytes()[: file.stat().st_size * 6 // 10])
    before = hashes(folder)
    status, out, err = run(tmp_path / "bags", monkeypatch=monkeypatch, capsys=capsys)
    assert (status, err) == (0, "") and out.startswith(f"{folder}: repaired, ")
    assert before.items() <= hashes(folder).items()
    assert count(folder) == (4000 if plugin == StoragePlugin.SQLITE3 else int(out.split()[2])) > 1000
    with Reader(folder) as reader:  # another program reads it too
        assert reader.message_count == count(folder)
    after = hashes(folder)
    status, out, _ = run(folder, monkeypatch=monkeypatch, capsys=capsys)
    assert status == 0 and "was complete" in out and hashes(folder) == after


def test_what_cannot_be_rescued_is_told_in_one_line_each(tmp_path, monkeypatch, capsys):
    packed = plain(tmp_path / "packed", compressed=True)
    (packed / "metadata.yaml").unlink()
    stump = plain(tmp_path / "stump")
    (stump / "metadata.yaml").unlink()
    file = next(stump.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:60])
    other = plain(tmp_path / "other")
    (other / "metadata.yaml").write_text("colour: blue")
    before = hashes(tmp_path)
    status, out, err = run(tmp_path, monkeypatch=monkeypatch, capsys=capsys)
    lines = err.splitlines()
    assert (status, out, len(lines)) == (1, "", 3) and hashes(tmp_path) == before
    assert "is a zstd file, which is not repaired" in lines[1]
    assert "holds no complete message" in lines[2] and "move it away" in lines[0]
    empty = tmp_path / "nothing"
    empty.mkdir()
    status, _, err = run(empty, monkeypatch=monkeypatch, capsys=capsys)
    assert status == 1 and "holds no recording" in err
