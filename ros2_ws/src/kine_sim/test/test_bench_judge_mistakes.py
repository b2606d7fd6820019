"""A single mistake is one attribute told otherwise, and the table says who is blamed for it."""

from __future__ import annotations

import numpy as np
import pytest

from kine_sim.bench.judge import ATTRIBUTES, BenchVerdict, Outcome, said
from kine_sim.bench.limits import LIMITS
from kine_sim.bench.wrong_expert import confusion, mistakes
from kinevla.text.language import Displacement, Path, parse_sentence
from kinevla.text.language.draw import draw_instruction

THINGS = ("bread", "carrot", "bottle", "bowl")


def test_a_mistake_differs_in_one_attribute_of_what_is_said() -> None:
    rng = np.random.default_rng(0)
    count = dict.fromkeys(ATTRIBUTES, 0)
    for _ in range(500):
        asked = draw_instruction(rng, THINGS)
        for attribute in said(asked):
            for told in mistakes(asked, attribute):
                count[attribute] += 1
                assert [name for name in ATTRIBUTES if getattr(told, name) != getattr(asked, name)] == [
                    attribute
                ]
                assert told.thing == asked.thing
    assert min(count.values()) > 50, count


def test_a_distance_is_wrong_by_more_than_the_bound() -> None:
    for distance in (4, 12, 20):
        asked = parse_sentence(f"move the mug {distance} cm to the left")
        told = mistakes(asked, "displacement")
        assert isinstance(told[0].displacement, Displacement)
        off_m = abs(told[0].displacement.distance_cm - distance) / 100
        bound = LIMITS.along_m + LIMITS.distance_share * distance / 100
        assert bound + 0.01 <= off_m < bound + 0.02


@pytest.mark.parametrize(
    ("sentence", "attribute", "nearest"),
    [
        ("hold the carrot by the tip and move it to the front", "part", "upper"),
        ("move the mug to the front, slowly", "speed", "quick"),
        ("push the mug to the front", "contact", "pick"),
        ("move the mug to the front, high above the table", "path", Path("low")),
        (
            "move the mug to the front, first to the front, then to the left",
            "path",
            Path("legs", None, ("left", "front")),
        ),
        (
            "move the mug 9 cm to the front, passing the bowl on its left",
            "path",
            Path("right around", "bowl"),
        ),
    ],
)
def test_the_nearest_mistake_comes_first(sentence: str, attribute: str, nearest: object) -> None:
    assert getattr(mistakes(parse_sentence(sentence), attribute)[0], attribute) == nearest  # type: ignore[arg-type]


def test_a_turn_is_mistaken_for_its_neighbour_and_a_side_for_one_across() -> None:
    turned = mistakes(parse_sentence("move the mug to the front, turned around"), "orientation")
    assert [abs(told.orientation.turn_deg) for told in turned if told.orientation] == [90, 90, 45, 45]
    points = mistakes(parse_sentence("move the bread to the front, pointing to the left"), "orientation")
    assert {told.orientation.side for told in points if told.orientation} == {"front", "back"}


def test_a_way_may_have_no_mistake_and_one_unsaid_is_refused() -> None:
    asked = parse_sentence("move the mug 9 cm to the left, in a straight line")
    assert mistakes(asked, "path") == ()
    assert mistakes(parse_sentence("hold the mug by the rim and move it to the front"), "contact") == ()
    with pytest.raises(ValueError, match="speed is none of what is said: displacement, path, contact"):
        mistakes(asked, "speed")


def verdict(goal: bool = True, **passed: bool) -> BenchVerdict:
    return BenchVerdict(Outcome(goal, ""), {name: Outcome(ok, "") for name, ok in passed.items()})  # type: ignore[misc]


def test_the_table_tells_mistakes_caught_from_false_blame() -> None:
    counted = confusion(
        [
            (None, verdict(target=True, contact=True)),
            (None, verdict(goal=False, target=True, contact=True)),
            ("target", verdict(target=False, contact=True)),
            ("target", verdict(target=True, contact=False)),
            ("speed", verdict(speed=False, target=True, contact=True)),
        ]
    )
    assert counted.caught() == (2, 3)
    assert counted.falsely_blamed() == (2, 13)
    rows = {line.split()[0]: line.split()[1:] for line in counted.table().splitlines()[1:]}
    assert rows["target"] == ["0/2", "-", "1/2", "-", "-", "-", "-", "1/2"]
    assert rows["none"][0] == "1/2"
    with pytest.raises(ValueError, match="a mistake in path, but judged were target"):
        counted.add("path", verdict(target=True))
