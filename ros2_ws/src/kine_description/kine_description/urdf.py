"""URDF of arm, gripper and cameras, written from the kinematic table of `kine_sim.rm75`."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from numpy.typing import ArrayLike

from kine_description.mount import Mount
from kine_sim import layout, mjcf_arm, rm75

BASE = "base_link"
LINKS: tuple[str, ...] = (BASE, *(f"link_{i}" for i in range(1, rm75.JOINT_COUNT + 1)))
FLANGE = LINKS[-1]
CAMERA_PARENTS = (*LINKS, "gripper_base")
_COLOURS = {"shell": "0.90 0.91 0.93 1", "joint": "0.16 0.17 0.19 1", "accent": "0.15 0.42 0.66 1"}


def nominal_mounts() -> dict[str, Mount]:
    """Both cameras where the simulator has them; the wrist camera is fixed to the flange."""
    return {
        "front": _looking(BASE, layout.FRONT_CAMERA_M, layout.FRONT_CAMERA_TARGET_M, (0.0, 0.0, 1.0)),
        "wrist": _looking(FLANGE, mjcf_arm.WRIST_CAMERA_M, mjcf_arm.WRIST_CAMERA_TARGET_M, (-1.0, 0.0, 0.0)),
    }


def robot_urdf(mounts: Mapping[str, Mount] | None = None) -> str:
    """The robot as URDF text.

    Args:
        mounts: cameras by name; None: `nominal_mounts`. Each becomes a link `<name>_color_optical_frame`.

    Joints are named as in `/joint_states`. `gripper` there is an opening of 0 to 1, which no URDF joint can
    be: here it turns an empty link, and both fingers follow it by their travel.
    """
    robot = Element("robot", name="rm75")
    for name, colour in _COLOURS.items():
        SubElement(SubElement(robot, "material", name=name), "color", rgba=colour)
    _base(robot)
    for index in range(rm75.JOINT_COUNT):
        _arm_link(robot, index)
    _gripper(robot)
    for name, mount in (nominal_mounts() if mounts is None else mounts).items():
        frame = f"{name}_color_optical_frame"
        SubElement(robot, "link", name=frame)
        joint = _joint(robot, f"{name}_camera", "fixed", mount.parent, frame)
        SubElement(joint, "origin", xyz=_numbers(mount.translation_m), rpy=_numbers(mount.rpy_rad()))
    ElementTree.indent(robot)
    return '<?xml version="1.0"?>\n' + ElementTree.tostring(robot, encoding="unicode") + "\n"


def _base(robot: Element) -> None:
    link = SubElement(robot, "link", name=BASE)
    _shape(link, "cylinder", 0.075, (0.0, 0.0, 0.0), (0.0, 0.0, 0.020), "joint")
    _shape(link, "cylinder", 0.050, (0.0, 0.0, 0.020), (0.0, 0.0, 0.144), "shell")


def _arm_link(robot: Element, index: int) -> None:
    frame, inertia = rm75.JOINT_FRAMES[index], rm75.LINK_INERTIAS[index]
    link = SubElement(robot, "link", name=LINKS[index + 1])
    _inertial(link, inertia.mass_kg, inertia.com_m, inertia.inertia_kg_m2)
    for kind, radius, ends, colour in mjcf_arm.LINK_GEOMS[index]:
        values = [float(value) for value in ends.split()]
        _shape(link, kind, radius, values[:3], values[3:], colour)
    joint = _joint(robot, rm75.JOINT_NAMES[index], "revolute", LINKS[index], LINKS[index + 1])
    SubElement(joint, "origin", xyz=_numbers(frame.origin_m), rpy=_numbers((frame.roll_rad, 0.0, 0.0)))
    SubElement(joint, "axis", xyz=_numbers(frame.axis))
    limit = rm75.POSITION_LIMIT_RAD[index]
    _limit(joint, -limit, limit, rm75.VELOCITY_LIMIT_RAD_S[index], rm75.EFFORT_LIMIT_NM[index])


def _gripper(robot: Element) -> None:
    palm = SubElement(robot, "link", name="gripper_base")
    _inertial(palm, mjcf_arm.PALM_MASS_KG, (0.0, 0.0, 0.045), (4e-4, 3e-4, 3e-4, 0.0, 0.0, 0.0))
    _box(palm, (0.040, 0.072, 0.090), (0.0, 0.0, 0.045), "shell")
    _joint(robot, "flange_to_gripper", "fixed", FLANGE, "gripper_base")
    SubElement(robot, "link", name="tool")
    tool = _joint(robot, "flange_to_tool", "fixed", FLANGE, "tool")
    SubElement(tool, "origin", xyz=_numbers((0.0, 0.0, rm75.FLANGE_TO_TOOL_M)))
    # A gram, because physics engines refuse moving links without mass.
    _inertial(SubElement(robot, "link", name="gripper_opening"), 1e-3, (0.0,) * 3, (1e-6,) * 3 + (0.0,) * 3)
    opening = _joint(robot, "gripper", "revolute", "gripper_base", "gripper_opening")
    SubElement(opening, "axis", xyz="0 0 1")
    _limit(opening, 0.0, 1.0, 2.0, rm75.GRIPPER_FORCE_N * rm75.FINGER_TRAVEL_M)
    half = np.array(mjcf_arm.PAD_HALF_M)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        finger = SubElement(robot, "link", name=f"finger_{side}")
        z = mjcf_arm.PAD_CENTRE_Z_M
        _inertial(finger, mjcf_arm.FINGER_MASS_KG, (0.0, sign * half[1], 0.12), (1e-5,) * 3 + (0.0,) * 3)
        _box(finger, tuple(2 * half), (0.0, sign * half[1], z), "joint")
        _box(finger, (0.018, 0.008, 0.060), (0.0, sign * 0.0125, 0.115), "joint")
        slide = _joint(robot, f"finger_{side}_slide", "prismatic", "gripper_base", f"finger_{side}")
        SubElement(slide, "axis", xyz=_numbers((0.0, sign, 0.0)))
        _limit(slide, 0.0, rm75.FINGER_TRAVEL_M, 0.1, rm75.GRIPPER_FORCE_N / 2)
        SubElement(slide, "mimic", joint="gripper", multiplier=f"{rm75.FINGER_TRAVEL_M:.9g}", offset="0")


def _joint(robot: Element, name: str, kind: str, parent: str, child: str) -> Element:
    joint = SubElement(robot, "joint", name=name, type=kind)
    SubElement(joint, "parent", link=parent)
    SubElement(joint, "child", link=child)
    return joint


def _limit(joint: Element, lower: float, upper: float, velocity: float, effort: float) -> None:
    values = {"lower": lower, "upper": upper, "velocity": velocity, "effort": effort}
    SubElement(joint, "limit", {name: f"{value:.9g}" for name, value in values.items()})


def _inertial(link: Element, mass_kg: float, com_m: ArrayLike, inertia_kg_m2: ArrayLike) -> None:
    """Inertia in the order xx yy zz xy xz yz."""
    inertial = SubElement(link, "inertial")
    SubElement(inertial, "origin", xyz=_numbers(com_m))
    SubElement(inertial, "mass", value=f"{mass_kg:.9g}")
    names = ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")
    values = np.asarray(inertia_kg_m2, float)
    SubElement(inertial, "inertia", {name: f"{value:.9g}" for name, value in zip(names, values, strict=True)})


def _shape(
    link: Element, kind: str, radius_m: float, start_m: ArrayLike, end_m: ArrayLike, colour: str
) -> None:
    """A cylinder between two points, along z or y; a capsule gets a ball at each end."""
    start, end = np.asarray(start_m, float), np.asarray(end_m, float)
    along_y = abs(end - start)[1] > 1e-9
    rpy = (np.pi / 2, 0.0, 0.0) if along_y else (0.0, 0.0, 0.0)
    cylinder = Element("cylinder", radius=f"{radius_m:.9g}", length=f"{np.linalg.norm(end - start):.9g}")
    _solid(link, cylinder, (start + end) / 2, rpy, colour)
    if kind == "capsule":
        for centre in (start, end):
            _solid(link, Element("sphere", radius=f"{radius_m:.9g}"), centre, (0.0, 0.0, 0.0), colour)


def _box(link: Element, size_m: ArrayLike, centre_m: ArrayLike, colour: str) -> None:
    _solid(link, Element("box", size=_numbers(size_m)), centre_m, (0.0, 0.0, 0.0), colour)


def _solid(link: Element, shape: Element, centre_m: ArrayLike, rpy_rad: ArrayLike, colour: str) -> None:
    for role in ("visual", "collision"):
        part = SubElement(link, role)
        SubElement(part, "origin", xyz=_numbers(centre_m), rpy=_numbers(rpy_rad))
        SubElement(part, "geometry").append(shape)
        if role == "visual":
            SubElement(part, "material", name=colour)


def _looking(parent: str, position_m: ArrayLike, target_m: ArrayLike, up: ArrayLike) -> Mount:
    axes = mjcf_arm.look_at_axes(position_m, target_m, up)
    right, upwards = axes[:3], axes[3:]
    rotation = np.stack([right, -upwards, -np.cross(right, upwards)], axis=1)
    return Mount(parent, np.asarray(position_m, float), rotation)


def _numbers(values: ArrayLike) -> str:
    return " ".join(f"{value + 0.0:.9g}" for value in np.asarray(values, float).ravel())
