"""The physics behind the cameras: limits, brakes, table, gripper, images, pixel positions."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from kine_sim import rm75
from kine_sim.ik import vertical_tool_joints
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS
from kine_sim.world import World


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    world = World(sample_scene(TASKS[3], 1, randomise=False), camera_size=(128, 128))
    yield world
    world.close_renderers()


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.reset(sample_scene(TASKS[3], 1, randomise=False))
    return shared_world


def test_arm_stands_still_at_its_start_pose_under_gravity(world: World) -> None:
    world.step(500)
    assert np.abs(world.measured_rad - rm75.HOME_RAD).max() < 1e-3
    assert world.arm_contacts() == ()
    assert world.time_s == pytest.approx(1.0)


def test_arm_reaches_a_new_target(world: World) -> None:
    target = rm75.HOME_RAD + np.array([0.3, 0.1, -0.2, 0.2, 0.1, -0.1, 0.4])
    world.set_joint_target_rad(target)
    world.step(500)
    assert np.abs(world.measured_rad - target).max() < 2e-3


def test_joints_never_turn_faster_than_the_motors_can(world: World) -> None:
    world.set_joint_target_rad(rm75.HOME_RAD + np.array([1.5, 0, 0, 0, 0, 0, 3.0]))
    fastest = np.zeros(7)
    for _ in range(300):
        world.step()
        fastest = np.maximum(fastest, np.abs(world.measured_velocity_rad_s))
    assert fastest[0] > 2.5  # it did move
    # The set point moves at rated speed; the joint behind it may overshoot a little when it starts at once.
    assert (fastest <= 1.10 * rm75.VELOCITY_LIMIT_RAD_S).all()


def test_target_beyond_a_limit_is_refused_and_the_old_one_stays(world: World) -> None:
    with pytest.raises(ValueError, match=r"joint_2 = 2\.4000 rad is outside"):
        world.set_joint_target_rad([0, 2.4, 0, 0, 0, 0, 0])
    world.step(200)
    assert np.abs(world.measured_rad - rm75.HOME_RAD).max() < 1e-3


def test_disabled_joint_keeps_its_place_while_the_others_move(world: World) -> None:
    world.set_joint_enabled(0, False)
    world.set_joint_target_rad(rm75.HOME_RAD + 0.2)
    world.step(500)
    moved = world.measured_rad - rm75.HOME_RAD
    assert abs(moved[0]) < 2e-3
    assert moved[6] == pytest.approx(0.2, abs=2e-3)
    assert world.joint_enabled.tolist() == [False] + [True] * 6
    world.set_joint_enabled(0, True)
    world.set_joint_target_rad(rm75.HOME_RAD + 0.2)
    world.step(500)
    assert world.measured_rad[0] == pytest.approx(0.2, abs=2e-3)


def test_gripper_closes_at_its_speed_and_refuses_bad_values(world: World) -> None:
    assert world.gripper_opening == pytest.approx(1.0, abs=0.01)
    world.set_gripper_target(0.0)
    world.step(75)
    assert 0.2 < world.gripper_opening < 0.8
    world.step(150)
    assert world.gripper_opening < 0.02
    for bad in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"is outside 0 \(closed\) .. 1 \(open\)"):
            world.set_gripper_target(bad)
    with pytest.raises(ValueError, match=r"gripper force = 31.0 N is outside \(0, 30.0\] N"):
        world.set_gripper_target(0.5, force_n=31.0)


def test_arm_pressed_onto_the_table_stops_there_and_says_so(world: World) -> None:
    above, below = (vertical_tool_joints((0.30, 0.0, z), 0.0) for z in (0.05, -0.03))
    world.place(above, 0.0)
    currents_free = world.motor_current_a
    for share in np.linspace(0, 1, 50):
        world.set_joint_target_rad(above + share * (below - above))
        world.step(10)
    assert world.object_pose("tool")[2, 3] > -0.012  # finger tips end 9 mm beyond the tool centre
    assert any(text.endswith("table") for text in world.arm_contacts())
    assert np.abs(world.motor_current_a - currents_free).max() > 0.3


def test_forearm_cannot_pass_through_the_table(world: World) -> None:
    world.set_joint_target_rad(np.radians([0, 125, 0, 40, 0, 0, 0]))
    world.step(1500)
    assert world.measured_rad[1] < np.radians(115)
    assert any("table" in text for text in world.arm_contacts())


def test_absent_things_are_neither_there_nor_named(world: World) -> None:
    with pytest.raises(ValueError, match="this scene has no bread"):
        world.object_pose("bread")
    with pytest.raises(ValueError, match="'cup' is unknown"):
        world.object_pose("cup")
    world.reset(sample_scene(TASKS[0], 1))
    with pytest.raises(ValueError, match="this scene has no plate"):
        world.object_pose("plate")


def seen(world: World, share: tuple[float, float]) -> np.ndarray:
    """Mean pixel (u right, v down) of what the front camera shows in orange of a share of green in red."""
    red, green, blue = np.moveaxis(world.render("front").astype(float), -1, 0)
    low, high = share
    v, u = np.nonzero((red > 60) & (green > low * red) & (green < high * red) & (blue < 0.75 * green))
    assert len(u) > 20
    return np.array([u.mean(), v.mean()])


DEEP, PALE = (0.2, 0.62), (0.62, 0.9)


def test_a_carrot_is_deep_orange_at_its_upper_end_and_paler_at_its_tip(world: World) -> None:
    along = world.object_pose("carrot")[:3, 0]
    assert (seen(world, DEEP) - seen(world, PALE)) @ along[[1, 0]] > 5


def test_viewer_sees_plus_y_on_the_right_and_plus_x_in_front(world: World) -> None:
    position = world.object_pose("carrot")[:3, 3]
    world.place(rm75.HOME_RAD, 1.0, (position, (1, 0, 0, 0)))
    before = seen(world, DEEP)
    for offset, axis in (((0.0, 0.05, 0.0), 0), ((0.05, 0.0, 0.0), 1)):
        world.place(rm75.HOME_RAD, 1.0, (position + offset, (1, 0, 0, 0)))
        assert seen(world, DEEP)[axis] > before[axis] + 5


def test_snapshot_renders_the_past_while_the_world_moves_on(world: World) -> None:
    now, snapshot = world.render("wrist"), world.snapshot()
    world.set_joint_target_rad(rm75.HOME_RAD + 0.1)
    world.step(200)
    assert np.array_equal(world.render_snapshot("wrist", snapshot), now)
    assert not np.array_equal(world.render("wrist"), now)
    assert now.shape == (128, 128, 3) and now.dtype == np.uint8


def test_two_threads_render_the_same_image_without_stopping_each_other(world: World) -> None:
    expected = world.render("front")
    results: list[bool] = []

    def work() -> None:
        results.extend(np.array_equal(world.render("front"), expected) for _ in range(5))
        world.close_renderers()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert results == [True] * 10


def test_rendering_a_snapshot_does_not_wait_for_the_physics_lock(world: World) -> None:
    snapshot, images = world.snapshot(), []

    def work() -> None:
        images.append(world.render_snapshot("front", snapshot))
        world.close_renderers()

    with world.lock:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(timeout=30)
    assert len(images) == 1


def test_unknown_camera_and_impossible_size_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match="camera 'top' is unknown"):
        world.render("top")
    with pytest.raises(ValueError, match=r"camera_size = \(8, 8\) is outside"):
        World(world.scene, camera_size=(8, 8))
