"""How benchmarks start the whole stack: options they share, a free port, a look at the wire."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from wire_times import Frames, WireTimes

from kinevla_policy.free_ports import free_tcp_port
from kinevla_policy.stack_process import StackProcess


@dataclass(frozen=True)
class StackLine:
    """One run of the stack.

    Attributes:
        out: folder of the results.
        port: TCP port of the emulated controller.
        arguments: of the stack.
    """

    out: Path
    port: int
    arguments: list[str]

    def start(self) -> StackProcess:
        """Start it; used as a context."""
        return StackProcess(self.arguments, self.out / "stack.log")

    def listen(self) -> WireTimes:
        """Note frames on the wire from now on. Ends the program where that is not permitted."""
        try:
            return WireTimes(self.port)
        except PermissionError as error:
            raise SystemExit("seeing packets with the kernel's times needs root (CAP_NET_RAW)") from error


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options all of them have."""
    parser.add_argument("--out", type=Path, default=Path(".data/bench"))
    parser.add_argument("--patient", action="store_true", help="for a busy computer: patient_*.yaml")


def prepare(options: argparse.Namespace, *arguments: str, nodes: tuple[str, ...]) -> StackLine:
    """Choose a port.

    Args:
        options: from `add_options`.
        arguments: further ones of the stack.
        nodes: those that `--patient` is for.
    """
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    port = free_tcp_port()
    line = ["--sim", "--robot-port", str(port), *arguments]
    if options.patient:
        for node in nodes:
            line += [f"--{node}-config", str(Path(__file__).with_name(f"patient_{node}.yaml"))]
    return StackLine(out, port, line)


__all__ = ["Frames", "StackLine", "add_options", "prepare"]
