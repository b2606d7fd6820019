"""Recordings become episodes that show what the live policy would have seen; bad ones are refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bag_maker import START_NS, pose, write_bag

from kinevla.cli.main import main
from kinevla.data.audit import AuditConfig, audit_all
from kinevla.data.convert import ConvertConfig, Job, Texts, convert_all, convert_recording, moving
from kinevla.data.episode import CAMERAS
from kinevla.data.episodes import EpisodeReader
from kinevla.data.images import decode_jpeg, encode_jpeg
from kinevla.data.packing import DataError
from kinevla.observation.images import ImagePipeline, network_image

NO_TEXTS = Texts()


def convert(path: Path, texts: Texts = NO_TEXTS, **config):
    return convert_recording(Job(path, ConvertConfig(**config), texts)).episode


@pytest.mark.parametrize("plugin", ["mcap", "sqlite3"])
def test_images_and_joints_are_those_the_live_policy_would_have_seen(tmp_path, plugin):
    images, states = write_bag(tmp_path / "a", plugin=plugin)
    episode = convert(tmp_path / "a")
    assert len(episode) == 16 and episode.task == 3
    for k in range(len(episode)):
        stamp = START_NS + k * 10**8
        for camera in CAMERAS:
            live = network_image(images[camera, stamp], ImagePipeline())
            assert getattr(episode, f"{camera}_jpeg")[k] == encode_jpeg(live)
        assert np.allclose(episode.state[k], states[stamp], atol=1e-9)


def test_the_action_is_the_teleoperators_target_one_period_later(tmp_path):
    write_bag(tmp_path / "a")
    episode = convert(tmp_path / "a")
    for k in range(10):
        assert np.allclose(episode.target[k, :7], pose(0.1 * (k + 1))[:7] + 0.01)


def test_without_a_teleoperator_the_action_comes_from_the_chunks_on_the_wire(tmp_path):
    write_bag(tmp_path / "a", targets="chunks")
    episode = convert(tmp_path / "a")
    # The first point of a chunk lies 0.1 s after it was received.
    assert np.allclose(episode.target[0, :7], pose(0.1 + 0.1)[:7])
    assert np.allclose(episode.target[7, :7], pose(0.1 * 9)[:7])


def test_without_any_targets_the_action_is_the_next_measured_pose(tmp_path):
    write_bag(tmp_path / "a", targets="none")
    episode = convert(tmp_path / "a")
    assert np.allclose(episode.target[3, :7], pose(0.4)[:7])


def test_an_upside_down_camera_is_turned(tmp_path):
    images, _ = write_bag(tmp_path / "a")
    episode = convert(tmp_path / "a", images=ImagePipeline(rotate=("wrist",)))
    expected = network_image(images["wrist", START_NS][::-1, ::-1], ImagePipeline())
    assert abs(decode_jpeg(episode.wrist_jpeg[0]).astype(int) - expected).mean() < 2


def test_idle_frames_go_and_slow_drift_stays():
    state = np.zeros((30, 8))
    state[10:, 0] = 0.5
    assert moving(state, state, 1e-3, 0.01).tolist() == [0, 10]
    drift = np.zeros((30, 8))
    drift[:, 0] = np.arange(30) * 4e-4
    assert len(moving(drift, drift, 1e-3, 0.01)) == 10
    grip = np.zeros((5, 8))
    grip[3:, 7] = 1.0
    assert moving(grip, grip, 1e-3, 0.01).tolist() == [0, 3]
    assert len(moving(grip, grip, 0.0, 0.01)) == 5


def test_recorded_texts_win_and_given_ones_win_over_them(tmp_path):
    write_bag(
        tmp_path / "a", instruction="wave", goal_reasoning="g", kinematics_reasoning="k", verdict="success"
    )
    episode = convert(tmp_path / "a")
    assert (episode.instruction, episode.coarse, episode.fine, episode.goal_success) == (
        "wave",
        "g",
        "k",
        True,
    )
    other = convert(tmp_path / "a", Texts("pick up the cup and move it to the left"))
    assert other.coarse == "move the cup" and other.task >= 1000


@pytest.mark.parametrize(
    ("bag", "reason"),
    [
        ({"lost": (8, 9, 10)}, "front camera is 0.150 s old"),
        ({"still": True, "targets": "none"}, "nothing moves"),
        ({"instruction": None}, "no instruction"),
        ({"instruction": "dance"}, "follows no known pattern"),
        ({"audit": {"verdict": "bad", "reasons": ["lost"]}}, "marked bad: lost"),
        ({"verdict": "failure"}, "judged a failure"),
        ({"joint_hz": 4}, "gap of 0.250 s"),
        (
            {"size": (100, 100)},
            "100 x 100 pixels is too small: each side must have at least 128, or --image-size may be 100",
        ),
    ],
)
def test_a_recording_that_cannot_teach_is_refused_with_the_reason(tmp_path, bag, reason):
    write_bag(tmp_path / "a", **bag)
    with pytest.raises(DataError, match=reason) as caught:
        convert(tmp_path / "a")
    assert str(tmp_path / "a") in str(caught.value)


def test_bad_bags_give_one_error_each_and_the_rest_converts(tmp_path, capsys):
    bags = tmp_path / "bags"
    bags.mkdir()
    write_bag(bags / "good")
    write_bag(bags / "truncated")
    file = next((bags / "truncated").glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    write_bag(bags / "corrupt")
    file = next((bags / "corrupt").glob("*.mcap"))
    content = bytearray(file.read_bytes())
    content[200:4000] = bytes(3800)
    file.write_bytes(content)
    write_bag(bags / "empty")
    next((bags / "empty").glob("*.mcap")).write_bytes(b"")
    (bags / "foreign").mkdir()
    (bags / "foreign" / "metadata.yaml").write_text("colour: blue")
    (bags / "cut_off").mkdir()
    (bags / "cut_off" / "cut_off_0.mcap").write_bytes(b"\x89MCAP0\r\n")
    line = [
        "data",
        "convert",
        str(bags),
        "--out",
        str(tmp_path / "set"),
        "--workers",
        "1",
        "--no-progress",
        "--image-size",
        "128",
    ]
    assert main(line) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("1 recordings converted")
    for name in ("truncated", "corrupt", "empty", "foreign", "cut_off"):
        assert sum(str(bags / name) in row for row in out) == 1, name
    assert len(EpisodeReader(tmp_path / "set")) == 1
    assert (
        convert_all(
            (bags / "good",), tmp_path / "set", ConvertConfig(), Texts(), workers=1, progress=False
        ).held
        == 1
    )


def test_the_audit_finds_lost_images_and_damage(tmp_path):
    write_bag(tmp_path / "good")
    write_bag(tmp_path / "lossy", lost=(8, 9, 10))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "metadata.yaml").write_text("")
    audits = {Path(a.path).name: a for a in audit_all((tmp_path,), AuditConfig())}
    assert not audits["good"].problems
    assert audits["good"].topics["/front/color/image_raw"].rate_hz == pytest.approx(20)
    assert audits["lossy"].topics["/front/color/image_raw"].dropped == 3
    assert len(audits["bad"].problems) == 1


@pytest.mark.parametrize("plugin", ["mcap", "sqlite3"])
def test_a_plain_recording_gets_its_instruction_from_the_command_line_or_a_file(tmp_path, capsys, plugin):
    bag = tmp_path / "bags" / "plain"
    write_bag(bag, plugin=plugin, targets="none", instruction=None)
    line = ["data", "convert", str(bag), "--no-progress", "--workers", "1", "--image-size", "128"]
    assert main([*line, "--out", str(tmp_path / "none")]) == 1
    assert "there is no instruction: give --instruction" in capsys.readouterr().out
    said = "Hold the carrot by the upper part and place it on the right side of the plate."
    assert main([*line, "--out", str(tmp_path / "said"), "--instruction", said]) == 0
    (bag / "episode.json").write_text(
        '{"format": 1, "instruction": "pick up the cup and move it to the left"}'
    )
    assert main([*line, "--out", str(tmp_path / "written")]) == 0
    given, written = (EpisodeReader(tmp_path / name).read(0) for name in ("said", "written"))
    assert (given.task, given.instruction, given.coarse) == (
        4,
        said.lower()[:-1],
        "place the carrot in the plate",
    )
    assert (written.instruction, written.coarse) == (
        "pick up the cup and move it to the left",
        "move the cup",
    )
    assert given.goal_success is None
    np.testing.assert_array_equal(given.state, written.state)


def test_a_recording_of_compressed_images_is_converted_too(tmp_path):
    images, _ = write_bag(tmp_path / "a", compressed=True)
    episode = convert(tmp_path / "a")
    expected = network_image(decode_jpeg(encode_jpeg(images["front", START_NS])), ImagePipeline())
    assert episode.front_jpeg[0] == encode_jpeg(expected)


def test_repeated_and_backward_images_are_left_out(tmp_path):
    def change(topic, message):
        if topic == "/front/color/image_raw" and message.header.stamp.nanosec == 550_000_000:
            message.header.stamp.nanosec = 400_000_000  # seen before: the clock of the camera stumbled
        return message

    images, _ = write_bag(tmp_path / "a", change=change)
    episode = convert(tmp_path / "a", idle_rad=0.0)
    for k in (4, 5, 6):
        expected = encode_jpeg(network_image(images["front", START_NS + k * 10**8], ImagePipeline()))
        assert episode.front_jpeg[k] == expected
