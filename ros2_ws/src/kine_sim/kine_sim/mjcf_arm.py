"""MJCF of the RM75 arm and its parallel gripper, made of primitives on the vendor's joint frames."""

from __future__ import annotations

from math import cos, sin

import numpy as np
from numpy.typing import ArrayLike

from kine_sim import rm75

POSITION_GAINS_NM_RAD = (2000.0, 2000.0, 1500.0, 1500.0, 800.0, 800.0, 500.0)
ARMATURE_KG_M2 = 0.1
GRIPPER_GAIN_N_M = 6000.0

# Geometry per link, in link frames whose z (links 2, 4, 6) or -y (links 1, 3, 5) runs along the arm at zero.
_SHELL, _JOINT, _ACCENT = "shell", "joint", "accent"
LINK_GEOMS: tuple[tuple[tuple[str, float, str, str], ...], ...] = (
    (
        ("cylinder", 0.048, "0 0.095 0 0 0.030 0", _SHELL),
        ("cylinder", 0.050, "0 0 -0.060 0 0 0.060", _JOINT),
    ),
    (("capsule", 0.042, "0 0 0.045 0 0 0.200", _SHELL),),
    (
        ("cylinder", 0.039, "0 0.050 0 0 0.020 0", _ACCENT),
        ("cylinder", 0.041, "0 0 -0.052 0 0 0.052", _JOINT),
    ),
    (("capsule", 0.035, "0 0 0.040 0 0 0.160", _SHELL),),
    (
        ("cylinder", 0.032, "0 0.045 0 0 0.020 0", _ACCENT),
        ("cylinder", 0.034, "0 0 -0.044 0 0 0.044", _JOINT),
    ),
    (("capsule", 0.031, "0 0 0.030 0 0 0.100", _SHELL),),
    (("cylinder", 0.032, "0 0 -0.014 0 0 0.004", _ACCENT),),
)

PALM_MASS_KG = 0.30
FINGER_MASS_KG = 0.03
PAD_HALF_M = (0.010, 0.004, 0.015)
PAD_CENTRE_Z_M = rm75.FLANGE_TO_TOOL_M - 0.006
"""Pads reach 9 mm beyond the tool centre, so an object is held a little inside the finger tips."""

WRIST_CAMERA_M = (0.085, 0.0, 0.045)
WRIST_CAMERA_TARGET_M = (0.008, 0.0, 0.185)
WRIST_CAMERA_FOVY_DEG = 66.0


def look_at_axes(position_m: ArrayLike, target_m: ArrayLike, up: ArrayLike) -> rm75.Array:
    """Camera x and y axes (6,) for a MuJoCo camera at a position, looking at a target."""
    back = np.asarray(position_m, float) - np.asarray(target_m, float)
    back /= np.linalg.norm(back)
    right = np.cross(np.asarray(up, float), back)
    right /= np.linalg.norm(right)
    return np.concatenate([right, np.cross(back, right)])


def _numbers(values: ArrayLike) -> str:
    return " ".join(f"{v:.9g}" for v in np.asarray(values, float).ravel())


def _link_open(index: int) -> str:
    frame, inertia = rm75.JOINT_FRAMES[index], rm75.LINK_INERTIAS[index]
    limit = rm75.POSITION_LIMIT_RAD[index]
    quaternion = (cos(frame.roll_rad / 2), sin(frame.roll_rad / 2), 0.0, 0.0)
    geoms = "".join(
        f'<geom class="arm" type="{kind}" size="{radius}" fromto="{ends}" material="{material}"/>'
        for kind, radius, ends, material in LINK_GEOMS[index]
    )
    return (
        f'<body name="link_{index + 1}" pos="{_numbers(frame.origin_m)}" quat="{_numbers(quaternion)}" '
        f'gravcomp="1">'
        f'<inertial mass="{inertia.mass_kg}" pos="{_numbers(inertia.com_m)}" '
        f'fullinertia="{_numbers(inertia.inertia_kg_m2)}"/>'
        f'<joint name="{rm75.JOINT_NAMES[index]}" axis="{_numbers(frame.axis)}" '
        f'range="{-limit:.9f} {limit:.9f}" armature="{ARMATURE_KG_M2}" damping="1"/>{geoms}'
    )


