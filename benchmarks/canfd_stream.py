"""Stream joint set-points through the vendor SDK to the emulated controller and report what arrived.

The emulator runs in a process of its own; the SDK runs here, in triple-thread mode with state pushes on,
and one paced thread sends frames. Figures depend on the machine and its load: a measurement, not a test.

    python benchmarks/canfd_stream.py --seconds 60
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

PACKAGE_ROOT = Path(__file__).resolve().parents[1] / "ros2_ws" / "src" / "kine_sim"


def start_emulator(log: Path) -> tuple[subprocess.Popen[str], int]:
    """Start the controller process and return it with its TCP port."""
    path = os.pathsep.join(entry for entry in [str(PACKAGE_ROOT), *sys.path] if os.path.isabs(entry))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "kine_sim.controller", "--port", "0", "--log", str(log)],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PYTHONPATH=path),
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("listening "):
        raise SystemExit(f"the emulator did not start: {line!r}")
    return process, int(line.rsplit(":", 1)[1])


def free_udp_port() -> int:
    """A UDP port that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def send(arm: object, seconds: float, rate_hz: float, times_s: list[float], codes: list[int]) -> None:
    """Send a slow sine on joint 1 at a fixed pace; the lists receive time and result of each call."""
    period_s = 1.0 / rate_hz
    start_s = time.monotonic()
    for k in range(round(seconds * rate_hz)):
        wait_s = start_s + k * period_s - time.monotonic()
        if wait_s > 0.0:
            time.sleep(wait_s)
        joints = [20.0 * math.sin(0.5 * k * period_s), 20.0, 0.0, 70.0, 0.0, 90.0, 0.0]
        times_s.append(time.monotonic())
        codes.append(arm.rm_movej_canfd(joints, True))  # type: ignore[attr-defined]


def periods(times_s: list[float]) -> str:
    """Median, 99th percentile and maximum of the gaps, in milliseconds."""
    gaps_ms = np.diff(times_s) * 1000.0
    p50, p99 = np.percentile(gaps_ms, [50, 99])
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {gaps_ms.max():.2f} ms"


def main() -> int:
    """Run the measurement; exit code 1 when a frame was lost or refused."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="duration of the stream")
    parser.add_argument("--rate", type=float, default=100.0, help="frames per second")
    options = parser.parse_args()
    if not 1.0 <= options.seconds <= 3600.0 or not 1.0 <= options.rate <= 1000.0:
        parser.error("--seconds must be in 1..3600 and --rate in 1..1000")

    from Robotic_Arm.rm_robot_interface import (
        RoboticArm,
        rm_realtime_arm_state_callback_ptr,
        rm_realtime_push_config_t,
        rm_thread_mode_e,
        rm_udp_custom_config_t,
    )

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "wire.jsonl"
        emulator, port = start_emulator(log)
        try:
            arm = RoboticArm(rm_thread_mode_e.RM_TRIPLE_MODE_E)
            if arm.rm_create_robot_arm("127.0.0.1", port).id < 1:
                raise SystemExit(f"the SDK could not connect to 127.0.0.1:{port}")
            pushes_s: list[float] = []
            callback = rm_realtime_arm_state_callback_ptr(lambda _: pushes_s.append(time.monotonic()))
            arm.rm_realtime_arm_state_call_back(callback)
            flags = rm_udp_custom_config_t(1, -1, -1, 1, -1, -1, -1, -1)
            arm.rm_set_realtime_push(
                rm_realtime_push_config_t(2, True, free_udp_port(), -1, "127.0.0.1", flags)
            )
            sent_s: list[float] = []
            codes: list[int] = []
            sender = threading.Thread(target=send, args=(arm, options.seconds, options.rate, sent_s, codes))
            sender.start()
            sender.join()
            time.sleep(0.3)
            arm.rm_delete_robot_arm()
        finally:
            emulator.terminate()
            emulator.wait()
        records = (json.loads(line) for line in log.read_text().splitlines())
        frames = [record for record in records if record.get("kind") == "canfd"]

    received_s = [frame["time_s"] for frame in frames]
    failed = sum(code != 0 for code in codes)
    refused = sum(frame["outcome"] != "followed" for frame in frames)
    lost = len(sent_s) - len(frames)
    span_s = received_s[-1] - received_s[0] if len(received_s) > 1 else math.nan
    print(
        f"machine            {platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    )
    print(f"frames sent        {len(sent_s)} ({failed} calls failed) at {options.rate:g} Hz")
    print(f"frames received    {len(frames)}, lost {lost}, refused {refused}")
    print(f"rate at emulator   {(len(frames) - 1) / span_s:.2f} Hz")
    print(f"period when sent   {periods(sent_s)}")
    print(f"period at emulator {periods(received_s)}")
    print(f"state pushes       {len(pushes_s)}, {periods(pushes_s)}")
    return 1 if lost or refused or failed else 0


if __name__ == "__main__":
    sys.exit(main())
