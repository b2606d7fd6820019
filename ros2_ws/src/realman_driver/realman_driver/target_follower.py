"""The curve to a single target, as teleoperation streams them: close behind, and able to stop at each.

A curve like that of a chunk, made anew with every target, would always be about to stop and fall far behind.
Here the speed is proportional to the distance left, and never higher than what can be braked on it.
"""

from __future__ import annotations

import numpy as np

from .bspline import Array, BSpline, CurveState, control_points_of

# The setpoint is 1/14 s behind a target that moves evenly; the speed settles four times as fast.
POSITION_GAIN_1_S = 14.0
VELOCITY_GAIN_1_S = 56.0
# Braking from the distance left uses this share of the acceleration; the rest is for keeping to it.
BRAKING_SHARE = 0.6
# As the gains need it.
STEP_S = 0.02
# Longer than any target takes that the rules of the gate let pass.
_MOST_STEPS = 300
# From here the rest of the way is one step, within the limits.
_NEAR_RAD = 5e-4
_SLOW_RAD_S = 1e-2


def curve_to_target(
    state: CurveState, start_s: float, target_rad: Array, limits: tuple[float, float, float]
) -> BSpline | None:
    """The curve from the motion of `state` to rest at a target, each joint on its own.

    Args:
        state: where the setpoint is and how it moves at `start_s`.
        start_s: time at which the curve begins.
        target_rad: (7,).
        limits: rad/s, rad/s^2, rad/s^3.

    Returns:
        None when it would take longer than 6 s.
    """
    max_velocity, max_acceleration, max_jerk = limits
    begin = control_points_of(state, STEP_S)
    # The control points themselves move so: the curve between them is smoother still.
    acceleration = state.acceleration_rad_s2
    position, velocity = begin[2], (begin[2] - begin[1]) / STEP_S + acceleration * (STEP_S / 2.0)
    most_change, braking = max_jerk * STEP_S, 2.0 * BRAKING_SHARE * max_acceleration
    control = list(begin)
    for _ in range(_MOST_STEPS):
        left = target_rad - position
        far = np.abs(left)
        if far.max() <= _NEAR_RAD and np.abs(velocity).max() <= _SLOW_RAD_S:
            break
        speed = np.minimum(np.minimum(far * POSITION_GAIN_1_S, np.sqrt(braking * far)), max_velocity)
        wanted = (np.copysign(speed, left) - velocity) * VELOCITY_GAIN_1_S
        wanted = np.minimum(np.maximum(wanted, -max_acceleration), max_acceleration)
        change = np.minimum(np.maximum(wanted - acceleration, -most_change), most_change)
        acceleration = acceleration + change
        before, velocity = velocity, velocity + acceleration * STEP_S
        position = position + (0.5 * STEP_S) * (before + velocity)
        control.append(position)
    else:
        return None
    return BSpline(start_s, STEP_S, np.array([*control, target_rad, target_rad, target_rad]))
