"""What the simulator knows of one kind of thing: its geometry, where it may be held, and where its parts are.

The frame of a thing lies on its axis, z up. Lengths in metres, angles in radians.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import cos, pi, sin, tan

from kine_sim.bench.trace import ThingShape

Vector = tuple[float, float, float]

MIN_TOOL_HEIGHT_M = 0.011
"""The finger pads reach 9 mm below the tool centre."""

_SEEN = 'rgba="0.5 0.5 0.5 1"'
"""MuJoCo's default, which lets the material show; geoms that collide are invisible otherwise."""


@dataclass(frozen=True)
class Grasp:
    """One way to hold a thing.

    Attributes:
        part: name of the part that is held this way, None where it is none.
        xy_m: tool centre in the frame of the thing.
        yaw_rad: direction of the gripper's x axis (its fingers close across it) in the frame of the thing.
        height_m: tool centre above the surface on which the thing stands.
        half_width_m: half of what is between the fingers.
        opening: gripper opening, 0..1, with which the fingers come down.
    """

    part: str | None
    xy_m: tuple[float, float]
    yaw_rad: float
    height_m: float
    half_width_m: float
    opening: float = 1.0


@dataclass(frozen=True)
class Thing:
    """One kind of thing.

    Attributes:
        name: its name in the catalogue of the language, its body and its free joint.
        rest_m: height of its frame above the surface on which it stands.
        top_m: height of its top above that surface.
        discs: its outline from above as discs (x, y, radius) in its frame.
        grasps: ways to hold it, the preferred ones first.
        body: MJCF of the geoms; empty for what the tabletop of the seven tasks has already.
        materials: colours of its materials by name, which scenes vary.
        points_rad: which way it points, in its frame; used for long things.
        both_ends: it points both ways.
        label_rad: which way its label faces, in its frame; None without a label.
        resizable: it is made of primitives, so its size can vary.
        round: it looks the same from all sides; its parts are told by the viewer's frame, not by its own.
    """

    name: str
    rest_m: float
    top_m: float
    discs: tuple[Vector, ...]
    grasps: tuple[Grasp, ...]
    body: str = ""
    materials: dict[str, Vector] = field(default_factory=dict)
    points_rad: float = 0.0
    both_ends: bool = False
    label_rad: float | None = None
    round: bool = False
    resizable: bool = True

    def scaled(self, scale: float) -> Thing:
        """The same thing in another size."""
        grasps = tuple(
            replace(
                grasp,
                xy_m=(grasp.xy_m[0] * scale, grasp.xy_m[1] * scale),
                height_m=max(grasp.height_m * scale, MIN_TOOL_HEIGHT_M),
                half_width_m=grasp.half_width_m * scale,
            )
            for grasp in self.grasps
        )
        discs = tuple((x * scale, y * scale, r * scale) for x, y, r in self.discs)
        return replace(self, rest_m=self.rest_m * scale, top_m=self.top_m * scale, discs=discs, grasps=grasps)

    @property
    def radius_m(self) -> float:
        """Radius of the circle about its frame that holds it."""
        return max((x * x + y * y) ** 0.5 + r for x, y, r in self.discs)

    def extent_m(self, direction_rad: float) -> float:
        """How far it reaches in a direction (in its own frame) from its middle."""
        c, s = cos(direction_rad), sin(direction_rad)
        return max(x * c + y * s + r for x, y, r in self.discs)

    @property
    def shape(self) -> ThingShape:
        """What the judge knows of it; the middle of a part is the middle of the ways to hold it."""
        parts: dict[str, Vector] = {}
        for name in {grasp.part for grasp in self.grasps if grasp.part}:
            held = [(*g.xy_m, g.height_m - self.rest_m) for g in self.grasps if g.part == name]
            x, y, z = (sum(values) / len(held) for values in zip(*held, strict=True))
            parts[name] = (x, y, z)
        return ThingShape(self.radius_m, parts, self.round, self.points_rad, self.both_ends, self.label_rad)

    @property
    def assets(self) -> str:
        """MJCF of its materials."""
        return "".join(f'<material name="{name}" specular="0.2"/>' for name in self.materials)

    @property
    def xml(self) -> str:
        """MJCF of its body with its free joint."""
        joint = f'<freejoint name="{self.name}"/>'
        return f'<body name="{self.name}">{joint}{self.body}</body>' if self.body else ""


