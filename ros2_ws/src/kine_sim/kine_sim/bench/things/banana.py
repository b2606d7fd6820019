"""A banana, bent to one side: stem at -x, tip at +x; it points with its tip."""

from kine_sim.bench.things.thing import Grasp, Thing, box, look

_HALF_WIDTH, _HALF_HEIGHT, _BEND_RAD = 0.014, 0.015, 0.35
_END = (0.047, -0.0085)

THING = Thing(
    name="banana",
    rest_m=_HALF_HEIGHT,
    top_m=2 * _HALF_HEIGHT,
    discs=tuple(
        (x, y, 0.015)
        for side in (-1.0, 1.0)
        for x, y in ((side * 0.060, -0.013), (side * 0.042, -0.006), (side * 0.02, 0.0), (0.0, 0.0))
    ),
    grasps=(
        Grasp("middle", (0.0, 0.0), 0.0, _HALF_HEIGHT, _HALF_WIDTH),
        Grasp("stem", (-_END[0], _END[1]), _BEND_RAD, _HALF_HEIGHT, 0.012),
        Grasp("tip", _END, -_BEND_RAD, _HALF_HEIGHT, 0.012),
    ),
    body=box("banana_middle", (0.026, _HALF_WIDTH, _HALF_HEIGHT), (0.0, 0.0, 0.0), 0.06)
    + box("banana_stem", (0.026, 0.012, 0.013), (-_END[0], _END[1], -0.002), 0.03, _BEND_RAD)
    + box("banana_tip", (0.026, 0.012, 0.013), (_END[0], _END[1], -0.002), 0.03, -_BEND_RAD)
    + look("capsule", (0.0150, 0.020), (0.0, 0.0, 0.0), "banana", (0.0, 1.5708, 0.0))
    + look("ellipsoid", (0.034, 0.0128, 0.0138), (-0.046, -0.0080, -0.001), "banana", (0.0, 0.0, _BEND_RAD))
    + look("ellipsoid", (0.034, 0.0128, 0.0138), (0.046, -0.0080, -0.001), "banana", (0.0, 0.0, -_BEND_RAD))
    + look("box", (0.009, 0.004, 0.004), (-0.080, -0.0205, 0.0), "banana_stem", (0.0, 0.0, _BEND_RAD))
    + look("sphere", (0.006,), (0.073, -0.018, -0.001), "banana_tip"),
    materials={
        "banana": (0.93, 0.80, 0.16),
        "banana_stem": (0.45, 0.50, 0.12),
        "banana_tip": (0.20, 0.14, 0.06),
    },
)
