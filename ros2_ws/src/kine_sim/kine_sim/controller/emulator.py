"""The emulated controller as one object: start it, connect the vendor SDK to its port, stop it."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from . import protocol
from .backend import ArmBackend, KinematicArm
from .core import Core
from .dispatch import Dispatcher
from .errors import ErrorState
from .faults import Faults
from .frame_checker import JointRecord
from .gripper import Gripper
from .log import MessageLog
from .motion import MotionEngine
from .server import CommandServer
from .settings import ControllerSettings, PushSettings
from .udp import StatePusher

DEVICE_JOINTS, DEVICE_GRIPPER = 0, 1
_START_TIMEOUT_S = 10.0


class EmulatedController:
    """A Realman RM75 controller for one arm backend, on its own two threads (network, control loop).

    Args:
        backend: the arm behind the controller.
        host: loopback address to listen on, so that nobody elsewhere takes it for an arm; also the source
            address of UDP pushes.
        port: TCP port, 0 for any free one.
        generation: 3 or 4, the controller generation the SDK recognises.
        product_version: model and end type as the SDK parses them, such as `RM75-BI`.
        log_path: JSON-lines file that receives every message, or None.
        control_rate_hz: rate of the control loop, 50..1000 Hz.
        push: initial configuration of the UDP push, as if saved in the controller before it was switched on.
    """

    def __init__(
        self,
        backend: ArmBackend,
        host: str = "127.0.0.1",
        port: int = 0,
        generation: int = 3,
        product_version: str = "RM75-BI",
        log_path: str | Path | None = None,
        control_rate_hz: float = 200.0,
        push: PushSettings | None = None,
    ) -> None:
        if not 50.0 <= control_rate_hz <= 1000.0:
            raise ValueError(f"control_rate_hz {control_rate_hz} must be in 50..1000 Hz")
        if not 0 <= port <= 65535:
            raise ValueError(f"port {port} must be in 0..65535")
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"host {host} must be an address of this machine alone, such as 127.0.0.1")
        settings = ControllerSettings(generation=generation, product_version=product_version)
        if push is not None:
            settings.push = push
        self.host = host
        self.log = MessageLog(log_path)
        self.faults = Faults(self._fault_action)
        self._requested_port = port
        self._port: int | None = None
        self._period_s = 1.0 / control_rate_hz
        errors = ErrorState()
        motion = MotionEngine(backend, settings, errors, self._joints_arrived)
        gripper = Gripper(backend, self._gripper_arrived)
        self._core = Core(backend, settings, errors, motion, gripper, self.log)
        self._dispatcher = Dispatcher(self._core, self.faults)
        self._server = CommandServer(self._dispatcher, self.faults, self.log)
        self.joint_record = JointRecord()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: list[threading.Thread] = []
        self._stop_control = threading.Event()
        self._stop_network: asyncio.Event | None = None
        self._start_error: BaseException | None = None
        self._pusher: StatePusher | None = None

    @property
    def port(self) -> int:
        """TCP port in use.

        Raises:
            RuntimeError: not started.
        """
        if self._port is None:
            raise RuntimeError("the controller has not been started")
        return self._port

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return self._server.client_count

    @property
    def core(self) -> Core:
        """The controller's parts, for inspection by tests and nodes."""
        return self._core

    def start(self) -> EmulatedController:
        """Open the port and start both threads.

        Raises:
            OSError: the port cannot be bound; the message names host and port.
            RuntimeError: started already.
        """
        if self._threads:
            raise RuntimeError("the controller is running already")
        ready = threading.Event()
        network = threading.Thread(
            target=self._run_network, args=(ready,), name="emulator-network", daemon=True
        )
        network.start()
        if not ready.wait(_START_TIMEOUT_S):
            raise RuntimeError(f"the network thread did not start within {_START_TIMEOUT_S} s")
        if self._start_error is not None:
            network.join()
            error, self._start_error = self._start_error, None
            number = error.errno if isinstance(error, OSError) else None
            reason = os.strerror(number) if number else str(error)
            raise OSError(f"cannot listen on {self.host}:{self._requested_port}: {reason}") from error
        self._stop_control.clear()
        control = threading.Thread(target=self._run_control, name="emulator-control", daemon=True)
        self._threads = [network, control]
        control.start()
        return self

    def stop(self) -> None:
        """Close all connections and end both threads; safe to call twice."""
        self._stop_control.set()
        if self._loop is not None and self._stop_network is not None:
            self._loop.call_soon_threadsafe(self._stop_network.set)
        for thread in self._threads:
            thread.join(timeout=_START_TIMEOUT_S)
        self._threads = []
        self._port = None
        self.log.close()

    def __enter__(self) -> EmulatedController:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def hold_measured(self) -> None:
        """Give up all motion and hold the joints in place; use it after a reset of the arm's world."""
        self._core.motion.hold_measured()

    def state(self) -> dict[str, Any]:
        """Snapshot for other processes: joints, set-points, motion, counters, errors."""
        core = self._core
        return {
            "time_s": time.monotonic(),
            "joints_deg": np.degrees(core.backend.measured_rad()).round(4).tolist(),
            "setpoint_deg": np.degrees(core.motion.setpoint_rad()).round(4).tolist(),
            "gripper_opening": round(core.backend.gripper_opening(), 4),
            "enabled": core.enabled_wire(),
            "status": core.motion.status(),
            "trajectory": core.motion.trajectory_type(),
            "joint_errors": core.errors.joint_codes(),
            "system_errors": core.errors.system_codes(),
            "clients": self.clients,
            "canfd_received": self.log.canfd_received,
            "unsafe_frames": sum(c.unsafe_frames for c in tuple(self._dispatcher.checkers.values())),
            "violations": [v.text for c in tuple(self._dispatcher.checkers.values()) for v in c.violations],
            "udp_sent": self._pusher.sent if self._pusher else 0,
        }

    def _run_network(self, ready: threading.Event) -> None:
        asyncio.run(self._network(ready))

    async def _network(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop_network = asyncio.Event()
        try:
            self._port = await self._server.listen(self.host, self._requested_port)
            self._requested_port = self._port
            self._pusher = StatePusher(self._core, self.faults, self.host)
        except OSError as error:
            self._start_error = error
            self._server.stop_listening()
            return
        finally:
            ready.set()
        pushing = self._loop.create_task(self._pusher.run())
        await self._stop_network.wait()
        pushing.cancel()
        await self._server.close()
        self._pusher.close()
        self._loop = None

    def _run_control(self) -> None:
        complained = ""
        last_s = next_s = time.monotonic()
        while not self._stop_control.is_set():
            now_s = time.monotonic()
            dt_s, last_s = now_s - last_s, now_s
            try:
                self._core.motion.step(dt_s)
                self._core.gripper.step(dt_s)
                self.joint_record.add(now_s, self._core.backend.measured_rad())
            except Exception as error:
                # A failing backend must not silently end the loop: the remark is made once, the loop goes on.
                if (text := f"control loop: {type(error).__name__}: {error}") != complained:
                    complained = text
                    self.log.note(text)
                    print(text, file=sys.stderr, flush=True)
            # A late loop goes on from now: lost periods are not made up.
            next_s = max(next_s + self._period_s, now_s)
            self._stop_control.wait(max(0.0, next_s - time.monotonic()))

    def _joints_arrived(self, client: str, arrived: bool, connect: int) -> None:
        self._event(client, arrived, DEVICE_JOINTS, connect)

    def _gripper_arrived(self, client: str, arrived: bool) -> None:
        self._event(client, arrived, DEVICE_GRIPPER, 0)

    def _event(self, client: str, arrived: bool, device: int, connect: int) -> None:
        message = {
            "state": "current_trajectory_state",
            "trajectory_state": arrived,
            "device": device,
            "trajectory_connect": connect,
        }
        self._on_loop(lambda: self._server.send_event(client, message))

    def _on_loop(self, call: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(call)

    def _fault_action(self, name: str, value: Any) -> None:
        core = self._core
        if name == "drop":
            self._on_loop(lambda: self._server.drop_clients(reset=value == "rst"))
        elif name == "freeze":
            self._on_loop(lambda: self._server.freeze(bool(value)))
        elif name == "refuse_connections":
            self._set_refusing(bool(value))
        elif name == "joint_error":
            if not isinstance(value, list | tuple) or len(value) != 2:
                raise ValueError(f"fault 'joint_error' takes [joint 1..7, code], got {value!r}")
            core.errors.raise_joint(int(value[0]), int(value[1]))
        elif name == "system_error":
            core.errors.raise_system(int(value))
        elif name in ("disable_joint", "enable_joint"):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 7:
                raise ValueError(f"fault '{name}' takes a joint 1..7, got {value!r}")
            core.motion.set_joint_enabled(value - 1, name == "enable_joint")
        elif name == "jam_gripper":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
                raise ValueError(f"fault 'jam_gripper' takes an opening 0..1, got {value!r}")
            if not isinstance(core.backend, KinematicArm):
                raise ValueError("fault 'jam_gripper' needs an arm without physics")
            core.backend.place_object_between_jaws(float(value))
        elif name == "hand":
            values = protocol.numbers(list(value), 7, "hand") if isinstance(value, list | tuple) else None
            if values is None:
                raise ValueError(f"fault 'hand' takes seven degrees, got {value!r}")
            core.motion.lead_by_hand(np.radians(values))

    def _set_refusing(self, refusing: bool) -> None:
        loop = self._loop
        if loop is None:
            return

        async def change() -> None:
            if refusing:
                self._server.stop_listening()
            else:
                await self._server.listen(self.host, self.port)

        asyncio.run_coroutine_threadsafe(change(), loop).result(_START_TIMEOUT_S)
