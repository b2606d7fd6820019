"""The carrot of the seven tasks; it points with its tip."""

from math import pi

from kine_sim import layout
from kine_sim.bench.things.thing import Grasp, Thing, bar_of_discs

_HALF, _AT = layout.CARROT_HALF_LENGTH_M, layout.CARROT_GRASP_OFFSET_M
_HEIGHT = layout.CARROT_HALF_HEIGHT_M

THING = Thing(
    name="carrot",
    rest_m=_HEIGHT,
    top_m=2 * _HEIGHT,
    discs=tuple(bar_of_discs(_HALF, layout.CARROT_UPPER_HALF_WIDTH_M)),
    grasps=(
        Grasp("upper", (_AT, 0.0), 0.0, _HEIGHT, layout.CARROT_UPPER_HALF_WIDTH_M),
        Grasp("lower", (-_AT, 0.0), 0.0, _HEIGHT, layout.CARROT_LOWER_HALF_WIDTH_M),
    ),
    materials={"carrot_upper": (0.93, 0.38, 0.06), "carrot_lower": (0.98, 0.72, 0.38)},
    points_rad=pi,
    resizable=False,
)
