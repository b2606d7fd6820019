"""The bag of the last seconds: what is in it, how many stay, and what a full or broken disk does."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from fake_arm import raw_state
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from realman_driver import black_box_writer
from realman_driver.arm_model import AXIS_NAMES, HOME_RAD
from realman_driver.black_box import BlackBox, BlackBoxSettings, Topic
from realman_driver.gate import ChunkPoint, ReceivedChunk
from realman_driver.state import StateKeeper


class Stand:
    """A black box with something in it."""

    def __init__(self, folder: Path, **settings: float) -> None:
        self.reports: list[tuple[str, str]] = []
        self.box = BlackBox(
            BlackBoxSettings(folder, **settings),  # type: ignore[arg-type]
            time.time,
            lambda level, text: self.reports.append((level, text)),
        )

    def fill(self, count: int = 50) -> None:
        keeper = StateKeeper("127.0.0.1")
        keeper.set_reference(HOME_RAD, time.monotonic(), tuple((-7.0, 7.0) for _ in range(7)))
        for _ in range(count):
            self.box.target(HOME_RAD)
            state = keeper.accept(raw_state())
            assert state is not None
            self.box.state(state)
        chunk = ReceivedChunk(AXIS_NAMES, (ChunkPoint((*HOME_RAD, 1.0), 0.1),), time.time())
        self.box.chunk(chunk, "")
        self.box.chunk(ReceivedChunk((), (), 0.0), "joint_1 is missing")

    def write(self) -> tuple[str, str]:
        assert self.box.write_soon("joint_3 reports error 0x0040 (overcurrent)")
        assert self.box.wait_written(60.0)
        return self.reports[-1]


def messages(bag: Path) -> dict[str, list[object]]:
    with AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        found: dict[str, list[object]] = {connection.topic: [] for connection in reader.connections}
        for connection, _, data in reader.messages():
            found[connection.topic].append(reader.deserialize(data, connection.msgtype))
    return found


def test_the_bag_holds_targets_states_chunks_and_the_reason(tmp_path: Path) -> None:
    stand = Stand(tmp_path / "box")
    stand.fill()
    level, text = stand.write()
    assert level == "info", text
    (bag,) = (tmp_path / "box").iterdir()
    assert str(bag) in text
    found = messages(bag)
    assert len(found["/realman_driver/target"]) == 50
    assert len(found["/joint_states"]) == 50
    assert len(found["/realman_driver/joint_trajectory"]) == 2
    texts = [message.msg for message in found["/realman_driver/log"]]  # type: ignore[attr-defined]
    assert "joint_3 reports error 0x0040 (overcurrent)" in texts
    assert "refused: joint_1 is missing" in texts
    state = found["/joint_states"][0]
    assert list(state.position) == pytest.approx(list(HOME_RAD))  # type: ignore[attr-defined]
    assert abs(state.header.stamp.sec - time.time()) < 60.0  # type: ignore[attr-defined]


def test_a_file_manager_shows_every_file_of_a_bag(tmp_path: Path) -> None:
    stand = Stand(tmp_path / "box")
    stand.fill()
    stand.write()
    shown = [path for path in (tmp_path / "box").rglob("*") if not path.name.startswith(".")]
    assert {path.suffix for path in shown if path.is_file()} == {".mcap", ".yaml"}
    assert shown == list((tmp_path / "box").rglob("*"))
    assert all(path.parent == tmp_path / "box" for path in shown if path.is_dir()), (
        "a half-written bag is left"
    )


def test_what_is_too_old_to_be_written_does_not_stay_in_memory(tmp_path: Path) -> None:
    box = Stand(tmp_path / "box", duration_s=0.2).box
    end_s = time.monotonic() + 1.2
    while time.monotonic() < end_s:
        box.target(HOME_RAD)
        time.sleep(0.01)
    kept = [row[0] for row in box._targets.since(0.0)]
    assert kept[-1] - kept[0] <= 0.2 + 0.5 + 0.05  # the time after the stop is kept as well
    assert len(kept) < 80


def test_messages_of_others_are_in_the_bag_with_topic_type_and_definition(tmp_path: Path) -> None:
    """The bag is read with what it says of the type itself, and without any message package."""
    definition = "string text\nint32[<=16] codes\n"
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(definition, "some_msgs/msg/Thought"))
    thought = store.types["some_msgs/msg/Thought"](text="grasp it", codes=np.array([3, 5], dtype=np.int32))
    stand = Stand(tmp_path / "box")
    topic = Topic("/someone/thoughts", "some_msgs/msg/Thought", definition)
    stand.box.message(topic, bytes(store.serialize_cdr(thought, topic.kind)))
    stand.box.message(topic, bytes(100_000))
    level, text = stand.write()
    assert level == "info", text
    found = messages(Path(text.split()[-1]))
    (kept,) = found["/someone/thoughts"]
    assert kept.text == "grasp it"  # type: ignore[attr-defined]
    assert list(kept.codes) == [3, 5]  # type: ignore[attr-defined]
    texts = [message.msg for message in found["/realman_driver/log"]]  # type: ignore[attr-defined]
    assert "a message of 100000 bytes on /someone/thoughts is left out" in texts


def test_what_is_older_than_the_ring_is_left_out(tmp_path: Path) -> None:
    stand = Stand(tmp_path / "box", duration_s=0.2)
    stand.box.target(HOME_RAD)
    time.sleep(0.5)
    stand.box.target(HOME_RAD)
    level, text = stand.write()
    assert level == "info", text
    (bag,) = (tmp_path / "box").iterdir()
    assert len(messages(bag)["/realman_driver/target"]) == 1


def test_the_oldest_bags_make_room_for_new_ones(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"stop_2020010{number}-000000-1").mkdir()
        (tmp_path / f"stop_2020010{number}-000000-1" / "metadata.yaml").touch()
    others = ["mine", "stop_19990101-000000-1", "stop_motion_film"]
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / "stop_motion_film" / "metadata.yaml").touch()
    black_box_writer.make_room(tmp_path, 3, 0.0)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([*others, "stop_20200102-000000-1", "stop_20200103-000000-1"])


def test_a_disk_with_too_little_room_is_left_alone_and_said(tmp_path: Path) -> None:
    stand = Stand(tmp_path / "box", min_free_mb=1e12)
    stand.fill()
    level, text = stand.write()
    assert level == "error"
    assert "must stay free" in text
    assert list((tmp_path / "box").iterdir()) == []
    assert stand.box.last_error


def test_a_disk_that_fills_up_while_writing_leaves_no_half_bag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of this process stands for the disk: the kernel refuses bytes beyond it."""
    import resource

    stand = Stand(tmp_path / "box")
    stand.fill(2000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        level, text = stand.write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert level == "error"
    assert "too large" in text.lower(), text
    assert [path for path in (tmp_path / "box").iterdir() if not path.name.startswith(".")] == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    level, text = Stand(tmp_path / "file" / "box").write()
    assert level == "error"
    assert "could not be written" in text


def test_without_a_folder_nothing_is_written() -> None:
    box = BlackBox(None, time.time, lambda level, text: None)
    assert not box.write_soon("a reason")
    assert box.wait_written(0.0)


def test_a_flood_of_refused_chunks_is_counted_and_leaves_room_for_what_moved_the_arm(tmp_path: Path) -> None:
    stand = Stand(tmp_path / "box")
    point = ChunkPoint((*HOME_RAD, 1.0), 0.1)
    stand.box.chunk(ReceivedChunk(AXIS_NAMES, (point,), time.time()), "")
    for _ in range(5_000):
        stand.box.chunk(ReceivedChunk(AXIS_NAMES, (point,) * 50, 0.0), "too many")
        stand.box.oversized_chunk(1_000_000)
    assert stand.box.chunk_bytes < 3_000_000
    level, text = stand.write()
    assert level == "info", text
    found = messages(Path(text.split()[-1]))
    texts = [message.msg for message in found["/realman_driver/log"]]  # type: ignore[attr-defined]
    assert "accepted: chunk of 1 points" in texts
    assert any("a chunk of 1000000 bytes is not read" in line for line in texts)
    assert any("more chunks were refused within a second" in line for line in texts)


def test_what_it_keeps_is_bounded_in_bytes(tmp_path: Path) -> None:
    box = Stand(tmp_path / "box").box
    chunk = ReceivedChunk(AXIS_NAMES, (ChunkPoint((*HOME_RAD, 1.0), 0.1),) * 1000, 0.0)
    for _ in range(300):
        box.chunk(chunk, "")
    assert 30_000_000 < box.chunk_bytes <= 33_554_432
    topic = Topic("/someone/thoughts", "some_msgs/msg/Thought", "string text\n")
    for _ in range(500):
        box.message(topic, bytes(60_000))
    kept = box._messages.since(0.0)
    assert sum(len(data) for _, _, data in kept) <= 8_388_608
