"""The loaf of bread of the seven tasks."""

from kine_sim import layout
from kine_sim.bench.things.thing import Grasp, Thing, bar_of_discs

_A, _B, _C = layout.BREAD_HALF_M

THING = Thing(
    name="bread",
    rest_m=_C,
    top_m=2 * _C,
    discs=tuple(bar_of_discs(_A, _B)),
    grasps=(Grasp(None, (0.0, 0.0), 0.0, _C, _B),),
    materials={"bread": (0.80, 0.55, 0.28)},
    both_ends=True,
    resizable=False,
)
