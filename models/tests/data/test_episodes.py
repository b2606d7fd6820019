from __future__ import annotations

import numpy as np
import pytest
from bag_maker import write_bag

from kinevla.cli.main import main
from kinevla.data.episode import encode_frames, read_episode, write_episode
from kinevla.data.episodes import DataError, EpisodeReader, EpisodeWriter
from kinevla.data.frames import FrameReader
from kinevla.manifest import ManifestError, verify_manifest


def test_episode_comes_back_as_written(tmp_path, make_episode):
    episode = make_episode(noisy=True, kinematics_success=None)
    write_episode(tmp_path / "e.npz", episode)
    back = read_episode(tmp_path / "e.npz")
    assert back.fine == episode.fine
    assert back.front_jpeg == episode.front_jpeg
    assert back.noisy
    assert back.goal_success is True
    assert back.kinematics_success is None
    for name in ("state", "target", "executed"):
        np.testing.assert_array_equal(getattr(back, name), getattr(episode, name))
    assert back.images("front").shape == (12, 128, 128, 3)
    assert abs(int(back.images("front")[5, 64, 64, 0]) - 50) <= 1


@pytest.mark.parametrize("motion_only", [False, True])
def test_arrays_that_episodes_held_once_are_left_aside(tmp_path, make_episode, motion_only):
    path = tmp_path / "e.npz"
    write_episode(path, make_episode())
    with np.load(path) as arrays:
        held = dict(arrays) | {
            "keypoints_px": np.full((12, 2, 5, 2), np.nan, np.float32),
            "visible": np.zeros((12, 2, 5), bool),
            "keypoints_m": np.ones((12, 5, 3), np.float32),
        }
    np.savez(path, **held)
    back = read_episode(path, motion_only=motion_only)
    np.testing.assert_array_equal(back.state, make_episode().state)
    write_episode(path, back)
    with np.load(path) as arrays:
        assert not {"keypoints_px", "visible", "keypoints_m"} & set(arrays)


def test_data_set_is_continued_with_its_episodes_kept(tmp_path, make_episode):
    writer = EpisodeWriter(tmp_path, {"noise": 1})
    writer.add(make_episode(seed=1))
    writer.drop(1, 2, "the bread fell")
    again = EpisodeWriter(tmp_path, {"noise": 1})
    assert [(entry.task, entry.seed) for entry in again.entries] == [(1, 1)]
    again.add(make_episode(seed=3))
    reader = EpisodeReader(tmp_path)
    assert [entry.seed for entry in reader.entries] == [1, 3]
    assert reader.summary["dropped"] == [{"task": 1, "seed": 2, "reason": "the bread fell"}]
    assert reader.summary["episodes_per_task"] == {"1": 2}
    verify_manifest(tmp_path, kind="episodes")


def test_data_set_of_another_configuration_is_refused(tmp_path, make_episode):
    EpisodeWriter(tmp_path, {"noise": 1}).add(make_episode())
    with pytest.raises(DataError, match="noise = 1, asked for 2"):
        EpisodeWriter(tmp_path, {"noise": 2})


def test_a_first_attempt_with_wrong_options_does_not_use_up_the_directory(tmp_path, capsys):
    write_bag(tmp_path / "bag")
    line = ["data", "convert", str(tmp_path / "bag"), "--out", str(tmp_path / "set"), "--no-progress"]
    assert main([*line, "--image-size", "512"]) == 1
    assert "too small: each side must have at least 512" in capsys.readouterr().out
    for command in (["audit"], ["show", "--out", str(tmp_path / "a.png")]):
        assert main(["data", *command, str(tmp_path / "set")]) == 1
        said = capsys.readouterr()
        assert "holds no episodes" in said.out + said.err and "good" not in said.out
    assert main([*line, "--image-size", "128"]) == 0
    assert main([*line, "--image-size", "64"]) == 1
    told = capsys.readouterr().err
    assert "convert.images.size_px = 128, asked for 64: use another --out" in told and len(told) < 300


