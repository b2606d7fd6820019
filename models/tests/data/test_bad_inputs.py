"""Whatever is wrong with a recording or a LIBERO file: one line that names it, and the rest is converted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import mcap.reader
import mcap.writer
import numpy as np
import pytest
from bag_maker import write_bag
from test_handing_on import write_libero

from kinevla.cli.main import main
from kinevla.data.episodes import EpisodeReader


def _file(bag: Path) -> Path:
    return next(path for path in bag.iterdir() if path.suffix in (".mcap", ".db3"))


def _cut(bag: Path, share: float) -> None:
    content = _file(bag).read_bytes()
    _file(bag).write_bytes(content[: int(len(content) * share)])


def _nan(topic, message):
    if topic == "/joint_states" and message.header.stamp.nanosec == 500_000_000:
        message.position[3] = np.nan
    return message


def _other_joints(topic, message):
    if topic == "/joint_states":
        message.name = [f"axis_{n}" for n in range(8)]
    return message


def _short_image(topic, message):
    if topic == "/wrist/color/image_raw" and message.header.stamp.nanosec == 500_000_000:
        message.data = message.data[:-7]
    return message


def _depth(topic, message):
    if topic == "/front/color/image_raw":
        message.encoding = "16UC1"
    return message


def _with_checksums(file: Path) -> None:
    """Write an mcap file anew as the recorder does: in chunks with a checksum each."""
    with file.open("rb") as source, (copy := file.with_suffix(".copy")).open("wb") as sink:
        writer = mcap.writer.Writer(sink, compression=mcap.writer.CompressionType.NONE)
        writer.start("ros2")
        ids: dict[int, int] = {}
        for schema, channel, message in mcap.reader.make_reader(source).iter_messages():
            if channel.id not in ids:
                assert schema is not None
                number = writer.register_schema(schema.name, schema.encoding, schema.data)
                ids[channel.id] = writer.register_channel(
                    channel.topic, channel.message_encoding, number, channel.metadata
                )
            writer.add_message(ids[channel.id], message.log_time, message.data, message.publish_time)
        writer.finish()
    copy.rename(file)


def damage_bag(name: str, path: Path) -> None:
    """Make a recording with one thing wrong."""
    options: dict[str, dict[str, object]] = {
        "no_images": {"without": ("/front/color/image_raw", "/wrist/color/image_raw")},
        "no_wrist": {"without": ("/wrist/color/image_raw",)},
        "no_joints": {"without": ("/joint_states",)},
        "nan_joints": {"change": _nan},
        "other_joints": {"change": _other_joints},
        "short_image": {"change": _short_image},
        "depth_image": {"change": _depth},
        "sqlite_cut": {"plugin": "sqlite3"},
        "sqlite_empty": {"plugin": "sqlite3"},
        "sqlite_text": {"plugin": "sqlite3"},
        "no_frames": {"seconds": 0.02},
    }
    write_bag(path, **options.get(name, {}))
    if name == "metadata_missing":
        (path / "metadata.yaml").unlink()
    elif name == "metadata_empty":
        (path / "metadata.yaml").write_text("")
    elif name == "metadata_text":
        (path / "metadata.yaml").write_text("{ ] not yaml")
    elif name == "file_missing":
        _file(path).unlink()
    elif name in ("mcap_empty", "sqlite_empty"):
        _file(path).write_bytes(b"")
    elif name in ("mcap_cut", "sqlite_cut"):
        _cut(path, 0.6)
    elif name == "mcap_cut_at_the_end":
        _cut(path, 0.995)
    elif name in ("mcap_text", "sqlite_text"):
        _file(path).write_text("this is no recording\n" * 200)
    elif name == "mcap_flipped":
        _with_checksums(_file(path))
        content = bytearray(_file(path).read_bytes())
        content[len(content) // 2] ^= 255
        _file(path).write_bytes(content)
    elif name == "sidecar_damaged":
        (path / "episode.json").write_text("{")
    elif name == "sidecar_new":
        (path / "episode.json").write_text(json.dumps({"format": 9, "instruction": "wave"}))


BAGS = {
    "metadata_missing": "no metadata.yaml",
    "metadata_empty": "damaged or no rosbag2",
    "metadata_text": "damaged or no rosbag2",
    "file_missing": "damaged or no rosbag2",
    "mcap_empty": "neither an mcap nor a sqlite3 file",
    "mcap_cut": "damaged or cut off",
    "mcap_cut_at_the_end": "damaged or cut off",
    "mcap_text": "neither an mcap nor a sqlite3 file",
    "mcap_flipped": "checksum mismatch",
    "sqlite_empty": "neither an mcap nor a sqlite3 file",
    "sqlite_cut": "malformed",
    "sqlite_text": "neither an mcap nor a sqlite3 file",
    "no_images": "lacks /front/color/image_raw, /wrist/color/image_raw; it holds",
    "no_wrist": "lacks /wrist/color/image_raw; it holds",
    "no_joints": "lacks /joint_states; it holds",
    "no_frames": "share no time",
    "other_joints": "lacks joint_1, joint_2",
    "depth_image": "image encoding '16UC1' is not one of",
    "sidecar_damaged": "episode.json is damaged",
    "sidecar_new": "format 9, this code reads 1",
}


@pytest.fixture(scope="module")
def batch(tmp_path_factory) -> tuple[Path, int, list[str]]:
    """All bad recordings between two good ones, converted in one call: folder, status, lines."""
    root = tmp_path_factory.mktemp("batch")
    for name in BAGS:
        damage_bag(name, root / "bags" / name)
    write_bag(root / "bags" / "aa_good")
    write_bag(root / "bags" / "zz_good", plugin="sqlite3")
    (root / "bags" / "loose.txt").write_text("notes")
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", lambda text="", **_: lines.extend(str(text).splitlines()))
        line = [
            "data",
            "convert",
            str(root / "bags"),
            "--out",
            str(root / "set"),
            "--workers",
            "1",
            "--image-size",
            "128",
        ]
        status = main([*line, "--no-progress"])
    return root, status, lines


@pytest.mark.parametrize("name", BAGS)
def test_a_bad_recording_gives_one_line_that_says_what_is_wrong(batch, name: str):
    root, _, lines = batch
    own = [line for line in lines if f"{root / 'bags' / name}" in line.replace("/episode.json", " ")]
    own = [line for line in own if f"/{name}/" in line or f"/{name} " in line or f"/{name}:" in line]
    assert len(own) == 1, lines
    assert own[0].startswith("refused: ") and BAGS[name] in own[0]


def test_the_good_recordings_are_converted_all_the_same(batch):
    root, status, lines = batch
    assert status == 1 and lines[0].startswith("2 recordings converted")
    assert len(EpisodeReader(root / "set")) == 2
    assert len(lines) == 1 + len(BAGS)


NO_RECORDINGS = {
    "missing": "does not exist",
    "empty_folder": "is an empty folder",
    "file.mcap": "is a file of a recording: name the folder it lies in",
    "ros1.bag": "is a bag of ROS 1: convert it with rosbags-convert first",
    "notes.txt": "is a file, and none of a recording",
}


@pytest.mark.parametrize("name", NO_RECORDINGS)
def test_a_path_that_is_no_recording_gives_one_line_that_says_what_it_is(tmp_path, capsys, name: str):
    write_bag(tmp_path / "good")
    path = tmp_path / name
    if name == "empty_folder":
        path.mkdir()
    elif name == "file.mcap":
        shutil.copy(_file(tmp_path / "good"), path)
    elif name != "missing":
        path.write_bytes(b"#ROSBAG V2.0\n" if name == "ros1.bag" else b"bread")
    line = [
        "data",
        "convert",
        str(tmp_path / "good"),
        str(path),
        "--out",
        str(tmp_path / "set"),
        "--image-size",
        "128",
    ]
    assert main([*line, "--no-progress", "--workers", "1"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("1 recordings converted") and len(out) == 2
    assert f"refused: {path} {NO_RECORDINGS[name]}" in out[1]


def test_the_audit_tells_every_bad_recording_too(batch):
    root, _, _ = batch
    from kinevla.data.audit import AuditConfig, audit_all

    audits = {Path(audit.path).name: audit for audit in audit_all((root / "bags",), AuditConfig())}
    unreadable = [
        name for name, told in BAGS.items() if told.startswith(("damaged or", "neither", "no metadata"))
    ]
    assert set(BAGS) <= set(audits)
    for name in unreadable:
        assert len(audits[name].problems) == 1, name
    assert not audits["aa_good"].problems and not audits["zz_good"].problems


def _drop(key: str) -> Callable[[h5py.Group], None]:
    def change(demo: h5py.Group) -> None:
        del demo[key]

    return change


def _put(key: str, make: Callable[[np.ndarray], np.ndarray]) -> Callable[[h5py.Group], None]:
    def change(demo: h5py.Group) -> None:
        values = make(np.array(demo[key]))
        del demo[key]
        demo[key] = values

    return change


def _with(values: np.ndarray, place: object, value: float) -> np.ndarray:
    values[place] = value
    return values


DEMOS: dict[str, tuple[Callable[[h5py.Group], None], str]] = {
    "no_actions": (_drop("actions"), "actions is missing"),
    "no_states": (_drop("obs/ee_states"), "obs/ee_states is missing"),
    "no_wrist": (_drop("obs/eye_in_hand_rgb"), "obs/eye_in_hand_rgb is missing"),
    "no_observations": (_drop("obs"), "obs/ee_states is missing"),
    "wide_actions": (
        _put("actions", lambda a: np.zeros((6, 9))),
        "actions has shape (6, 9), expected",
    ),
    "flat_actions": (_put("actions", lambda a: np.zeros(6)), "actions has shape (6,), expected (T, 7)"),
    "text_actions": (
        _put("actions", lambda a: np.array([b"left"] * 6)),
        "no appropriate function for conversion",
    ),
    "nan_actions": (
        _put("actions", lambda a: _with(a, (2, 1), np.nan)),
        "actions is nan at frame 2",
    ),
    "nan_fingers": (
        _put("obs/gripper_states", lambda a: _with(a, (0, 0), np.inf)),
        "obs/gripper_states is inf at frame 0, column 0",
    ),
    "strong_grip": (_put("actions", lambda a: _with(a, (0, 6), 3.0)), "a gripper command is 3.000, bound 1"),
    "no_frames": (
        lambda demo: [_put(key, lambda a: a[:0])(demo) for key in _KEYS] and None,
        "there are no frames",
    ),
    "few_images": (_put("obs/agentview_rgb", lambda a: a[:4]), "different lengths: [4, 6]"),
    "float_images": (_put("obs/agentview_rgb", lambda a: a / 255.0), "uint8 RGB, got float64"),
    "grey_images": (_put("obs/agentview_rgb", lambda a: a[..., 0]), "(H, W, 3)"),
    "small_images": (
        _put("obs/agentview_rgb", lambda a: a[:, :64, :64]),
        "64 x 64 pixels is too small: each side must have at least 128, or --image-size may be 64 at most",
    ),
    "idle": (_put("actions", lambda a: np.zeros((6, 7))), "all frames are idle"),
}
_KEYS = ("actions", "obs/ee_states", "obs/gripper_states", "obs/agentview_rgb", "obs/eye_in_hand_rgb")


def _whole_files(files: Path) -> dict[str, str]:
    """Write files that are wrong as a whole; returns what is to be told of each."""
    content = write_libero(files / "cut.hdf5").read_bytes()
    (files / "cut.hdf5").write_bytes(content[: len(content) * 2 // 3])
    (files / "empty.hdf5").write_bytes(b"")
    (files / "text.hdf5").write_text("no hdf5 at all")
    with h5py.File(files / "foreign.hdf5", "w") as file:
        file["temperature"] = np.zeros(4)
    with h5py.File(files / "flat.hdf5", "w") as file:
        file["data"] = np.zeros(4)
    with h5py.File(write_libero(files / "described.hdf5"), "a") as file:
        file["data"].attrs["problem_info"] = "{"
    with h5py.File(write_libero(files / "no_group.hdf5", demos=1), "a") as file:
        del file["data/demo_0"]
        file["data/demo_0"] = np.zeros(3)
    return {
        "cut": "damaged or no HDF5 file",
        "empty": "damaged or no HDF5 file",
        "text": "damaged or no HDF5 file",
        "foreign": "it has no group 'data'",
        "flat": "it has no group 'data'",
        "described": "unreadable problem_info",
        "no_group": "demo_0: it is no group",
    }


def test_bad_libero_demonstrations_give_one_line_each_and_the_rest_comes_in(tmp_path, capsys):
    files = tmp_path / "files"
    files.mkdir()
    told = _whole_files(files)
    for name, (change, reason) in DEMOS.items():
        with h5py.File(write_libero(files / f"{name}_demo.hdf5"), "a") as file:
            change(file["data/demo_0"])
        told[f"{name}_demo"] = reason
    assert main(["data", "import", "libero", str(files), "--out", str(tmp_path / "set")]) == 1
    out = capsys.readouterr().out.splitlines()
    # The second demonstration of each file with one bad one.
    assert out[0].startswith(f"{len(DEMOS)} recordings converted")
    for name, reason in told.items():
        own = [line for line in out if f"/{name}.hdf5" in line]
        assert len(own) == 1 and reason in own[0], (name, own)
    assert len(out) == 1 + len(told)
    assert len(EpisodeReader(tmp_path / "set")) == len(DEMOS)
