"""A viewer of the operator's page without a browser: speaks its WebSocket."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

HEAD_BYTES = 8


class ConsoleViewer:
    """Keeps what the console sends, received in a thread of its own.

    Args:
        port: of the page on this machine.
        timeout_s: how long to wait for the page.
    """

    def __init__(self, port: int, timeout_s: float = 90.0) -> None:
        self.port = port
        self.news: dict[str, Any] = {}
        self.hello: dict[str, Any] = {}
        self.pictures: dict[int, bytes] = {}
        self._answers: dict[int, dict[str, Any]] = {}
        self._number = 0
        self._open = ExitStack()
        end_s = time.monotonic() + timeout_s
        while True:
            try:
                self._socket: ClientConnection = self._open.enter_context(
                    connect(f"ws://127.0.0.1:{port}/ws", max_size=2**24)
                )
                break
            except (OSError, WebSocketException):
                if time.monotonic() > end_s:
                    raise
                time.sleep(0.2)
        self._thread = threading.Thread(target=self._receive, name="console-viewer", daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        with suppress(ConnectionClosed):
            for data in self._socket:
                self._take(data)

    def until(self, what: str, condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
        """Wait until the condition holds."""
        end_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end_s, f"{what} did not happen within {timeout_s:.0f} s"
            assert self._thread.is_alive(), f"the console closed the connection before {what}"
            time.sleep(0.02)

    def _take(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.pictures[data[0]] = data[HEAD_BYTES:]
            return
        message = json.loads(data)
        if "hello" in message:
            self.hello = message["hello"]
        elif "round" in message:
            self.news |= message["changed"]
            self._socket.send(json.dumps({"seen": message["round"]}))
        else:
            self._answers[message["answer"]] = message

    def send(self, name: str, token: str, **arguments: Any) -> int:
        """Send a command and return its number."""
        self._number += 1
        request = {"id": self._number, "command": name, "token": token, "arguments": arguments}
        self._socket.send(json.dumps(request))
        return self._number

    def answer(self, number: int, timeout_s: float = 60.0) -> tuple[bool, str]:
        """Whether that command was done, and what was said to it."""
        self.until(f"the answer to command {number}", lambda: number in self._answers, timeout_s)
        found = self._answers[number]
        return found["ok"], found["message"]

    def ask(self, name: str, token: str, **arguments: Any) -> tuple[bool, str]:
        """Send a command and wait for its answer."""
        return self.answer(self.send(name, token, **arguments))

    def status(self, name: str) -> dict[str, Any]:
        """Newest diagnostics of a node: message and values; empty before the first."""
        found = self.news.get("statuses", {}).get(name)
        return {"message": found["message"], **found["values"]} if found else {}

    def close(self) -> None:
        """End the connection."""
        self._open.close()


def post_stop(port: int, timeout_s: float = 30.0) -> bool:
    """Stop the arm as a page without a WebSocket does; whether it was confirmed."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/stop", data=b"", method="POST")
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        return bool(json.load(answer)["ok"])


def wait_for_rest(joints: Callable[[], list[float]], timeout_s: float = 30.0) -> NDArray[np.float64]:
    """The seven joints once they rest: a busy computer lets the simulated arm brake slowly."""
    end_s = time.monotonic() + timeout_s
    before = np.array(joints())[:7]
    while True:
        time.sleep(0.5)
        now = np.array(joints())[:7]
        if np.abs(now - before).max() < 5e-4:
            return now
        assert time.monotonic() < end_s, f"the arm still moves after {timeout_s:.0f} s"
        before = now


def read_token(path: Path, timeout_s: float = 90.0) -> str:
    """The token that the console node has made."""
    end_s = time.monotonic() + timeout_s
    while not path.exists() or not path.read_text():
        assert time.monotonic() < end_s, f"the console made no token within {timeout_s:.0f} s"
        time.sleep(0.1)
    return path.read_text().strip()
