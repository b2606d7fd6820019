"""Recordings of `ros2 bag record` that was killed, as they lie and after `ros2 bag reindex`.

The mcap files are laid out as rosbag2's plugin leaves them: chunks without a checksum, or none at all
(fastwrite), message indexes behind them, and neither summary nor end.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from bag_maker import write_bag
from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.records import Channel, Message
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, Writer

from kinevla.cli.main import main
from kinevla.data.audit import AuditConfig, audit_all
from kinevla.data.episodes import EpisodeReader
from kinevla.data.rescue import rescue

PRESETS = {
    "none": {"compression": CompressionType.NONE},
    "fastwrite": {"compression": CompressionType.NONE, "use_chunking": False},
    "zstd_fast": {"compression": CompressionType.ZSTD},
}
SAID = "pick up the bread and move it to the front"


def recorded(bag: Path, preset: str) -> Path:
    """A recording as rosbag2 writes it; returns its file."""
    write_bag(bag)
    file = next(bag.glob("*.mcap"))
    whole = file.with_suffix(".new")
    with file.open("rb") as source, whole.open("wb") as sink:
        writer = Writer(sink, chunk_size=300_000, enable_crcs=False, **PRESETS[preset])
        writer.start(profile="ros2", library="libmcap")
        ids: dict[int, int] = {}
        for schema, channel, message in make_reader(source).iter_messages():
            if channel.id not in ids:
                kind = writer.register_schema(schema.name, schema.encoding, schema.data)
                ids[channel.id] = writer.register_channel(channel.topic, "cdr", kind, channel.metadata)
            writer.add_message(ids[channel.id], message.log_time, message.data, message.publish_time)
        writer.finish()
    whole.replace(file)
    return file


def killed(bag: Path, preset: str, share: float = 0.7) -> Path:
    file = recorded(bag, preset)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    (bag / "metadata.yaml").unlink()
    return file


def reindexed(bag: Path, whole: Path) -> Counter[str]:
    """Write what `ros2 bag reindex` writes: counts of what can be scanned, another depth of the history."""
    names: dict[int, str] = {}
    counts: Counter[str] = Counter()
    with next(bag.glob("*.mcap")).open("rb") as stream:
        try:
            for record in StreamReader(stream).records:
                if isinstance(record, Channel):
                    names[record.id] = record.topic
                elif isinstance(record, Message):
                    counts[names[record.channel_id]] += 1
        except (McapError, struct.error, ValueError, RuntimeError):
            pass
    content = yaml.safe_load((whole / "metadata.yaml").read_text())
    information = content["rosbag2_bagfile_information"]
    for item in information["topics_with_message_count"]:
        item["message_count"] = counts[item["topic_metadata"]["name"]]
        item["topic_metadata"]["offered_qos_profiles"] = [{"history": 3, "depth": 0, "reliability": 1}]
    information["message_count"] = sum(counts.values())
    (bag / "metadata.yaml").write_text(yaml.safe_dump(content))
    return counts


def convert(bag: Path) -> int:
    line = ["data", "convert", str(bag), "--out", str(bag.parent / "set"), "--image-size", "128"]
    return main([*line, "--instruction", SAID, "--workers", "1", "--no-progress"])


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_killed_recording_that_was_reindexed_converts_to_where_it_was_cut(tmp_path, capsys, preset):
    write_bag(tmp_path / "whole" / "bag")
    killed(tmp_path / "bag", preset)
    counts = reindexed(tmp_path / "bag", tmp_path / "whole" / "bag")
    assert 5 < counts["/front/color/image_raw"] < 31
    before = hashes(tmp_path / "bag")
    assert convert(tmp_path / "bag") == 0
    said = capsys.readouterr().out
    assert said.startswith("1 recordings converted") and "cut off (at byte" in said
    assert 3 < len(EpisodeReader(tmp_path / "set").read(0)) < 14
    assert hashes(tmp_path / "bag") == before
    assert (
        "what is whole before that was read" in audit_all((tmp_path / "bag",), AuditConfig())[0].problems[0]
    )


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_a_killed_recording_converts_once_it_was_repaired(tmp_path, capsys, preset, share):
    file = killed(tmp_path / "bag", preset, share)
    before = hashes(tmp_path / "bag")
    assert convert(tmp_path / "bag") == 1
    assert "repair_bag FOLDER" in capsys.readouterr().out
    assert rescue(tmp_path / "bag").messages > 50
    assert {name: value for name, value in hashes(tmp_path / "bag").items() if name in before} == before
    assert file.with_name(f"{file.stem}_repaired.mcap").is_file()
    assert convert(tmp_path / "bag") == 0
    episode = EpisodeReader(tmp_path / "set").read(0)
    assert abs(len(episode) - 16 * share) < 3 and np.isfinite(episode.state).all()


def test_a_recording_that_was_cut_after_it_was_whole_is_refused(tmp_path, capsys):
    """A copy that broke off: its description promises more."""
    file = recorded(tmp_path / "bag", "none")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert convert(tmp_path / "bag") == 1
    assert "holds fewer messages than its summary says: /" in (said := capsys.readouterr().out)
    assert "cut off (at byte" in said


@pytest.mark.parametrize("described", [False, True])
def test_a_killed_sqlite_recorder_leaves_its_last_messages_beside_the_file(tmp_path, capsys, described):
    write_bag(tmp_path / "whole", plugin="sqlite3")
    bag, file = tmp_path / "bag", next((tmp_path / "whole").glob("*.db3"))
    bag.mkdir()
    live = tmp_path / "live.db3"
    shutil.copy(file, live)
    base = sqlite3.connect(live)
    rows = base.execute("SELECT * FROM messages ORDER BY id").fetchall()
    base.execute("DELETE FROM messages")
    base.commit()
    base.execute("PRAGMA journal_mode=WAL")
    base.executemany(
        f"INSERT INTO messages VALUES ({','.join('?' * len(rows[0]))})", rows[: len(rows) * 2 // 3]
    )
    base.commit()
    for end in ("", "-wal", "-shm"):
        shutil.copy(f"{live}{end}", bag / f"{file.name}{end}")
    base.close()
    if described:
        content = yaml.safe_load((tmp_path / "whole" / "metadata.yaml").read_text())
        for item in content["rosbag2_bagfile_information"]["topics_with_message_count"]:
            item["message_count"] = 0  # `ros2 bag reindex` does not look beside
        (bag / "metadata.yaml").write_text(yaml.safe_dump(content))
    else:
        assert rescue(bag).messages == len(rows) * 2 // 3
    before = hashes(bag)
    assert convert(bag) == 0, capsys.readouterr().out
    assert 8 < len(EpisodeReader(tmp_path / "set").read(0)) < 12
    assert hashes(bag) == before


def test_nothing_but_the_head_of_a_file_is_told(tmp_path, capsys):
    killed(tmp_path / "bag", "none", 0.0001)
    (tmp_path / "bag" / "episode.json").write_text(json.dumps({"instruction": SAID}))
    assert convert(tmp_path / "bag") == 1
    assert capsys.readouterr().out.count("refused: ") == 1
