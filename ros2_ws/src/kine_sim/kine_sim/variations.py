"""Scenes unlike those of the demonstrations, to see what a policy stands: light, camera, a cup on the table.

A variation changes one thing of a scene and leaves the rest as the seed drew it, so trials stay paired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import cos, hypot, radians, sin

import numpy as np
from numpy.typing import NDArray

from kine_sim import layout
from kine_sim.scene import NoPlaceError, SceneConfig

CAMERA_SHIFT_M, CAMERA_TURN_RAD = 0.020, radians(2.0)
REMOUNT_SHIFT_M, REMOUNT_TURN_RAD = 0.030, 0.050
_CUP_CLEARANCE_M = 0.075
_STREAM = 41


def dark(scene: SceneConfig, seed: int) -> SceneConfig:
    """Half of the light; demonstrations vary it by a fifth."""
    return replace(scene, light_level=0.5 * scene.light_level, ambient_level=0.5 * scene.ambient_level)


def bright(scene: SceneConfig, seed: int) -> SceneConfig:
    """Half as much light again."""
    return replace(scene, light_level=1.5 * scene.light_level, ambient_level=1.5 * scene.ambient_level)


def moved_camera(scene: SceneConfig, seed: int) -> SceneConfig:
    """The front camera 2 cm off in a drawn direction; demonstrations have at most 0.6 cm per axis."""
    shift = np.array(scene.front_shift_m) + CAMERA_SHIFT_M * _direction(
        np.random.default_rng([seed, _STREAM])
    )
    return replace(scene, front_shift_m=(float(shift[0]), float(shift[1]), float(shift[2])))


def turned_camera(scene: SceneConfig, seed: int) -> SceneConfig:
    """The front camera 2 cm off and turned by 2 degrees, each in a drawn direction."""
    axis = _direction(np.random.default_rng([seed, _STREAM + 3]))
    turn = np.array(scene.front_turn_rad) + CAMERA_TURN_RAD * axis
    return replace(moved_camera(scene, seed), front_turn_rad=(float(turn[0]), float(turn[1]), float(turn[2])))


def white_balance(scene: SceneConfig, seed: int) -> SceneConfig:
    """A camera that shows red three quarters as strong as it is, and blue a quarter too strong."""
    return replace(scene, white_balance=(0.75, 1.0, 1.25))


def noise(scene: SceneConfig, seed: int) -> SceneConfig:
    """Noise in every pixel, with a standard deviation of 20 of 255."""
    return replace(scene, image_noise=20.0)


def remounted(scene: SceneConfig, seed: int) -> SceneConfig:
    """Front camera and lamps as if set up anew: up to 3 cm and 3 degrees off, half to the full light."""
    rng = np.random.default_rng([seed, _STREAM + 2])
    shift = np.array(scene.front_shift_m) + rng.uniform(0.0, REMOUNT_SHIFT_M) * _direction(rng)
    turn = np.array(scene.front_turn_rad) + rng.uniform(0.0, REMOUNT_TURN_RAD) * _direction(rng)
    light = float(rng.uniform(0.5, 1.1))
    return replace(
        scene,
        light_level=light * scene.light_level,
        ambient_level=light * scene.ambient_level,
        front_shift_m=(float(shift[0]), float(shift[1]), float(shift[2])),
        front_turn_rad=(float(turn[0]), float(turn[1]), float(turn[2])),
    )


def distractor(scene: SceneConfig, seed: int) -> SceneConfig:
    """A cup on the table where neither the task nor the arm needs the room."""
    rng = np.random.default_rng([seed, _STREAM + 1])
    regions = layout.TABLE_REGIONS.values() if scene.object == "bread" else ()
    taken = [scene.object_xy_m, *(region.centre_m for region in regions)]
    half = layout.half_length_m(scene.object)
    taken += [
        (
            scene.object_xy_m[0] + s * half * cos(scene.object_yaw_rad),
            scene.object_xy_m[1] + s * half * sin(scene.object_yaw_rad),
        )
        for s in (-1.0, 1.0)
    ]
    for attempt in range(2000):
        width = 0.20 if attempt < 1000 else 0.30  # in the middle of the picture where there is room
        xy = (float(rng.uniform(0.20, 0.43)), float(rng.uniform(-width, width)))
        clear = all(hypot(xy[0] - x, xy[1] - y) > _CUP_CLEARANCE_M for x, y in taken)
        if scene.plate_xy_m is not None:
            gap = hypot(xy[0] - scene.plate_xy_m[0], xy[1] - scene.plate_xy_m[1])
            clear = clear and gap > layout.PLATE_RIM_RADIUS_M + _CUP_CLEARANCE_M
        if clear:
            return replace(scene, distractor_xy_m=xy)
    raise NoPlaceError("no free place for the cup was found")


def _direction(rng: np.random.Generator) -> NDArray[np.float64]:
    vector = rng.normal(size=3)
    return np.asarray(vector / np.linalg.norm(vector))


VARIATIONS: dict[str, Callable[[SceneConfig, int], SceneConfig]] = {
    "dark": dark,
    "bright": bright,
    "moved_camera": moved_camera,
    "turned_camera": turned_camera,
    "white_balance": white_balance,
    "noise": noise,
    "remounted": remounted,
    "distractor": distractor,
}


def vary(scene: SceneConfig, name: str, seed: int) -> SceneConfig:
    """Apply a variation by name.

    Raises:
        ValueError: unknown name.
        NoPlaceError: no free place was found for what is added.
    """
    if name not in VARIATIONS:
        raise ValueError(f"variation {name!r} is unknown: choose one of {', '.join(VARIATIONS)}")
    return VARIATIONS[name](scene, seed)
