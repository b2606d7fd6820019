"""Draws scenes in which what an instruction asks can be done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import cos, hypot, pi, radians, sin, tan
from typing import Any, cast

import numpy as np

from kine_sim import layout, rm75
from kine_sim.bench.goal import goals
from kine_sim.bench.plan import PlanError, find_plan
from kine_sim.bench.scene import BenchScene
from kine_sim.bench.table import Laid, Table, gap_m
from kine_sim.bench.things import THINGS
from kine_sim.mjcf import FRONT_CAMERA_FOVY_DEG
from kine_sim.scene import NoPlaceError, Placed, Rgb, randomise_looks
from kinevla.text.language import Instruction

REACH_M = (0.225, 0.410)
"""Where what is meant may lie and end, from the axis of joint 1."""
MAX_BEARING_RAD = 1.15
MAX_Y_M = 0.240
PLATE_X_M = (0.250, 0.350)
PLATE_Y_M = (0.0, 0.170)
CLUTTER_X_M = (0.130, 0.450)
CLUTTER_Y_M = 0.260
GAP_M = 0.018
"""Least free way between two things, so that each can be told from the other."""
VIEW_MARGIN_M = 0.012
MAX_X_M = 0.490
"""The front camera's picture ends at 0.52 m."""
MIN_WAY_M = 0.080
"""What goes to a place is at least so far from it; a region of the table has a radius of 5.5 cm."""
SCALE = (0.92, 1.0)
MAX_TRIES = 4000
MIN_THINGS, MAX_THINGS = 2, 4
_STREAM = 70


@dataclass
class _Try:
    """A scene that is being laid out."""

    rng: np.random.Generator
    laid: dict[str, Laid]
    plate_xy_m: tuple[float, float]

    @property
    def table(self) -> Table:
        return Table(self.laid, self.plate_xy_m)

    def add(self, name: str, xy_m: tuple[float, float]) -> None:
        """Lay a thing somewhere in a drawn size and yaw; raise PlanError where there is no room."""
        kind = THINGS[name]
        scale = float(self.rng.uniform(*SCALE)) if kind.resizable else 1.0
        laid = Laid(kind.scaled(scale), xy_m, float(self.rng.uniform(-pi, pi)))
        taken = np.concatenate([self.table.plate, self.table.others()])
        if gap_m(laid.discs, taken) < GAP_M or not in_view(laid.discs):
            raise PlanError(f"no room for the {name}")
        self.laid[name] = laid


def draw_scene(
    asked: Instruction, seed: int, *, things: int | None = None, randomise: bool = True
) -> BenchScene:
    """Draw a scene for an instruction.

    Args:
        asked: what must be possible in it.
        seed: non-negative integer.
        things: number of things on the table, two to four; None draws it.
        randomise: False keeps nominal light, colours, cameras, friction and the exact home pose.

    Raises:
        ValueError: negative seed, or a number of things that is too small or too large.
        NoPlaceError: nothing was found; the text counts why.
    """
    if seed < 0:
        raise ValueError(f"seed = {seed} is negative")
    rng = np.random.default_rng([seed, _STREAM])
    named = [asked.thing, *_others(asked)]
    least = max(MIN_THINGS, len(named))
    count = int(rng.integers(least, MAX_THINGS + 1)) if things is None else things
    if not least <= count <= MAX_THINGS:
        raise ValueError(f"{count} things on the table; needed: {least} to {MAX_THINGS} for this instruction")
    unnamed = rng.permutation([name for name in THINGS if name not in named])
    extra = [str(name) for name in unnamed[: count - len(named)]]
    why = Counter[str]()
    for _ in range(MAX_TRIES):
        try:
            laid = _lay_out(rng, asked, extra)
        except PlanError as error:
            why[str(error).split(":")[0]] += 1
            continue
        return _scene(asked, laid, seed, randomise)
    told = ", ".join(f"{text} ({n} times)" for text, n in why.most_common(3))
    raise NoPlaceError(f"no scene for this instruction in {MAX_TRIES} tries: {told}")


def _others(asked: Instruction) -> list[str]:
    items = (asked.target, asked.path)
    return list(dict.fromkeys(item.other for item in items if item is not None and item.other is not None))


