"""Fixtures of the driver's tests; the rig itself is in driver_rig.py."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCES = Path(__file__).resolve().parents[2]
for _package in ("realman_driver", "kine_sim"):
    if importlib.util.find_spec(_package) is None:
        sys.path.insert(0, str(SOURCES / _package))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from kine_nodes.own_domain import OwnDomain  # noqa: E402

# An own ROS domain, on this computer only: a robot in the building must never hear a test.
DOMAIN = OwnDomain()
os.environ.setdefault("OMP_NUM_THREADS", "1")

from driver_rig import Client, DriverProcess, Emulator, Stand  # noqa: E402


@pytest.fixture(scope="session")
def ros() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


@pytest.fixture
def client(ros: Client) -> Client:
    ros.forget()
    return ros


@pytest.fixture(scope="module")
def shared_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    process = Emulator(tmp_path_factory.mktemp("wire") / "wire.jsonl")
    yield process
    process.close()


@pytest.fixture(scope="module")
def shared_driver(shared_emulator: Emulator) -> Iterator[DriverProcess]:
    process = DriverProcess(shared_emulator.port)
    yield process
    process.close()


@pytest.fixture
def stand(shared_driver: DriverProcess, shared_emulator: Emulator, client: Client) -> Iterator[Stand]:
    """A driver connected to an emulated controller, shared by a module's tests, disabled at first."""
    client.values_when(lambda values: values["connected"] == "true")
    client.call("disable")
    client.call("reset")
    client.wait_state("CONNECTED")
    yield Stand(client, shared_emulator, shared_driver)
    shared_emulator.fault("clear")


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    """An emulated controller of the test's own, which it may break."""
    process = Emulator(tmp_path / "wire.jsonl")
    yield process
    process.close()


@pytest.fixture
def start_driver() -> Iterator[Callable[..., DriverProcess]]:
    """Starts driver processes and ends them after the test."""
    started: list[DriverProcess] = []

    def start(port: int, **parameters: Any) -> DriverProcess:
        started.append(DriverProcess(port, **parameters))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture
def own_stand(emulator: Emulator, start_driver: Callable[..., DriverProcess], client: Client) -> Stand:
    """As `stand`, but of the test's own."""
    process = start_driver(emulator.port)
    client.wait_state("CONNECTED")
    return Stand(client, emulator, process)
