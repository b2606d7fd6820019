"""Recordings as others make them: each converts with what is right in it, or one line says why not."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
import zstandard
from bag_maker import START_NS, STORE, TYPES, header, write_bag
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from kinevla.cli.main import main
from kinevla.data.audit import AuditConfig, audit_all, audit_topic
from kinevla.data.convert import Job, Texts, convert_recording
from kinevla.data.convert_config import ConvertConfig
from kinevla.data.episodes import EpisodeReader
from kinevla.data.packing import DataError
from kinevla.data.recordings import find_bags

RED = np.full((160, 200, 3), (220, 150, 30), np.uint8)
FRONT = "/front/color/image_raw"
NS = 10**9


def convert(path: Path, **config):
    return convert_recording(Job(path, ConvertConfig(**config), Texts()))


def command(*bags: Path, out: Path, more: tuple[str, ...] = ()) -> int:
    line = ["data", "convert", *map(str, bags), "--out", str(out), "--workers", "1", "--no-progress"]
    return main([*line, "--image-size", "128", *more])


def raw(stamp_ns: int, encoding: str, pixels: np.ndarray):
    rows = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1).view(np.uint8)
    return TYPES["sensor_msgs/msg/Image"](
        header=header(stamp_ns), height=pixels.shape[0], width=pixels.shape[1], encoding=encoding,
        is_bigendian=0, step=rows.shape[1], data=rows.reshape(-1),
    )  # fmt: skip


def stamp_of(message) -> int:
    return message.header.stamp.sec * NS + message.header.stamp.nanosec


def restamped(message, stamp_ns: int):
    message.header.stamp.sec, message.header.stamp.nanosec = stamp_ns // NS, stamp_ns % NS
    return message


def yuv(order: int) -> np.ndarray:
    return cv2.cvtColor(RED, order)


PICTURES = {
    "rgb8": RED,
    "BGR8": RED[..., ::-1],
    "bgra8": np.dstack([RED[..., ::-1], np.full((160, 200), 255, np.uint8)]),
    "yuv422": yuv(cv2.COLOR_RGB2YUV_UYVY),
    "uyvy": yuv(cv2.COLOR_RGB2YUV_UYVY),
    "yuv422_yuy2": yuv(cv2.COLOR_RGB2YUV_YUY2),
    "yuyv": yuv(cv2.COLOR_RGB2YUV_YUY2),
}


@pytest.mark.parametrize("encoding", PICTURES)
def test_a_red_thing_is_red_whatever_the_encoding(tmp_path, encoding):
    def change(topic, message):
        return raw(stamp_of(message), encoding, PICTURES[encoding]) if topic == FRONT else message

    write_bag(tmp_path / "a", change=change)
    seen = convert(tmp_path / "a").episode.images("front")[0].reshape(-1, 3).mean(0)
    assert abs(seen - RED[0, 0]).max() < 6


@pytest.mark.parametrize("encoding", ["8UC3", "bayer_rggb8", "rgb16", "16UC1", "32FC1", "yuv444", "nv21", ""])
def test_an_encoding_whose_colours_are_not_known_is_refused_by_name(tmp_path, encoding):
    def change(topic, message):
        return raw(stamp_of(message), encoding, RED) if topic == FRONT else message

    write_bag(tmp_path / "a", change=change)
    with pytest.raises(DataError, match=f"{FRONT} can be used: image encoding '{encoding}' is not one of"):
        convert(tmp_path / "a")


JPEG, SWAPPED = (bytes(cv2.imencode(".jpg", p)[1]) for p in (RED[..., ::-1], RED))
GREY = bytes(cv2.imencode(".jpg", RED[..., 0])[1])
DEPTH = bytes(cv2.imencode(".png", RED[..., 0].astype(np.uint16) * 200)[1])


def compressed_bag(path: Path, form: str, content: bytes) -> None:
    """The bag of `bag_maker` with compressed images of one content."""

    def change(topic, message):
        if message.__msgtype__ == "sensor_msgs/msg/CompressedImage":
            message.format, message.data = form, np.frombuffer(content, np.uint8)
        return message

    write_bag(path, compressed=True, change=change)


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("rgb8; jpeg compressed bgr8", JPEG), ("jpeg", JPEG), ("", JPEG), ("JPG", JPEG), ("bgr8; jpeg", JPEG),
        ("rgb8; jpeg compressed rgb8", SWAPPED), ("bgr8; jpeg compressed rgb8", SWAPPED),
        ("bgr8; png compressed bgr8", bytes(cv2.imencode(".png", RED[..., ::-1])[1])),
    ],
)  # fmt: skip
def test_compressed_images_keep_their_colours(tmp_path, form, content):
    compressed_bag(tmp_path / "a", form, content)
    seen = convert(tmp_path / "a").episode.images("front")[0].reshape(-1, 3).mean(0)
    assert abs(seen - RED[0, 0]).max() < 6


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("yuv422_yuy2; jpeg compressed mono8", GREY), ("bayer_rggb8; jpeg compressed mono8", GREY),
        ("bayer_rggb8; jpeg compressed ", GREY), ("16UC1; compressedDepth png", bytes(12) + DEPTH),
        ("rgb16; png compressed rgb16", DEPTH), ("h264", JPEG), ("png", DEPTH), ("bayer_rggb8; jpeg", GREY),
    ],
)  # fmt: skip
def test_compressed_images_without_the_cameras_colours_are_refused(tmp_path, form, content):
    compressed_bag(tmp_path / "a", form, content)
    with pytest.raises(DataError, match=r"none of the 31 messages .* (format|16 bits)"):
        convert(tmp_path / "a")


def test_one_bad_message_costs_that_message_and_is_counted(tmp_path, capsys):
    def change(topic, message):
        if stamp_of(message) == START_NS + NS // 2:
            if topic == "/joint_states":
                message.position[3] = np.nan
            elif topic == FRONT:
                message.data = message.data[:-7]
        return message

    write_bag(tmp_path / "bags" / "a", change=change)
    assert command(tmp_path / "bags", out=tmp_path / "set") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("1 recordings converted") and len(out) == 3
    assert "/joint_states: 1 messages left out" in out[2] and "not finite" in out[2]
    assert f"{FRONT}: 1 messages left out: image holds 95993 bytes" in out[1]


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize(
    "definition", ["", "custom_msgs/Thing thing\n", "float64 @ x ?? [\n", "wstring name\n"]
)
def test_a_topic_that_is_not_needed_spoils_nothing(tmp_path, plugin, definition):
    write_bag(tmp_path / "good")
    again = tmp_path / "a"
    copy_bag(tmp_path / "good", again, plugin, ("/gripper/state", "vendor_msgs/msg/State", definition))
    (again / "episode.json").write_text((tmp_path / "good" / "episode.json").read_text())
    assert len(convert(again).episode) == 16


def copy_bag(source: Path, out: Path, plugin: StoragePlugin, extra: tuple[str, str, str]) -> None:
    """Write a recording anew, with a topic beside whose definition is as given."""
    from rosbags.highlevel import AnyReader

    with AnyReader([source]) as reader, Writer(out, version=9, storage_plugin=plugin) as writer:
        name, kind, text = extra
        writer.add_connection(name, kind, msgdef=text, rihs01="RIHS01_" + "0" * 64)
        ids = {c.id: writer.add_connection(c.topic, c.msgtype, typestore=STORE) for c in reader.connections}
        for connection, received_ns, data in reader.messages():
            writer.write(ids[connection.id], received_ns, data)


def test_a_camera_whose_raw_topic_stayed_empty_is_read_compressed(tmp_path):
    write_bag(tmp_path / "good", compressed=True)
    kind = "sensor_msgs/msg/Image"
    text, _ = STORE.generate_msgdef(kind, ros_version=2)
    copy_bag(tmp_path / "good", tmp_path / "a", StoragePlugin.MCAP, (FRONT, kind, text))
    (tmp_path / "a" / "episode.json").write_text(
        '{"instruction": "pick up the bread and move it to the front"}'
    )
    assert len(convert(tmp_path / "a").episode) == 16


def test_a_bag_without_definitions_and_with_another_history_depth_converts(tmp_path):
    write_bag(tmp_path / "a", plugin="sqlite3")
    file = next((tmp_path / "a").glob("*.db3"))
    base = sqlite3.connect(file)
    base.execute("DROP TABLE message_definitions")
    base.commit()
    base.close()
    content = yaml.safe_load((tmp_path / "a" / "metadata.yaml").read_text())
    for item in content["rosbag2_bagfile_information"]["topics_with_message_count"]:
        item["topic_metadata"]["offered_qos_profiles"] = [{"history": "keep_last", "depth": 7}]
    (tmp_path / "a" / "metadata.yaml").write_text(yaml.safe_dump(content))
    assert len(convert(tmp_path / "a").episode) == 16


def test_a_needed_topic_of_another_type_is_named_with_both_types(tmp_path):
    write_bag(tmp_path / "good", without=(FRONT,))
    kind = "sensor_msgs/msg/PointCloud2"
    text, _ = STORE.generate_msgdef(kind, ros_version=2)
    copy_bag(tmp_path / "good", tmp_path / "a", StoragePlugin.MCAP, (FRONT, kind, text))
    with pytest.raises(DataError, match=rf"{FRONT} is of the type {kind}, needed is sensor_msgs/msg/Image"):
        convert(tmp_path / "a")


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize("mode", [CompressionMode.MESSAGE, CompressionMode.FILE])
def test_compressed_recordings_are_known_by_what_they_hold(tmp_path, plugin, mode):
    from rosbags.highlevel import AnyReader

    write_bag(tmp_path / "good")
    writer = Writer(tmp_path / "a", version=9, storage_plugin=plugin)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with AnyReader([tmp_path / "good"]) as reader, writer:
        ids = {c.id: writer.add_connection(c.topic, c.msgtype, typestore=STORE) for c in reader.connections}
        for connection, received_ns, data in reader.messages():
            writer.write(ids[connection.id], received_ns, data)
    (tmp_path / "a" / "episode.json").write_text((tmp_path / "good" / "episode.json").read_text())
    metadata = tmp_path / "a" / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("compression_mode: ", "compression_mode: x"))
    assert len(convert(tmp_path / "a").episode) == 16
    metadata.unlink()
    assert find_bags((tmp_path / "a",)).bags == (tmp_path / "a",)
    with pytest.raises(DataError, match=r"no metadata\.yaml.*repair_bag"):
        convert(tmp_path / "a")


def test_what_unpacks_to_more_than_there_is_room_for_is_given_up(tmp_path, monkeypatch):
    write_bag(tmp_path / "a")
    file = next((tmp_path / "a").glob("*.mcap"))
    packed = file.with_name(file.name + ".zstd")
    packed.write_bytes(zstandard.compress(file.read_bytes()))
    file.unlink()
    assert len(convert(tmp_path / "a").episode) == 16
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("kinevla.data.bag_files.shutil.disk_usage", lambda _: usage)
    monkeypatch.setattr("kinevla.data.bag_files._SPARE_BYTES", 0)
    with pytest.raises(DataError, match=r"unpacked so far has \d+ bytes, the bound is 1000"):
        convert(tmp_path / "a")


def test_what_a_killed_sqlite_recorder_left_in_its_journal_is_read_and_nothing_is_changed(tmp_path):
    write_bag(tmp_path / "a", plugin="sqlite3")
    file = next((tmp_path / "a").glob("*.db3"))
    shutil.copytree(tmp_path / "a", tmp_path / "live")
    live = tmp_path / "live" / file.name
    base = sqlite3.connect(live)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("UPDATE messages SET timestamp = timestamp + 1")
    base.commit()
    for kept in (tmp_path / "live").glob("*.db3*"):  # as they are while it still runs
        shutil.copy(kept, tmp_path / "a" / kept.name)
    base.close()
    before = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}
    assert f"{file.name}-wal" in before
    assert len(convert(tmp_path / "a").episode) == 16
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == before


CLOCKS = {
    "none": (lambda stamp, start: 0, r"can be used: its stamp is 0\.000000000 s: no clock was running"),
    "set_forward": (
        lambda stamp, start: stamp - (stamp < start + NS // 2) * 3 * 86400 * NS,
        r"/joint_states has a gap of 259200\.010 s, bound 0\.1 s, from stamp 1699740800",
    ),
    "set_back": (
        lambda stamp, start: stamp - (stamp > start + NS // 2) * 3 * 86400 * NS,
        r"the stamps of /joint_states run back by 259199\.990 s, from 1700000000\.500 s to 1699740800\.510 s",
    ),
}


@pytest.mark.parametrize("name", CLOCKS)
def test_a_clock_that_was_set_is_told_at_once(tmp_path, name):

    change, told = CLOCKS[name]
    write_bag(tmp_path / "a", change=lambda _, m: restamped(m, change(stamp_of(m), START_NS)))
    began = time.process_time()
    with pytest.raises(DataError, match=told):
        convert(tmp_path / "a")
    assert time.process_time() - began < 10.0  # a grid over three days of tenths of seconds takes minutes


def test_cameras_on_another_clock_are_told_with_both_times(tmp_path):
    def change(topic, message):
        return restamped(message, stamp_of(message) % (1000 * NS)) if topic == FRONT else message

    write_bag(tmp_path / "a", change=change)
    with pytest.raises(DataError, match=r"share no time: .*1700000000\.000 s.*front images 0\.050 s to"):
        convert(tmp_path / "a")


def test_single_stamps_far_beside_their_neighbours_are_left_out(tmp_path):
    def change(topic, message):
        if topic in ("/joint_states", FRONT) and stamp_of(message) == START_NS + NS // 2:
            return restamped(message, stamp_of(message) + 86400 * NS)
        return message

    write_bag(tmp_path / "a", change=change)
    made = convert(tmp_path / "a", idle_rad=0.0)
    assert len(made.episode) == 16
    assert any("/joint_states: 1 messages left out: its stamp 1700086400.500 s lies" in n for n in made.notes)


def test_a_recording_of_a_recording_that_was_played_converts_by_its_capture_stamps(tmp_path):
    write_bag(tmp_path / "good", targets="chunks")
    live = convert(tmp_path / "good").episode
    bag = tmp_path / "played"
    shutil.copytree(tmp_path / "good", bag)
    from rosbags.highlevel import AnyReader

    shutil.rmtree(bag)
    with (
        AnyReader([tmp_path / "good"]) as reader,
        Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as w,
    ):
        ids = {c.id: w.add_connection(c.topic, c.msgtype, typestore=STORE) for c in reader.connections}
        for connection, received_ns, data in reader.messages():
            w.write(ids[connection.id], received_ns + 5 * 86400 * NS, data)
    (bag / "episode.json").write_text((tmp_path / "good" / "episode.json").read_text())
    played = convert(bag).episode
    assert np.allclose(played.target, live.target, atol=1e-6)
    assert not audit_all((bag,), AuditConfig())[0].problems


def test_one_name_in_two_folders_is_two_recordings_and_each_is_held_once(tmp_path, capsys):
    write_bag(tmp_path / "monday" / "a")
    write_bag(tmp_path / "tuesday" / "a", seconds=1.2)
    for again in (0, 2):
        assert command(tmp_path, out=tmp_path / "set") == 0
        assert f"{again} were held already" in capsys.readouterr().out
    assert sorted(len(episode) for episode in EpisodeReader(tmp_path / "set")) == [13, 16]
    write_bag(tmp_path / "wednesday" / "a", seconds=1.1)
    assert command(tmp_path / "wednesday" / "a", out=tmp_path / "set") == 0
    assert len(EpisodeReader(tmp_path / "set")) == 3


def test_recordings_are_found_by_what_files_hold_and_through_links(tmp_path, capsys):
    write_bag(tmp_path / "elsewhere" / "a")
    (tmp_path / "bags").mkdir()
    (tmp_path / "bags" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "bags" / "loop").symlink_to(tmp_path / "bags")
    (tmp_path / "bags" / "metadata.yaml").write_text("colour: blue")  # hides nothing below it
    odd = tmp_path / "bags" / "odd"
    odd.mkdir()
    shutil.copy(next((tmp_path / "elsewhere" / "a").glob("*.mcap")), odd / "recording.bin")
    (tmp_path / "bags" / "old").mkdir()
    (tmp_path / "bags" / "old" / "data").write_bytes(b"#ROSBAG V2.0\n")
    assert command(tmp_path / "bags", out=tmp_path / "set") == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("1 recordings converted") and len(out) == 4
    for name in ("bags is", "bags/odd", "bags/old"):
        assert sum(f"{tmp_path}/{name}" in line for line in out[1:]) == 1, out


def test_what_lies_beside_a_recording_or_was_set_aside_is_told(tmp_path, capsys):
    write_bag(tmp_path / "bags" / "a")
    file = next((tmp_path / "bags" / "a").glob("*.mcap"))
    shutil.copy(file, file.with_name("a_1.mcap"))
    write_bag(tmp_path / "bags" / "quarantine" / "b")
    assert command(tmp_path / "bags", out=tmp_path / "set") == 1
    out = capsys.readouterr().out
    assert "1 recordings converted" in out and "a_1.mcap is not named in metadata.yaml" in out
    assert f"set aside: {tmp_path}/bags/quarantine/b" in out


@pytest.mark.parametrize(
    "typed",
    [
        "Place the cup  on the shelf.",
        "place the cup\ton the shelf",
        "\ufeffplace the\u00a0cup on the \u200bshelf!",
        "\u201cPlace the cup on the shelf\u201d",
        "'PLACE THE CUP ON THE SHELF.'",
        "ｐｌａｃｅ the cup on the shelf\u3002",
    ],
)
def test_one_sentence_is_one_task_however_it_was_typed(tmp_path, typed):
    from kinevla.text.instruction import InstructionError, check_instruction

    texts = {"goal_reasoning": "place the  cup", "kinematics_reasoning": "Robot Action:\u00a0place slowly."}
    write_bag(tmp_path / "a", instruction=typed, **texts)
    write_bag(tmp_path / "b", instruction="place the cup on the shelf", goal_reasoning="place the cup",
              kinematics_reasoning="Robot Action: place slowly.")  # fmt: skip
    odd, plain = (convert_recording(Job(tmp_path / name, ConvertConfig(), Texts())).episode for name in "ab")
    assert (odd.task, odd.instruction, odd.coarse, odd.fine) == (
        plain.task, plain.instruction, plain.coarse, plain.fine,
    )  # fmt: skip
    try:
        assert check_instruction(typed) == odd.instruction
    except InstructionError:
        assert "\t" in typed


@pytest.mark.parametrize(
    ("scale", "offset", "given", "told"),
    [
        (0.08, 0.0, ("--gripper-open", "0.08"), "run 0..0.08, which looks like metres"),
        (1000.0, 0.0, ("--gripper-open", "1000"), "run 0..1000, the bounds are 0 closed and 1 open"),
        (-2.0, 1.0, ("--gripper-closed", "1", "--gripper-open", "-1"), "run -1..1, the bounds are"),
    ],
)
def test_grippers_of_another_range_are_asked_for(tmp_path, capsys, scale, offset, given, told):
    def change(topic, message):
        if message.__msgtype__ == "sensor_msgs/msg/JointState":
            opening = float(message.header.stamp.nanosec > 500_000_000 or stamp_of(message) % (100 * NS) > NS)
            message.position[7] = scale * opening + offset
        return message

    write_bag(tmp_path / "a", change=change)
    assert command(tmp_path / "a", out=tmp_path / "set") == 1
    assert told in capsys.readouterr().out
    assert command(tmp_path / "a", out=tmp_path / "other", more=given) == 0
    episode = EpisodeReader(tmp_path / "other").read(0)
    assert (episode.state[0, 7], episode.state[-1, 7]) == (0.0, 1.0)


def test_joints_in_degrees_are_refused_with_joint_value_and_bound(tmp_path):
    def change(topic, message):
        if message.__msgtype__ == "sensor_msgs/msg/JointState":
            message.position[2] += 45.0
        return message

    write_bag(tmp_path / "a", change=change)
    with pytest.raises(DataError, match=r"joint 3 of /joint_states reaches 4\d\..*, bound 6\.33 rad"):
        convert(tmp_path / "a")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("notes.txt", b"x", "holds no recording"),
        ("a.bag", b"#ROSBAG V2.0\n", "a.bag is a bag of ROS 1: convert it with rosbags-convert"),
        ("a.mcap", b"\x89MCAP0\r\n", "repair_bag FOLDER"),
    ],
)
def test_a_folder_without_a_description_is_told_by_what_it_holds(tmp_path, capsys, name, content, told):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / name).write_bytes(content)
    assert command(tmp_path / "a", out=tmp_path / "set") == 1
    assert told in capsys.readouterr().out


def test_a_minimal_description_and_one_of_wrong_types(tmp_path):
    write_bag(tmp_path / "a")
    (tmp_path / "a" / "episode.json").write_text(
        json.dumps({"instruction": "pick up the bread and move it to the front"})
    )
    assert convert(tmp_path / "a").episode.task == 3
    (tmp_path / "a" / "episode.json").write_text(json.dumps({"instruction": ["pick", "up"]}))
    with pytest.raises(DataError, match=r"episode\.json is damaged: instruction is .* must be str"):
        convert(tmp_path / "a")


def test_joint_states_in_bursts_are_no_losses(tmp_path):
    def change(topic, message):
        if topic == "/joint_states":  # two at a time, 1 ms apart, as a loaded machine hands them on
            stamp = stamp_of(message)
            return restamped(
                message, stamp - stamp % (20 * NS // 1000) + (stamp // (NS // 100)) % 2 * NS // 1000
            )
        return message

    write_bag(tmp_path / "a", change=change)
    (audit,) = audit_all((tmp_path / "a",), AuditConfig())
    assert not audit.problems and audit.topics["/joint_states"].rate_hz == pytest.approx(100, rel=0.05)


@pytest.mark.parametrize("together", [2, 5, 20])
def test_what_is_lost_among_bursts_is_counted(together):
    k = np.arange(600)
    stamps = (k // together * together * 5_000_000 + k % together * 100_000).astype(np.int64)
    whole = audit_topic(stamps.tolist(), stamps.tolist(), AuditConfig())
    assert whole.dropped == 0 and whole.rate_hz == pytest.approx(200, rel=0.1)
    lossy = np.delete(stamps, slice(300, 300 + 2 * together)).tolist()
    assert audit_topic(lossy, lossy, AuditConfig()).dropped == pytest.approx(2 * together, abs=1)


def test_a_description_that_refers_to_itself_without_end_is_refused(tmp_path):
    write_bag(tmp_path / "a")
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    lines += [
        "rosbag2_bagfile_information:",
        "  relative_file_paths: [*a11]",
        "  topics_with_message_count: []",
    ]
    (tmp_path / "a" / "metadata.yaml").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"metadata\.yaml cannot be read: a name is a list, must be a text"):
        convert(tmp_path / "a")


def test_a_plan_is_read_by_the_bags_own_definition_and_else_by_this_projects(tmp_path):
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    kind = "kine_msgs/msg/BiLevelPlan"
    own = "std_msgs/Header header\nstring instruction\nuint64 instruction_id\nuint32 chunk_id\nbool waits\n"
    own += "string goal_reasoning\nstring kinematics_reasoning\n"
    older = "std_msgs/Header header\nuint8 version\nstring goal_reasoning\nstring kinematics_reasoning\n"
    older += "string instruction\n"
    for number, (text, keep) in enumerate(((own, True), (own, False), (older, True))):
        store = get_typestore(Stores.ROS2_HUMBLE)
        store.register(get_types_from_msg(text, kind))
        values = {"instruction": "wave", "goal_reasoning": "say hello", "kinematics_reasoning": "slowly"}
        rest = {"instruction_id": 3, "chunk_id": 1, "waits": False} if text is own else {"version": 1}
        path = tmp_path / str(number)
        write_bag(path, instruction=None, plugin="sqlite3")
        shutil.rmtree(path)
        write_plan(path, store, kind, store.types[kind](header=header(START_NS), **values, **rest), keep)
        episode = convert(path).episode
        assert (episode.instruction, episode.coarse, episode.fine) == ("wave", "say hello", "slowly")


def write_plan(path: Path, store, kind: str, plan, keep_definitions: bool) -> None:
    """The ordinary recording and one plan, with or without the definitions of types."""
    from rosbags.highlevel import AnyReader

    source = path.with_name(f"{path.name}_source")
    write_bag(source, instruction=None)
    with (
        AnyReader([source]) as reader,
        Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer,
    ):
        ids = {c.id: writer.add_connection(c.topic, c.msgtype, typestore=STORE) for c in reader.connections}
        topic = writer.add_connection("/kinevla/plan", kind, typestore=store)
        writer.write(topic, START_NS, store.serialize_cdr(plan, kind))
        for connection, received_ns, data in reader.messages():
            writer.write(ids[connection.id], received_ns, data)
    if not keep_definitions:
        base = sqlite3.connect(next(path.glob("*.db3")))
        base.execute("DELETE FROM message_definitions")
        base.commit()
        base.close()


def test_a_name_cannot_forge_a_line_or_colour_the_terminal(tmp_path, capsys):
    bag = tmp_path / "evil\nrefused: fake\x1b[31mred"
    bag.mkdir()
    (bag / "metadata.yaml").write_text("nothing")
    assert command(bag, out=tmp_path / "set") == 1
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert sum(line.startswith("refused:") for line in told.splitlines()) == 1


def test_a_refusal_is_short_however_long_the_sentence(tmp_path, capsys):
    write_bag(tmp_path / "a")
    (tmp_path / "a" / "episode.json").write_text(json.dumps({"format": 1, "instruction": "go " * 5000}))
    assert command(tmp_path / "a", out=tmp_path / "set") == 1
    assert max(map(len, capsys.readouterr().out.splitlines())) < 700
