"""The recorder through real middleware: a short check, and the long ones marked slow."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import rclpy
from rosbags.rosbag2 import Reader
from throttled_disk import NoThrottleError, throttled_disk

from kine_msgs.srv import DiscardEpisode, StartEpisode, StopEpisode
from kine_nodes.own_domain import OwnDomain
from kine_teleop.recording.episode import Episode
from kine_teleop.recording.schemas import header_stamp_ns

HERE = Path(__file__).parent


class Running:
    """Recorder and publisher as processes, and a client in this one."""

    def __init__(
        self,
        folder: Path,
        seconds: float,
        size: tuple[int, int],
        *options: str,
        depth: int = 10,
    ):
        # A domain of its own: neither other tests nor another checkout on this computer are heard.
        self.domain = OwnDomain()
        environment = dict(os.environ)
        line = [sys.executable, "-m", "kine_teleop.recorder_node", "--ros-args", "-p", f"folder:={folder}"]
        self.recorder = subprocess.Popen(
            [*line, *(part for option in options for part in ("-p", option))], env=environment
        )
        stream = [sys.executable, str(HERE / "publish_stream.py"), str(seconds), *map(str, (*size, depth))]
        self.stream = subprocess.Popen(
            stream, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.context = rclpy.Context()
        self.context.init(domain_id=self.domain.number)
        self.node = rclpy.create_node("client", context=self.context)
        self.executor = rclpy.executors.SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def call(self, kind, name: str, **fields):
        client = self.node.create_client(kind, f"/recorder/{name}")
        assert client.wait_for_service(60.0)
        future = client.call_async(kind.Request(**fields))
        self.executor.spin_until_future_complete(future, 60.0)
        assert future.done()
        return future.result()

    def cpu_s(self) -> float:
        values = Path(f"/proc/{self.recorder.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> int:
        self.recorder.send_signal(signal.SIGINT)
        code = self.recorder.wait(60)
        self.stream.kill()
        self.stream.wait()
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.shutdown()
        self.domain.close()
        return code

    def record(self) -> tuple[dict[str, list[int]], StopEpisode.Response, float]:
        """One episode of the whole stream: the stamps sent, the answer, and the share of a core."""
        assert self.stream.stdout.readline() == "heard\n"
        answer = self.call(StartEpisode, "start", instruction="put the cup down")
        assert answer.success, answer.message
        begin, cpu = time.monotonic(), self.cpu_s()
        self.stream.stdin.write("go\n")
        self.stream.stdin.flush()
        sent = json.loads(self.stream.stdout.readline())
        share = (self.cpu_s() - cpu) / (time.monotonic() - begin)
        time.sleep(0.25)  # what was sent last arrives; much longer would be a gap in the recording
        return sent, self.call(StopEpisode, "stop", verdict=StopEpisode.Request.VERDICT_SUCCESS), share


def stamps(folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    with Reader(folder) as reader:
        for connection, _, data in reader.messages():
            found.setdefault(connection.topic, []).append(header_stamp_ns(bytes(data[:12])))
    return found


def one_episode(folder: Path, name: str) -> Path:
    return next(path.parent for path in folder.rglob("episode.json") if path.parent.name == name)


def test_what_was_published_is_in_the_bag_and_a_second_episode_can_be_discarded(tmp_path):
    running = Running(tmp_path, 2.0, (160, 120), "min_free_mb:=10", depth=1000)
    try:
        sent, answer, _ = running.record()
        assert answer.success and answer.episode_id
        refused = running.call(StopEpisode, "stop")
        assert not refused.success and refused.message == "no episode is being recorded"
        assert running.call(StartEpisode, "start", instruction="again").success
        assert running.call(DiscardEpisode, "discard", reason="a test").success
    finally:
        code = running.close()
    assert code == 0
    folder = one_episode(tmp_path, answer.episode_id)
    held = stamps(folder)
    for topic, expected in sent.items():
        assert held[topic] == expected
    assert "/diagnostics" in held and "/recorder/audit" in held
    assert Episode.load(folder).verdict == "success"
    assert len(list((tmp_path / "discarded").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_minutes_of_two_cameras_lose_nothing(tmp_path, record_property):
    seconds = float(os.environ.get("KINE_RECORD_SECONDS", "120"))
    running = Running(tmp_path, seconds, (640, 480))
    try:
        sent, answer, share = running.record()
    finally:
        running.close()
    print(
        f"{answer.messages_written} messages in {answer.duration_s:.1f} s, {share:.0%} of a core"
        f", {answer.audit}"
    )
    assert not answer.audit.startswith("bad"), answer.audit
    folder = one_episode(tmp_path, answer.episode_id)
    held = stamps(folder)
    for topic, expected in sent.items():
        assert held[topic] == expected, f"{topic}: {len(held[topic])} of {len(expected)}"
    next(folder.glob("*.mcap")).unlink()


@pytest.mark.slow
def test_a_disk_that_the_kernel_throttles_is_seen_counted_and_marked(tmp_path):
    """55 MB/s come in, 20 MB/s go to a disk that each write waits for."""
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(throttled_disk(tmp_path, 700, 20_000_000))
        except NoThrottleError as error:
            pytest.skip(str(error))
        options = ("queue_mb:=64", "min_free_mb:=100", "stop_free_mb:=20")
        running = Running(disk.folder, 12.0, (640, 480), *options)
        try:
            disk.slow_down(running.recorder.pid)
            sent, answer, _ = running.record()
        finally:
            running.close()
        folder = one_episode(disk.folder, answer.episode_id)
        held, stored = stamps(folder), Episode.load(folder).audit
        print(answer.audit)
        lost = {topic: len(expected) - len(held[topic]) for topic, expected in sent.items()}
        print(f"lost: {lost}")
        assert sum(lost.values()) > 100, "the disk was not slow"
        assert folder.parent.name == "quarantine" and stored["verdict"] == "bad"
        for topic, expected in sent.items():
            assert stored["topics"][topic]["messages"] == len(held[topic])
            assert set(held[topic]) <= set(expected)
            assert stored["topics"][topic]["dropped_by_writer"] == lost[topic]
