"""Side channel of the emulated controller: other processes set faults and read its state, as JSON lines.

Requests: `{"fault": "freeze", "value": true}`, `{"get": "state"}`, `{"get": "canfd", "last": 100}`,
`{"get": "joints", "since": 12.5}` (measured joints, rad, from a monotonic time on).
Answers: `{"ok": true}`, `{"ok": true, "state": {...}}`, `{"ok": false, "error": "..."}`.
"""

from __future__ import annotations

import json
import socketserver
import threading
from typing import Any

from .emulator import EmulatedController

MAX_LINE_BYTES = 16 * 1024


def answer(controller: EmulatedController, line: str) -> dict[str, Any]:
    """Carry out one request line; errors come back as text."""
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise ValueError("request is not a JSON object")
        if "fault" in request:
            controller.faults.set(request["fault"], request.get("value", True))
            return {"ok": True}
        if request.get("get") == "state":
            return {"ok": True, "state": controller.state()}
        if request.get("get") == "canfd":
            frames = controller.log.canfd_frames()[-int(request.get("last", 100)) :]
            return {"ok": True, "canfd": [[f.time_s, f.joints_deg, f.outcome] for f in frames]}
        if request.get("get") == "joints":
            rows = controller.joint_record.since(float(request.get("since", 0.0)))
            return {"ok": True, "joints": [[time_s, *joints] for time_s, joints in rows]}
        raise ValueError("request needs 'fault' or 'get': 'state' | 'canfd' | 'joints'")
    except (ValueError, TypeError) as error:
        return {"ok": False, "error": str(error)}


class FaultPort:
    """TCP server on the loopback address for `answer`."""

    def __init__(self, controller: EmulatedController, port: int = 0, host: str = "127.0.0.1") -> None:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while line := self.rfile.readline(MAX_LINE_BYTES):
                    text = line.decode("utf-8", "replace").strip()
                    if text:
                        self.wfile.write(json.dumps(answer(controller, text)).encode() + b"\n")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server((host, port), Handler)
        self.host = host
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="emulator-faults", daemon=True
        )

    def start(self) -> FaultPort:
        """Serve on an own thread."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
