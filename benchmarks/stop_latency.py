"""From the call of the service `estop` to `set_arm_stop` at the controller: the time of each of many stops.

The driver node with the vendor's SDK and the emulated controller run as processes of their own, over TCP; the
arm moves at each stop. Measured twice: with a controller that answers, and while a request hangs (the
controller leaves a query for the gripper without an answer).

    scripts/run python benchmarks/stop_latency.py --stops 200
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SOURCES = Path(__file__).resolve().parents[1] / "ros2_ws" / "src"
for _path in ("realman_driver/test", "realman_driver", "kine_sim"):
    sys.path.insert(0, str(SOURCES / _path))

from kine_nodes.own_domain import OwnDomain  # noqa: E402

DOMAIN = OwnDomain()  # before the rig looks at the environment

from driver_rig import Client, DriverProcess, Emulator, Stand, wait_for  # noqa: E402


def wire_time_s(emulator: Emulator, since_s: float) -> float:
    """When the stop reached the controller."""
    stops = wait_for(lambda: emulator.requests("set_arm_stop", since_s), 5.0, "a stop on the wire")
    return float(stops[0]["time_s"])


def measure(stand: Stand, stops: int, hang: bool) -> list[float]:
    """Stop so often while the arm moves, also while a request hangs; the times in ms."""
    client, emulator, times_ms = stand.client, stand.emulator, []
    for _ in range(stops):
        # After a stop beside a hanging request the SDK delivers no state for a while: the link may be new.
        wait_for(lambda: client.call("reset").success, 20.0, "a reset")
        answer = client.call("enable")
        assert answer.success, answer.message
        start = client.position()
        step = 0.01 if start[0] < 0.0 else -0.01
        client.publish(client.chunk([[start[0] + step * k, *start[1:]] for k in (1, 2, 3)]))
        if hang:
            emulator.fault("no_answer", "get_gripper_state")
        time.sleep(0.15)  # longer than the period of that query: one waits now
        called_s = time.monotonic()
        call = client.begin_call("estop")
        times_ms.append((wire_time_s(emulator, called_s) - called_s) * 1000.0)
        client.finish_call(call)
        if hang:
            emulator.fault("no_answer", False)
    return times_ms


def report(name: str, times_ms: list[float]) -> bool:
    """Print the figures; whether they keep 20 ms median and 100 ms at worst."""
    p50, p99 = np.percentile(times_ms, [50, 99])
    worst = max(times_ms)
    print(f"{name}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {worst:.2f} ms, of {len(times_ms)}")
    return bool(p50 < 20.0 and worst < 100.0)


def main() -> int:
    """Run both measurements; exit code 1 when a bound was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stops", type=int, default=200)
    parser.add_argument("--only", choices=("answers", "hangs"), help="one of the two measurements")
    options = parser.parse_args()
    client = Client()
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(Path(folder) / "wire.jsonl")
        driver = DriverProcess(emulator.port, state_timeout_s=1.0, request_timeout_s=10.0)
        try:
            client.wait_state("CONNECTED")
            stand = Stand(client, emulator, driver)
            good = True
            if options.only != "hangs":
                good &= report("controller answers", measure(stand, options.stops, False))
            if options.only != "answers":
                good &= report("a request hangs   ", measure(stand, options.stops, True))
        finally:
            driver.close()
            emulator.close()
            client.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
