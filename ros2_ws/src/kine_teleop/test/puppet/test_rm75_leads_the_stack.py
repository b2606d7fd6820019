"""`teleop:=rm75`: a second arm in drag teach, through the vendor's SDK, leads the stack's arm."""

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from running_stack import start_stack

RIG = Path(__file__).resolve().parents[3] / "realman_driver" / "test" / "emulator_rig.py"
_spec = importlib.util.spec_from_file_location("stack_leader_emulator_rig", RIG)
assert _spec is not None and _spec.loader is not None
rig = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = rig
_spec.loader.exec_module(rig)

TASK, SEED = 1, 4
STEP_DEG, STEPS = 0.5, 40


@pytest.mark.slow
def test_the_follower_goes_where_a_hand_leads_the_other_arm(tmp_path):
    leader = rig.Emulator(tmp_path / "leader.jsonl")
    options = ["--task", str(TASK), "--seed", str(SEED), "--teleop", "rm75"]
    options += ["--leader-ip", "127.0.0.1", "--leader-port", str(leader.port)]
    options += ["--teleop-config", str(Path(__file__).with_name("patient_teleop.yaml"))]
    running = start_stack(tmp_path, *options)
    client = running.client
    thumb = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("hold_deadman.py"))], stdin=subprocess.PIPE, text=True
    )

    def wait(what: str, ready) -> None:
        client.wait_for(what, ready, 60.0, running.process.alive)

    def puppet(key: str) -> str:
        return client.diagnostic("kine_teleop: puppet").get(key, "")

    try:
        wait("joint states", lambda: client.joint_states)
        wait(
            "drag teach", lambda: "drag teach" in client.diagnostic("kine_teleop: leader").get("message", "")
        )
        # The jig: the leader is put where the follower is.
        pose_deg = np.degrees(running.joints()[:7])
        leader.fault("hand", [float(value) for value in pose_deg])
        time.sleep(2.0)
        end_s = time.monotonic() + 30.0
        while not (checked := client.trigger("/kine_teleop/check_drift")).success:
            assert time.monotonic() < end_s, checked.message
            time.sleep(0.5)
        client.enable()
        while not (started := client.trigger("/kine_teleop/start")).success:
            assert time.monotonic() < end_s, started.message
            time.sleep(0.5)
        wait("following", lambda: puppet("state") == "FOLLOWING")
        for _ in range(STEPS):
            pose_deg[0] += STEP_DEG
            pose_deg[3] += STEP_DEG / 2
            leader.fault("hand", [float(value) for value in pose_deg])
            time.sleep(0.05)
        wait(
            "the follower at the leader's pose",
            lambda: np.abs(np.degrees(running.joints()[:7]) - pose_deg).max() < 1.0,
        )
        assert puppet("state") == "FOLLOWING", puppet("reason")
        # After a release the hand leads on, and the follower stays where it is.
        assert thumb.stdin is not None
        thumb.stdin.write("release\n")
        thumb.stdin.flush()
        wait("the stop", lambda: "deadman was released" in puppet("reason"))
        time.sleep(1.0)
        before = np.array(running.joints()[:7])
        leader.fault("hand", [float(value) for value in pose_deg + 10.0])
        time.sleep(2.0)
        assert np.abs(np.array(running.joints()[:7]) - before).max() < 0.01
    finally:
        thumb.communicate(timeout=20)
        client.close()
        code = running.process.stop()
        log = running.process.log.read_text()
        requests = leader.requests("stop_drag_teach")
        leader.close()
    assert requests, "drag teach is left on"
    assert code in (0, 130) or "Traceback" not in log, log[-3000:]
