"""What a user reads when the console cannot start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn

from kine_console.console_node import ConsoleNode

PATIENCE_S = 120


def start(token_file: Path, *parameters: str) -> subprocess.Popen[str]:
    options = [word for text in (f"token_file:={token_file}", *parameters) for word in ("-p", text)]
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-m", "kine_console.console_node", "--ros-args", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )


def test_a_start_that_fails_says_why_in_one_line_and_ends(tmp_path: Path):
    open_to_all = tmp_path / "open"
    open_to_all.write_text("the-right-token-of-today")
    open_to_all.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        started = [
            (1, "the port is taken", start(tmp_path / "token", f"port:={port}")),
            (1, "chmod 600", start(open_to_all, "port:=0")),
            (2, "jpeg_quality", start(tmp_path / "token", "jpeg_quality:=200")),
        ]
        for code, expected, process in started:
            output, _ = process.communicate(timeout=PATIENCE_S)
            lines = [line for line in output.splitlines() if expected in line]
            assert len(lines) == 1, output
            assert process.returncode == code, output
            assert "Traceback" not in output


def test_the_page_is_served_while_the_node_is_active_and_only_then(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["-p", f"port:={port}", "-p", f"token_file:={tmp_path / 'token'}"]
    rclpy.init(args=["--ros-args", *options])
    try:
        node = ConsoleNode()
        url = f"http://127.0.0.1:{port}/health"
        for _ in range(2):
            assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
            with pytest.raises(urllib.error.URLError):
                urllib.request.urlopen(url, timeout=30)
            assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
            assert b'"ok": true' in urllib.request.urlopen(url, timeout=30).read()
            assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
            with pytest.raises(urllib.error.URLError):
                urllib.request.urlopen(url, timeout=30)
            assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
