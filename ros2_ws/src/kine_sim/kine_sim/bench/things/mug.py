"""A mug with its handle at +x."""

from math import cos, pi, sin

from kine_sim.bench.things.thing import Grasp, Thing, box, look, round_wall

_R, _WALL, _HEIGHT, _REST = 0.033, 0.005, 0.062, 0.031
_HANDLE_M = 0.047

THING = Thing(
    name="mug",
    rest_m=_REST,
    top_m=_HEIGHT,
    discs=((0.0, 0.0, _R * 1.03), (_HANDLE_M, 0.0, 0.012)),
    grasps=(
        *(
            Grasp(
                "rim",
                ((_R - _WALL / 2) * cos(turn), (_R - _WALL / 2) * sin(turn)),
                turn + pi / 2,
                _HEIGHT - 0.015,
                _WALL / 2,
                0.5,
            )
            for turn in (pi, pi / 2, -pi / 2)
        ),
        Grasp("handle side", (_HANDLE_M + 0.001, 0.0), 0.0, 0.034, 0.006),
    ),
    body=round_wall("mug", _R, _WALL, _HEIGHT, _REST, 0.12)
    + box("mug_handle", (0.014, 0.006, 0.020), (_HANDLE_M - 0.001, 0.0, 0.002), 0.01)
    + look("box", (0.012, 0.006, 0.005), (0.043, 0.0, 0.017), "mug")
    + look("box", (0.012, 0.006, 0.005), (0.043, 0.0, -0.013), "mug")
    + look("box", (0.005, 0.006, 0.020), (0.055, 0.0, 0.002), "mug"),
    materials={"mug": (0.75, 0.22, 0.25), "mug_rim": (0.93, 0.90, 0.86)},
)
