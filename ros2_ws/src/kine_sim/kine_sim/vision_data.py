"""Endless random views for training the eyes: where are the object, its ends, the plate and the tool?

The arm stands in poses that occur on the expert's ways and around them; the object lies on the table or
on the plate, or is put between the fingers. Nothing is simulated over time.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import atan2, cos, hypot, pi, sin
from typing import Any

import mujoco
import numpy as np

from kine_sim import layout, rm75
from kine_sim.cameras import CAMERAS
from kine_sim.ik import UnreachableError, gripper_yaw_near_home, vertical_tool_joints
from kine_sim.scene import sample_scene
from kine_sim.tasks import TASKS, ObjectName
from kine_sim.world import KEYPOINT_NAMES, World

HELD_SHARE = 0.35
PREGRASP_SHARE = 0.35
ANYWHERE_SHARE = 0.5
"""Share of free objects that do not lie at a start placement but anywhere, or at a goal."""

JOINT_JITTER_RAD = 0.02
_ONE_TASK_PER_OBJECT = (TASKS[0], TASKS[3])

__all__ = ["KEYPOINT_NAMES", "random_views"]


def random_views(seed: int, camera_size: tuple[int, int] = (256, 256)) -> Iterator[dict[str, Any]]:
    """Yield random views forever; equal seeds give equal views.

    Args:
        seed: non-negative integer.
        camera_size: image height and width.

    Yields:
        'front', 'wrist': images (H, W, 3) uint8; 'keypoints': per camera (5, 2) pixels (u, v) in the order of
        `KEYPOINT_NAMES`, NaN where not in the frame; 'visible': per camera (5,) bool; 'keypoints_m': (5, 3)
        in the base frame; 'state': (8,); 'object': its name; 'held': whether it is between the fingers.
    """
    if seed < 0:
        raise ValueError(f"seed = {seed} is negative")
    rng = np.random.default_rng([seed, 75])
    world = World(sample_scene(TASKS[0], 0), camera_size)
    while True:
        task = _ONE_TASK_PER_OBJECT[int(rng.random() < 0.6)]  # carrots have more to learn
        world.reset(sample_scene(task, int(rng.integers(2**31))))
        held = bool(rng.random() < HELD_SHARE)
        try:
            _place_held(world, rng) if held else _place_free(world, rng)
        except UnreachableError:
            continue
        view: dict[str, Any] = {"state": world.state, "object": task.object, "held": held}
        pixels = {camera: world.keypoints_px(camera) for camera in CAMERAS}
        view["keypoints"] = {camera: p for camera, (p, _) in pixels.items()}
        view["visible"] = {camera: v for camera, (_, v) in pixels.items()}
        view["keypoints_m"] = world.keypoints_m()
        for camera in CAMERAS:
            view[camera] = world.render(camera)
        yield view


def _table_point(rng: np.random.Generator) -> tuple[float, float]:
    """A point of the usable ring in front of the robot."""
    while True:
        x, y = float(rng.uniform(0.18, 0.44)), float(rng.uniform(-0.24, 0.24))
        if 0.23 <= hypot(x, y) <= 0.43:
            return x, y


def _jittered(
    rng: np.random.Generator, joints: rm75.Array, spread_rad: float = JOINT_JITTER_RAD
) -> rm75.Array:
    noisy = joints + rng.normal(0.0, spread_rad, rm75.JOINT_COUNT)
    return np.clip(noisy, -rm75.POSITION_LIMIT_RAD, rm75.POSITION_LIMIT_RAD)


def _free_object_pose(world: World, rng: np.random.Generator) -> tuple[rm75.Array, float]:
    """Position (3,) and yaw of an object that lies: at its start, at a goal, or anywhere."""
    scene = world.scene
    height = layout.rest_height_m(scene.object)
    kind = rng.random()
    if kind > ANYWHERE_SHARE:
        return np.array([*scene.object_xy_m, height]), scene.object_yaw_rad
    yaw = float(rng.uniform(-0.9, 0.9)) + (pi if scene.object == "carrot" and rng.random() < 0.5 else 0.0)
    if scene.plate_xy_m is not None and kind < 0.6 * ANYWHERE_SHARE:
        side = rng.choice([-1.0, 1.0]) * layout.PLATE_SIDE_OFFSET_M
        x = scene.plate_xy_m[0] + rng.normal(0.0, 0.01)
        y = scene.plate_xy_m[1] + side + rng.normal(0.0, 0.01)
        return np.array([x, y, height + layout.PLATE_THICKNESS_M]), 0.25 * yaw if abs(
            yaw
        ) < 1 else pi + 0.25 * (yaw - pi)
    while True:
        x, y = _table_point(rng)
        # A loose object reaches at most 11 cm from its middle; keep it off the rim of the plate.
        if scene.plate_xy_m is None or hypot(x - scene.plate_xy_m[0], y - scene.plate_xy_m[1]) > 0.20:
            return np.array([x, y, height]), yaw
        if rng.random() < 0.05:  # the plate covers most of the ring: use the start placement
            return np.array([*scene.object_xy_m, height]), scene.object_yaw_rad


def _place_free(world: World, rng: np.random.Generator) -> None:
    position, yaw = _free_object_pose(world, rng)
    opening = 1.0 if rng.random() < 0.6 else float(rng.uniform(0.0, 1.0))
    if rng.random() < PREGRASP_SHARE:
        joints, opening = _pregrasp(world.scene.object, position, yaw, rng), max(opening, 0.75)
    else:
        x, y = _table_point(rng)
        near = hypot(x - position[0], y - position[1]) < layout.half_length_m(world.scene.object) + 0.06
        plate = world.scene.plate_xy_m
        over_plate = plate is not None and hypot(x - plate[0], y - plate[1]) < 0.17
        lowest = 0.07 if near else 0.03 if over_plate else 0.015
        tool = np.array([x, y, float(rng.uniform(lowest, 0.22))])
        joints = vertical_tool_joints(tool, atan2(y, x) - float(rng.uniform(-1.2, 1.2)))
        joints = _jittered(rng, joints, JOINT_JITTER_RAD if tool[2] > 0.04 else 0.004)
    world.place(joints, opening, (position, (cos(yaw / 2), 0.0, 0.0, sin(yaw / 2))))


def _pregrasp(name: ObjectName, position: rm75.Array, yaw: float, rng: np.random.Generator) -> rm75.Array:
    """The arm above or around the place where the object can be held; the lower, the more exactly."""
    offset = 0.0 if name == "bread" else float(rng.choice([-1.0, 1.0])) * layout.CARROT_GRASP_OFFSET_M
    height = float(rng.uniform(0.0, 0.11))
    spread = 0.002 + 0.15 * height
    tool = position + offset * np.array([cos(yaw), sin(yaw), 0.0])
    tool[:2] += rng.normal(0.0, spread, 2)
    tool[2] += height
    gripper_yaw = gripper_yaw_near_home(tool, yaw) + float(rng.normal(0.0, 0.03 + 2.0 * height))
    return _jittered(rng, vertical_tool_joints(tool, gripper_yaw), 0.002 + 0.15 * height)


def _place_held(world: World, rng: np.random.Generator) -> None:
    """Put the object between the fingers, held at a part, and the arm anywhere on a carrying way."""
    name = world.scene.object
    x, y = _table_point(rng)
    tool = np.array([x, y, layout.rest_height_m(name) + 0.008 + float(rng.uniform(0.0, 0.15))])
    joints = vertical_tool_joints(tool, atan2(y, x) - float(rng.uniform(-1.1, 1.1)))
    joints = _jittered(rng, joints, 0.5 * JOINT_JITTER_RAD)
    part = 0.0 if name == "bread" else float(rng.choice([-1.0, 1.0]))
    along = part * layout.CARROT_GRASP_OFFSET_M + float(rng.normal(0.0, 0.006))
    half_width = layout.BREAD_HALF_M[1]
    if name == "carrot":
        half_width = layout.CARROT_UPPER_HALF_WIDTH_M if part > 0 else layout.CARROT_LOWER_HALF_WIDTH_M
    pose = rm75.tool_pose(joints)
    flip = float(rng.choice([-1.0, 1.0])) if name == "carrot" else 1.0
    long_axis, up = -flip * pose[:3, 0], -pose[:3, 2]
    tilt = float(rng.normal(0.0, 0.03))  # a long object dips a little in the hand
    long_axis, up = cos(tilt) * long_axis + sin(tilt) * up, cos(tilt) * up - sin(tilt) * long_axis
    rotation = np.stack([long_axis, np.cross(up, long_axis), up], axis=1)
    position = pose[:3, 3] - along * long_axis + float(rng.normal(0.0, 0.002)) * up
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    world.place(joints, half_width / rm75.FINGER_TRAVEL_M, (position, quaternion))
