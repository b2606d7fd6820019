"""Every bound of the judge, each with its reason. What lies between two bounds of a pair is neither."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BenchLimits:
    """Bounds on a trace.

    Attributes:
        still_m_s: slower is lying still; things at rest show below 1 mm/s.
        upright_cosine: of the angle between a thing's up axis at the start and now, 26 degrees; a spoon on
            the plate's rim tilts by less, a mug on its side by 90.
        min_move_m: a shorter way is no "move"; the least distance of the language is 4 cm.
        on_table_m: vertical tolerance of lying on the table.
        on_plate_height_m: vertical tolerance of lying on the plate, more because of its rim.
        on_plate_m: distance from the plate's centre; its radius is 10 cm, and beyond 9.5 cm the weight rests
            on the rim.
        plate_middle_m: closer to the plate's centre is its middle.
        plate_side_m: a side of the plate begins here, 2 mm beyond its middle; 3.5 cm are meant.
        side_share: how far across for each metre along still counts as that side, 40 degrees; at 45 degrees
            two sides would hold at once.
        beside_gap_m: free way between two outlines that still counts as beside, less than a thing's length.
        along_m, across_m, distance_share: a displacement may miss by this much plus this share of what was
            asked: 4 cm to 1.9 cm, 20 cm to 3.5 cm, as a person judges it by eye.
        part_margin_m: what is held must be nearer to the part that was asked than to any other by this much;
            a finger pad is 22 mm wide. For a carrot held 8 mm beyond its middle the two differ by 16 mm.
        lift_m: higher above its resting height a thing is lifted; the plate with its rim is lower.
        push_lift_m: what is pushed stays below; a third of `lift_m`, and more than tilting gives.
        max_slide_m: a thing may be pushed this far by the fingers that close around it and is still picked
            up.
        high_m: apex of "high", 2 cm above the usual 10 cm.
        low_m: apex of "low", 4 cm below the usual 10 cm, twice `lift_m`.
        straight_m: a straight way strays by no more; two legs of 3.5 cm stray by 2.5 cm.
        diagonal_share: the shorter component of a diagonal way over the longer one, 27 degrees off an axis.
        min_leg_m: a leg is at least so long; shorter ones cannot be told from a straight way.
        legs_m: a way of two legs strays by no more from the right angle; the legs the other way round stray
            by 3.5 cm, a straight way by 2.5 cm.
        pass_m: a thing is passed on a side at least so far from its middle; closer is over it.
        turn_deg: error of a turn; half of what lies between two turns of the language is 22.5.
        heading_deg: error of a heading; half of what lies between two sides is 45.
        speed_slack_m: added to the way before it is divided by its time, for start and stop: what is asked of
            4 cm can be done without a jerk.
        slow_m_s: "slowly" is at most this fast; half of the usual.
        quick_m_s: "quickly" is at least this fast: twice slow, and a third more than usual.
        moving_m_s, moving_share: pieces of a way slower than this, or than this share of its fastest piece,
            are waiting, and not part of its time. A slow way of 4 cm with a turn of 180 degrees takes 3 s.
    """

    still_m_s: float = 0.03
    upright_cosine: float = 0.9
    min_move_m: float = 0.03
    on_table_m: float = 0.010
    on_plate_height_m: float = 0.014
    on_plate_m: float = 0.095
    plate_middle_m: float = 0.018
    plate_side_m: float = 0.020
    side_share: float = 0.84
    beside_gap_m: float = 0.06
    along_m: float = 0.015
    across_m: float = 0.015
    distance_share: float = 0.1
    part_margin_m: float = 0.010
    lift_m: float = 0.03
    push_lift_m: float = 0.010
    max_slide_m: float = 0.03
    high_m: float = 0.12
    low_m: float = 0.06
    straight_m: float = 0.02
    diagonal_share: float = 0.5
    min_leg_m: float = 0.035
    legs_m: float = 0.022
    pass_m: float = 0.03
    turn_deg: float = 20.0
    heading_deg: float = 35.0
    speed_slack_m: float = 0.05
    slow_m_s: float = 0.12
    quick_m_s: float = 0.24
    moving_m_s: float = 0.005
    moving_share: float = 0.1


LIMITS = BenchLimits()

SIDES: dict[str, tuple[float, float]] = {
    "left": (0.0, -1.0),
    "right": (0.0, 1.0),
    "front": (1.0, 0.0),
    "back": (-1.0, 0.0),
}
"""The viewer's directions as (x, y) of the base frame."""
