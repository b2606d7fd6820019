"""Every threshold of the LIBERO judge in one place, each with its reason. None is measured on people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LiberoLimits:
    """Thresholds."""

    on_object_m: float = 0.03  # horizontal distance of two objects' origins for "on"; LIBERO's own figure
    # an object's origin may be so far above a region's top; LIBERO's own figure
    on_site_height_m: float = 0.10
    on_site_below_m: float = 0.005  # and so far below it; LIBERO's own figure
    in_site_below_m: float = 0.01  # tolerance of the lower face of a box that contains; LIBERO's own figure
    knob_on_rad: float = 0.5  # the stove burns from this angle; LIBERO's own figure
    # a drawer counts as open at all from this share (16 mm of 160): plainly seen. LIBERO's own goal asks for
    # 0.875 and would never grant "halfway" or "slightly"
    drawer_open: float = 0.10
    slightly: tuple[float, float] = (0.10, 0.35)  # share of the range, from open at all to a third
    # share of the range around the middle; the gaps to its neighbours belong to neither
    halfway: tuple[float, float] = (0.40, 0.65)
    # share of the range; 0.14 of 0.16 m is LIBERO's own figure for open
    completely: tuple[float, float] = (0.875, 1.10)
    # the contact lies within this angle of the asked side, seen from the bowl's middle: a quarter of the rim
    # belongs to each side
    edge_degrees: float = 45.0
    # contact above this share of the bottle's length is the neck; a wine bottle's shoulder ends at about two
    # thirds
    neck_from: float = 0.65
    body_to: float = 0.55  # contact below this share is the body; the shoulder in between belongs to neither
    # share of the length between which the middle of a box lies: its middle third, widened by half a 20 mm
    # finger pad
    middle: tuple[float, float] = (0.25, 0.75)
    # distance from the middle line of a surface before a side of it is reached: 1 cm is seen
    section_m: float = 0.01
    # distance from a middle that still counts as the centre; LIBERO's 3 cm for "on a plate"
    centre_m: float = 0.03
    label_degrees: float = 45.0  # the label faces a side within this angle: the four sides meet at 45
    vertical_degrees: float = 30.0  # the hand's axis may lean so far from straight down
    # a leg of a path shorter than this is no motion: half the smallest way the tasks ask for
    min_leg_m: float = 0.03
    # a leg may deviate so far from the asked direction; below 45, so that it lies nearer to the asked
    # direction than to its neighbour
    straight_degrees: float = 30.0
    # the smaller of both horizontal components is at least this share of the larger one: 14 degrees from
    # either axis. The straight way from LIBERO's bowl to the far half of the cabinet top has about 0.35 and
    # is called diagonal
    diagonal_share: float = 0.25
    # largest distance from the straight line, as a share of its length; going round the corner of a square
    # gives 0.5
    diagonal_deviation: float = 0.25
    max_lift_m: float = 0.02  # a pushed plate stays on the table; its rim is higher than this
    # the plate's middle is beside the stove from here: less would overlap the stove's half width
    beside_min_m: float = 0.10
    beside_max_m: float = 0.28  # beyond this it is not "close"
    beside_depth_m: float = 0.15  # half depth of the strip beside the stove


LIMITS = LiberoLimits()
