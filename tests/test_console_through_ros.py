"""The operator's page on the whole simulated robot: its WebSocket, ROS, driver, SDK, TCP, recorder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from console_viewer import ConsoleViewer, post_stop, read_token, wait_for_rest

from kine_sim.tasks import TASKS
from kinevla_policy.free_ports import free_tcp_port
from running_stack import RunningStack, start_stack


@dataclass
class Bench:
    """The stack, a viewer with and one without the token, and where the episodes go."""

    stack: RunningStack
    viewer: ConsoleViewer
    guest: ConsoleViewer
    token: str
    episodes: Path

    def arm(self) -> dict[str, str]:
        return self.viewer.status("realman_driver: arm")

    def until_arm(self, state: str) -> None:
        self.viewer.until(f"the arm's state {state}", lambda: self.arm().get("state") == state)

    def canfd_frames(self) -> int:
        return len([r for r in self.stack.received() if r["command"] == "movej_canfd"])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("console")
    port = free_tcp_port()
    options = [
        "--task",
        "5",
        "--seed",
        "3",
        "--no-policy",
        "--record",
        "--record-folder",
        str(folder / "episodes"),
    ]
    options += ["--console", "--console-port", str(port), "--console-token-file", str(folder / "token")]
    running = start_stack(folder, *options)
    try:
        token = read_token(folder / "token")
        viewer, guest = ConsoleViewer(port), ConsoleViewer(port)
        yield Bench(running, viewer, guest, token, folder / "episodes")
        viewer.close()
        guest.close()
    finally:
        running.client.close()
        running.process.stop()
        print(running.process.tail(40))


def test_everybody_sees_pictures_joints_states_and_nodes(bench: Bench):
    guest = bench.guest
    guest.until("both pictures", lambda: len(guest.pictures) == 2)
    assert all(jpeg.startswith(b"\xff\xd8\xff") for jpeg in guest.pictures.values())
    guest.until("the driver's state", lambda: guest.status("realman_driver: arm").get("state") == "CONNECTED")
    guest.until("the joints", lambda: guest.news.get("joints"))
    assert all(isinstance(value, float) for value in guest.news["joints"]["values"])
    nodes = lambda: guest.news.get("nodes", {})  # noqa: E731
    guest.until("all nodes", lambda: {"/realman_driver", "/kine_sim", "/recorder"} <= set(nodes()))
    guest.until("the driver's lifecycle", lambda: nodes()["/realman_driver"]["lifecycle"] == "active")
    assert set(guest.hello["instructions"]) == {task.instruction for task in TASKS}


def test_without_the_right_token_the_arm_is_not_moved(bench: Bench):
    for token in ("", "a-wrong-token-of-my-own"):
        for name in ("enable", "home", "reset"):
            ok, message = bench.guest.ask(name, token)
            assert not ok and "token" in message
    time.sleep(1.0)
    assert bench.canfd_frames() == 0
    assert bench.stack.client.diagnostic("realman_driver: arm")["state"] == "CONNECTED"


def test_what_is_not_running_is_named(bench: Bench):
    ok, message = bench.viewer.ask("instruct", bench.token, text=TASKS[4].instruction)
    assert (ok, message) == (False, "/kinevla/instruct is not there: is its node running?")
    bench.viewer.until("the services", lambda: bench.viewer.news.get("services", {}).get("enable"))
    assert bench.viewer.news["services"]["instruct"] is False


def test_a_stop_passes_the_homing_and_is_latched(bench: Bench):
    viewer, token = bench.viewer, bench.token
    ok, message = viewer.ask("enable", token)
    assert ok, message
    home = viewer.send("home", token)  # answered when it is over
    ok, message = viewer.ask("stop", token)
    assert ok, message
    bench.until_arm("STOPPED")
    viewer.answer(home)
    held = wait_for_rest(bench.stack.joints)
    ok, message = viewer.ask("enable", token)
    assert not ok and "stop" in message, message
    time.sleep(1.0)
    assert np.abs(np.array(bench.stack.joints())[:7] - held).max() < 2e-3, "the arm did not hold"
    for name, state in (("reset", "CONNECTED"), ("enable", "ENABLED"), ("disable", "CONNECTED")):
        ok, message = viewer.ask(name, token)
        assert ok, f"{name}: {message}"
        bench.until_arm(state)
    done = lambda: {event["what"] for event in viewer.news["events"] if event["ok"]}  # noqa: E731
    viewer.until("the log of all commands", lambda: done() >= {"enable", "stop", "reset", "disable"})


def test_who_only_looks_can_stop_the_arm_with_and_without_a_web_socket(bench: Bench):
    viewer, token = bench.viewer, bench.token
    for stop in (lambda: bench.guest.ask("stop", "")[0], lambda: post_stop(bench.guest.port)):
        assert viewer.ask("enable", token)[0]
        bench.until_arm("ENABLED")
        assert stop()
        bench.until_arm("STOPPED")
        assert viewer.ask("reset", token)[0]
        bench.until_arm("CONNECTED")


def test_a_demonstration_is_recorded_with_the_operators_verdict(bench: Bench):
    viewer, token = bench.viewer, bench.token
    viewer.until("the recorder", lambda: viewer.news.get("services", {}).get("record_start"))
    ok, message = viewer.ask("record_start", token, instruction=TASKS[0].instruction, operator="Ada")
    assert ok and message.startswith("recording "), message
    viewer.until("the recording", lambda: viewer.status("recorder").get("recording") == "True")
    ok, message = viewer.ask("record_stop", token, verdict="failure", note="only a try")
    assert ok and "messages" in message, message
    found = list(bench.episodes.glob("**/episode.json"))
    assert len(found) == 1
    episode = json.loads(found[0].read_text())
    assert episode["verdict"] == "failure" and "only a try" in json.dumps(episode)
    assert "Ada" in json.dumps(episode)
    assert viewer.ask("record_start", token, instruction="something else")[0]
    ok, message = viewer.ask("record_discard", token, reason="bumped")
    assert ok and "discarded" in message, message
    assert list((bench.episodes / "discarded").glob("*/episode.json"))
