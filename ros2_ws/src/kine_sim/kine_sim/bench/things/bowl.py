"""A bowl that is held at its edge; one stave has another colour, so that a turn of it is seen."""

from math import cos, pi, sin

from kine_sim.bench.things.thing import Grasp, Thing, look, round_wall

_R, _WALL, _HEIGHT, _REST = 0.052, 0.006, 0.038, 0.012
# Directions in the viewer's frame: near is +x, right is +y.
_EDGES = {"right edge": pi / 2, "left edge": -pi / 2, "near edge": 0.0, "far edge": pi}

THING = Thing(
    name="bowl",
    rest_m=_REST,
    top_m=_HEIGHT,
    discs=((0.0, 0.0, _R * 1.02),),
    grasps=tuple(
        Grasp(
            part,
            ((_R - _WALL / 2) * cos(turn), (_R - _WALL / 2) * sin(turn)),
            turn + pi / 2,
            _HEIGHT - 0.014,
            _WALL / 2,
            0.55,
        )
        for part, turn in _EDGES.items()
    ),
    body=round_wall("bowl", _R, _WALL, _HEIGHT, _REST, 0.12)
    + look("box", (0.0008, 0.010, 0.014), (_R + 0.0005, 0.0, 0.008), "bowl_rim"),
    materials={"bowl": (0.25, 0.45, 0.75), "bowl_rim": (0.90, 0.90, 0.86)},
    round=True,
)
