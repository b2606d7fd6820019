"""From the call of a stop to its effect, idle and beside floods: the time of each of many stops.

The driver node with the vendor's SDK and the emulated controller run as processes of their own, over TCP:
from the call of `/realman_driver/estop` to `set_arm_stop` at the controller. The policy node likewise: from
the call of `/kinevla/stop` to its answer. `make stops` runs it all; the bars are 30 ms for the worst of the
idle stops and 100 ms for the worst beside a flood or a request that hangs.

    scripts/run python benchmarks/stop_latency.py --stops 200
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

SOURCES = Path(__file__).resolve().parents[1] / "ros2_ws" / "src"
for _path in ("realman_driver/test", "realman_driver", "kine_sim"):
    sys.path.insert(0, str(SOURCES / _path))

from kine_nodes.own_domain import OwnDomain  # noqa: E402

DOMAIN = OwnDomain()  # before the rig looks at the environment

from driver_rig import Client, DriverProcess, Emulator, Stand, wait_for  # noqa: E402
from emulator_rig import child_environment  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

DRIVER = ("idle", "hangs", "small", "medium", "giant")
POLICY = ("policy idle", "policy pictures")
IDLE_MS, BESIDE_MS = 30.0, 100.0


class Wire:
    """Reads what is new in the record of the emulated controller."""

    def __init__(self, emulator: Emulator) -> None:
        self._file = emulator.log_path.open()

    def stop_after(self, since_s: float) -> float | None:
        """When the first stop since then reached the controller; None: not yet."""
        while line := self._file.readline():
            if '"set_arm_stop' in line.replace("\\", "") and line.endswith("}\n"):
                record = json.loads(line)
                if record["direction"] == "rx" and record["time_s"] >= since_s:
                    return float(record["time_s"])
        return None


def memory_mb(process: subprocess.Popen[str], field: str = "VmRSS") -> int:
    """Resident memory of a process, MB: now, or with `VmHWM` the most it ever had."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) // 1000


@contextmanager
def flood(kind: str, target: subprocess.Popen[str]) -> Iterator[None]:
    """A flood beside what is measured; prints its pace and the memory of its target before and after."""
    before_mb = memory_mb(target)
    command = [sys.executable, str(Path(__file__).with_name("stop_floods.py")), kind]
    # One Python process does not send 10 kHz.
    senders = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=child_environment())
        for _ in range(2 if kind == "small" else 1)
    ]
    for sender in senders:
        assert sender.stdout is not None
        sender.stdout.readline()
    time.sleep(2.0)
    yield
    for sender in senders:
        sender.send_signal(signal.SIGTERM)
    pace = " and ".join(sender.communicate()[0].strip() for sender in senders)
    time.sleep(5.0)
    peak_mb = memory_mb(target, "VmHWM")
    print(f"  {pace}; memory {before_mb} MB before, {memory_mb(target)} MB after, {peak_mb} MB at its peak")


def driver_stops(stand: Stand, stops: int, kind: str) -> list[float]:
    """Enable and stop so often; the times from call to wire in ms. Idle: while the arm moves."""
    client, times_ms = stand.client, []
    wire = Wire(stand.emulator)
    # A client that is new has to find the service first, which is the middleware's time.
    client.begin_call("estop")
    for _ in range(stops):
        # After a request that hung the link may be new.
        wait_for(lambda: client.call("reset").success, 20.0, "a reset")
        wait_for(lambda: client.call("enable").success, 20.0, "an enable")
        if kind == "hangs":
            stand.emulator.fault("no_answer", "get_gripper_state")
        if kind == "idle":
            start = client.position()
            step = 0.01 if start[0] < 0.0 else -0.01
            client.publish(client.chunk([[start[0] + step * k, *start[1:]] for k in (1, 2, 3)]))
        time.sleep(0.15)  # longer than the period of the query for the gripper: where it hangs, one waits now
        called_s = time.monotonic()
        call = client.begin_call("estop")
        reached_s = wait_for(lambda since_s=called_s: wire.stop_after(since_s), 30.0, "a stop on the wire")
        times_ms.append((reached_s - called_s) * 1000.0)
        client.finish_call(call)
        if kind == "hangs":
            stand.emulator.fault("no_answer", False)
    return times_ms


