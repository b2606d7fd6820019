"""Scenes of the bench: seeded, without overlap, in view, and with what is asked left to do."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from kine_sim import layout
from kine_sim.bench import draw
from kine_sim.bench.draw import draw_scene, in_view
from kine_sim.bench.table import gap_m
from kine_sim.bench.variations import VARIATIONS, vary
from kine_sim.scene import NoPlaceError
from kinevla.text.language import parse_sentence
from kinevla.text.language.draw import draw_instruction

ASKED = parse_sentence("hold the mug by the rim and place it to the left of the banana")


def test_same_seed_gives_the_same_scene_and_another_seed_another_one() -> None:
    assert draw_scene(ASKED, 5) == draw_scene(ASKED, 5)
    assert draw_scene(ASKED, 5).things != draw_scene(ASKED, 6).things


def test_looks_can_be_switched_off_without_moving_anything() -> None:
    plain, varied = draw_scene(ASKED, 5, randomise=False), draw_scene(ASKED, 5)
    assert plain.things == varied.things
    assert plain.friction == 1.0 and plain.colours != varied.colours


def test_things_lie_apart_in_view_beside_the_plate_and_there_are_two_to_four() -> None:
    rng = np.random.default_rng(4)
    counts = set()
    for seed in range(25):
        asked = draw_instruction(rng)
        scene = draw_scene(asked, seed)
        table = scene.table
        outlines = [table.plate, *(laid.discs for laid in table.things.values())]
        assert min(gap_m(a, b) for a, b in combinations(outlines, 2)) >= draw.GAP_M
        assert all(in_view(outline) for outline in outlines)
        assert asked.thing in table.things
        counts.add(len(table.things))
    assert counts == {2, 3, 4}


def test_sizes_and_colours_vary_from_scene_to_scene() -> None:
    scenes = [draw_scene(ASKED, seed) for seed in range(4)]
    sizes = {thing.scale for scene in scenes for thing in scene.things if thing.name == "mug"}
    assert len(sizes) == 4 and all(draw.SCALE[0] <= size <= draw.SCALE[1] for size in sizes)
    assert len({scene.colours["mug"] for scene in scenes}) == 4


def test_what_goes_to_a_place_is_not_there_yet() -> None:
    asked = parse_sentence("pick up the spoon and move it to the left front")
    region = layout.TABLE_REGIONS["left_front"]
    for seed in range(10):
        thing = draw_scene(asked, seed).table.things["spoon"]
        assert region.distance_m(thing.xy_m) > region.radius_m + 0.02


def test_number_of_things_is_kept_and_refused_where_the_sentence_needs_more() -> None:
    assert len(draw_scene(ASKED, 1, things=4).things) == 4
    with pytest.raises(ValueError, match="1 things on the table; needed: 2 to 4"):
        draw_scene(ASKED, 1, things=1)
    with pytest.raises(ValueError, match="seed = -1 is negative"):
        draw_scene(ASKED, -1)


def test_a_sentence_without_a_scene_is_refused_with_the_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "MAX_TRIES", 3)
    monkeypatch.setattr(draw, "REACH_M", (0.44, 0.45))
    with pytest.raises(NoPlaceError, match=r"no scene for this instruction in 3 tries: .* \(\d times\)"):
        draw_scene(ASKED, 1)


def test_variations_change_the_look_or_add_a_cup_and_leave_the_things_where_they_are() -> None:
    scene = draw_scene(ASKED, 2)
    for name in VARIATIONS:
        varied = vary(scene, ASKED, name, 2)
        assert varied.things == scene.things and varied != scene
    assert vary(scene, ASKED, "clutter", 2).distractor_xy_m is not None
    shift = np.subtract(vary(scene, ASKED, "look", 2).front_shift_m, scene.front_shift_m)
    assert np.linalg.norm(shift) == pytest.approx(0.05)
    with pytest.raises(ValueError, match="variation 'fog' is unknown: choose one of look, clutter"):
        vary(scene, ASKED, "fog", 2)
