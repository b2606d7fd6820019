"""Two machines in one: network namespaces with shared memory of their own, and a link with rate and delay.

The link is a veth pair shaped by the kernel's netem. Where the kernel has no netem, two TAP devices and
`link_relay.py` keep the packets back for the delay, and tbf limits the rate.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN = str(ROOT / "scripts" / "run")
RELAY = Path(__file__).with_name("link_relay.py")
_serial = itertools.count()


@dataclass(frozen=True)
class Link:
    """Both directions alike: rate in Mbit/s (0: as fast as it goes), delay one way in s."""

    rate_mbit: float = 0.0
    delay_s: float = 0.0


def available() -> str:
    """Empty when two hosts are permitted here, else the reason why not.

    Raises:
        RuntimeError: they are permitted, but the tools are not installed.
    """
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "tc") if shutil.which(tool) is None]
    if missing:
        raise RuntimeError(f"not installed: {', '.join(missing)} (Debian: iproute2)")
    name = f"kine-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        return f"no network namespaces here: {made.stderr.strip()}"
    _ip("netns", "del", name)
    return ""


class Host:
    """One of the two machines."""

    def __init__(self, name: str, address: str, peer: str, device: str) -> None:
        self.name, self.address, self.peer, self.device = name, address, peer, device
        self.shared_memory = Path("/dev/shm") / name
        self._processes: list[subprocess.Popen[str]] = []

    def command(self, line: list[str]) -> list[str]:
        """The command line, to be run inside this host."""
        # `ip netns exec` gives the program mounts of its own. With one /dev/shm the two hosts would share
        # memory, which no two machines do.
        # Other work on this computer is no part of the two machines: their programs come first.
        inside = 'mount --bind "$0" /dev/shm && exec nice -n -10 "$@"'
        return ["ip", "netns", "exec", self.name, "sh", "-c", inside, str(self.shared_memory), *line]

    def start(self, line: list[str], log: Path, **environment: str) -> subprocess.Popen[str]:
        """Start a program with its output in a file; it is ended with the host."""
        with log.open("w") as file:
            process = subprocess.Popen(
                self.command(line),
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                env={**self.environment(), **environment},
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def run(self, line: list[str], timeout_s: float, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return subprocess.run(
            self.command(line),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**self.environment(), **environment},
        )

    def environment(self) -> dict[str, str]:
        """A fresh shell in which the user has named the other machine."""
        chosen_by_us = (
            "FASTDDS_DEFAULT_PROFILES_FILE",
            "RMW_FASTRTPS_USE_QOS_FROM_XML",
            "ROS_AUTOMATIC_DISCOVERY_RANGE",
            "ROS_STATIC_PEERS",
        )
        rest = {name: value for name, value in os.environ.items() if name not in chosen_by_us}
        return {**rest, "ROS_STATIC_PEERS": self.peer}

    def unplug(self) -> None:
        """Pull the cable out on this side; addresses and routes stay."""
        _ip("-n", self.name, "link", "set", self.device, "down")

    def plug(self) -> None:
        """Put the cable back."""
        _ip("-n", self.name, "link", "set", self.device, "up")

    def bytes_sent(self) -> int:
        """Bytes this host has put on the link so far."""
        answer = _ip("-n", self.name, "-json", "-statistics", "link", "show", self.device)
        return int(json.loads(answer)[0]["stats64"]["tx"]["bytes"])

    def stop(self) -> None:
        """End the programs started here."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextlib.contextmanager
def two_hosts(link: Link) -> Iterator[tuple[Host, Host]]:
    """A robot PC and a workstation, 10.77.0.1 and 10.77.0.2, joined by the link until the block ends."""
    tag = f"{os.getpid()}-{next(_serial)}"
    hosts = (
        Host(f"kine-robot-{tag}", "10.77.0.1", "10.77.0.2", f"kr{tag}"),
        Host(f"kine-gpu-{tag}", "10.77.0.2", "10.77.0.1", f"kg{tag}"),
    )
    relay: subprocess.Popen[str] | None = None
    try:
        for host in hosts:
            _ip("netns", "add", host.name)
            host.shared_memory.mkdir()
        shaped_by_kernel = _has_netem()
        if shaped_by_kernel or not link.delay_s:
            _ip("link", "add", hosts[0].device, "type", "veth", "peer", "name", hosts[1].device)
        else:
            relay = _start_relay(hosts, link.delay_s)
        for host in hosts:
            _ip("link", "set", host.device, "netns", host.name)
            _ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", host.device)
            _ip("-n", host.name, "link", "set", "lo", "up")
            _ip("-n", host.name, "link", "set", host.device, "up")
            if relay is None and link.delay_s:
                rate = ["rate", f"{link.rate_mbit}mbit"] if link.rate_mbit else []
                _tc(host, "netem", "limit", "5000", "delay", f"{link.delay_s * 1e3}ms", *rate)
            elif link.rate_mbit:
                _tc(host, "tbf", "rate", f"{link.rate_mbit}mbit", "burst", "32kb", "latency", "50ms")
        yield hosts
    finally:
        for host in hosts:
            host.stop()
        if relay is not None:
            relay.terminate()
            relay.wait(10)
        for host in hosts:
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True)
            shutil.rmtree(host.shared_memory, ignore_errors=True)


def _has_netem() -> bool:
    """Whether this kernel can delay packets by itself."""
    name = f"kine-netem-{os.getpid()}"
    _ip("netns", "add", name)
    try:
        asked = ["tc", "-n", name, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
        return subprocess.run(asked, capture_output=True).returncode == 0
    finally:
        _ip("netns", "del", name)


def _start_relay(hosts: tuple[Host, Host], delay_s: float) -> subprocess.Popen[str]:
    line = [sys.executable, str(RELAY), hosts[0].device, hosts[1].device, str(delay_s)]
    relay = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert relay.stdout is not None
    if relay.stdout.readline().strip() != "ready":
        raise RuntimeError(f"link_relay.py ended with status {relay.wait(10)}")
    return relay


def _ip(*arguments: str) -> str:
    return _checked(["ip", *arguments])


def _tc(host: Host, *arguments: str) -> str:
    return _checked(["tc", "-n", host.name, "qdisc", "add", "dev", host.device, "root", *arguments])


def _checked(line: list[str]) -> str:
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(line)}: {done.stderr.strip()}")
    return done.stdout
