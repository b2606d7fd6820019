"""The node as its subscribers see it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from camera_rig import SMALL, wait_for
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image

from kine_cameras.software_camera import capture_ns
from kine_nodes.image_conversion import image_to_rgb
from kine_nodes.own_domain import OwnDomain

HERE = Path(__file__).parent


class Client:
    def __init__(self, domain: int) -> None:
        self.context = rclpy.Context()
        self.context.init(domain_id=domain)
        self.node = rclpy.create_node("client", context=self.context)
        self.errors_ms: list[float] = []
        self.images: list[tuple[int, int, str]] = []
        self.infos: list[CameraInfo] = []
        self.status = None
        qos = qos_profile_sensor_data
        self.node.create_subscription(Image, "/front/color/image_raw", self._image, qos)
        self.node.create_subscription(CameraInfo, "/front/color/camera_info", self.infos.append, qos)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnostics, 10)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def _image(self, message: Image) -> None:
        stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        self.errors_ms.append(abs(stamp_ns - capture_ns(image_to_rgb(message))) / 1e6)
        self.images.append((message.width, message.height, message.header.frame_id))

    def _diagnostics(self, message: DiagnosticArray) -> None:
        self.status = message.status[0]

    def values(self) -> dict[str, str]:
        return {} if self.status is None else {pair.key: pair.value for pair in self.status.values}

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join(5)
        self.node.destroy_node()
        self.context.try_shutdown()


class NodeProcess:
    def __init__(self, domain: int, script: list[str], *parameters: str) -> None:
        environment = os.environ | {"ROS_DOMAIN_ID": str(domain)}
        line = [sys.executable, *script, "--ros-args", "-r", "__node:=front"]
        for parameter in parameters:
            line += ["-p", parameter]
        self.process = subprocess.Popen(
            line,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=HERE,
        )

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        self.process.terminate()
        output, _ = self.process.communicate(timeout=20)
        return self.process.returncode, output


@pytest.fixture
def domain() -> Iterator[int]:
    with OwnDomain() as own:
        yield own.number


@pytest.fixture
def client(domain):
    client = Client(domain)
    yield client
    client.close()


def test_a_camera_streams_with_true_stamps_and_survives_being_unplugged(domain, client):
    node = NodeProcess(domain, ["software_camera_node.py"], "serial:='0123'", "diagnostics_period_s:=0.2")
    try:
        wait_for(lambda: len(client.images) >= 60 and client.infos, 60, "60 images")
        late = np.percentile(client.errors_ms[20:], 90)
        assert late < 5.0, f"stamps are {late:.1f} ms off the time of capture"
        assert set(client.images) == {(640, 480, "front_color_optical_frame")}
        assert client.infos[-1].k[0] == pytest.approx(SMALL.fx)
        assert client.infos[-1].distortion_model == "plumb_bob"
        values = wait_for(lambda: "temperature c" in client.values() and client.values())
        assert {"rate hz", "dropped", "age ms", "stamps"} <= set(values)

        node.say("pull")
        wait_for(lambda: client.status.level == b"\x02" and "not connected" in client.status.message)
        before = len(client.images)
        node.say("plug")
        wait_for(lambda: len(client.images) >= before + 10, 30, "images after plugging in")
        wait_for(lambda: client.values().get("opened") == "2")
    finally:
        code, output = node.end()
    assert code == 0, output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (["source:=webcam"], "source is 'webcam', must be one of realsense, uvc, recorded"),
        (["rate_hz:=0"], "rate_hz"),
    ],
)
def test_a_setting_that_cannot_work_ends_the_node_with_one_clear_line(domain, parameters, text):
    node = NodeProcess(domain, ["-m", "kine_cameras.camera_node"], *parameters)
    output, _ = node.process.communicate(timeout=30)
    assert node.process.returncode in (1, 2)
    assert text in output
    assert "Traceback" not in output
