"""What touches what: finger pads on the object, and contacts of the arm that should not be."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import mujoco
import numpy as np

from kine_sim import rm75


@dataclass(frozen=True)
class GripContact:
    """Where the fingers touch an object.

    Attributes:
        left_m, right_m: contact points (N, 3) in the object's frame.
    """

    left_m: rm75.Array
    right_m: rm75.Array

    @property
    def both(self) -> bool:
        """Both fingers touch the object."""
        return len(self.left_m) > 0 and len(self.right_m) > 0

    @property
    def any(self) -> bool:
        """At least one finger touches the object."""
        return len(self.left_m) + len(self.right_m) > 0

    @property
    def along_m(self) -> float:
        """Mean position of both fingers along the object's long axis, metres from its middle.

        Raises:
            ValueError: one of the fingers does not touch.
        """
        if not self.both:
            raise ValueError("the object is not between both fingers")
        return float((self.left_m[:, 0].mean() + self.right_m[:, 0].mean()) / 2)


def _bodies(model: mujoco.MjModel, contact: mujoco.MjContact) -> tuple[str, str]:
    first, second = (model.body(int(model.geom_bodyid[g])).name for g in contact.geom)
    return first, second


def grip_contact(model: mujoco.MjModel, data: mujoco.MjData, name: str) -> GripContact:
    """Where the fingers touch the named object now."""
    return grip_contacts(model, data, (name,))[name]


def grip_contacts(model: mujoco.MjModel, data: mujoco.MjData, names: Iterable[str]) -> dict[str, GripContact]:
    """Where the fingers touch each of the named objects now."""
    points: dict[str, dict[str, list[rm75.Array]]] = {
        name: {"finger_left": [], "finger_right": []} for name in names
    }
    for contact in data.contact:
        if contact.dist >= 0.0:  # listed before it touches
            continue
        for name, finger in itertools.permutations(_bodies(model, contact)):
            if name in points and finger in points[name]:
                frame = data.body(name)
                points[name][finger].append(frame.xmat.reshape(3, 3).T @ (contact.pos - frame.xpos))
    return {
        name: GripContact(*(np.array(found[f]).reshape(-1, 3) for f in ("finger_left", "finger_right")))
        for name, found in points.items()
    }


def unwanted_arm_contacts(model: mujoco.MjModel, data: mujoco.MjData, name: str) -> tuple[str, ...]:
    """Contacts of arm or gripper with table, plate, object or each other, like 'link_6 - table'.

    Fingers on the named object are meant, and are left out.
    """
    found = set()
    for contact in data.contact:
        pair = _bodies(model, contact)
        arm = sorted(n for n in pair if n == "base" or n.startswith(("link_", "finger_", "gripper")))
        meant = len(arm) == 1 and arm[0].startswith("finger_") and name in pair
        if arm and not meant and contact.dist < 0.0:
            found.add(" - ".join([*arm, *(n for n in pair if n not in arm)]))
    return tuple(sorted(found))
