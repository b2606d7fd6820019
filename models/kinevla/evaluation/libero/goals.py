"""Goal checks: is the coarse sentence fulfilled? They follow LIBERO's own predicates where it has one."""

from __future__ import annotations

import numpy as np

from kinevla.evaluation.libero.frames import LiberoTrace
from kinevla.evaluation.libero.limits import LIMITS
from kinevla.evaluation.libero.viewer import Direction, View, direction_vector

Check = tuple[bool, str]


def on_object(trace: LiberoTrace, view: View, *, name: str, support: str) -> Check:
    """Judge LIBERO's On(object, object): touching, not below, origins within 3 cm."""
    a, b = (trace.last.bodies[key].pose.position_m for key in (name, support))
    distance, contact = float(np.linalg.norm((a - b)[:2])), trace.last.touch(name, support)
    return bool(contact and a[2] >= b[2] and distance < LIMITS.on_object_m), (
        f"{name} is {distance * 100:.1f} cm from the middle of {support} and "
        f"{'touches' if contact else 'does not touch'} it; "
        f"asked: on it, within {LIMITS.on_object_m * 100:.0f} cm"
    )


def on_site(trace: LiberoTrace, view: View, *, name: str, site: str, fixture: str | None = None) -> Check:
    """Judge LIBERO's On(object, region): above the region, touching the fixture it belongs to."""
    region = trace.last.sites[site]
    offset = region.pose.rotation @ (trace.last.bodies[name].pose.position_m - region.pose.position_m)
    low = region.half_m[2] - LIMITS.on_site_below_m
    above = bool(low < offset[2] < region.half_m[2] + LIMITS.on_site_height_m)
    inside = bool(np.all(np.abs(offset[:2]) < region.half_m[:2]))
    contact = fixture is None or trace.last.touch(name, fixture)
    return above and inside and contact, (
        f"{name} is {'inside' if inside else 'outside'} the outline of {site}, "
        f"{offset[2] * 100:.1f} cm above its middle{'' if contact else f', without touching {fixture}'}; "
        "asked: on it"
    )


def in_site(trace: LiberoTrace, view: View, *, name: str, site: str) -> Check:
    """Judge LIBERO's In(object, region): the object's origin lies in the box."""
    region = trace.last.sites[site]
    half = np.abs(region.pose.rotation @ region.half_m)
    offset = trace.last.bodies[name].pose.position_m - region.pose.position_m
    low = -half - np.array([0.0, 0.0, LIMITS.in_site_below_m])
    ok = bool(np.all(offset > low) and np.all(offset < half))
    return ok, f"{name} is {'inside' if ok else 'not inside'} {site}; asked: inside"


def drawer_open(trace: LiberoTrace, view: View, *, drawer: str) -> Check:
    """Judge whether a drawer is open at all (not LIBERO's Open, which asks for 87.5 %)."""
    share = trace.last.joints[drawer].fraction
    return share >= LIMITS.drawer_open, (
        f"{drawer} is {share * 100:.0f} % open; asked: open, at least {LIMITS.drawer_open * 100:.0f} %"
    )


def knob_on(trace: LiberoTrace, view: View, *, knob: str) -> Check:
    """Judge LIBERO's Turnon: the knob's angle."""
    angle = trace.last.joints[knob].position
    return angle >= LIMITS.knob_on_rad, (
        f"the knob of {knob} stands at {angle:.2f} rad; asked: at least {LIMITS.knob_on_rad:.2f}"
    )


def beside(trace: LiberoTrace, view: View, *, name: str, site: str, side: Direction) -> Check:
    """Judge whether an object is close beside a region; LIBERO has no such goal."""
    offset = trace.last.bodies[name].pose.position_m - trace.last.sites[site].pose.position_m
    across = float(offset @ direction_vector(side, view))
    depth = abs(float(offset @ direction_vector("back", view)))
    ok = LIMITS.beside_min_m <= across <= LIMITS.beside_max_m and depth <= LIMITS.beside_depth_m
    return ok, (
        f"{name} is {across * 100:.1f} cm {side} of {site} and {depth * 100:.1f} cm off in depth; asked: "
        f"{LIMITS.beside_min_m * 100:.0f} to {LIMITS.beside_max_m * 100:.0f} cm, "
        f"at most {LIMITS.beside_depth_m * 100:.0f} cm off"
    )
