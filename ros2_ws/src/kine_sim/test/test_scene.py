"""Tasks and scenes: texts of the paper, reproducible and paired placements, everything within reach."""

from __future__ import annotations

from math import hypot

import pytest

from kine_sim import layout
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS, task_by_number


def test_seven_tasks_have_the_papers_sentences() -> None:
    assert [task.number for task in TASKS] == [1, 2, 3, 4, 5, 6, 7]
    assert TASKS[0].instruction == "pick up the bread and move it to the left front"
    assert (
        TASKS[4].instruction == "hold the carrot by the upper part and place it on the left side of the plate"
    )
    assert len({task.fine for task in TASKS}) == 7
    assert {task.coarse for task in TASKS} == {"move the bread", "place the carrot in the plate"}


def test_every_sentence_agrees_with_its_ground_truth() -> None:
    for task in TASKS:
        assert task.object in task.instruction
        assert task.part is None or f"{task.part} part" in task.instruction
        assert task.goal_region.replace("plate_", "").replace("_", " ") in task.instruction


def test_unknown_task_is_refused_with_the_known_numbers() -> None:
    with pytest.raises(ValueError, match=r"task 8 is unknown: choose one of \[1, 2, 3, 4, 5, 6, 7\]"):
        task_by_number(8)


def test_same_seed_gives_the_same_scene_for_all_tasks_of_an_object() -> None:
    for seed in range(10):
        assert len({sample_scene(task, seed) for task in TASKS[:3]}) == 1
        assert len({sample_scene(task, seed) for task in TASKS[3:]}) == 1


def test_different_seeds_give_different_scenes() -> None:
    assert len({sample_scene(TASKS[0], seed) for seed in range(50)}) == 50


def test_switching_looks_off_keeps_the_placement() -> None:
    varied, plain = sample_scene(TASKS[3], 7), sample_scene(TASKS[3], 7, randomise=False)
    assert varied.object_xy_m == plain.object_xy_m
    assert varied.plate_xy_m == plain.plate_xy_m
    assert varied.table_rgb != plain.table_rgb
    assert plain.start_joints_rad[1] == pytest.approx(0.349066, abs=1e-6)


def test_objects_and_goals_lie_within_reach() -> None:
    for seed in range(200):
        for task in (TASKS[0], TASKS[3]):
            scene = sample_scene(task, seed)
            assert 0.24 <= hypot(*scene.object_xy_m) <= 0.42
            if scene.plate_xy_m is not None:
                for side in (-1, 1):
                    y = scene.plate_xy_m[1] + side * layout.PLATE_SIDE_OFFSET_M
                    assert 0.24 <= hypot(scene.plate_xy_m[0], y) <= 0.42
    assert all(hypot(*region.centre_m) <= 0.42 for region in layout.TABLE_REGIONS.values())


def test_bread_never_starts_inside_a_goal_region() -> None:
    for seed in range(200):
        xy = sample_scene(TASKS[0], seed).object_xy_m
        assert all(region.distance_m(xy) > region.radius_m for region in layout.TABLE_REGIONS.values())


def test_carrots_leaves_point_both_ways_and_the_plate_stands_on_both_sides() -> None:
    scenes = [sample_scene(TASKS[3], seed) for seed in range(60)]
    towards_robot = sum(abs(scene.object_yaw_rad) > 1.6 for scene in scenes)
    plate_right = sum(scene.plate_xy_m is not None and scene.plate_xy_m[1] > 0 for scene in scenes)
    assert 15 < towards_robot < 45
    assert 15 < plate_right < 45


def test_negative_seed_and_impossible_friction_are_refused() -> None:
    with pytest.raises(ValueError, match="seed = -1 is negative"):
        sample_scene(TASKS[0], -1)
    with pytest.raises(ValueError, match="friction = 0"):
        sample_scene(TASKS[0], 0).with_friction(0.0)
