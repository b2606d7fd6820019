"""The sentence patterns of the annotated tasks and the reasoning texts that go with them.

Source: KineVLA, arXiv 2603.17524, Tables 5-7, CC BY 4.0. A rule is the wording of one group of tasks with its
object, place, part and so on left open. The tables punctuate a group unevenly; here each has one spelling.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_SIDES = ("left", "right", "front", "back")
_EDGES = ("left", "right", "front", "back")
_CORNERS = ("back-left", "back-right", "front-left", "front-right")
_WAYS = ("leftward", "rightward", "forward", "backward")
_SECTIONS = {"upper": "upper", "bottom": "lower"}
_SHAPES = ("diagonal", "straight")

# Values a slot of a pattern may take, with the words the texts use for them; other slots are nouns.
CHOICES: dict[str, dict[str, str]] = {
    name: values if isinstance(values, dict) else dict(zip(values, values, strict=True))
    for name, values in {
        "region": (*_SIDES, "left front", "right front", "left back", "right back"),
        "part": ("upper", "lower", "middle", *_SIDES),
        "grip": ("neck", "body", "middle", "handle", "top", "bottom"),
        "side": _SIDES,
        "edge": _EDGES,
        "way": _WAYS,
        "then": _WAYS,
        "corner": _CORNERS,
        "shape": _SHAPES,
        "section": _SECTIONS,
        "end": ("front", "back"),
        "drawer": ("top", "middle", "bottom"),
        "amount": {"open completely": "completely", "open halfway": "halfway", "slightly open": "slightly"},
        "distance": ("close", "far"),
        "beside": ("front", "right", "left"),
        "turn": ("clockwise", "counterclockwise"),
        "effect": {"ignite": "on", "extinguish": "off"},
        "heading": ("left", "right", "forward", "backward"),
    }.items()
}


@dataclass(frozen=True)
class Rule:
    """One group of tasks."""

    sentences: tuple[str, ...]  # patterns of the instruction; `{slot}` is a noun or one of `CHOICES`
    coarse: str  # goal-level text
    fine: str  # kinematics-level text. `{slot}` is the word for the value, `{Slot}` the same with a capital
    # values of slots that a sentence of the rule leaves unsaid
    fixed: dict[str, str] = field(default_factory=dict)


_PUSH_FINE = (
    "1. Robot Action-level Constraint: State/Trajectory: Move end-effector {motion} along the table plane. "
    "Contact Timing: Maintain contact with the {object}. Ordinal Relations: Sequential motion: {order}. 2. "
    "Object-level Targeting: Target Part: Center of the {object} (initial contact). Pose/Facing/Angle: "
    "Align end-effector to {object} center; movement constrained to table plane. Final Placement: "
    "{distance} in {beside} of the {place}."
)
_PUSH_ALONG = "along the table plane to reposition the {object} about {distance} in {beside} of the {place}"
_RACK_FINE = (
    "1. Robot Action-level Constraint: Contact Timing - Must initiate/break contact (grab/release). "
    "Trajectory Shape - Requires transfer motion from source ({grip}) to target ({target}). Ordinal "
    "Relations - Strict sequence: grab before place. 2. Object-level Targeting: Grasp Target - The {grip} "
    "(specific part) of {object}. Place Target - {spot}; final pose constrained by {place} structure (must "
    "be placed on it)."
)
_BESIDE = "push the {object} to the {beside} of the {place}"

RULES: tuple[Rule, ...] = (
    Rule(
        ("pick up the {object} and move it to the {region}",),
        "move the {object}",
        "Robot Action: Trajectory Shape - To the {region}; Ordinal Relations - Pick first, then move. "
        "Object Targeting: Target Object - The {object}; Spatial Relation - Move it to a location "
        "({region}).",
    ),
    Rule(
        ("hold the {object} by the {part} part and place it on the {side} side of the {place}",),
        "place the {object} in the {place}",
        "Robot Action-level Constraint: State/Trajectory - Move {object} from held to placement pose. "
        "Ordinal Relations - Grasp first, then place. Object-level Targeting: {Object} - Target handle "
        "({part} part). {Place} - Target surface (top side). Spatial Relation - Final pose on the {side} "
        "side of the {place}.",
    ),
    Rule(
        (
            "grasp the {edge} edge of the {object}, move it {way}, and place it precisely at the center of "
            "the {place}",
        ),
        "put the {object} on the {place}",
        "1. Robot Action-level Constraint: Trajectory shape - {way} linear movement; Contact timing - grasp "
        "then place; Ordinal relations - sequential grasp, move, place. 2. Object-level Targeting: Target - "
        "{object}’s {edge} edge for grasp, {place}’s center for placement; Pose/Facing/Angle - precise "
        "placement with implied alignment.",
    ),
    Rule(
        ("grab the {object} by the {grip} and place it on the {place}",),
        "put the {object} on the {place}",
        _RACK_FINE,
        {"target": "{place}", "spot": "The {place} (specific object)"},
    ),
    Rule(
        ("grab the {object} by the {grip} and place it at the {end} of the {place}",),
        "put the {object} on the {place}",
        _RACK_FINE,
        {"target": "{place} {end}", "spot": "The {end} of the {place} (specific location)"},
    ),
    Rule(
        ("grab the {object} by the {grip} and place it in the center of the {place}",),
        "put the {object} in the {place}",
        "1. Robot Action-level Constraint: Trajectory shape - Straight-line placement motion; Contact "
        "timing - Grasp first, then place; Ordinal relations - Sequential (grab, then place). 2. "
        "Object-level Targeting: Handle/Surface - Target {grip} of object ({object}); Pose/Facing - "
        "Orientation-agnostic grasp; Placement - Center of {place} (specific positional target).",
    ),
    Rule(
        (
            "press the handle to open the {drawer} drawer to its maximum extension, then grasp the {edge} "
            "edge of the {object} and place it in the center of the drawer",
        ),
        "open the {drawer} drawer and put the {object} inside",
        "1. Robot Action-level Constraint: State/Trajectory: Press, then grasp and place. Contact Timing: "
        "Press handle first, then grasp {object} after drawer is open. Ordinal Relations: Sequential: open "
        "drawer, then grasp {object}, then place {object}. 2. Object-level Targeting: Handle/Surface/Edge: "
        "Handle (of drawer), {edge} edge (of {object}). Pose/Facing/Angle: Maximum extension (drawer "
        "state), center (target placement pose).",
    ),
    Rule(
        (
            "hold the {object} firmly by the {grip} and position it on the {section} section of the {place} "
            "top, orienting the {head} so that its label is facing to the {side}",
        ),
        "put the {object} on top of the {place}",
        "1. Robot Action-level Constraint: State/Trajectory: Hold firmly, position on {section} section. "
        "Contact Timing: Grip {grip} before positioning. Ordinal Relations: Orient after positioning. 2. "
        "Object-level Targeting: Handle/Edge/Surface: {Grip} (grip), {place} top (placement). "
        "Pose/Facing/Angle: Label facing {side}.",
    ),
    Rule(
        (
            "place the end-effector at the center of the {object} and move it {way} then {then} "
            + _PUSH_ALONG,
            "push the {object} and move it {way} then {then} " + _PUSH_ALONG,
        ),
        _BESIDE,
        _PUSH_FINE,
        {"motion": "{way} then {then}", "order": "first {way}, then {then}"},
    ),
    Rule(
        ("push the {object} and move it diagonally toward the {corner} " + _PUSH_ALONG,),
        _BESIDE,
        _PUSH_FINE,
        {"motion": "diagonally toward {corner}", "order": "first diagonally {corner}"},
    ),
    Rule(
        ("move {heading} to the {place} knob, then turn it {turn} to {effect}",),
        "turn {effect} the {place}",
        "Robot Action-level Constraint: Trajectory shape - Linear translation (move {heading}) followed by "
        "rotational (turn {turn}). Contact timing - Sequential (move then turn). Ordinal relations - Strict "
        "order: translation before rotation. Object-level Targeting: Target object part - {Place} knob "
        "(specific component). Pose/facing/angle - {Turn} rotation (specific angular direction).",
    ),
    Rule(
        (
            "grab the {edge} edge of this {object} and move it along a {shape} path to the center of the "
            "{place}",
        ),
        "put the {object} on the {place}",
        "Robot Action-level Constraint: Trajectory shape - {Shape} path; Contact timing - Grab (initial "
        "contact). Object-level Targeting: Target part - {Edge} edge; Object - {Object}; Final pose - "
        "Center of the {place}.",
    ),
    Rule(
        (
            "grab the {edge} edge of this {object} and move it along a {shape} path to the {section} "
            "section of the {place}",
        ),
        "put the {object} on top of the {place}",
        "1. Robot Action-level Constraint: Trajectory shape - {Shape} path; Contact timing - After "
        "grabbing, then move. 2. Object-level Targeting: Target component - {Edge} edge of the {object}; "
        "Spatial relation - {Said section} section of the {place}.",
    ),
    Rule(
        (
            "hold the handle of the {drawer} {place} drawer and pull it {amount}",
            "vertically hold the handle of the {drawer} {place} drawer and pull it {amount}",
        ),
        "open the {drawer} drawer of the {place}",
        "1. Robot Action-level Constraint: Contact Timing: Initiate contact. Trajectory Shape: Linear "
        "pulling. Ordinal Relations: Grasp then pull. 2. Object-level Targeting: Target Part: {Drawer} "
        "{place} drawer handle. Action on Target: Pull open {amount}.",
    ),
)
