"""A running stack as seen from outside: its processes, its ROS topics and the traffic with the controller."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from kinevla_policy.demo_client import DemoClient
from kinevla_policy.free_ports import free_tcp_port, quiet_domain
from kinevla_policy.stack_process import StackProcess


@dataclass
class RunningStack:
    """The processes, a client, and the emulated controller's record of all traffic."""

    process: StackProcess
    client: DemoClient
    traffic: Path
    port: int
    domain: int

    def records(self) -> list[dict]:
        """Everything the emulated controller has received and sent so far."""
        lines = self.traffic.read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def received(self) -> list[dict]:
        """The requests the emulated controller received, parsed, in order."""
        requests = []
        for record in self.records():
            if record["direction"] == "rx":
                requests.append(json.loads(record["raw"]))
        return requests

    def joints(self) -> list[float]:
        """Newest measured joint angles, rad, and gripper opening."""
        return [float(v) for v in self.client.joint_states[-1][1]]


def start_stack(folder: Path, *options: str) -> RunningStack:
    """Start the simulated stack on a free port and in a quiet ROS domain."""
    domain, port = quiet_domain(), free_tcp_port()
    os.environ["ROS_DOMAIN_ID"] = str(domain)
    traffic = folder / "traffic.jsonl"
    line = ["--sim", "--robot-port", str(port), "--frame-log", str(traffic)]
    line += ["--driver-config", str(Path(__file__).parent / "patient_driver.yaml"), *options]
    process = StackProcess(line, folder / "stack.log", domain)
    return RunningStack(process, DemoClient(), traffic, port, domain)
