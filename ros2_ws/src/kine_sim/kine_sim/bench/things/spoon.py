"""A wooden spoon: handle at -x, head at +x; it points with its head."""

from math import pi

from kine_sim.bench.things.thing import Grasp, Thing, box, look, row_of_discs

_HALF_HEIGHT, _HANDLE, _HEAD = 0.007, 0.007, 0.016

THING = Thing(
    name="spoon",
    rest_m=_HALF_HEIGHT,
    top_m=2 * _HALF_HEIGHT,
    discs=(*row_of_discs(-0.075, 0.030, _HANDLE), (0.046, 0.0, _HEAD), (0.054, 0.0, _HEAD)),
    grasps=(
        Grasp("handle", (-0.036, 0.0), 0.0, 0.012, _HANDLE),
        Grasp("head", (0.050, 0.0), 0.0, 0.012, _HEAD),
    ),
    body=box("spoon_handle", (0.0525, _HANDLE, _HALF_HEIGHT), (-0.0225, 0.0, 0.0), 0.04)
    + box("spoon_head", (0.020, _HEAD, _HALF_HEIGHT), (0.050, 0.0, 0.0), 0.03)
    + look("capsule", (_HANDLE, 0.050), (-0.018, 0.0, 0.0), "spoon", (0.0, pi / 2, 0.0))
    + look("ellipsoid", (0.024, 0.0165, _HALF_HEIGHT), (0.050, 0.0, 0.0), "spoon")
    + look("ellipsoid", (0.017, 0.011, 0.002), (0.050, 0.0, 0.0060), "spoon_hollow"),
    materials={"spoon": (0.72, 0.52, 0.30), "spoon_hollow": (0.48, 0.32, 0.17)},
)