def test_damaged_episode_is_made_again_by_the_writer(tmp_path, make_episode):
    path = EpisodeWriter(tmp_path, {}).add(make_episode(seed=4))
    path.write_bytes(path.read_bytes()[:-30])
    assert (1, 4) not in [(entry.task, entry.seed) for entry in EpisodeWriter(tmp_path, {}).entries]


@pytest.mark.parametrize("damage", ["cut", "flip", "remove"])
def test_reader_names_the_damaged_file(tmp_path, make_episode, damage):
    writer = EpisodeWriter(tmp_path, {})
    writer.add(make_episode(seed=1))
    path = writer.add(make_episode(seed=2))
    reader = EpisodeReader(tmp_path)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    else:
        path.unlink()
    reader.read(0)
    with pytest.raises(DataError) as error:
        reader.read(1)
    assert path.name in str(error.value)


def test_truncated_file_without_manifest_gives_a_clear_error(tmp_path, make_episode):
    path = tmp_path / "e.npz"
    write_episode(path, make_episode())
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"e\.npz is damaged"):
        read_episode(path)


def test_file_with_pickled_content_is_not_unpickled(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, state=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match=r"evil\.npz is damaged"):
        read_episode(path)


def test_directory_without_manifest_is_no_data_set(tmp_path):
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        EpisodeReader(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("target", np.zeros((11, 8)), "target"),
        ("state", np.full((12, 8), np.nan), "state is not finite at frame 0"),
        ("front_jpeg", (b"",), "front_jpeg has 1 images for 12 frames"),
        ("period_s", 0.0, "period_s"),
    ],
)
def test_inconsistent_episode_is_refused_and_names_the_field(make_episode, field, value, told):
    with pytest.raises(ValueError) as error:
        make_episode(**{field: value})
    assert told in str(error.value)


def test_reading_motion_only_keeps_motion_and_texts_and_little_memory(tmp_path, make_episode):
    episode = make_episode(frames=30)
    EpisodeWriter(tmp_path, {"made": "up"}).add(episode)
    light = EpisodeReader(tmp_path).read(0, motion_only=True)
    assert light.name == episode.name
    assert light.instruction == episode.instruction
    np.testing.assert_array_equal(light.target, episode.target)
    assert sum(map(len, light.front_jpeg + light.wrist_jpeg)) == 0
    assert sum(map(len, episode.front_jpeg)) > 10_000


def test_reading_motion_only_still_finds_damage(tmp_path, make_episode):
    path = EpisodeWriter(tmp_path, {"made": "up"}).add(make_episode())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        EpisodeReader(tmp_path).read(0, motion_only=True)


def test_loading_training_samples_holds_the_images_of_one_episode_at_most(tmp_path, make_episode):
    import tracemalloc

    from kinevla.data.chunks import ChunkConfig, build_chunks

    writer = EpisodeWriter(tmp_path, {"made": "up"})
    rng = np.random.default_rng(0)
    noise = encode_frames(list(rng.integers(0, 255, (12, 128, 128, 3), dtype=np.uint8)))
    for seed in range(12):
        writer.add(make_episode(seed=seed, front_jpeg=noise, wrist_jpeg=noise))
    one = 2 * sum(map(len, noise))
    tracemalloc.start()
    chunks = build_chunks(list(EpisodeReader(tmp_path).motions()), ChunkConfig())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(chunks) == 12 * 12
    assert peak < 6 * one


def test_single_images_are_read_where_they_lie(tmp_path, make_episode):
    writer = EpisodeWriter(tmp_path, {"made": "up"})
    episodes = [make_episode(seed=seed, frames=5 + seed) for seed in range(3)]
    for episode in episodes:
        writer.add(episode)
    frames = FrameReader(EpisodeReader(tmp_path))
    for number, episode in enumerate(episodes):
        for frame in range(len(episode)):
            expected = (episode.front_jpeg[frame], episode.wrist_jpeg[frame])
            assert frames.jpeg(number, frame) == expected
    with pytest.raises(IndexError, match="5 frames"):
        frames.jpeg(0, 5)


def test_single_images_of_a_damaged_file_are_refused(tmp_path, make_episode):
    path = EpisodeWriter(tmp_path, {"made": "up"}).add(make_episode())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=path.name):
        FrameReader(EpisodeReader(tmp_path)).jpeg(0, 0)
