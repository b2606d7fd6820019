"""Soak: the whole stack at full rate for as long as asked; memory drift, lateness trend, clean shutdown.

Sentence after sentence is given, the arm goes home in between. Every ten seconds the resident memory of each
node and the driver's figures are noted; the first fifth counts as warm-up.

    python benchmarks/soak.py --minutes 30
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from kine_sim.tasks import TASKS
from kinevla_policy.demo_client import DemoClient, StackError
from kinevla_policy.free_ports import free_tcp_port
from kinevla_policy.stack_process import StackProcess

POLICY, DRIVER = "kinevla: policy", "realman_driver: arm"
SAMPLE_S, WARM_UP_SHARE = 10.0, 0.2
MEMORY_BOUND, MISSED_SHARE_BOUND = 0.05, 0.01


@dataclass(frozen=True)
class Sample:
    """One look at the stack: memory in MB by process, figures of the driver, counts so far."""

    time_s: float
    memory_mb: dict[str, float]
    lateness_p99_ms: float
    rate_hz: float
    missed_periods: int
    frames_sent: int
    chunks_accepted: int
    chunks_refused: int


def memory_mb(pid: int) -> dict[str, float]:
    """Resident memory of the stack's processes by the name of their node or module."""
    found: dict[str, float] = {}
    for process in psutil.Process(pid).children(recursive=True):
        try:
            line, size = process.cmdline(), process.memory_info().rss / 1e6
        except psutil.Error:
            continue
        names = [Path(part).name for part in line[1:4] if "node" in part or "sdk_host" in part]
        name = names[0] if names else Path(line[0]).name if line else "?"
        found[name] = found.get(name, 0.0) + size
    return found


def sample(client: DemoClient, pid: int, began_s: float) -> Sample:
    """Take the figures of this moment."""
    arm = client.diagnostic(DRIVER)
    return Sample(
        time.monotonic() - began_s,
        memory_mb(pid),
        float(arm.get("lateness_p99_ms", "nan")),
        float(arm.get("stream_rate_hz", "nan")),
        int(arm.get("missed_periods", "0")),
        int(arm.get("frames_sent", "0")),
        int(arm.get("chunks_accepted", "0")),
        int(arm.get("chunks_refused", "0")),
    )


def keep_busy(client: DemoClient, state: dict[str, int]) -> None:
    """Give the next sentence when nothing runs; between two the arm goes home."""
    policy, arm = client.diagnostic(POLICY), client.diagnostic(DRIVER)
    if arm.get("state") == "CONNECTED":
        state["enabled again"] = state.get("enabled again", 0) + 1
        client.enable(30.0)
    if policy.get("message") != "idle" or arm.get("chunk_active", "").lower() == "true":
        return
    client.trigger("/realman_driver/home", 60.0)
    state["instructions"] += client.instruct(TASKS[4].instruction).accepted
    time.sleep(1.5)  # until the diagnostics tell of it


def verdict(samples: list[Sample], exit_code: int, left: list[str]) -> tuple[list[str], list[str]]:
    """Figures as lines, and what is not as it should be."""
    steady = [s for s in samples if s.time_s >= samples[-1].time_s * WARM_UP_SHARE] or samples
    third = max(1, len(steady) // 3)
    lines, troubles = [], []
    for name in sorted(steady[-1].memory_mb):
        early = float(np.median([s.memory_mb.get(name, np.nan) for s in steady[:third]]))
        late = float(np.median([s.memory_mb.get(name, np.nan) for s in steady[-third:]]))
        drift = late / early - 1.0
        lines.append(f"memory {name:20s} {early:7.1f} -> {late:7.1f} MB ({drift:+.1%})")
        if drift > MEMORY_BOUND:
            troubles.append(f"memory of {name} grew by {drift:.1%}, allowed are {MEMORY_BOUND:.0%}")
    times = np.array([s.time_s for s in steady])
    lateness = np.array([s.lateness_p99_ms for s in steady])
    slope = float(np.polyfit(times / 60.0, lateness, 1)[0]) if len(steady) > 2 else 0.0
    frames = steady[-1].frames_sent - steady[0].frames_sent
    missed = steady[-1].missed_periods - steady[0].missed_periods
    lines.append(f"lateness p99: median {np.median(lateness):.1f} ms, trend {slope:+.2f} ms per minute")
    lines.append(f"frames sent {frames}, periods missed {missed}; rate now {samples[-1].rate_hz:.0f} Hz")
    lines.append(f"chunks {samples[-1].chunks_accepted}, refused {samples[-1].chunks_refused}")
    lines.append(f"exit code {exit_code}, processes left: {', '.join(left) or 'none'}")
    if missed > MISSED_SHARE_BOUND * max(frames, 1):
        troubles.append(f"{missed} of {frames} periods were missed, allowed are {MISSED_SHARE_BOUND:.0%}")
    if exit_code not in (0, 130) or left:
        troubles.append(f"no clean shutdown: exit code {exit_code}, left {left}")
    return lines, troubles


def main() -> None:
    """Soak, print, write `soak.json`; exit code 1 when something is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=Path(".data/soak"))
    parser.add_argument("--patient", action="store_true", help="for a busy computer: patient_*.yaml")
    options = parser.parse_args()
    if not 0.5 <= options.minutes <= 24 * 60:
        parser.error("--minutes must be within 0.5..1440")
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    port = free_tcp_port()
    samples: list[Sample] = []
    state = {"instructions": 0}
    line = ["--sim", "--robot-port", str(port), "--seed", "3"]
    if options.patient:
        for node in ("driver", "policy"):
            line += [f"--{node}-config", str(Path(__file__).with_name(f"patient_{node}.yaml"))]
    process = StackProcess(line, out / "stack.log")
    client = DemoClient(stack_id=process.stack_id)
    children: list[psutil.Process] = []
    try:
        client.wait_for("both images", lambda: len(client.images) == 2, 180, process.alive)
        client.wait_for(
            "the policy", lambda: client.diagnostic(POLICY).get("message") == "idle", 180, process.alive
        )
        client.enable(60.0)
        children = psutil.Process(process.pid).children(recursive=True)
        began_s = time.monotonic()
        while time.monotonic() - began_s < options.minutes * 60.0:
            if not process.alive():
                raise StackError("the stack ended")
            keep_busy(client, state)
            client.joint_states.clear()  # this client must not be what grows
            if not samples or time.monotonic() - began_s - samples[-1].time_s >= SAMPLE_S:
                samples.append(sample(client, process.pid, began_s))
                last = samples[-1]
                print(
                    f"{last.time_s:6.0f} s  {sum(last.memory_mb.values()):6.0f} MB  {last.rate_hz:.0f} Hz  "
                    f"p99 {last.lateness_p99_ms:.1f} ms  {last.chunks_accepted} chunks",
                    flush=True,
                )
            time.sleep(0.2)
    except StackError as error:
        sys.exit(f"soak: {error}\n{process.tail()}")
    finally:
        client.close()
        exit_code = process.stop(30.0)
    left = [child.name() for child in children if child.is_running() and child.status() != "zombie"]
    lines, troubles = verdict(samples, exit_code, left)
    again = state.get("enabled again", 0)
    print(f"{options.minutes:g} minutes, {state['instructions']} instructions, link lost {again} times")
    print("\n".join(lines + [f"NOT AS IT SHOULD BE: {text}" for text in troubles]))
    (out / "soak.json").write_text(json.dumps([asdict(item) for item in samples], indent=1))
    sys.exit(1 if troubles else 0)


if __name__ == "__main__":
    main()
