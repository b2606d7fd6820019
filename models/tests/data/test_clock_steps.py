"""Clocks that were set back a little while recording: refused by both times; what came late is told."""

from __future__ import annotations

import numpy as np
import pytest
from bag_maker import START_NS, header, write_bag
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer

from kinevla.data.convert import Converted, Job, Texts, convert_recording
from kinevla.data.convert_config import ConvertConfig
from kinevla.data.packing import DataError
from kinevla.data.timing import in_time
from kinevla.observation.images import ImagePipeline

NS = 10**9
MIDDLE_NS = START_NS + 8 * NS // 10


def convert(bag, **config) -> Converted:
    return convert_recording(Job(bag, ConvertConfig(images=ImagePipeline(128), **config), Texts()))


def set_back(by_s: float, topics: str):
    """From the middle on the clock of some topics is behind."""

    def change(topic, message):
        stamp = message.header.stamp.sec * NS + message.header.stamp.nanosec
        if topic.startswith(topics) and stamp > MIDDLE_NS:
            message.header = header(stamp - round(by_s * NS))
        return message

    return change


@pytest.mark.parametrize("by_s", [0.09, 0.5, 0.9])
@pytest.mark.parametrize("topics", ["/front", "/joint_states", "/kine_teleop", "/"])
def test_a_clock_that_was_set_back_while_recording_is_refused(tmp_path, by_s, topics):
    write_bag(tmp_path / "a", change=set_back(by_s, topics))
    with pytest.raises(
        DataError, match=r"the stamps of /\S+ run back by 0\.\d+ s, from 1\d+\.\d+ s to 1\S+ s, "
    ):
        convert(tmp_path / "a")


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_the_recorders_clock_may_be_the_one_that_was_set(tmp_path, plugin):
    """Stamps and times of recording step together, as on one computer."""
    write_bag(tmp_path / "good")
    change = set_back(0.5, "/")
    with (
        AnyReader([tmp_path / "good"]) as reader,
        Writer(tmp_path / "a", version=9, storage_plugin=plugin) as writer,
    ):
        ids = {
            c.id: writer.add_connection(c.topic, c.msgtype, typestore=reader.typestore)
            for c in reader.connections
        }
        for connection, received_ns, data in reader.messages():
            message = change(connection.topic, reader.deserialize(data, connection.msgtype))
            received_ns -= (received_ns > MIDDLE_NS) * NS // 2
            content = reader.typestore.serialize_cdr(message, connection.msgtype)
            writer.write(ids[connection.id], received_ns, content)
    (tmp_path / "a" / "episode.json").write_text((tmp_path / "good" / "episode.json").read_text())
    with pytest.raises(DataError, match=r"/joint_states run back by 0\.490 s"):
        convert(tmp_path / "a")


def test_what_came_late_is_put_in_its_place_and_told(tmp_path):
    def change(topic, message):
        stamp = message.header.stamp
        now = stamp.sec * NS + stamp.nanosec - START_NS
        if topic == "/joint_states" and now in (500_000_000, 510_000_000):
            message.header = header(START_NS + 1_010_000_000 - now)  # these two are exchanged
        return message

    write_bag(tmp_path / "a", change=change)
    made = convert(tmp_path / "a", idle_rad=0.0)
    assert len(made.episode) == 16
    assert made.notes == ("/joint_states: 1 messages came after later ones, by up to 0.010 s",)


def test_a_single_bad_stamp_and_repeated_ones_cost_these_messages():
    stamps = [0, 50, 100, 150, 20, 250, 300, 350, 350, 400]
    found = in_time([(k * 10**6, value) for value, k in enumerate(stamps)], "/front", 0.05)
    assert [value for _, value in found.kept] == [0, 1, 2, 3, 5, 6, 7, 9]
    assert dict(found.left_out) == {
        "its stamp 0.020 s lies 0.130 s back": 1,
        "its stamp is that of an earlier message": 1,
    }
    assert found.moved == ""


@pytest.mark.parametrize("seed", range(20))
def test_small_disorder_is_no_clock_that_was_set(seed):
    dice = np.random.default_rng(seed)
    stamps = sorted((k * 10**7 for k in range(200)), key=lambda stamp: stamp + dice.integers(-1, 2) * 10**7)
    found = in_time([(stamp, stamp) for stamp in stamps], "/joint_states", 0.05)
    assert [stamp for stamp, _ in found.kept] == sorted(stamps)
    assert found.moved.startswith("/joint_states: ")
