"""Data sets go out to LeRobot and back unchanged, LIBERO comes in, and nothing reads a whole set at once."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from bag_maker import write_bag
from lerobot_reader import read_lerobot

from kinevla.cli.main import main
from kinevla.data.convert import ConvertConfig, Texts, convert_all
from kinevla.data.episodes import EpisodeReader, EpisodeWriter
from kinevla.data.images import decode_jpeg
from kinevla.data.lerobot import export_lerobot
from kinevla.data.libero_import import LiberoConfig, import_libero, moving_actions
from kinevla.data.packing import DataError
from kinevla.data.stats import data_stats
from kinevla.observation.images import ImagePipeline, network_image


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    root = tmp_path_factory.mktemp("set")
    write_bag(root / "bags" / "a")
    write_bag(root / "bags" / "b", seconds=1.0, instruction="pick up the cup and move it to the left")
    report = convert_all((root / "bags",), root / "data", ConvertConfig(), Texts(), workers=1, progress=False)
    assert report.converted == 2 and not report.errors
    return root / "data"


@pytest.mark.parametrize(("store", "loss"), [("video", 3.0), ("lossless", 0.0), ("png", 0.0)])
def test_a_bag_survives_the_way_through_lerobot(data_set, tmp_path, store, loss):
    reader = EpisodeReader(data_set)
    export_lerobot(reader, tmp_path / "out", store=store)
    back = read_lerobot(tmp_path / "out")
    assert len(back) == len(reader)
    for episode, found in zip(reader, back, strict=True):
        assert (found.instruction, found.coarse, found.fine) == (
            episode.instruction, episode.coarse, episode.fine,
        )  # fmt: skip
        assert (found.action == episode.target.astype(np.float32)).all()
        assert (found.state == episode.state.astype(np.float32)).all()
        for camera in ("front", "wrist"):
            assert found.images[camera].shape == episode.images(camera).shape
            difference = abs(found.images[camera].astype(int) - episode.images(camera))
            assert difference.mean() <= loss


@pytest.mark.slow
@pytest.mark.parametrize(("store", "largest"), [("png", 0), ("lossless", 0), ("video", 12)])
def test_lerobots_own_reader_gives_back_what_was_exported(data_set, tmp_path, store, largest):
    """Where `lerobot` is installed; films need its decoder `torchcodec` too."""
    lerobot = pytest.importorskip("lerobot.datasets.lerobot_dataset")
    reader = EpisodeReader(data_set)
    export_lerobot(reader, tmp_path / "out", store=store)
    found = lerobot.LeRobotDataset("local/set", root=tmp_path / "out", video_backend="torchcodec")
    assert (found.num_episodes, found.num_frames, found.fps) == (2, sum(e.frames for e in reader.entries), 10)
    frames = iter(range(found.num_frames))
    for number, episode in enumerate(reader):
        for t in range(len(episode)):
            item = found[next(frames)]
            assert (int(item["episode_index"]), int(item["frame_index"])) == (number, t)
            assert (item["observation.state"].numpy() == episode.state[t].astype(np.float32)).all()
            assert (item["action"].numpy() == episode.target[t].astype(np.float32)).all()
            texts = (item["task"], item["goal_reasoning"], item["kinematics_reasoning"])
            assert texts == (episode.instruction, episode.coarse, episode.fine)
            for camera in ("front", "wrist"):
                pixels = (item[f"observation.images.{camera}"].permute(1, 2, 0).numpy() * 255).round()
                expected = episode.images(camera, slice(t, t + 1))[0]
                assert np.abs(pixels - expected).max() <= largest


def test_an_export_never_overwrites(data_set, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        export_lerobot(EpisodeReader(data_set), tmp_path)


def test_stats_split_and_show_describe_the_set(data_set, tmp_path, capsys):
    stats = data_stats(EpisodeReader(data_set))
    assert stats.episodes == 2 and sum(stats.per_task.values()) == 2
    assert stats.state["min"][0] == 0.0
    assert main(["data", "split", str(data_set), "--out", str(tmp_path / "s.json")]) == 0
    split = json.loads((tmp_path / "s.json").read_text())
    assert len(split["train"]) + len(split["val"]) == 2
    for name in ("a.png", "a.mp4"):
        assert main(["data", "show", str(data_set), "--out", str(tmp_path / name)]) == 0
        assert (tmp_path / name).stat().st_size > 1000
    assert main(["data", "show", str(data_set), "--out", "x.png", "--episode", "2"]) == 2
    assert main(["data", "stats", str(data_set), "--json"]) == 0


def test_reading_is_streamed(tmp_path, make_episode):
    """Peak memory of a pass over the set stays near one episode, whatever the set holds."""
    import tracemalloc

    writer = EpisodeWriter(tmp_path, {})
    rng = np.random.default_rng(0)
    blob = make_episode().front_jpeg[0] + rng.bytes(100_000)
    for seed in range(20):
        writer.add(make_episode(seed=seed, front_jpeg=(blob,) * 12))
    reader = EpisodeReader(tmp_path)
    tracemalloc.start()
    frames = sum(len(episode) for episode in reader)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert frames == 240
    assert peak < 0.4 * sum(path.stat().st_size for path in tmp_path.rglob("*.npz"))


def write_libero(path, *, language="put the bowl on the plate", demos=2, frames=6):
    rng = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["problem_info"] = json.dumps({"language_instruction": language})
        for number in range(demos):
            demo = data.create_group(f"demo_{number}")
            actions = rng.uniform(-0.5, 0.5, (frames, 7))
            actions[:, 6] = [-1] * (frames // 2) + [1] * (frames - frames // 2)
            actions[1, :6] = 0.0
            demo["actions"] = actions
            demo["obs/ee_states"] = rng.normal(size=(frames, 6))
            demo["obs/gripper_states"] = np.tile([0.04, -0.04], (frames, 1))
            for key in ("agentview_rgb", "eye_in_hand_rgb"):
                ramp = np.linspace(0, 200, 128).astype(np.uint8)
                demo[f"obs/{key}"] = np.broadcast_to(ramp[None, :, None, None], (frames, 128, 128, 3))
    return path


def test_libero_comes_in_turned_and_relabelled(tmp_path):
    path = write_libero(tmp_path / "x_demo.hdf5")
    report = import_libero((path,), tmp_path / "set", LiberoConfig())
    assert report.converted == 2 and not report.errors
    episode = EpisodeReader(tmp_path / "set").read(0)
    assert episode.instruction.startswith("grasp the left edge of the bowl") and episode.task == 101
    assert len(episode) == 5  # the idle one is gone
    assert episode.state[0, 6] == 1.0 and episode.target[0, 6] == 1.0 and episode.target[-1, 6] == 0.0
    with h5py.File(path) as file:
        raw = file["data/demo_0/obs/agentview_rgb"][0]
    seen = decode_jpeg(episode.front_jpeg[0])
    assert abs(seen.astype(int) - network_image(raw[::-1, ::-1], ImagePipeline())).mean() < 2
    assert import_libero((path,), tmp_path / "set", LiberoConfig()).held == 2


def test_bad_libero_files_give_one_error_each_and_the_rest_comes_in(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    write_libero(files / "good.hdf5")
    content = write_libero(files / "truncated.hdf5").read_bytes()
    (files / "truncated.hdf5").write_bytes(content[: len(content) // 2])
    (files / "foreign.hdf5").write_text("no hdf5")
    (files / "empty.hdf5").write_bytes(b"")
    write_libero(files / "nothing.hdf5", demos=0)
    write_libero(files / "unknown.hdf5", language="boil the egg")
    with h5py.File(write_libero(files / "short.hdf5"), "a") as file:
        del file["data/demo_1/obs/ee_states"]
        file["data/demo_1/obs/ee_states"] = np.zeros((3, 6))
    report = import_libero((files,), tmp_path / "set", LiberoConfig())
    assert report.converted == 3 and len(report.errors) == 6
    for name in ("truncated", "foreign", "empty", "nothing", "unknown", "short"):
        assert sum(f"{name}.hdf5" in error for error in report.errors) == 1, name


def test_a_gripper_switch_is_no_idle_frame():
    actions = np.zeros((4, 7))
    actions[2:, 6] = 1.0
    assert moving_actions(actions).tolist() == [2]
