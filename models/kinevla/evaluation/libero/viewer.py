"""Left, right, front and back as the paper's viewer sees them, in LIBERO's world axes.

LIBERO's `agentview` camera stands at x = +0.66 m beyond the table and looks back at the robot (towards -x).
Its right-hand side is world +y. robosuite returns images bottom-up, and the usual preprocessing (the paper's
too) rotates them by 180 degrees: upright again, but mirrored, so that world +y is on the *left of the image*.
The relabelled rows speak of the image: the stove stands at y = +0.21 m, the plate and hand start near y = 0,
and the rows say "move left to the stove knob" and push the plate "leftward" to the stove. Hence 'image' is
the default, and 'camera' (not mirrored) can be chosen.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from kinevla.evaluation.libero.frames import Array

View = Literal["image", "camera"]
Direction = Literal["left", "right", "front", "back"]


def direction_vector(direction: Direction, view: View) -> Array:
    """World unit vector (3,) of a direction; front is towards the viewer (+x), back away from them (-x)."""
    right = -1.0 if view == "image" else 1.0
    return np.array(
        {
            "left": (0.0, -right, 0.0),
            "right": (0.0, right, 0.0),
            "front": (1.0, 0.0, 0.0),
            "back": (-1.0, 0.0, 0.0),
        }[direction]
    )
