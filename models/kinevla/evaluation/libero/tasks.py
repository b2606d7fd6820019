"""LIBERO task, goal check and kinematics checks that belong to each of the paper's 41 LIBERO instructions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Dataset = Literal["libero_goal_relabeled", "kine_libero"]
SUITE = "libero_goal"
BOWL, BOTTLE, PLATE, CHEESE = "akita_black_bowl_1", "wine_bottle_1", "plate_1", "cream_cheese_1"
CABINET, STOVE, RACK = "wooden_cabinet_1", "flat_stove_1", "wine_rack_1"
CABINET_TOP, RACK_TOP = f"{CABINET}_top_side", f"{RACK}_top_region"
COOK, FRONT = f"{STOVE}_cook_region", "main_table_stove_front_region"


@dataclass(frozen=True)
class Rule:
    """A check by name (in `goals` or `kinematics`) with its parameters."""

    check: str
    parameters: tuple[tuple[str, Any], ...]

    @property
    def arguments(self) -> dict[str, Any]:
        """Parameters as keywords."""
        return dict(self.parameters)


@dataclass(frozen=True)
class LiberoTask:
    """One row of Table 5 or 6."""

    dataset: Dataset
    number: int
    libero_task: str  # name of the task in suite LIBERO-Goal, also that of its bddl file
    goal: Rule  # check of the coarse sentence
    kinematics: tuple[Rule, ...]  # checks of the fine sentence


def rule(check: str, **parameters: Any) -> Rule:
    """Write down a check."""
    return Rule(check, tuple(parameters.items()))


_Entry = tuple[str, Rule, tuple[Rule, ...]]


def _bowl_cabinet(edge: str, section: str) -> _Entry:
    goal = rule("on_site", name=BOWL, site=CABINET_TOP, fixture=CABINET)
    fine = (
        rule("grasp_edge", name=BOWL, side=edge),
        rule("diagonal", name=BOWL),
        rule("placed_section", name=BOWL, site=CABINET_TOP, section=section),
        rule("released", name=BOWL),
    )
    return "put_the_bowl_on_top_of_the_cabinet", goal, fine


def _bowl_stove(edge: str) -> _Entry:
    goal = rule("on_site", name=BOWL, site=COOK, fixture=STOVE)
    fine = (
        rule("grasp_edge", name=BOWL, side=edge),
        rule("diagonal", name=BOWL),
        rule("placed_centre", name=BOWL, target=COOK),
        rule("released", name=BOWL),
    )
    return "put_the_bowl_on_the_stove", goal, fine


def _drawer(which: str, amount: str, vertical: bool) -> _Entry:
    region = f"{CABINET}_{which}_region"
    fine = [rule("handle_first", drawer=region), rule("opening", drawer=region, amount=amount)]
    if vertical:
        fine.append(rule("vertical_hand", drawer=region))
    # LIBERO-Goal opens the top drawer only together with the bowl; the scene is the same.
    tasks = {
        "middle": "open_the_middle_drawer_of_the_cabinet",
        "top": "open_the_top_drawer_and_put_the_bowl_inside",
    }
    return tasks[which], rule("drawer_open", drawer=region), tuple(fine)


def _bottle_rack(part: str, section: str | None) -> _Entry:
    fine = [rule("grasp_part", name=BOTTLE, part=part), rule("released", name=BOTTLE)]
    if section:
        fine.append(rule("placed_section", name=BOTTLE, site=RACK_TOP, section=section))
    goal = rule("on_site", name=BOTTLE, site=RACK_TOP, fixture=RACK)
    return "put_the_wine_bottle_on_the_rack", goal, tuple(fine)


def _bottle_cabinet(section: str, label: str) -> _Entry:
    fine = (
        rule("grasp_part", name=BOTTLE, part="neck"),
        rule("placed_section", name=BOTTLE, site=CABINET_TOP, section=section),
        rule("label_direction", name=BOTTLE, facing=label),
        rule("released", name=BOTTLE),
    )
    goal = rule("on_site", name=BOTTLE, site=CABINET_TOP, fixture=CABINET)
    return "put_the_wine_bottle_on_top_of_the_cabinet", goal, fine


def _plate(path: Rule, section: str | None, *, centre: bool = False) -> _Entry:
    """Push the plate; section 'back' is close to the stove, 'front' far from it, None beside it."""
    fine = [path, rule("on_table", name=PLATE)]
    if centre:
        fine.append(rule("pushed_from_centre", name=PLATE))
    goal = rule("beside", name=PLATE, site=COOK, side="right")
    if section:
        goal = rule("on_site", name=PLATE, site=FRONT)
        fine.append(rule("placed_section", name=PLATE, site=FRONT, section=section))
    return "push_the_plate_to_the_front_of_the_stove", goal, tuple(fine)


_LEFT_BACK = rule("legs", name=PLATE, directions=("left", "back"))
_RIGHT_BACK = rule("legs", name=PLATE, directions=("right", "back"))
_BACK_RIGHT = rule("diagonal", name=PLATE, towards=("back", "right"))
_TOP_DRAWER = f"{CABINET}_top_region"

_RELABELED: tuple[_Entry, ...] = (
    (
        "put_the_bowl_on_the_plate",
        rule("on_object", name=BOWL, support=PLATE),
        (
            rule("grasp_edge", name=BOWL, side="left"),
            rule("legs", name=BOWL, directions=("front",)),
            rule("placed_centre", name=BOWL, target=PLATE),
            rule("released", name=BOWL),
        ),
    ),
    _bottle_rack("neck", None),
    (
        "open_the_top_drawer_and_put_the_bowl_inside",
        rule("in_site", name=BOWL, site=_TOP_DRAWER),
        (
            rule("handle_first", drawer=_TOP_DRAWER),
            rule("opening", drawer=_TOP_DRAWER, amount="completely"),
            rule("drawer_before_grasp", drawer=_TOP_DRAWER, name=BOWL),
            rule("grasp_edge", name=BOWL, side="left"),
            rule("placed_centre", name=BOWL, target=_TOP_DRAWER),
            rule("released", name=BOWL),
        ),
    ),
    (
        "put_the_cream_cheese_in_the_bowl",
        rule("on_object", name=CHEESE, support=BOWL),
        (
            rule("grasp_part", name=CHEESE, part="middle"),
            rule("placed_centre", name=CHEESE, target=BOWL),
            rule("released", name=CHEESE),
        ),
    ),
    _bottle_cabinet("back", "left"),
    _plate(_LEFT_BACK, "back", centre=True),
    (
        "turn_on_the_stove",
        rule("knob_on", knob=STOVE),
        (rule("hand_before_knob", knob=STOVE, direction="left"),),
    ),
    _bowl_stove("left"),
    _bowl_cabinet("right", "back"),
    _drawer("middle", "completely", False),
)

_KINE: tuple[_Entry, ...] = (
    *(_bowl_cabinet(edge, section) for section in ("back", "front") for edge in ("right", "left")),
    _drawer("middle", "completely", False),
    *(
        _drawer(which, amount, True)
        for which in ("middle", "top")
        for amount in ("completely", "halfway", "slightly")
    ),
    _plate(_LEFT_BACK, "back"),
    _plate(_RIGHT_BACK, "front"),
    _plate(_BACK_RIGHT, "back"),
    _plate(_BACK_RIGHT, "front"),
    _plate(_RIGHT_BACK, None),
    _plate(_BACK_RIGHT, None),
    _bottle_rack("neck", None),
    _bottle_rack("body", "front"),
    _bottle_rack("neck", "back"),
    _bottle_rack("body", "back"),
    _bowl_stove("right"),
    _bowl_stove("left"),
    _bottle_cabinet("back", "left"),
    _bottle_cabinet("front", "right"),
    _bottle_cabinet("back", "left"),
    _bottle_cabinet("front", "left"),
    *(_bottle_cabinet(section, label) for label in ("front", "back") for section in ("back", "front")),
)

_TABLES: tuple[tuple[Dataset, tuple[_Entry, ...]], ...] = (
    ("libero_goal_relabeled", _RELABELED),
    ("kine_libero", _KINE),
)

LIBERO_TASKS: tuple[LiberoTask, ...] = tuple(
    LiberoTask(dataset, number, *entry)
    for dataset, entries in _TABLES
    for number, entry in enumerate(entries, 1)
)


def find_task(dataset: str, number: int) -> LiberoTask:
    """Return one row.

    Raises:
        ValueError: there is no such row.
    """
    for task in LIBERO_TASKS:
        if (task.dataset, task.number) == (dataset, number):
            return task
    raise ValueError(
        f"there is no task {number} in {dataset!r}: libero_goal_relabeled has 1..10, kine_libero 1..31"
    )
