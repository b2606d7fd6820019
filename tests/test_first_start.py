"""The first start of somebody who has neither arm nor cameras yet: what is missing, once, with what to do."""

from __future__ import annotations

from pathlib import Path

from kinevla_policy.demo_client import DemoClient
from kinevla_policy.free_ports import free_tcp_port
from kinevla_policy.stack_process import StackProcess


def test_without_arm_and_cameras_each_thing_that_is_missing_is_one_warning(tmp_path: Path):
    line = ["--robot-ip", "127.0.0.1", "--robot-port", str(free_tcp_port()), "--cameras", "uvc"]
    line += ["--front-source", str(tmp_path / "front"), "--wrist-source", str(tmp_path / "wrist")]
    process = StackProcess(line, tmp_path / "stack.log")
    client = DemoClient(stack_id=process.stack_id)
    try:
        client.wait_for(
            "the policy's summary",
            lambda: "no instruction can begin yet" in process.log.read_text(),
            120,
            process.alive,
        )
        answer = client.instruct("pick up the bread and move it to the front")
    finally:
        client.close()
        process.stop()
    assert not answer.accepted
    for missing in ("Connection refused", "front camera", "wrist camera", "joint state"):
        assert missing in answer.message, answer.message
    log = process.log.read_text()
    assert "[ERROR]" not in log and "Traceback" not in log, log
    for who, what in (
        ("front ", "Plug it in"),
        ("wrist ", "Plug it in"),
        ("realman_driver ", "cannot connect, still trying"),
        ("kinevla ", "no instruction can begin yet"),
    ):
        lines = [
            row for row in log.splitlines() if what in row and "[WARN]" in row and who in row.split("|")[0]
        ]
        assert len(lines) == 1, f"{who}: {lines}"
