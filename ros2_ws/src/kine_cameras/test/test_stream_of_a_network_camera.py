"""The OpenCV source on a motion JPEG stream over the loopback."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from camera_rig import Running, wait_for

from kine_cameras.source import CameraError
from kine_cameras.uvc import UvcSettings, UvcSource
from kine_cameras.worker import CameraState


class _Stream(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        pixels = np.zeros((120, 160, 3), np.uint8)
        pixels[..., 2] = 200  # BGR: red
        jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
        while not self.server.ended.is_set():
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")
            time.sleep(0.03)

    def log_message(self, *_: object) -> None:
        pass


class NetworkCamera:
    def __init__(self, port: int = 0) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Stream)
        self._server.ended = threading.Event()
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.ended.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def camera() -> Iterator[NetworkCamera]:
    camera = NetworkCamera()
    yield camera
    camera.close()


def settings(port: int, width: int = 160) -> UvcSettings:
    return UvcSettings(device=f"http://127.0.0.1:{port}/", width=width, height=120)


def test_a_stream_that_breaks_off_is_opened_again_when_it_is_back(camera):
    with Running(UvcSource(settings(camera.port))) as running:
        running.wait_frames(5)
        camera.close()
        wait_for(lambda: running.worker.report().state is CameraState.SEARCHING)
        again = NetworkCamera(camera.port)
        try:
            running.wait_frames(5)
        finally:
            again.close()
        assert running.worker.report().opened == 2
    red = running.frames[-1].pixels.reshape(-1, 3).mean(axis=0)
    assert red[0] > 190 and red[2] < 20


def test_another_image_size_than_asked_for_is_refused(camera):
    with pytest.raises(CameraError, match="gives 160x120 pixels where 640x120 were asked for"):
        UvcSource(settings(camera.port, width=640)).open()


def test_a_device_that_is_not_there_is_named():
    source = UvcSource(UvcSettings(device="/dev/video93"))
    assert "/dev/video93" in source.name
    with pytest.raises(CameraError, match="cannot be opened"):
        source.open()
