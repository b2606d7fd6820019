"""Every threshold of the judge in one place, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JudgeLimits:
    """Thresholds on the simulator's state.

    Attributes:
        lift_m: an object counts as picked up this far above its resting height. The plate is 6 mm thick and
            its rim lower than 30 mm, so nothing that is only pushed or tilted gets there.
        max_push_m: how far an object may have been pushed when it leaves the table. The fingers close over
            26 mm on each side, and the one that touches first moves the object by up to that.
        min_move_m: shorter ways are no "move": the bread is 70 mm long, so 30 mm is plainly seen.
        rest_speed_m_s: slower than this is lying still; objects at rest show below 1 mm/s.
        upright_cosine: vertical component of the object's up axis, 18 degrees of tilt; a carrot on the edge
            of the plate tilts by less.
        lower_below: a grasp below this share of the length from the tip is the lower part.
        upper_above: a grasp above this share is the upper part. A finger pad is 22 mm wide, a seventh of the
            carrot, so the tenth in between belongs to neither part.
        min_side_m: a carrot closer to the plate's middle line lies on no side; its half width is 14 mm.
        on_plate_m: distance of the carrot's middle from the plate's centre. The plate's radius is 100 mm;
            beyond 95 mm the carrot's weight rests on the rim.
        on_table_m: vertical tolerance of "on the table".
        on_surface_m: vertical tolerance of "on the plate", a little more because of the rim.
        max_drop_m: height above the surface at which the fingers let go and which still counts as placing.
            The expert lets go at 1 mm, a careful person below 10 mm; from 20 mm a carrot rolls when it lands.
        max_detour: length of the way in the hand divided by the straight distance. The expert's straight
            lines and turns need up to 1.15; a person's arc up to about 1.4.
        detour_slack_m: added to the straight distance before dividing, so that short ways are not judged by
            a few millimetres of swing.
    """

    lift_m: float = 0.03
    max_push_m: float = 0.03
    min_move_m: float = 0.03
    rest_speed_m_s: float = 0.03
    upright_cosine: float = 0.95
    lower_below: float = 0.45
    upper_above: float = 0.55
    min_side_m: float = 0.010
    on_plate_m: float = 0.095
    on_table_m: float = 0.008
    on_surface_m: float = 0.010
    max_drop_m: float = 0.020
    max_detour: float = 1.6
    detour_slack_m: float = 0.02


LIMITS = JudgeLimits()
