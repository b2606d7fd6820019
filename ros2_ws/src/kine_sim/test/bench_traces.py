"""Traces written by hand, for tests of the bench judge."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

from kine_sim.bench.judge import judge
from kine_sim.bench.trace import Grip, ThingShape, Trace
from kinevla.text.language import parse_sentence

SHAPES = {
    "carrot": ThingShape(0.08, {"upper": (0.04, 0.0, 0.0), "lower": (-0.04, 0.0, 0.0)}, points_rad=pi),
    "bread": ThingShape(0.04, both_ends=True),
    "bottle": ThingShape(0.08, {"neck": (0.06, 0.0, 0.0), "body": (-0.01, 0.0, 0.0)}, label_rad=pi / 2),
    "bowl": ThingShape(
        0.05,
        {
            "left edge": (0.0, -0.05, 0.0),
            "right edge": (0.0, 0.05, 0.0),
            "near edge": (0.05, 0.0, 0.0),
            "far edge": (-0.05, 0.0, 0.0),
        },
        round=True,
    ),
    "mug": ThingShape(0.04, {"rim": (-0.03, 0.0, 0.02), "handle side": (0.045, 0.0, 0.0)}),
}
PLATE = (0.32, -0.10)
AT = {"bread": (0.36, 0.02), "bottle": (0.20, -0.20), "bowl": (0.36, 0.16), "mug": (0.28, 0.05)}
START = (0.28, 0.10)
REST = 0.02
PERIOD = 0.05


def pose(x: float, y: float, z: float = REST, yaw: float = 0.0) -> np.ndarray:
    c, s = cos(yaw), sin(yaw)
    return np.array([[c, -s, 0, x], [s, c, 0, y], [0, 0, 1, z], [0, 0, 0, 1.0]])


class Writer:
    """Writes the trace of one thing that is picked up or pushed along corners, over other things at rest."""

    def __init__(self, thing: str, start: tuple[float, float] = START, yaw: float = 0.0) -> None:
        things = {name: xy for name, xy in AT.items() if name != thing}
        self.trace = Trace({name: SHAPES[name] for name in (thing, *things)}, PLATE)
        self.thing, self.at, self.yaw = thing, np.array([*start, REST]), yaw
        self.still = {name: pose(*xy) for name, xy in things.items()}
        self.time = 0.0
        self.see()

    def see(self, grip: Grip | None = None, touched: bool = False) -> None:
        poses = {**self.still, self.thing: pose(*self.at, self.yaw)}
        names = (self.thing,) if touched else ()
        self.trace.observe(self.time, poses, tool=np.eye(4), opening=1.0, grip=grip, touched=names)
        self.time += PERIOD

    def go(self, to: tuple[float, ...], speed: float, yaw: float, grip: Grip | None) -> None:
        start, goal, first = self.at, np.array(to), self.yaw
        steps = max(int(np.ceil(np.linalg.norm(goal - start) / speed / PERIOD)), 1)
        for share in np.arange(1, steps + 1) / steps:
            self.at, self.yaw = start + share * (goal - start), first + share * (yaw - first)
            self.see(grip, touched=True)


def done(
    thing: str,
    *corners: tuple[float, float],
    start: tuple[float, float] = START,
    yaw: tuple[float, float] = (0.0, 0.0),
    held: tuple[float, float, float] = (0.0, 0.0, 0.0),
    apex: float = 0.09,
    speed: float = 0.16,
    end: float = REST,
    push: bool = False,
    release: bool = True,
) -> Trace:
    """Write a trial; `yaw` before and after, `corners` of the way of the thing's middle."""
    writer = Writer(thing, start, yaw[0])
    grip = None if push else Grip(thing, held)
    height = REST if push else REST + apex
    writer.go((*start, height), 0.2, yaw[0], grip)
    for corner in corners:
        writer.go((*corner, height), speed, yaw[1] if corner == corners[-1] else yaw[0], grip)
    writer.go((*corners[-1], end), 0.2, yaw[1], grip)
    if release:
        writer.see()
        writer.see()
    return writer.trace


def blamed(sentence: str, trace: Trace) -> list[str]:
    """What fails, by name, the goal included."""
    verdict = judge(parse_sentence(sentence), trace)
    failed = [name for name, outcome in verdict.attributes.items() if not outcome.passed]
    assert verdict.as_told == (not failed and verdict.goal.passed)
    return ["goal", *failed] if not verdict.goal.passed else failed


def reason(sentence: str, trace: Trace, name: str) -> str:
    return judge(parse_sentence(sentence), trace).attributes[name].reason  # type: ignore[index]


ON_PLATE = REST + 0.006
LEFT, RIGHT = (PLATE[0], PLATE[1] - 0.035), (PLATE[0], PLATE[1] + 0.035)
UPPER_LEFT = "hold the carrot by the upper part and place it on the left side of the plate"
