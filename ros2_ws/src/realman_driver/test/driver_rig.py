"""The test rig: the driver node as a process beside an emulated controller, and a ROS client for the node."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emulator_rig import Emulator, child_environment, wait_for

# The driver's own bounds are for a robot's computer, where nothing else runs. Where they are not what is
# tested, a busy test machine must not look like a lost link.
PATIENT = {
    "state_timeout_s": 0.5,
    "request_timeout_s": 5.0,
    "connect_timeout_s": 5.0,
    "push_timeout_s": 3.0,
    "following_lag_s": 0.5,
    "max_setpoint_gap_rad": 1.0,
    "diagnostics_period_s": 0.1,
}


def stop_time(records: list[dict[str, Any]]) -> float:
    """Time of the last of these records."""
    return float(records[-1]["time_s"])


def moved_deg(frames: list[dict[str, Any]]) -> float:
    """Largest difference between any two of the frames, degrees."""
    columns = zip(*(frame["joints_deg"] for frame in frames), strict=True)
    return max(max(column) - min(column) for column in columns)


class DriverProcess:
    """The driver node as a user starts it, with parameters on the command line.

    Args:
        emulator_port: where the emulated controller listens.
        patient: with time-outs for a busy computer; else with the driver's own ones.
        parameters: further ones.
    """

    def __init__(self, emulator_port: int, patient: bool = True, **parameters: Any) -> None:
        values = {
            "robot_ip": "127.0.0.1",
            "robot_port": emulator_port,
            "udp_port": 0,
            "black_box_folder": '""',
        }
        values |= (PATIENT if patient else {}) | parameters
        command = [sys.executable, "-m", "realman_driver.driver_node", "--ros-args"]
        for name, value in values.items():
            command += ["-p", f"{name}:={str(value).lower() if isinstance(value, bool) else value}"]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=child_environment(),
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def interrupt(self, number: int = signal.SIGINT, timeout_s: float = 20.0) -> tuple[int, float]:
        """Send the signal; exit code and seconds until the end."""
        began_s = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout_s)
        return code, time.monotonic() - began_s

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(2)


class Client:
    """A ROS node of the test: hears joint states and diagnostics, publishes chunks, calls services."""

    def __init__(self) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from sensor_msgs.msg import JointState
        from std_srvs.srv import Trigger
        from trajectory_msgs.msg import JointTrajectory

        # A context of its own: the client lives as long as the test process, in which others have theirs.
        self._context = rclpy.Context()
        rclpy.init(context=self._context, signal_handler_options=rclpy.SignalHandlerOptions.NO)
        self.node = Node("driver_test", context=self._context)
        self.joint_states: list[tuple[float, JointState]] = []
        self.diagnostics: list[tuple[float, str, str, dict[str, str]]] = []
        self.node.create_subscription(JointState, "/joint_states", self._on_joint_state, 100)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)
        self._chunks = self.node.create_publisher(JointTrajectory, "/realman_driver/joint_trajectory", 5)
        self._clients: dict[str, Any] = {}
        for name in ("enable", "disable", "estop", "reset", "home"):
            self._clients[f"/realman_driver/{name}"] = self.node.create_client(
                Trigger, f"/realman_driver/{name}"
            )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._open = True
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while self._open:
            self._executor.spin_once(timeout_sec=0.1)

    def _on_joint_state(self, message: Any) -> None:
        self.joint_states.append((time.monotonic(), message))

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name.startswith("realman_driver"):
                values = {item.key: item.value for item in status.values}
                self.diagnostics.append((time.monotonic(), values.get("state", ""), status.message, values))

    def forget(self) -> None:
        self.joint_states.clear()
        self.diagnostics.clear()

    def call(self, name: str, timeout_s: float = 20.0) -> Any:
        """Call a Trigger service of the driver; its response."""
        return self.finish_call(self.begin_call(name), timeout_s)

    def begin_call(self, name: str) -> Any:
        """Call a Trigger service without waiting for the answer."""
        from std_srvs.srv import Trigger

        return self.begin_service(Trigger, f"/realman_driver/{name}", Trigger.Request())

    def begin_service(self, kind: Any, name: str, request: Any) -> Any:
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = self.node.create_client(kind, name)
            self._executor.wake()
        assert client.wait_for_service(20.0), f"no service {name}"
        return client.call_async(request)

    def finish_call(self, future: Any, timeout_s: float = 20.0) -> Any:
        wait_for(future.done, timeout_s, "answer of a service")
        return future.result()

    def wait_state(self, state: str, timeout_s: float = 30.0) -> tuple[float, dict[str, str]]:
        """Wait until the newest diagnostics say this state; time of arrival and values."""

        def there() -> Any:
            newest = self.diagnostics[-1] if self.diagnostics else None
            return newest if newest is not None and newest[1] == state else None

        arrived_s, _, _, values = wait_for(there, timeout_s, f"state {state}")
        return arrived_s, values

    def values_when(
        self, condition: Callable[[dict[str, str]], bool], timeout_s: float = 20.0
    ) -> dict[str, str]:
        """Wait for diagnostics whose values fulfil the condition; the values."""

        def there() -> Any:
            return self.diagnostics and condition(self.diagnostics[-1][3]) and self.diagnostics[-1][3]

        try:
            values: dict[str, str] = wait_for(there, timeout_s)
        except AssertionError as error:
            newest = self.diagnostics[-1][1:] if self.diagnostics else "none"
            raise AssertionError(f"diagnostics values do not come; the newest: {newest}") from error
        return values

    def position(self) -> list[float]:
        return list(wait_for(lambda: self.joint_states, 20.0, "joint states")[-1][1].position)

    def chunk(self, points: list[list[float]], period_s: float = 0.1) -> Any:
        """A correct chunk message through these points."""
        from builtin_interfaces.msg import Duration
        from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

        message = JointTrajectory()
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.joint_names = [*(f"joint_{i}" for i in range(1, 8)), "gripper"]
        for number, positions in enumerate(points, 1):
            time_ns = round(number * period_s * 1e9)
            point = JointTrajectoryPoint(positions=[float(value) for value in positions])
            point.time_from_start = Duration(sec=time_ns // 10**9, nanosec=time_ns % 10**9)
            message.points.append(point)
        return message

    def listeners(self) -> int:
        """Nodes that take chunks."""
        return int(self._chunks.get_subscription_count())

    def publish(self, message: Any) -> None:
        wait_for(self.listeners, 20.0, "the driver's subscription")
        self._chunks.publish(message)

    def close(self) -> None:
        self._open = False
        self._thread.join(2)
        self.node.destroy_node()
        self._context.try_shutdown()


def line(start: list[float], step_rad: float, count: int, gripper: float | None = None) -> list[list[float]]:
    """Points from `start` (8,) on, each joint going `step_rad` per point, towards and past its home angle."""
    home = (0.0, 0.349066, 0.0, 1.221730, 0.0, 1.570796, 0.0)
    steps = [step_rad if q < h - 0.01 else -step_rad for q, h in zip(start, home, strict=False)]
    opening = start[7] if gripper is None else gripper
    numbers = range(1, count + 1)
    return [[*(q + s * k for q, s in zip(start, steps, strict=False)), opening] for k in numbers]


@dataclass(frozen=True)
class Stand:
    """What a test plays with."""

    client: Client
    emulator: Emulator
    driver: DriverProcess

    def enable(self) -> list[float]:
        """Enable; the position (8,) held then."""
        response = self.client.call("enable")
        assert response.success, response.message
        self.client.wait_state("ENABLED")
        return self.client.position()

    def start_slow_motion(self, duration_s: float = 3.0, speed_rad_s: float = 0.2) -> None:
        """Enable and send a chunk that keeps all joints moving for a while."""
        start = self.enable()
        count = round(duration_s / 0.1)
        points = line(start, speed_rad_s * 0.1, count)
        for axis in (1, 3, 5):  # these bend the arm towards itself and the table: less far
            for point in points:
                point[axis] = start[axis] + 0.3 * (point[axis] - start[axis])
        self.client.publish(self.client.chunk(points))
        self.client.values_when(lambda values: values.get("chunk_active") == "true")

    def frames_sent(self) -> int:
        """Frames the driver says it has sent, from diagnostics newer than this call."""
        seen = len(self.client.diagnostics)
        wait_for(lambda: len(self.client.diagnostics) > seen + 1, 20.0, "new diagnostics")
        return int(self.client.diagnostics[-1][3]["frames_sent"])
