"""Kills at random moments and a disk that is really full."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recording_helpers import IMAGE, JOINTS, TOPICS, image, joints
from rosbags.rosbag2 import Reader

from kine_teleop.recording.episode import Episode
from kine_teleop.recording.repair import repair_all
from kine_teleop.recording.session import Recorder, RecorderError, RecorderSettings

CHILD = """
import sys, time
from pathlib import Path
from kine_teleop.recording.session import Recorder, RecorderSettings
from recording_helpers import IMAGE, JOINTS, TOPICS, image, joints
recorder = Recorder(RecorderSettings(Path(sys.argv[1]), 1, 1), TOPICS)
print("ready", flush=True)
recorder.start("a")
begin = time.monotonic()
for i in range(100000):
    time.sleep(max(0, begin + i * 0.005 - time.monotonic()))
    recorder.receive(JOINTS, joints(time.time_ns()))
    if i % 7 == 0:
        recorder.receive(IMAGE, image(time.time_ns(), 640, 480))
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_costs_at_most_one_second(tmp_path):
    generator, missing = random.Random(7), []
    for number in range(20):
        folder = tmp_path / str(number)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ["PYTHONPATH"]])
        }
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder)], env=environment, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "ready\n"
        time.sleep(generator.uniform(0.0, 2.5))
        child.kill()
        killed_ns = time.time_ns()
        child.wait()
        started = list(folder.glob("*/episode.json"))
        _, failed = repair_all(folder)
        assert failed == []
        for file in folder.rglob("episode.json"):
            with Reader(file.parent) as reader:
                count = sum(1 for _ in reader.messages())
                last = reader.end_time if count else Episode.load(file.parent).started_ns
            missing.append((killed_ns - last) / 1e9)
        assert len(started) == len(list(folder.rglob("metadata.yaml")))
        shutil.rmtree(folder)
    print(f"{len(missing)} recordings, missing at most {max(missing):.3f} s")
    assert len(missing) >= 15 and max(missing) <= 1.0


@pytest.mark.slow
def test_a_full_disk_gives_a_clear_error_and_a_readable_bag(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        recorder = Recorder(RecorderSettings(disk, 1, 1), TOPICS)
        name = recorder.start("a").episode_id
        for i in range(120):
            recorder.receive(JOINTS, joints(time.time_ns()))
            recorder.receive(IMAGE, image(time.time_ns(), 640, 480))
            time.sleep(0.01)
            if i % 60 == 59:
                recorder.tick()
        assert "No space left on device" in recorder.last_error
        with pytest.raises(RecorderError, match="No space left on device"):
            recorder.stop()
        with pytest.raises(RecorderError, match="a recording starts with 100 MiB"):
            Recorder(RecorderSettings(disk, 100, 1), TOPICS).start("b")
        folder = disk / "quarantine" / name
        with Reader(folder) as reader:
            count = sum(1 for _ in reader.messages())
        audit = Episode.load(folder).audit
        print(f"{count} messages readable; {audit['reasons'][0]}")
        assert count == sum(t["messages"] for t in audit["topics"].values()) >= 60
    finally:
        subprocess.run(["umount", str(disk)], check=True)
