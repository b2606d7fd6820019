"""Scenes of the bench made unlike those of the demonstrations: another look, or one more unknown thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kine_sim.bench.draw import CLUTTER_X_M, CLUTTER_Y_M, GAP_M, in_view
from kine_sim.bench.goal import goals
from kine_sim.bench.plan import PlanError, find_plan
from kine_sim.bench.scene import CUP, BenchScene
from kine_sim.bench.table import Laid, gap_m
from kine_sim.scene import NoPlaceError
from kinevla.text.language import Instruction

CAMERA_SHIFT_M = 0.050
START_NOISE_RAD = 0.10
MAX_TRIES = 500
_STREAM = 80


def look(scene: BenchScene, asked: Instruction, seed: int) -> BenchScene:
    """Another light, white balance, table and start pose, and the front camera 5 cm off."""
    rng = np.random.default_rng([seed, _STREAM])
    away = rng.normal(size=3)
    shift = np.array(scene.front_shift_m) + CAMERA_SHIFT_M * away / np.linalg.norm(away)
    light = float(rng.choice((0.5, 1.5)))
    start = np.array(scene.start_joints_rad) + rng.uniform(-START_NOISE_RAD, START_NOISE_RAD, 7)
    red, blue = (float(v) for v in rng.uniform(0.75, 1.25, 2))
    table = rng.uniform(0.15, 0.85, 3)
    return replace(
        scene,
        light_level=light * scene.light_level,
        ambient_level=light * scene.ambient_level,
        white_balance=(red, 1.0, blue),
        table_rgb=(float(table[0]), float(table[1]), float(table[2])),
        front_shift_m=(float(shift[0]), float(shift[1]), float(shift[2])),
        start_joints_rad=tuple(float(q) for q in start),
    )


def clutter(scene: BenchScene, asked: Instruction, seed: int) -> BenchScene:
    """A blue cup that the language does not know, where what is asked can still be done.

    Raises:
        NoPlaceError: there is no such place.
    """
    rng = np.random.default_rng([seed, _STREAM + 1])
    table = scene.table
    taken = np.concatenate([table.plate, table.others()])
    for _ in range(MAX_TRIES):
        xy = (float(rng.uniform(*CLUTTER_X_M)), float(rng.uniform(-CLUTTER_Y_M, CLUTTER_Y_M)))
        outline = Laid(CUP, xy, 0.0).discs
        if gap_m(outline, taken) < GAP_M or not in_view(outline):
            continue
        fuller = replace(scene, distractor_xy_m=xy)
        try:
            find_plan(asked, fuller.table, goals(asked, fuller.table))
        except PlanError:
            continue
        return fuller
    raise NoPlaceError(f"no place for the cup in {MAX_TRIES} tries")


VARIATIONS: dict[str, Callable[[BenchScene, Instruction, int], BenchScene]] = {
    "look": look,
    "clutter": clutter,
}


def vary(scene: BenchScene, asked: Instruction, name: str, seed: int) -> BenchScene:
    """Apply a variation by name.

    Raises:
        ValueError: unknown name.
        NoPlaceError: there is no place for what is added.
    """
    if name not in VARIATIONS:
        raise ValueError(f"variation {name!r} is unknown: choose one of {', '.join(VARIATIONS)}")
    return VARIATIONS[name](scene, asked, seed)
