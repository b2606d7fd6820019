"""The whole MuJoCo model as one XML text: arm, table, bread, carrot, plate, cameras, lamp.

One model serves every scene. What differs between scenes (poses, colours, light, friction, which
object is present) is written into the compiled model by `kine_sim.stage`.
"""

from __future__ import annotations

import mujoco

from kine_sim import layout, mjcf_arm, shapes
from kine_sim.cameras import CAMERAS
from kine_sim.layout import FRONT_CAMERA_M, FRONT_CAMERA_TARGET_M

__all__ = ["CAMERAS", "TIMESTEP_S", "build_model", "model_xml"]

TIMESTEP_S = 0.002
FRONT_CAMERA_FOVY_DEG = 39.0

BREAD_MASS_KG = 0.200
CARROT_MASS_KG = 0.180
"""Heavy for their size, so that a grip of 15 N per finger holds them only with real friction."""

_DEFAULTS = """
  <default>
    <geom solref="0.005 1" condim="4" friction="0.8 0.005 0.0005"/>
    <default class="arm"><geom contype="2" conaffinity="7" mass="0"/></default>
    <default class="pad">
      <geom type="box" contype="2" conaffinity="7" mass="0" friction="1.0 0.02 0.0005" material="rubber"/>
    </default>
    <default class="look"><geom contype="0" conaffinity="0" mass="0"/></default>
    <default class="surface"><geom contype="1" conaffinity="6"/></default>
    <default class="object">
      <geom type="box" contype="4" conaffinity="7" friction="1.0 0.02 0.0005" rgba="0 0 0 0"/>
    </default>
  </default>"""


def _assets(extra: str) -> str:
    return f"""
  <asset>
    <texture name="sky" type="skybox" builtin="gradient" rgb1="0.75 0.78 0.82" rgb2="0.45 0.48 0.52"
             width="64" height="384"/>
    <texture name="speckle" type="2d" builtin="flat" mark="random" rgb1="1 1 1" markrgb="0.86 0.86 0.86"
             random="0.03" width="256" height="256"/>
    <material name="table" texture="speckle" texrepeat="2 2" specular="0.1" shininess="0.1"/>
    <material name="floor" rgba="0.33 0.33 0.36 1" specular="0"/>
    <material name="shell" rgba="0.90 0.91 0.93 1" specular="0.4" shininess="0.5"/>
    <material name="joint" rgba="0.20 0.22 0.26 1" specular="0.3" shininess="0.4"/>
    <material name="accent" rgba="0.16 0.38 0.66 1" specular="0.4" shininess="0.5"/>
    <material name="rubber" rgba="0.10 0.10 0.11 1" specular="0.05"/>
    <material name="bread" specular="0.1"/>
    <material name="crust" rgba="0.50 0.28 0.10 1" specular="0.1"/>
    <material name="carrot_upper" specular="0.2"/>
    <material name="carrot_lower" specular="0.2"/>
    <material name="leaf" rgba="0.16 0.52 0.14 1" specular="0.1"/>
    <material name="distractor" rgba="0.15 0.35 0.75 1" specular="0.3"/>
    <material name="plate" specular="0.5" shininess="0.6"/>
    {shapes.loaf("loaf")}
    {shapes.carrot_part("carrot_upper", True)}
    {shapes.carrot_part("carrot_lower", False)}
    {shapes.plate("plate")}{extra}
  </asset>"""


def _bread() -> str:
    a, b, c = layout.BREAD_HALF_M
    cuts = "".join(
        f'<geom class="look" type="capsule" size="0.0022" fromto="{x - 0.006} -0.012 {c - 0.0006} '
        f'{x + 0.006} 0.012 {c - 0.0006}" material="crust"/>'
        for x in (-0.018, 0.0, 0.018)
    )
    return f"""
    <body name="bread"><freejoint name="bread"/>
      <geom name="bread" class="object" size="{a} {b} {c}" mass="{BREAD_MASS_KG}"/>
      <geom class="look" type="mesh" mesh="loaf" material="bread"/>{cuts}
    </body>"""


