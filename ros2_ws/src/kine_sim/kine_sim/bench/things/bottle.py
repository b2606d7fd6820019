"""A bottle that lies: body at -x, neck at +x, its label on the side of +y; it points with its neck."""

from math import pi

from kine_sim.bench.things.thing import Grasp, Thing, bar_of_discs, box, look, row_of_discs

_R, _NECK_R = 0.024, 0.012

THING = Thing(
    name="bottle",
    rest_m=_R,
    top_m=2 * _R,
    discs=(*bar_of_discs(0.048, _R, -0.014), *row_of_discs(0.036, 0.084, _NECK_R)),
    grasps=(
        Grasp("body", (-0.014, 0.0), 0.0, _R, _R),
        Grasp("neck", (0.060, 0.0), 0.0, _R, _NECK_R),
    ),
    body=box("bottle_body", (0.048, _R, _R), (-0.014, 0.0, 0.0), 0.11)
    + box("bottle_neck", (0.025, _NECK_R, _NECK_R), (0.059, 0.0, 0.0), 0.02)
    + look("cylinder", (_R, 0.044), (-0.018, 0.0, 0.0), "bottle", (0.0, pi / 2, 0.0))
    + look("ellipsoid", (0.024, _R, _R), (0.026, 0.0, 0.0), "bottle")
    + look("cylinder", (_NECK_R, 0.022), (0.056, 0.0, 0.0), "bottle", (0.0, pi / 2, 0.0))
    + look("cylinder", (_NECK_R + 0.001, 0.007), (0.077, 0.0, 0.0), "bottle_cap", (0.0, pi / 2, 0.0))
    + look("box", (0.026, 0.009, 0.0012), (-0.018, 0.0170, 0.0170), "bottle_label", (-pi / 4, 0.0, 0.0))
    + look("box", (0.026, 0.009, 0.0012), (-0.018, 0.0240, 0.0), "bottle_label", (-pi / 2, 0.0, 0.0)),
    materials={
        "bottle": (0.12, 0.45, 0.25),
        "bottle_cap": (0.85, 0.15, 0.12),
        "bottle_label": (0.96, 0.93, 0.80),
    },
    label_rad=pi / 2,
)