def _lay_out(rng: np.random.Generator, asked: Instruction, extra: list[str]) -> _Try:
    plate = (float(rng.uniform(*PLATE_X_M)), float(rng.choice((-1, 1)) * rng.uniform(*PLATE_Y_M)))
    tried = _Try(rng, {}, plate)
    if not in_view(tried.table.plate):
        raise PlanError("the plate is out of view")
    tried.add(asked.thing, _in_reach(rng))
    target, path = asked.target, asked.path
    if target is not None and target.other is not None:
        tried.add(target.other, _in_reach(rng))
    start = tried.laid[asked.thing].xy_m
    ends = [goal for goal in goals(asked, tried.table) if _reaches(goal.xy_m)]
    if not ends:
        raise PlanError(f"the {asked.thing} would end out of reach")
    if target is not None and hypot(ends[0].xy_m[0] - start[0], ends[0].xy_m[1] - start[1]) < MIN_WAY_M:
        raise PlanError(f"the {asked.thing} is there already")
    if path is not None and path.other is not None and path.other not in tried.laid:
        tried.add(path.other, _between(rng, start, ends[0].xy_m))
    find_plan(asked, tried.table, ends)
    for name in extra:
        _add_anywhere(tried, name)
    find_plan(asked, tried.table, goals(asked, tried.table))
    return tried


def _add_anywhere(tried: _Try, name: str) -> None:
    for _ in range(30):
        xy = (float(tried.rng.uniform(*CLUTTER_X_M)), float(tried.rng.uniform(-CLUTTER_Y_M, CLUTTER_Y_M)))
        try:
            tried.add(name, xy)
            return
        except PlanError:
            continue
    raise PlanError(f"no room for the {name}")


def _in_reach(rng: np.random.Generator) -> tuple[float, float]:
    while True:
        radius, bearing = rng.uniform(*REACH_M), rng.uniform(-MAX_BEARING_RAD, MAX_BEARING_RAD)
        x, y = float(radius * cos(bearing)), float(radius * sin(bearing))
        if abs(y) <= MAX_Y_M:
            return x, y


def _reaches(xy_m: tuple[float, float]) -> bool:
    return REACH_M[0] <= float(np.hypot(*xy_m)) <= REACH_M[1] + 0.01 and abs(xy_m[1]) <= MAX_Y_M + 0.02


def _between(
    rng: np.random.Generator, first: tuple[float, float], last: tuple[float, float]
) -> tuple[float, float]:
    share, off = rng.uniform(0.3, 0.7), rng.uniform(-0.05, 0.05, 2)
    x, y = (float(a + share * (b - a) + o) for a, b, o in zip(first, last, off, strict=True))
    return x, y


def in_view(discs: rm75.Array) -> bool:
    """The front camera sees all of an outline (N, 3) on the table, also where it is mounted a little off."""
    x, y, r = discs.T
    position, aim = np.array(layout.FRONT_CAMERA_M), np.array(layout.FRONT_CAMERA_TARGET_M)
    ahead = (aim - position) / np.linalg.norm(aim - position)
    depth = (x - position[0]) * ahead[0] - position[2] * ahead[2]
    half_width = depth * tan(radians(FRONT_CAMERA_FOVY_DEG) / 2)
    return bool((np.abs(y) + r < half_width - VIEW_MARGIN_M).all() and (x + r < MAX_X_M).all())


def _scene(asked: Instruction, tried: _Try, seed: int, randomise: bool) -> BenchScene:
    meant = tried.laid[asked.thing]
    looks = np.random.default_rng([seed, _STREAM + 1])
    scene = BenchScene(
        cast(Any, asked.thing),
        meant.xy_m,
        meant.yaw_rad,
        tried.plate_xy_m,
        things=tuple(
            Placed(name, laid.xy_m, laid.thing.rest_m, laid.yaw_rad, _scale(name, laid))
            for name, laid in tried.laid.items()
        ),
        thing_colours=tuple(
            (material, rgb) for name in tried.laid for material, rgb in THINGS[name].materials.items()
        ),
    )
    if not randomise:
        return scene
    scene = cast(BenchScene, randomise_looks(scene, looks))
    return replace(scene, thing_colours=tuple((m, _varied(rgb, looks)) for m, rgb in scene.thing_colours))


def _scale(name: str, laid: Laid) -> float:
    return laid.thing.rest_m / THINGS[name].rest_m


def _varied(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    values = np.clip(np.array(rgb) * rng.uniform(0.9, 1.1) + rng.uniform(-0.03, 0.03, 3), 0.02, 1.0)
    return float(values[0]), float(values[1]), float(values[2])