def _carrot() -> str:
    half, height = layout.CARROT_HALF_LENGTH_M, layout.CARROT_HALF_HEIGHT_M
    upper, lower = layout.CARROT_UPPER_HALF_WIDTH_M, layout.CARROT_LOWER_HALF_WIDTH_M
    low_height = 0.011
    leaves = "".join(
        f'<geom class="look" type="capsule" size="0.0035" fromto="{half - 0.004} 0 0.001 '
        f'{half + 0.030} {y} {z}" material="leaf"/>'
        for y, z in ((-0.016, 0.004), (-0.006, 0.010), (0.006, 0.009), (0.016, 0.003), (0.0, 0.0))
    )
    return f"""
    <body name="carrot"><freejoint name="carrot"/>
      <geom name="carrot_upper" class="object" size="{half / 2} {upper} {height}" pos="{half / 2} 0 0"
            mass="{CARROT_MASS_KG / 2}"/>
      <geom name="carrot_lower" class="object" size="{half / 2} {lower} {low_height}"
            pos="{-half / 2} 0 {low_height - height}" mass="{CARROT_MASS_KG / 2}"/>
      <geom class="look" type="mesh" mesh="carrot_upper" material="carrot_upper"/>
      <geom class="look" type="mesh" mesh="carrot_lower" material="carrot_lower"/>{leaves}
    </body>"""


def model_xml(assets: str = "", bodies: str = "") -> str:
    """The complete model as MJCF text, with what else may lie on the table.

    Args:
        assets: materials and meshes of `bodies`.
        bodies: further bodies, each with a free joint of the body's name.
    """
    axes = mjcf_arm.look_at_axes(FRONT_CAMERA_M, FRONT_CAMERA_TARGET_M, (0.0, 0.0, 1.0))
    thickness = layout.PLATE_THICKNESS_M / 2
    return f"""
<mujoco model="rm75_tabletop">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{TIMESTEP_S}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <size memory="8M"/>
  <visual>
    <quality offsamples="0" shadowsize="0"/><global offwidth="1280" offheight="1024"/>
    <map znear="0.02" zfar="20"/>
    <headlight ambient="0.35 0.35 0.35" diffuse="0.15 0.15 0.15" specular="0 0 0"/>
  </visual>
  {_DEFAULTS}
  {_assets(assets)}
  <worldbody>
    <light name="lamp" pos="0.5 0.3 1.6" dir="0 0 -1" diffuse="0.5 0.5 0.5" specular="0.2 0.2 0.2"
           castshadow="false"/>
    <camera name="front" pos="{" ".join(map(str, FRONT_CAMERA_M))}" 
            xyaxes="{" ".join(f"{v:.9g}" for v in axes)}" fovy="{FRONT_CAMERA_FOVY_DEG}"/>
    <geom class="look" type="plane" size="4 4 1" pos="0 0 -0.75" material="floor"/>
    <body name="table" pos="0.275 0 -0.02">
      <geom name="table" class="surface" type="box" size="0.475 0.55 0.02" material="table"/>
    </body>
    <body name="plate" pos="0.32 0.1 0">
      <geom name="plate" class="surface" type="cylinder" size="{layout.PLATE_RADIUS_M} {thickness}"
            rgba="0 0 0 0" pos="0 0 {thickness}"/>
      <geom class="look" type="mesh" mesh="plate" material="plate"/>
    </body>
    <body name="distractor" pos="0 4 -3">
      <geom name="distractor" class="surface" type="cylinder" material="distractor"
            size="{layout.DISTRACTOR_RADIUS_M} {layout.DISTRACTOR_HALF_HEIGHT_M}"
            pos="0 0 {layout.DISTRACTOR_HALF_HEIGHT_M}"/>
    </body>
    {mjcf_arm.arm_body()}
    {_bread()}
    {_carrot()}{bodies}
  </worldbody>
  <contact>{mjcf_arm.arm_excludes()}</contact>
  {mjcf_arm.GRIPPER_COUPLING}
  <actuator>{mjcf_arm.arm_actuators()}</actuator>
</mujoco>"""


def build_model(assets: str = "", bodies: str = "") -> mujoco.MjModel:
    """Compile a fresh model (see `model_xml`); each world owns one, because scenes are written into it."""
    return mujoco.MjModel.from_xml_string(model_xml(assets, bodies))
