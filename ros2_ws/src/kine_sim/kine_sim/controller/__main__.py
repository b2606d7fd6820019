"""Run an emulated controller as a process of its own: `python -m kine_sim.controller`.

The arm behind it is kinematic (no physics). The first line on standard output is `listening HOST:PORT`, the
second, when a fault port is asked for, `faults HOST:PORT`. SIGINT and SIGTERM end it cleanly.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from .backend import KinematicArm
from .emulator import EmulatedController
from .fault_port import FaultPort
from .settings import PushSettings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kine_sim.controller", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on and to push from")
    parser.add_argument("--port", type=int, default=0, help="TCP port, 0 for any free one")
    parser.add_argument("--generation", type=int, choices=(3, 4), default=3, help="controller generation")
    parser.add_argument("--product-version", default="RM75-BI", help="model and end type")
    parser.add_argument("--log", default=None, help="JSON-lines file for every message")
    parser.add_argument(
        "--fault-port", type=int, default=None, help="loopback TCP port for faults, 0 for any"
    )
    parser.add_argument("--rate", type=float, default=200.0, help="control loop rate in Hz, 50..1000")
    parser.add_argument("--lag", type=float, default=0.03, help="time constant of the joints in s")
    parser.add_argument("--push-ip", default=None, help="push state to this address from the start")
    parser.add_argument("--push-port", type=int, default=8089, help="UDP port of the push")
    parser.add_argument("--push-cycle", type=int, default=1, help="push period in units of 5 ms")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal arrives; returns the exit code: 0, or 2 when it cannot start."""
    options = _parser().parse_args(arguments)
    push = None
    if options.push_ip is not None:
        push = PushSettings(enable=True, cycle=options.push_cycle, port=options.push_port, ip=options.push_ip)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    faults: FaultPort | None = None
    try:
        controller = EmulatedController(
            KinematicArm(time_constant_s=options.lag),
            host=options.host,
            port=options.port,
            generation=options.generation,
            product_version=options.product_version,
            log_path=options.log,
            control_rate_hz=options.rate,
            push=push,
        ).start()
    except (OSError, ValueError, OverflowError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        print(f"listening {controller.host}:{controller.port}", flush=True)
        if options.fault_port is not None:
            try:
                faults = FaultPort(controller, options.fault_port).start()
            except (OSError, OverflowError) as error:
                print(
                    f"error: cannot open fault port 127.0.0.1:{options.fault_port}: {error}", file=sys.stderr
                )
                return 2
            print(f"faults {faults.host}:{faults.port}", flush=True)
        while not ended.wait(0.2):  # with a timeout, so that Python runs its signal handlers
            pass
    finally:
        if faults is not None:
            faults.stop()
        controller.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
