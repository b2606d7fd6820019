"""A running stack as seen from outside: its processes, its ROS topics and the traffic with the controller."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from kinevla_policy.demo_client import DemoClient
from kinevla_policy.free_ports import free_tcp_port
from kinevla_policy.stack_process import StackProcess

PATIENT_DRIVER = Path(__file__).parent / "patient_driver.yaml"
PATIENT_POLICY = Path(__file__).parent / "patient_policy.yaml"


@dataclass
class RunningStack:
    """The processes, a client, and the emulated controller's record of all traffic."""

    process: StackProcess
    client: DemoClient
    traffic: Path
    port: int

    @property
    def domain(self) -> int:
        """ROS domain of the stack."""
        return self.process.domain

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

    def strange_lines(self) -> list[str]:
        """Lines of the log that a healthy stack does not write: errors, and what is no log message."""
        said = [line.partition(" | ")[2] for line in self.process.log.read_text().splitlines()]
        return [line for line in said if line.startswith("[ERROR]") or not line.startswith("[")]

    def wait_for_rest(self) -> None:
        """Wait until the driver has played what it accepted, and a moment more for the arm."""
        time.sleep(1.2)  # what is under way arrives; longer than the longest chunk and the driver's reports
        self.client.wait_for(
            "the end of the chunk",
            lambda: self.client.diagnostic("realman_driver: arm").get("chunk_active") == "false",
            60,
            self.process.alive,
        )
        time.sleep(0.5)


def start_stack(folder: Path, *options: str) -> RunningStack:
    """Start the simulated stack on a free port and in a ROS domain of its own, until `process.stop`."""
    port = free_tcp_port()
    traffic = folder / "traffic.jsonl"
    line = ["--sim", "--robot-port", str(port), "--frame-log", str(traffic)]
    line += ["--driver-config", str(PATIENT_DRIVER), "--policy-config", str(PATIENT_POLICY), *options]
    process = StackProcess(line, folder / "stack.log")
    return RunningStack(process, DemoClient(stack_id=process.stack_id), traffic, port)
