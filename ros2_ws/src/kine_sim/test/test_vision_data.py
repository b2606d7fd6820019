"""Random views: complete, reproducible, varied, and consistent with the geometry."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from kine_sim import rm75
from kine_sim.vision_data import KEYPOINT_NAMES, random_views


@pytest.fixture(scope="module")
def views() -> list[dict[str, object]]:
    return list(islice(random_views(11, camera_size=(128, 128)), 80))


def test_a_view_has_both_images_and_all_labels(views: list[dict]) -> None:
    for view in views:
        for camera in ("front", "wrist"):
            assert view[camera].shape == (128, 128, 3) and view[camera].dtype == np.uint8
            pixels, visible = view["keypoints"][camera], view["visible"][camera]
            assert pixels.shape == (len(KEYPOINT_NAMES), 2) and visible.shape == (len(KEYPOINT_NAMES),)
            assert (np.isfinite(pixels).all(axis=1) == visible).all()
            assert ((pixels[visible] >= 0) & (pixels[visible] < 128)).all()
        assert view["state"].shape == (8,)
        assert 0 <= view["state"][7] <= 1


def test_equal_seeds_give_equal_views_and_others_differ(views: list[dict]) -> None:
    again, other = (next(iter(random_views(seed, camera_size=(128, 128)))) for seed in (11, 12))
    assert np.array_equal(again["front"], views[0]["front"])
    assert np.array_equal(again["keypoints_m"], views[0]["keypoints_m"], equal_nan=True)
    assert not np.array_equal(other["front"], views[0]["front"])


def test_views_cover_both_objects_held_and_free(views: list[dict]) -> None:
    kinds = {(view["object"], view["held"]) for view in views}
    assert kinds == {("bread", True), ("bread", False), ("carrot", True), ("carrot", False)}
    in_front = sum(view["visible"]["front"][0] for view in views)
    assert in_front > 0.9 * len(views)


def test_tool_keypoint_is_the_forward_kinematics_of_the_state(views: list[dict]) -> None:
    for view in views:
        tool = rm75.tool_pose(view["state"][:7])[:3, 3]
        assert np.allclose(view["keypoints_m"][4], tool, atol=1e-6)
        assert tool[2] > 0.005


def test_held_object_is_between_the_fingers(views: list[dict]) -> None:
    for view in (v for v in views if v["held"]):
        centre, upper, lower, _, tool = view["keypoints_m"]
        axis = (upper - lower) / np.linalg.norm(upper - lower)
        off_axis = (tool - centre) - ((tool - centre) @ axis) * axis
        assert np.linalg.norm(off_axis) < 0.01
