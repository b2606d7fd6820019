"""What one episode looks like: placement, start pose, light, colours, camera errors and friction.

A scene depends on the seed and on the object only, not on the task's sentence: with one seed all
bread tasks start from the same image, and so do all carrot tasks. What to do can only be read from
the instruction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, hypot, pi, sin
from typing import Self

import numpy as np

from kine_sim import layout, rm75
from kine_sim.tasks import ObjectName, Task
from kinevla.data.plugins import NoSceneError

Rgb = tuple[float, float, float]
Vector = tuple[float, float, float]

BREAD_X_M = (0.245, 0.300)
BREAD_Y_M = (-0.095, 0.095)
BREAD_YAW_RAD = 0.65
CARROT_X_M = (0.270, 0.370)
CARROT_Y_M = (0.040, 0.170)
CARROT_YAW_RAD = 0.60
PLATE_X_M = (0.295, 0.345)
PLATE_Y_M = (0.080, 0.140)
START_JOINT_NOISE_RAD = 0.02
_MAX_TRIES = 2000


class NoPlaceError(NoSceneError):
    """A seed for which no free place was found."""


@dataclass(frozen=True)
class Placed:
    """A thing on the table.

    Attributes:
        name: its body.
        xy_m: its middle.
        height_m: height of its frame.
        yaw_rad: direction of its x axis about world z.
        scale: its size as a share of the model's, at most 1.
    """

    name: str
    xy_m: tuple[float, float]
    height_m: float
    yaw_rad: float
    scale: float = 1.0


@dataclass(frozen=True)
class SceneConfig:
    """Everything that distinguishes one episode from another.

    Attributes:
        object: the object on the table.
        object_xy_m: its centre on the table.
        object_yaw_rad: direction of its long axis (carrot: from the tip to the leaves) about world z.
        plate_xy_m: centre of the plate, None where there is no plate.
        distractor_xy_m: place of a cup that has nothing to do with the task, None where there is none.
        start_joints_rad: arm pose at the start (7 values); the gripper starts open.
        friction: sliding friction of object and finger pads.
        bread_rgb, carrot_upper_rgb, carrot_lower_rgb, plate_rgb, table_rgb, distractor_rgb: colours, 0..1.
        light_position_m: position of the main lamp; it points at the work area.
        light_level: brightness of the main lamp, 0..1.
        ambient_level: brightness of the even light, 0..1.
        front_shift_m, front_turn_rad: mounting error of the front camera (translation, rotation vector).
        wrist_shift_m, wrist_turn_rad: mounting error of the wrist camera.
        white_balance: factors on red, green and blue of both cameras.
        image_noise: standard deviation of the noise of each pixel, of 255.
    """

    object: ObjectName
    object_xy_m: tuple[float, float]
    object_yaw_rad: float
    plate_xy_m: tuple[float, float] | None
    start_joints_rad: tuple[float, ...] = tuple(float(q) for q in rm75.HOME_RAD)
    friction: float = 1.0
    bread_rgb: Rgb = (0.80, 0.55, 0.28)
    carrot_upper_rgb: Rgb = (0.93, 0.38, 0.06)
    carrot_lower_rgb: Rgb = (0.98, 0.72, 0.38)
    plate_rgb: Rgb = (0.90, 0.92, 0.95)
    table_rgb: Rgb = (0.50, 0.52, 0.56)
    distractor_rgb: Rgb = (0.15, 0.35, 0.75)
    light_position_m: Vector = (0.5, 0.3, 1.6)
    light_level: float = 0.55
    ambient_level: float = 0.38
    distractor_xy_m: tuple[float, float] | None = None
    front_shift_m: Vector = (0.0, 0.0, 0.0)
    front_turn_rad: Vector = (0.0, 0.0, 0.0)
    wrist_shift_m: Vector = (0.0, 0.0, 0.0)
    wrist_turn_rad: Vector = (0.0, 0.0, 0.0)
    white_balance: Rgb = (1.0, 1.0, 1.0)
    image_noise: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.friction <= 5.0:
            raise ValueError(f"friction = {self.friction} is outside (0, 5]")
        radius = hypot(*self.object_xy_m)
        if not 0.15 <= radius <= 0.60:
            raise ValueError(f"object at {radius:.3f} m from the base axis is outside 0.15 .. 0.60 m")
        rm75.check_joints(self.start_joints_rad, "start pose")

    @property
    def placed(self) -> tuple[Placed, ...]:
        """Everything that lies loose on the table."""
        height = layout.rest_height_m(self.object)
        return (Placed(self.object, self.object_xy_m, height, self.object_yaw_rad),)

    @property
    def colours(self) -> dict[str, Rgb]:
        """Colours by material."""
        materials = ("bread", "carrot_upper", "carrot_lower", "plate", "table", "distractor")
        return {material: getattr(self, f"{material}_rgb") for material in materials}

    def with_friction(self, friction: float) -> Self:
        """The same scene with another friction of object and finger pads."""
        return replace(self, friction=friction)


def sample_scene(task: Task, seed: int, randomise: bool = True) -> SceneConfig:
    """Draw a scene for a task. Equal seeds give equal scenes for all tasks with the same object.

    Args:
        task: the task to stage.
        seed: non-negative integer.
        randomise: False keeps nominal light, colours, cameras, friction and the exact home pose; the
            placement still follows the seed.

    Raises:
        ValueError: negative seed.
        NoPlaceError: no free place was found.
    """
    if seed < 0:
        raise ValueError(f"seed = {seed} is negative")
    # Two streams, so that switching the looks off leaves the placement as it was.
    placement = np.random.default_rng([seed, 0 if task.object == "bread" else 1])
    scene = _place_bread(placement) if task.object == "bread" else _place_carrot(placement)
    return randomise_looks(scene, np.random.default_rng([seed, 2])) if randomise else scene


def _place_bread(rng: np.random.Generator) -> SceneConfig:
    for _ in range(_MAX_TRIES):
        xy = (float(rng.uniform(*BREAD_X_M)), float(rng.uniform(*BREAD_Y_M)))
        yaw = float(rng.uniform(-BREAD_YAW_RAD, BREAD_YAW_RAD))
        clear = all(
            region.distance_m(xy) > region.radius_m + 0.02 for region in layout.TABLE_REGIONS.values()
        )
        if clear and hypot(*xy) >= layout.MIN_GOAL_RADIUS_M:
            return SceneConfig("bread", xy, yaw, None)
    raise NoPlaceError("no free place for the bread was found")


def _place_carrot(rng: np.random.Generator) -> SceneConfig:
    for _ in range(_MAX_TRIES):
        side = 1.0 if rng.random() < 0.5 else -1.0
        plate = (float(rng.uniform(*PLATE_X_M)), float(side * rng.uniform(*PLATE_Y_M)))
        xy = (float(rng.uniform(*CARROT_X_M)), float(-side * rng.uniform(*CARROT_Y_M)))
        yaw = float(rng.uniform(-CARROT_YAW_RAD, CARROT_YAW_RAD)) + (pi if rng.random() < 0.5 else 0.0)
        if _carrot_is_workable(xy, yaw, plate):
            return SceneConfig("carrot", xy, yaw, plate)
    raise NoPlaceError("no free place for the carrot was found")


def _carrot_is_workable(xy: tuple[float, float], yaw: float, plate: tuple[float, float]) -> bool:
    """Both parts can be held clear of the plate, and both sides of the plate are within reach."""
    offset, side = layout.CARROT_GRASP_OFFSET_M, layout.PLATE_SIDE_OFFSET_M
    grasps = [(xy[0] + s * offset * cos(yaw), xy[1] + s * offset * sin(yaw)) for s in (-1.0, 1.0)]
    releases = [(plate[0] + s * offset, plate[1] + t * side) for s in (-1.0, 1.0) for t in (-1.0, 1.0)]
    reachable = all(
        layout.MIN_GOAL_RADIUS_M <= hypot(*p) <= layout.MAX_GOAL_RADIUS_M for p in (*grasps, *releases)
    )
    # Open fingers reach 46 mm to each side of the carrot and must not land on the plate.
    clear = all(hypot(p[0] - plate[0], p[1] - plate[1]) > layout.PLATE_RIM_RADIUS_M + 0.052 for p in grasps)
    ends = [(xy[0] + s * 0.095 * cos(yaw), xy[1] + s * 0.095 * sin(yaw)) for s in (-1.0, 1.0)]
    apart = all(hypot(p[0] - plate[0], p[1] - plate[1]) > layout.PLATE_RIM_RADIUS_M + 0.015 for p in ends)
    return reachable and clear and apart


def randomise_looks(scene: SceneConfig, rng: np.random.Generator) -> SceneConfig:
    """The same placement with drawn light, colours, camera errors, friction and start pose."""

    def rgb(nominal: Rgb, spread: float, brightness: float) -> Rgb:
        scale = rng.uniform(1.0 - brightness, 1.0 + brightness)
        values = np.clip(np.array(nominal) * scale + rng.uniform(-spread, spread, 3), 0.02, 1.0)
        return (float(values[0]), float(values[1]), float(values[2]))

    def vector(limit: float) -> Vector:
        values = rng.uniform(-limit, limit, 3)
        return (float(values[0]), float(values[1]), float(values[2]))

    start = np.array(scene.start_joints_rad) + rng.uniform(-START_JOINT_NOISE_RAD, START_JOINT_NOISE_RAD, 7)
    lamp = (float(rng.uniform(-0.1, 0.9)), float(rng.uniform(-0.7, 0.7)), float(rng.uniform(1.3, 1.9)))
    return replace(
        scene,
        start_joints_rad=tuple(float(q) for q in start),
        friction=float(rng.uniform(0.9, 1.2)),
        bread_rgb=rgb(scene.bread_rgb, 0.04, 0.12),
        carrot_upper_rgb=rgb(scene.carrot_upper_rgb, 0.03, 0.08),
        carrot_lower_rgb=rgb(scene.carrot_lower_rgb, 0.03, 0.08),
        plate_rgb=rgb(scene.plate_rgb, 0.05, 0.08),
        table_rgb=rgb(scene.table_rgb, 0.04, 0.22),
        light_position_m=lamp,
        light_level=float(rng.uniform(0.42, 0.65)),
        ambient_level=float(rng.uniform(0.30, 0.45)),
        front_shift_m=vector(0.006),
        front_turn_rad=vector(0.008),
        wrist_shift_m=vector(0.0015),
        wrist_turn_rad=vector(0.008),
    )
