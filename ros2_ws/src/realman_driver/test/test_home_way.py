"""Home: along a way that is clear of the table and of the arm, leg by leg, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from driver_rig import wait_for
from fuzz_chunks import clear_poses, tight_places
from space_judge import SpaceJudge
from test_driver import Rig

from realman_driver.arm_model import HOME_RAD, RATED_LIMITS
from realman_driver.gate import Breach, Space, SpaceBounds
from realman_driver.home_way import HomeWay, plan_home
from realman_driver.supervisor import State

HOME = np.array(HOME_RAD)
# Where chunks may bring the arm; straight home from there it would go 18 cm deep into the table,
THROUGH_THE_TABLE = (-0.75, 1.93, -0.75, 2.28, 0.96, -0.98, 0.59)
# and from here through itself.
THROUGH_ITSELF = (1.22, 2.23, -2.38, 2.04, 0.82, 1.95, 3.68)
Pose = tuple[float, ...]


def dense(poses: list[Pose]) -> np.ndarray:
    """Straight legs, finer than the planner looks at them: 2 mrad and less from pose to pose."""
    parts = [np.array(poses[:1])]
    for start, end in pairwise(np.array(poses)):
        count = int(np.ceil(np.abs(end - start).max() / 2e-3)) + 1
        parts.append(start + np.linspace(0.0, 1.0, count)[1:, None] * (end - start))
    return np.concatenate(parts)


def ways(poses: np.ndarray) -> list[HomeWay | Breach]:
    space = Space(SpaceBounds())
    return [plan_home(space, pose, HOME, RATED_LIMITS) for pose in poses]


def judge(poses: np.ndarray, found: list[HomeWay | Breach]) -> list[str]:
    """What is wrong with the ways, by exact distances at poses close together, and by MuJoCo."""
    space = SpaceJudge(SpaceBounds(), np.random.default_rng(0))
    wrong = []
    for pose, way in zip(poses, found, strict=True):
        if isinstance(way, HomeWay):
            assert way.legs_rad[-1] == HOME_RAD
            wrong += space.unsafe(dense([tuple(pose.tolist()), *way.legs_rad]))
    return wrong


def test_home_is_found_from_poses_that_chunks_may_reach_and_every_way_is_clear() -> None:
    poses = np.concatenate([clear_poses()[::700], tight_places()[::40]])
    found = ways(poses)
    assert judge(poses, found) == []
    assert sum(isinstance(way, HomeWay) for way in found) >= 0.95 * len(found)
    assert sum(isinstance(way, HomeWay) and len(way.legs_rad) > 1 for way in found) > 2


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_home_is_found_from_nearly_all_of_five_hundred_poses() -> None:
    poses = np.concatenate([clear_poses()[::23], tight_places()[::3]])
    found = ways(poses)
    share = sum(isinstance(way, HomeWay) for way in found) / len(found)
    wrong = judge(poses, found)
    legs = [len(way.legs_rad) for way in found if isinstance(way, HomeWay)]
    print(
        f"{len(poses)} poses: a way home from {share:.1%}, legs {np.bincount(legs)}, {len(wrong)} poses wrong"
    )
    assert wrong == []
    assert share > 0.98


@pytest.mark.parametrize(
    ("pose", "rule"), [(THROUGH_THE_TABLE, "table_clearance"), (THROUGH_ITSELF, "self_clearance")]
)
def test_home_goes_around_when_the_straight_way_is_not_clear(pose: Pose, rule: str) -> None:
    space = Space(SpaceBounds())
    straight = space.breach(dense([pose, HOME_RAD]))
    assert straight is not None
    assert straight.rule == rule, "the scene shows nothing"
    way = plan_home(space, np.array(pose), HOME, RATED_LIMITS)
    assert isinstance(way, HomeWay)
    assert len(way.legs_rad) > 1
    assert judge(np.array([pose]), [way]) == []


def test_a_home_that_cannot_be_reached_is_told_with_the_part_and_the_distance() -> None:
    high_table = SpaceBounds(table_z_m=0.3)
    found = plan_home(Space(high_table), np.zeros(7), HOME, RATED_LIMITS)
    assert isinstance(found, Breach)
    text = found.refusal("on the straight way home").text
    assert "on the straight way home" in text
    assert "m above the table (z = 0.300 m), must be at least 0.000 m" in text


def test_an_arm_that_is_too_near_already_gets_home_without_coming_nearer() -> None:
    """Led by hand to where the fingers are 11 mm in the table."""
    deep = (0.0, 1.54, 0.0, 0.34, 0.0, 0.36, 0.0)
    way = plan_home(Space(SpaceBounds()), np.array(deep), HOME, RATED_LIMITS)
    assert isinstance(way, HomeWay)
    assert judge(np.array([deep]), [way]) == []


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A driver whose arm stands where the straight way home leads through the table, and takes its time."""
    rig = Rig()
    rig.arm.position = THROUGH_THE_TABLE
    rig.legs = []  # type: ignore[attr-defined]

    def start_move_rad(goal: Pose, speed_percent: int) -> None:
        rig.legs.append(goal)  # type: ignore[attr-defined]

        def move() -> None:
            while rig.arm.position != goal and rig.driver.supervisor.state is State.HOMING:
                steps = [min(0.01, max(-0.01, g - q)) for g, q in zip(goal, rig.arm.position, strict=True)]
                moved = [q + step for q, step in zip(rig.arm.position, steps, strict=True)]
                near = max(abs(g - q) for g, q in zip(goal, moved, strict=True)) < 1e-9
                rig.arm.position = goal if near else tuple(moved)
                time.sleep(0.005)

        threading.Thread(target=move, daemon=True).start()

    rig.arm.start_move_rad = start_move_rad  # type: ignore[method-assign]
    rig.driver.start()
    rig.connect()
    wait_for(lambda: rig.driver.link.gripper_opening is not None)
    rig.enable()
    yield rig
    assert rig.driver.close()