def row_of_discs(start_m: float, end_m: float, radius_m: float) -> list[Vector]:
    """Discs (x, y, radius) that fill a bar along x between two ends."""
    count = max(2, int((end_m - start_m) / radius_m))
    first, last = start_m + radius_m, end_m - radius_m
    return [(first + (last - first) * k / (count - 1), 0.0, radius_m) for k in range(count)]


def bar_of_discs(half_length_m: float, half_width_m: float, middle_m: float = 0.0) -> list[Vector]:
    """Discs (x, y, radius) that fill an upright box along x, its corners included."""
    inset, radius = 0.0045, 0.0064
    x, y = half_length_m - inset, half_width_m - inset
    corners = [(middle_m + sx * x, sy * y, radius) for sx in (-1, 1) for sy in (-1, 1)]
    return [*row_of_discs(middle_m - half_length_m, middle_m + half_length_m, half_width_m), *corners]


def box(name: str, half_m: Vector, at_m: Vector, mass_kg: float, yaw_rad: float = 0.0) -> str:
    """MJCF of an invisible box that collides, in the frame of the body."""
    return (
        f'<geom name="{name}" class="object" size="{_text(half_m)}" pos="{_text(at_m)}" '
        f'euler="0 0 {yaw_rad:.5f}" mass="{mass_kg:.5f}"/>'
    )


def look(
    kind: str, size: Iterable[float], at_m: Vector, material: str, euler_rad: Vector = (0.0, 0.0, 0.0)
) -> str:
    """MJCF of a primitive that is only seen."""
    return (
        f'<geom class="look" type="{kind}" size="{_text(size)}" pos="{_text(at_m)}" '
        f'euler="{_text(euler_rad)}" material="{material}"/>'
    )


def round_wall(
    name: str, radius_m: float, wall_m: float, height_m: float, rest_m: float, mass_kg: float
) -> str:
    """MJCF of a round upright wall with a bottom, open above: twelve flat staves that are seen and collide.

    Args:
        name: prefix of the geoms' names.
        radius_m: outer radius of the flat faces.
        wall_m: thickness of wall and bottom.
        height_m: height over the surface it stands on.
        rest_m: height of the body's frame over that surface.
        mass_kg: of all together.

    Its materials have the name and, for the staves' upper ends, the name with `_rim`.
    """
    staves = 12
    half_width = radius_m * tan(pi / staves)
    parts = []
    middle, half = radius_m - wall_m / 2, height_m / 2
    top = height_m - rest_m - 0.0017
    for k in range(staves):
        turn = 2 * pi * k / staves
        x, y = middle * cos(turn), middle * sin(turn)
        frame = f'euler="0 0 {turn:.5f}"'
        parts.append(
            f'<geom name="{name}_{k}" class="object" {_SEEN} material="{name}" {frame} '
            f'mass="{mass_kg / 24:.5f}" size="{wall_m / 2} {half_width:.5f} {half}" '
            f'pos="{x:.5f} {y:.5f} {half - rest_m:.5f}"/>'
            f'<geom class="look" type="box" material="{name}_rim" {frame} pos="{x:.5f} {y:.5f} {top:.5f}" '
            f'size="{wall_m / 2 + 0.0004} {half_width:.5f} 0.002"/>'
        )
    parts.append(
        f'<geom name="{name}_bottom" class="object" type="cylinder" {_SEEN} material="{name}" '
        f'size="{middle} {wall_m / 2}" pos="0 0 {wall_m / 2 - rest_m:.5f}" mass="{mass_kg / 2:.5f}"/>'
    )
    return "".join(parts)


def _text(values: Iterable[float]) -> str:
    return " ".join(f"{v:.5g}" for v in values)
