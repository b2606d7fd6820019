"""A ROS installation without our environment: colcon builds the workspace, the `ros2` tools run it.

`KINE_ROS_SETUP` names the installation's set-up file where it is not `/opt/ros/$ROS_DISTRO/setup.bash`. Its
Python has what docs/how-to/install.md installs; nothing of this checkout's `.venv` and `install` is visible.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kine_nodes.own_domain import OwnDomain
from kine_sim.tasks import task_by_number
from kinevla_policy.free_ports import free_tcp_port
from running_stack import PATIENT_DRIVER, PATIENT_POLICY

ROOT = Path(__file__).resolve().parents[1]
SETUP = Path(os.environ.get("KINE_ROS_SETUP", f"/opt/ros/{os.environ.get('ROS_DISTRO', 'jazzy')}/setup.bash"))
# A call waits for its service: the policy's is there when its weights are loaded.
BUILD_S, START_S, CALL_S, TRIAL_S = 900.0, 600.0, 600.0, 600.0
TASK, SEEDS = 3, (1, 2, 3)  # the policy does two scenes of three as the sentence says
TRIGGER, INSTRUCT = "std_srvs/srv/Trigger", "kine_msgs/srv/Instruct"
SENTENCE = f"{{instruction: '{task_by_number(TASK).instruction}'}}"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(BUILD_S + len(SEEDS) * (START_S + TRIAL_S + 4 * CALL_S)),
    pytest.mark.skipif(not SETUP.is_file(), reason=f"no ROS installation: there is no {SETUP}"),
]


class Installation:
    """A copy of the sources, and commands run in it with the ROS installation and nothing else."""

    def __init__(self, folder: Path, domain: int) -> None:
        self.log_folder = folder
        self.workspace = folder / "sources" / "ros2_ws"
        for name in ("models", "ros2_ws/src"):
            shutil.copytree(
                ROOT / name,
                folder / "sources" / name,
                symlinks=True,
                ignore=shutil.ignore_patterns("__pycache__", "test", "tests"),
            )
        self.environment = {
            "HOME": str(folder),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }

    def start(self, *command: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a command as in a new terminal; what it says goes to the log."""
        built = self.workspace / "install" / "setup.bash"
        shell = f'. "{SETUP}"; {f". {built};" if built.is_file() else ""} exec "$@"'
        with log.open("wb") as said:
            return subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-c", shell, "bash", *command],
                cwd=self.workspace,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Who was started in the background ignores Ctrl-C, and hands that on.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def run(self, *command: str, timeout_s: float) -> str:
        """Run a command to its end and return what it said."""
        log = self.log_folder / "command.log"
        process = self.start(*command, log=log)
        try:
            code = process.wait(timeout_s)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert code == 0, f"{command}: {log.read_text()[-2000:]}"
        return log.read_text()

    def call(self, service: str, kind: str, request: str = "{}") -> str:
        """What `ros2 service call` prints of the response."""
        return self.run("ros2", "service", "call", service, kind, request, timeout_s=CALL_S)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with OwnDomain() as own:
        one = Installation(tmp_path_factory.mktemp("ros"), own.number)
        one.run("colcon", "build", timeout_s=BUILD_S)
        yield one


def test_the_programs_of_the_build_are_listed_by_the_tools(installation: Installation) -> None:
    executables = installation.run("ros2", "pkg", "executables", timeout_s=CALL_S).splitlines()
    for program in ("kinevla kinevla", "kinevla_policy policy_node", "realman_driver driver_node"):
        assert program in executables
    assert "instruction" in installation.run("ros2", "interface", "show", INSTRUCT, timeout_s=CALL_S)


def test_the_simulated_arm_does_what_a_service_call_says(installation: Installation) -> None:
    verdicts = []
    for seed in SEEDS:
        verdicts.append(trial(installation, seed))
        assert verdicts[-1]["goal_success"], verdicts[-1]
        if verdicts[-1]["kinematics_success"]:
            return
    pytest.fail(f"in none of {len(SEEDS)} scenes as the sentence says: {verdicts}")


def trial(installation: Installation, seed: int) -> dict[str, object]:
    """Launch, enable, instruct and wait as README tells; the judge's verdict."""
    log = installation.log_folder / f"launch-{seed}.log"
    arguments = ["sim:=true", f"task:={TASK}", f"seed:={seed}", f"robot_port:={free_tcp_port()}"]
    arguments += [f"driver_config:={PATIENT_DRIVER}", f"policy_config:={PATIENT_POLICY}"]
    process = installation.start("ros2", "launch", "kinevla_policy", "robot.launch.py", *arguments, log=log)

    def said(pattern: str) -> Callable[[], bool]:
        return lambda: re.search(pattern, log.read_text(errors="replace")) is not None

    def wait_for(what: Callable[[], bool], timeout_s: float) -> None:
        until_s = time.monotonic() + timeout_s
        while not what():
            assert process.poll() is None and time.monotonic() < until_s, log.read_text()[-3000:]
            time.sleep(1.0)

    try:
        wait_for(said("-> CONNECTED"), START_S)
        wait_for(lambda: "success=True" in installation.call("/realman_driver/enable", TRIGGER), START_S)
        wait_for(
            lambda: "accepted=True" in installation.call("/kinevla/instruct", INSTRUCT, SENTENCE), START_S
        )
        wait_for(said(r"instruction \d+ ended"), TRIAL_S)
        answer = installation.call("/kine_sim/judge", TRIGGER)
        process.send_signal(signal.SIGINT)  # to launch alone, which ends the nodes
        assert process.wait(CALL_S) == 0, log.read_text()[-3000:]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    found = re.search(r"message=(.*)\)", answer)
    assert found, answer
    verdict: dict[str, object] = json.loads(ast.literal_eval(found[1]))
    return verdict