def test_home_moves_one_leg_after_the_other_and_holds_home(rig: Rig) -> None:
    begun = rig.driver.home()
    decision = begun.result(60.0)
    assert decision.ok, decision.text
    legs = rig.legs  # type: ignore[attr-defined]
    assert len(legs) > 1
    assert legs[-1] == HOME_RAD
    assert rig.driver.supervisor.state is State.ENABLED
    wait_for(lambda: rig.arm.frames[-1:] == [HOME_RAD], what="home held")


def test_a_stop_between_two_legs_ends_the_home_motion(rig: Rig) -> None:
    begun = rig.driver.home()
    legs = rig.legs  # type: ignore[attr-defined]
    wait_for(lambda: legs and rig.arm.position == legs[0], 30.0, "the end of the first leg")
    count = len(legs)
    rig.driver.estop().result(20.0)
    decision = begun.result(20.0)
    assert not decision.ok
    assert "emergency stop" in decision.text
    time.sleep(0.6)
    assert len(legs) <= count + 1
    assert rig.arm.position != HOME_RAD
    assert rig.driver.supervisor.state is State.STOPPED
    assert "stop" in rig.arm.calls


def test_without_a_clear_way_home_nothing_moves_and_the_arm_goes_on_holding(rig: Rig) -> None:
    rig.driver._homing._parts.space.__init__(SpaceBounds(table_z_m=0.3))  # type: ignore[misc]
    decision = rig.driver.home().result(60.0)
    assert not decision.ok
    assert "cannot home" in decision.text
    assert "above the table" in decision.text
    assert rig.legs == []  # type: ignore[attr-defined]
    assert rig.driver.supervisor.state is State.ENABLED
    count = len(rig.arm.frames)
    wait_for(lambda: len(rig.arm.frames) > count + 5)
    assert rig.arm.frames[-1] == pytest.approx(THROUGH_THE_TABLE)
