"""A cube; one stripe shows which way it was turned."""

from kine_sim.bench.things.thing import Grasp, Thing, bar_of_discs, box, look

_HALF = 0.018

THING = Thing(
    name="block",
    rest_m=_HALF,
    top_m=2 * _HALF,
    discs=tuple(bar_of_discs(_HALF, _HALF)),
    grasps=(Grasp(None, (0.0, 0.0), 0.0, _HALF, _HALF),),
    body=box("block", (_HALF, _HALF, _HALF), (0.0, 0.0, 0.0), 0.10)
    + look("box", (_HALF, _HALF, _HALF), (0.0, 0.0, 0.0), "block")
    + look("box", (0.004, _HALF + 0.0004, _HALF + 0.0004), (0.012, 0.0, 0.0), "block_stripe"),
    materials={"block": (0.55, 0.25, 0.65), "block_stripe": (0.95, 0.92, 0.55)},
)