def policy_stops(client: Client, stops: int) -> list[float]:
    """Stop the policy so often; the times from call to answer in ms."""
    times_ms = []
    # The first call also finds the service.
    client.finish_call(client.begin_service(Trigger, "/kinevla/stop", Trigger.Request()), 60.0)
    for _ in range(stops):
        answered_s: list[float] = []
        called_s = time.monotonic()
        call = client.begin_service(Trigger, "/kinevla/stop", Trigger.Request())
        call.add_done_callback(lambda _, there=answered_s: there.append(time.monotonic()))
        wait_for(lambda there=answered_s: there, 60.0, "an answer of the policy")
        times_ms.append((answered_s[0] - called_s) * 1000.0)
        time.sleep(0.05)
    return times_ms


def report(name: str, measure: Callable[[], list[float]], bar_ms: float) -> bool:
    """Measure and print the figures; whether the worst one keeps the bar."""
    times_ms = measure()
    p50, p99 = np.percentile(times_ms, [50, 99])
    worst, load = max(times_ms), os.getloadavg()[0]
    print(
        f"{name:15}: min {min(times_ms):.1f} ms, median {p50:.1f} ms, p99 {p99:.1f} ms, worst {worst:.1f} ms "
        f"(number {times_ms.index(worst) + 1} of {len(times_ms)}; bar {bar_ms:.0f} ms; "
        f"load average {load:.1f} on {os.cpu_count()} cores)",
        flush=True,
    )
    return worst < bar_ms


def measure_driver(kinds: list[str], stops: int) -> bool:
    """The driver's part."""
    client, good = Client(), True
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(Path(folder) / "wire.jsonl")
        driver = DriverProcess(emulator.port, state_timeout_s=1.0, request_timeout_s=10.0)
        try:
            client.wait_state("CONNECTED")
            stand = Stand(client, emulator, driver)
            for kind in kinds:
                if kind == "idle":
                    good &= report("idle", lambda: driver_stops(stand, stops, "idle"), IDLE_MS)
                elif kind == "hangs":
                    good &= report("a request hangs", lambda: driver_stops(stand, stops, "hangs"), BESIDE_MS)
                else:
                    with flood(kind, driver.process):
                        good &= report(kind, lambda kind=kind: driver_stops(stand, stops, kind), BESIDE_MS)
        finally:
            driver.close()
            emulator.close()
            client.close()
    return good


def measure_policy(kinds: list[str], stops: int) -> bool:
    """The policy's part, with its own checkpoint."""
    from kinevla_policy.stack import default_checkpoint

    client, good = Client(), True
    command = [sys.executable, "-m", "kinevla_policy.policy_node", "--ros-args"]
    command += ["-p", f"checkpoint:={default_checkpoint()}", "-p", "image_transport:=compressed"]
    policy = subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True, env=child_environment())
    try:
        wait_for(
            lambda: client.node.count_subscribers("/front/color/image_raw/compressed"), 90.0, "the policy"
        )
        for kind in kinds:
            if kind == "policy idle":
                good &= report(kind, lambda: policy_stops(client, stops), IDLE_MS)
            else:
                with flood(kind.removeprefix("policy "), policy):
                    good &= report(kind, lambda: policy_stops(client, stops), BESIDE_MS)
    finally:
        policy.send_signal(signal.SIGINT)
        policy.wait(30)
        client.close()
    return good


def main() -> int:
    """Run what was asked for; exit code 1 when a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stops", type=int, default=200)
    parser.add_argument("--only", nargs="+", choices=(*DRIVER, *POLICY), default=[*DRIVER, *POLICY])
    options = parser.parse_args()
    driver = [kind for kind in DRIVER if kind in options.only]
    policy = [kind for kind in POLICY if kind in options.only]
    good = not driver or measure_driver(driver, options.stops)
    good &= not policy or measure_policy(policy, options.stops)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
