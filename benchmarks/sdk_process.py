"""What the process border around the SDK costs: time of one frame's call, with and without it, at 100 Hz.

scripts/run python benchmarks/sdk_process.py --seconds 10
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SOURCES = Path(__file__).resolve().parents[1] / "ros2_ws" / "src"
for _path in ("realman_driver/test", "realman_driver", "kine_sim"):
    sys.path.insert(0, str(SOURCES / _path))

from emulator_rig import Emulator  # noqa: E402

from realman_driver.arm_interface import Arm, LinkSettings  # noqa: E402
from realman_driver.arm_model import HOME_RAD  # noqa: E402
from realman_driver.isolated_arm import IsolatedArm  # noqa: E402
from realman_driver.sdk_arm import RealmanArm  # noqa: E402


def measure(arm: Arm, seconds: float) -> tuple[list[float], list[float]]:
    """Stream a held position; duration of each call and age of each state at its receiver, both in ms."""
    ages_ms: list[float] = []
    arm.set_callbacks(
        lambda raw: ages_ms.append((time.monotonic() - raw.arrived_monotonic_s) * 1e3), lambda event: None
    )
    arm.connect()
    calls_ms, next_s = [], time.monotonic()
    for _ in range(round(seconds * 100.0)):
        next_s += 0.01
        time.sleep(max(0.0, next_s - time.monotonic()))
        begun_s = time.perf_counter()
        assert arm.send_setpoint_rad(HOME_RAD) == 0
        calls_ms.append((time.perf_counter() - begun_s) * 1e3)
    arm.stop()
    arm.disconnect()
    return calls_ms, ages_ms


def main() -> int:
    """Run both measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(Path(folder) / "wire.jsonl")
        settings = LinkSettings("127.0.0.1", emulator.port, "", 0, 5)
        arms: dict[str, Arm] = {
            "process of its own": IsolatedArm(settings, time.time_ns, print),
            "same process": RealmanArm(settings, time.time_ns),
        }
        for name, arm in arms.items():
            for what, values in zip(("frame call", "state age"), measure(arm, options.seconds), strict=True):
                p50, p99 = np.percentile(values, [50, 99])
                print(f"{name}: {what} p50 {p50:.3f} ms, p99 {p99:.3f} ms, max {max(values):.3f} ms")
            arm.release()
        emulator.close()
    sys.stdout.flush()
    os._exit(0)  # threads of the SDK do not survive the interpreter's clean-up


if __name__ == "__main__":
    main()