def _finger(side: str, sign: int) -> str:
    z0, z1 = 0.090, PAD_CENTRE_Z_M + PAD_HALF_M[2]
    y = sign * PAD_HALF_M[1]
    return f"""
    <body name="finger_{side}" gravcomp="1">
      <joint name="finger_{side}" type="slide" axis="0 {sign} 0" range="0 {rm75.FINGER_TRAVEL_M}" 
             armature="0.05" damping="15" solreflimit="0.005 1"/>
      <inertial mass="{FINGER_MASS_KG}" pos="0 {y} 0.12" diaginertia="1e-5 1e-5 1e-5"/>
      <geom class="arm" type="box" size="0.009 0.004 {(z1 - z0) / 2 - 0.004:.4f}"
            pos="0 {sign * 0.0125} {(z0 + z1) / 2 - 0.004:.4f}" material="joint"/>
      <geom name="pad_{side}" class="pad" size="{_numbers(PAD_HALF_M)}" pos="0 {y} {PAD_CENTRE_Z_M}"/>
    </body>"""


def arm_body() -> str:
    """The arm as one XML body tree: base, seven links, palm, two fingers, wrist camera."""
    axes = look_at_axes(WRIST_CAMERA_M, WRIST_CAMERA_TARGET_M, (-1.0, 0.0, 0.0))
    gripper = f"""
    <body name="gripper" gravcomp="1">
      <inertial mass="{PALM_MASS_KG}" pos="0 0 0.045" diaginertia="4e-4 3e-4 3e-4"/>
      <geom class="arm" type="cylinder" size="0.030" fromto="0 0 0 0 0 0.020" material="joint"/>
      <geom class="arm" type="box" size="0.020 0.036 0.022" pos="0 0 0.042" material="shell"/>
      <geom class="arm" type="box" size="0.016 0.052 0.013" pos="0 0 0.077" material="joint"/>
      <geom class="look" type="box" size="0.010 0.018 0.010" pos="{WRIST_CAMERA_M[0] - 0.028} 0 0.022"
            material="joint"/>
      <geom class="look" type="box" size="0.026 0.005 0.003" pos="0.042 0 0.022" material="joint"/>
      <site name="tool" pos="0 0 {rm75.FLANGE_TO_TOOL_M}" size="0.002" rgba="0 0 0 0"/>
      <camera name="wrist" pos="{_numbers(WRIST_CAMERA_M)}" xyaxes="{_numbers(axes)}"
              fovy="{WRIST_CAMERA_FOVY_DEG}"/>
      {_finger("left", 1)}
      {_finger("right", -1)}
    </body>
    <site name="flange" size="0.002" rgba="0 0 0 0"/>"""
    links = "".join(_link_open(i) for i in range(rm75.JOINT_COUNT))
    return f"""
    <body name="base">
      <geom class="arm" type="cylinder" size="0.075 0.010" pos="0 0 0.010" material="joint"/>
      <geom class="arm" type="cylinder" size="0.050 0.062" pos="0 0 0.082" material="shell"/>
      {links}{gripper}{"</body>" * rm75.JOINT_COUNT}
    </body>"""


def arm_excludes() -> str:
    """Pairs that touch by construction: neighbours, second neighbours, base and table, the two fingers."""
    chain = ["base", *(f"link_{i}" for i in range(1, 8)), "gripper"]
    pairs = [(chain[i], chain[j]) for i in range(len(chain)) for j in (i + 1, i + 2) if j < len(chain)]
    pairs += [("link_5", "gripper"), ("table", "link_1"), ("finger_left", "finger_right")]
    pairs += [(f"finger_{s}", link) for s in ("left", "right") for link in ("link_5", "link_6", "link_7")]
    return "".join(f'<exclude body1="{a}" body2="{b}"/>' for a, b in pairs)


def arm_actuators() -> str:
    """Seven position actuators with the vendor's effort limits, one for the gripper's opening per finger."""
    joints = "".join(
        f'<position name="{name}" joint="{name}" kp="{gain}" dampratio="1" forcerange="{-effort} {effort}" '
        f'ctrlrange="{-limit:.9f} {limit:.9f}"/>'
        for name, gain, effort, limit in zip(
            rm75.JOINT_NAMES,
            POSITION_GAINS_NM_RAD,
            rm75.EFFORT_LIMIT_NM,
            rm75.POSITION_LIMIT_RAD,
            strict=True,
        )
    )
    return (
        f'{joints}<position name="gripper" tendon="gripper" kp="{GRIPPER_GAIN_N_M}" kv="120" '
        f'forcerange="{-rm75.GRIPPER_FORCE_N} {rm75.GRIPPER_FORCE_N}" ctrlrange="0 {rm75.FINGER_TRAVEL_M}"/>'
    )


GRIPPER_COUPLING = """
  <tendon><fixed name="gripper">
    <joint joint="finger_left" coef="0.5"/><joint joint="finger_right" coef="0.5"/>
  </fixed></tendon>
  <equality><joint joint1="finger_left" joint2="finger_right" polycoef="0 1 0 0 0"
    solref="0.004 1"/></equality>"""
