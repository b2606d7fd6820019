"""A second RM75 as leader: the vendor's SDK against the emulated controller."""

import importlib.util
import math
import socket
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kine_teleop.puppet.rm75_leader import Rm75Leader
from realman_driver import link_news
from realman_driver.sdk_arm import LinkSettings, RealmanArm

RIG = Path(__file__).resolve().parents[3] / "realman_driver" / "test" / "emulator_rig.py"
_spec = importlib.util.spec_from_file_location("leader_emulator_rig", RIG)
assert _spec is not None and _spec.loader is not None
rig = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = rig
_spec.loader.exec_module(rig)

LED_DEG = [12, 20, 0, 70, 0, 90, 0]


@pytest.fixture
def emulator(tmp_path):
    process = rig.Emulator(tmp_path / "wire.jsonl")
    yield process
    process.close()


def test_a_leader_led_by_hand_reports_where_the_hand_took_it_and_falls_silent_with_its_link(emulator):
    settings = LinkSettings("127.0.0.1", emulator.port, "127.0.0.1", 0, 5)
    leader = Rm75Leader(RealmanArm(settings, time.time_ns), "127.0.0.1", 80)
    leader.start()
    try:
        rig.wait_for(lambda: leader.position(time.monotonic()), 10.0, "a position")
        rig.wait_for(lambda: emulator.requests("start_drag_teach"), 5.0, "drag teach")
        assert emulator.requests("set_drag_teach_sensitivity")
        emulator.fault("hand", LED_DEG)
        wanted = np.radians(LED_DEG)

        def arrived() -> bool:
            newest = leader.position(time.monotonic())
            return newest is not None and np.allclose(newest[0][:7], wanted, atol=math.radians(0.5))

        rig.wait_for(arrived, 10.0, "the pose of the hand")
        emulator.fault("mute_udp")
        time.sleep(0.4)
        assert leader.position(time.monotonic()) is None
    finally:
        leader.close()
    assert emulator.requests("stop_drag_teach"), "drag teach is left on"


def test_a_leader_that_is_not_there_is_said_once_as_a_warning_with_what_to_look_at(monkeypatch):
    monkeypatch.setattr(link_news, "PATIENCE_S", 0.3)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said: list[tuple[str, str]] = []
    settings = LinkSettings("127.0.0.1", port, "127.0.0.1", 0, 5)
    arm = RealmanArm(settings, time.time_ns)
    leader = Rm75Leader(arm, "127.0.0.1", retry_s=0.1, say=lambda level, text: said.append((level, text)))
    leader.start()
    try:
        rig.wait_for(lambda: "warning" in dict(said), 10.0, "a warning")
        time.sleep(1.0)
    finally:
        leader.close()
    assert [level for level, _ in said] == ["info", "warning"]
    assert f"127.0.0.1:{port}: Connection refused" in said[1][1] and "cable" in said[1][1]
