import errno
import json
import os

import pytest
import yaml
from recording_helpers import IMAGE, JOINTS, TOPICS, Clock, feed, image, joints
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader

from kine_teleop.recording.bag_writer import PlainFile
from kine_teleop.recording.episode import Episode
from kine_teleop.recording.repair import repair, repair_all
from kine_teleop.recording.session import Recorder, RecorderError, RecorderSettings


def make(folder, clock=None, **changes):
    open_file = changes.pop("open_file", PlainFile)
    settings = RecorderSettings(folder, **({"min_free_mb": 1, "stop_free_mb": 1} | changes))
    return Recorder(settings, TOPICS, clock or Clock(), open_file)


def read(folder):
    with Reader(folder) as reader:
        return [(c.topic, t, bytes(d)) for c, t, d in reader.messages()]


def test_the_bag_holds_the_bytes_received_in_order_and_its_audit(tmp_path):
    clock = Clock()
    recorder = make(tmp_path, clock)
    episode = recorder.start("push the bread")
    sent = [(JOINTS, joints(clock.now)), (IMAGE, image(clock.now)), (JOINTS, joints(clock.now + 5))]
    for topic, data in sent:
        clock.now += 1_000_000
        recorder.receive(topic, data)
    recorder.stop("success")
    folder = next(tmp_path.rglob(episode.episode_id))
    messages = read(folder)
    assert [(topic, data) for topic, _, data in messages[:3]] == sent
    assert messages[3][0] == "/recorder/audit"
    with AnyReader([folder]) as reader:
        connection, _, data = list(reader.messages())[3]
        assert reader.deserialize(data, connection.msgtype).status[0].name == "recorder"
    assert (
        yaml.safe_load((folder / "metadata.yaml").read_text())["rosbag2_bagfile_information"]["message_count"]
        == 4
    )


def test_a_steady_episode_is_good_and_described(tmp_path):
    clock = Clock()
    recorder = make(tmp_path, clock)
    episode = recorder.start("Push  the bread", "goal", "slowly", "Ann")
    feed(recorder, clock, 2.0)
    done = recorder.stop("success", "fine")
    stored = json.loads((tmp_path / episode.episode_id / "episode.json").read_text())
    assert done.audit == stored["audit"]["verdict"] == "good"
    assert stored["audit"]["topics"][JOINTS]["messages"] == 400
    assert stored["audit"]["topics"][IMAGE]["dropped"] == 0
    assert (stored["verdict"], stored["note"], stored["complete"], stored["operator_name"]) == (
        "success",
        "fine",
        True,
        "Ann",
    )


def test_empty_texts_are_filled_from_the_task_table(tmp_path):
    from kinevla.text import load_task_texts

    task = load_task_texts()[0]
    episode = make(tmp_path).start(task.instruction.upper(), "", "my own words")
    assert (episode.goal_reasoning, episode.kinematics_reasoning) == (task.coarse, "my own words")


def test_one_lost_frame_makes_an_episode_suspect_and_many_make_it_bad_and_quarantined(tmp_path):
    clock = Clock()
    recorder = make(tmp_path, clock)
    first = recorder.start("a")
    feed(recorder, clock, 3.0, skip_images=(40,))
    assert recorder.stop().audit.startswith("suspect; /front/color/image_raw: 1 of 90 messages lost")
    assert (tmp_path / first.episode_id).is_dir()
    second = recorder.start("a")
    feed(recorder, clock, 3.0, skip_images=tuple(range(40, 60)))
    done = recorder.stop()
    assert done.audit.startswith("bad")
    assert done.folder == tmp_path / "quarantine" / second.episode_id
    assert (done.folder / "metadata.yaml").is_file()


def test_repeated_stamps_and_a_silent_topic_are_seen(tmp_path):
    clock = Clock()
    recorder = make(tmp_path, clock)
    recorder.start("a")
    for _ in range(3):
        recorder.receive(JOINTS, joints(clock.now))
    done = recorder.stop()
    assert f"{IMAGE}: no message" in done.audit
    assert "2 stamps repeated or backwards" in done.audit


