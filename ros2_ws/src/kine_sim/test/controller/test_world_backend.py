import threading
import time

import numpy as np
import pytest

from kine_sim import rm75
from kine_sim.controller import EmulatedController, WorldBackend
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS
from kine_sim.world import World


@pytest.fixture
def world():
    return World(sample_scene(TASKS[0], seed=1, randomise=False))


@pytest.fixture
def running_world(world):
    """The world steps in real time on its own thread and exchanges with the adapter after each step."""
    backend = WorldBackend(world)
    ended = threading.Event()

    def run():
        due = time.monotonic()
        while not ended.is_set():
            with world.lock:
                world.step(2)
                backend.exchange()
            due += 0.004
            time.sleep(max(0.0, due - time.monotonic()))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield world, backend
    ended.set()
    thread.join()


def test_movej_moves_the_simulated_arm_to_its_goal(running_world, start_sdk):
    world, backend = running_world
    with EmulatedController(backend) as controller:
        result = start_sdk(
            controller.port,
            """
            connect()
            out["code"] = arm.rm_movej([15, 25, 0, 65, 0, 85, 10], 40, 0, 0, 0)
            wait(lambda: events)
            out["gripper"] = arm.rm_set_gripper_position(1, True, 5)
            out["actpos"] = arm.rm_get_gripper_state()[1]["actpos"]
            out["state"] = arm.rm_get_arm_all_state()[1]
            """,
        ).finish()
    assert result.out["code"] == 0 and result.out["events"][0]["arrived"] is True
    assert np.degrees(world.measured_rad) == pytest.approx([15, 25, 0, 65, 0, 85, 10], abs=0.6)
    assert result.out["gripper"] == 0 and result.out["actpos"] < 30
    assert any(current > 1 for current in result.out["state"]["joint_current"])


def test_adapter_never_waits_for_a_busy_world(world):
    backend = WorldBackend(world)
    held, done = threading.Event(), threading.Event()

    def hold():
        with world.lock:
            held.set()
            done.wait(5.0)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    start = time.monotonic()
    backend.measured_rad()
    backend.set_target_rad(rm75.HOME_RAD + 0.01)
    backend.set_gripper_target(0.5, 1.0, 10.0)
    backend.set_joint_enabled(2, False)
    assert time.monotonic() - start < 0.05
    assert not backend.joint_enabled()[2]
    done.set()
    thread.join()
    backend.exchange()
    assert not world.joint_enabled[2]
    world.step(300)
    backend.exchange()
    moved = backend.measured_rad() - rm75.HOME_RAD
    assert moved[0] == pytest.approx(0.01, abs=2e-3)
    assert moved[2] == pytest.approx(0.0, abs=2e-3)
    assert backend.gripper_opening() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("bad", [np.full(7, np.nan), np.zeros(6), np.full(7, 4.0)])
def test_adapter_refuses_a_bad_target_at_once(bad, world):
    with pytest.raises(ValueError, match="joint"):
        WorldBackend(world).set_target_rad(bad)


def test_controller_holds_the_arm_in_place_after_the_world_was_reset(world):
    backend = WorldBackend(world)
    controller = EmulatedController(backend)
    backend.set_target_rad(rm75.HOME_RAD + 0.2)
    world.step(500)
    world.reset(world.scene)
    backend.exchange()
    controller.hold_measured()
    controller.core.motion.step(0.005)
    world.step(100)
    assert world.measured_rad == pytest.approx(world.scene.start_joints_rad, abs=5e-3)
