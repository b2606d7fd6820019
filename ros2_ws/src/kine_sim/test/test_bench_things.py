"""Every thing of the language's catalogue exists, has its parts, and is lifted by each of them."""

from __future__ import annotations

import pytest

from kine_sim import rm75
from kine_sim.bench.check_expert import run_bench_trial
from kine_sim.bench.env import KineBenchEnv
from kine_sim.bench.things import THINGS
from kinevla.text.language import Displacement, Instruction
from kinevla.text.language.instruction import CATALOGUE

PARTS = [(name, part) for name, row in CATALOGUE.items() for part in (row["parts"] or (None,))]


@pytest.fixture(scope="module")
def env() -> KineBenchEnv:
    return KineBenchEnv(images=False)


def test_every_thing_of_the_language_has_the_parts_and_the_label_that_it_can_be_asked_for() -> None:
    assert list(THINGS) == list(CATALOGUE)
    for name, row in CATALOGUE.items():
        assert set(THINGS[name].shape.parts) == set(row["parts"])
        assert (THINGS[name].label_rad is not None) == row["label"]


def test_open_fingers_have_room_on_both_sides_of_every_grasp() -> None:
    for thing in THINGS.values():
        for grasp in thing.grasps:
            room = grasp.opening * rm75.FINGER_TRAVEL_M - grasp.half_width_m
            assert room >= 0.0119, f"{thing.name} by {grasp.part}: {room * 1000:.0f} mm"


def test_a_smaller_thing_is_smaller_in_everything_but_the_tool_stays_above_the_table() -> None:
    small = THINGS["spoon"].scaled(0.9)
    assert small.radius_m == pytest.approx(0.9 * THINGS["spoon"].radius_m)
    assert small.shape.parts["head"][0] == pytest.approx(0.9 * THINGS["spoon"].shape.parts["head"][0])
    assert min(grasp.height_m for grasp in small.grasps) > 0.009


@pytest.mark.parametrize(("thing", "part"), PARTS)
def test_every_part_can_be_held_and_the_thing_carried_by_it(
    env: KineBenchEnv, thing: str, part: str | None
) -> None:
    asked = Instruction(thing, displacement=Displacement("left", 8), part=part)
    trial = run_bench_trial(env, 3, instruction=asked)
    assert trial.verdict.as_told, trial.verdict.reasons
    assert trial.collisions == ()