def test_a_discarded_episode_is_put_aside_not_deleted(tmp_path):
    recorder = make(tmp_path)
    name = recorder.start("a").episode_id
    recorder.receive(JOINTS, joints(1))
    assert recorder.discard("arm bumped the table") == name
    assert Episode.load(tmp_path / "discarded" / name).note == "arm bumped the table"
    assert len(read(tmp_path / "discarded" / name)) == 2


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda r: r.start("x" * 201), "201 characters"),
        (lambda r: r.start("  "), "0 characters"),
        (lambda r: r.stop(), "no episode"),
        (lambda r: (r.start("a"), r.start("b")), "stop it first"),
        (lambda r: (r.start("a"), r.stop("maybe")), "'maybe' is none of"),
        (lambda r: (r.start("a"), r.stop(note="x" * 1001)), "1001 characters"),
    ],
)
def test_wrong_requests_are_refused_with_the_reason(tmp_path, act, reason):
    with pytest.raises(RecorderError, match=reason):
        act(make(tmp_path))


def test_a_disk_without_room_refuses_the_start(tmp_path):
    with pytest.raises(RecorderError, match="a recording starts with 100000000 MiB"):
        make(tmp_path, min_free_mb=100_000_000).start("a")


class FullAt(PlainFile):
    """A disk with room for `limit` bytes; like a real one it takes a part of the last write."""

    limit = 300_000

    def write(self, data):
        room = self.limit - self.tell()
        if len(data) <= room:
            return super().write(data)
        if room > 0:
            super().write(data[:room])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_ends_the_recording_and_what_was_written_is_readable(tmp_path):
    import time

    clock = Clock()
    recorder = make(tmp_path, clock, open_file=FullAt)
    name = recorder.start("a").episode_id
    for _ in range(10):
        feed(recorder, clock, 0.5)
        time.sleep(0.25)
        recorder.tick()
        if not recorder.recording:
            break
    assert "No space left on device" in recorder.last_error
    with pytest.raises(RecorderError, match="No space left on device"):
        recorder.stop()
    folder = tmp_path / "quarantine" / name
    stored = Episode.load(folder)
    messages = read(folder)
    assert not stored.complete and stored.audit["verdict"] == "bad"
    assert len(messages) == sum(t["messages"] for t in stored.audit["topics"].values()) > 50
    assert stored.audit["topics"][JOINTS]["dropped_by_writer"] > 0


def test_what_a_slow_disk_cannot_take_is_counted_and_marked(tmp_path):
    import time

    class Slow(PlainFile):
        def write(self, data):
            time.sleep(len(data) / 2_000_000)
            return super().write(data)

    clock = Clock()
    recorder = make(tmp_path, clock, open_file=Slow, queue_mb=1)
    recorder.start("a")
    for _ in range(90):
        clock.now += 33_333_333
        recorder.receive(IMAGE, image(clock.now, 320, 240))
    done = recorder.stop()
    stored = Episode.load(done.folder).audit["topics"][IMAGE]
    assert stored["dropped_by_writer"] > 0 and stored["messages"] + stored["dropped_by_writer"] == 90
    assert len([m for m in read(done.folder) if m[0] == IMAGE]) == stored["messages"]
    assert "bad" in done.audit


def cut_recording(tmp_path):
    """A recording as a kill leaves it: no summary, no metadata."""
    import time

    clock = Clock()
    recorder = make(tmp_path / "whole", clock)
    name = recorder.start("a").episode_id
    for _ in range(4):
        feed(recorder, clock, 0.5)
        time.sleep(0.25)
    recorder.stop()
    folder = tmp_path / "whole" / name
    (folder / "metadata.yaml").unlink()
    stored = Episode.load(folder)
    stored.audit, stored.complete = {}, False
    stored.save(folder)
    return folder, folder / f"{name}_0.mcap"


def test_a_file_cut_anywhere_opens_after_repair_and_holds_all_complete_chunks(tmp_path):
    folder, bag = cut_recording(tmp_path)
    whole = bag.read_bytes()
    held = []
    for length in [0, 5, 20, 60, *range(1000, len(whole) - 1, len(whole) // 60)]:
        bag.write_bytes(whole[:length])
        (folder / "metadata.yaml").unlink(missing_ok=True)
        stored = Episode.load(folder)
        stored.audit = {}
        stored.save(folder)
        result = repair(folder)
        assert len(read(result.folder)) == result.messages
        held.append(result.messages)
        if result.folder != folder:
            result.folder.rename(folder)
    assert held == sorted(held) and held[0] == 0 and held[-1] > 400
    assert not repair(folder).repaired


def test_repair_leaves_a_running_recording_alone_and_goes_on_with_the_others(tmp_path):
    recorder = make(tmp_path)
    recorder.start("a")
    done, failed = repair_all(tmp_path)
    assert done == [] and len(failed) == 1 and "being recorded right now" in failed[0]
    recorder.stop()
