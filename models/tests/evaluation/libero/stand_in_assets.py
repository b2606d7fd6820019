"""Stand-ins for LIBERO's assets: boxes and cylinders under the names its code expects.

LIBERO's meshes are in no package. With these own, rough shapes the real LIBERO and robosuite run: task files,
start states, controller, contacts, regions and the success check are theirs, only looks and sizes are not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

_CAMERAS = (
    "frontview",
    "birdview",
    "agentview",
    "sideview",
    "canonical_agentview",
    "galleryview",
    "backview",
)
_TEXTURES = ("light-gray-floor-tile.png", "light-gray-plaster.png")


def _site(name: str, pos: str, size: str = "0.002 0.002 0.002", kind: str = "sphere") -> str:
    return f'<site name="{name}" pos="{pos}" size="{size}" type="{kind}" quat="1 0 0 0" rgba="0 0 0 0"/>'


def _geom(
    name: str, kind: str, size: str, pos: str = "0 0 0", mass: float = 0.1, quat: str = "1 0 0 0"
) -> str:
    """A collision geom and its visual twin, in the groups robosuite sorts them by."""
    shape = f'type="{kind}" size="{size}" pos="{pos}" quat="{quat}"'
    return (
        f'<geom name="{name}" {shape} mass="{mass}" group="0" friction="1 0.005 0.0001" '
        'solimp="0.998 0.998 0.001" solref="0.001 1"/>'
        f'<geom name="{name}_visual" {shape} mass="0" group="1" contype="0" conaffinity="0" '
        'rgba="0.5 0.5 0.5 1"/>'
    )


def _object(name: str, body: str, bottom_m: float, top_m: float, radius_m: float) -> str:
    return (
        f'<mujoco model="{name}"><asset/><worldbody><body><body name="object">{body}</body>'
        f"{_site('bottom_site', f'0 0 {bottom_m}')}{_site('top_site', f'0 0 {top_m}')}"
        f"{_site('horizontal_radius_site', f'{radius_m} {radius_m} 0')}</body></worldbody></mujoco>"
    )


def _bowl() -> str:
    """Eight walls around a floor; LIBERO turns its bowls by 90 degrees, so the axis is y."""
    walls = []
    for index in range(8):
        angle = 2 * np.pi * index / 8
        pos = f"{0.06 * np.cos(angle):.4f} 0.025 {0.06 * np.sin(angle):.4f}"
        quat = f"{np.cos(angle / 2):.4f} 0 {-np.sin(angle / 2):.4f} 0"
        walls.append(_geom(f"wall{index}", "box", "0.004 0.025 0.0249", pos, 0.02, quat))
    return "".join(walls) + _geom("base", "box", "0.05 0.003 0.05", mass=0.05)


def _drawer(which: str, height_m: float) -> str:
    return (
        f'<body name="{which}" pos="0 0 {height_m}"><joint name="{which}_level" type="slide" axis="0 1 0" '
        'range="-0.16 0.01" damping="50" frictionloss="2"/>'
        + _geom(f"{which}_floor", "box", "0.09 0.09 0.004", "0 0 -0.025")
        + _geom(f"{which}_front", "box", "0.09 0.004 0.025", "0 -0.09 0")
        + _geom(f"{which}_handle", "box", "0.03 0.006 0.006", "0 -0.115 0")
        + _site(f"{which}_region", "0 0 0", "0.08 0.08 0.02", "box")
        + "</body>"
    )


def _cabinet() -> str:
    return (
        _geom("left", "box", "0.004 0.1 0.1", "-0.1 0 0.1", 1)
        + _geom("right", "box", "0.004 0.1 0.1", "0.1 0 0.1", 1)
        + _geom("top", "box", "0.1 0.1 0.004", "0 0 0.204", 1)
        + _site("top_side", "0 0 0.21", "0.09 0.09 0.005", "box")
        + _drawer("bottom", 0.035)
        + _drawer("middle", 0.1)
        + _drawer("top", 0.165)
    )


def _stove() -> str:
    return (
        _geom("plate", "box", "0.12 0.1 0.015", "0 0 0.015", 2)
        + _site("burner", "0 0 0.032", "0.05 0.001", "cylinder")
        + '<body name="cook"><inertial pos="0 0 0" mass="0.01" diaginertia="0.001 0.001 0.001"/>'
        + _site("cook_region", "0 0 0.035", "0.06 0.06 0.005", "box")
        + '</body><body name="button" pos="0.14 0 0.09"><joint name="button" type="hinge" axis="1 0 0" '
        'range="-0.01 2.2" damping="0.05" frictionloss="0.01"/>'
        + _geom("knob", "box", "0.01 0.02 0.02")
        + _site("knob_site", "0 0 0")
        + "</body>"
    )


def _scene() -> str:
    legs = "".join(
        f'<geom name="table_leg{index}_visual" size="0.025 0.4" type="cylinder" conaffinity="0" contype="0" '
        'group="1"/>'
        for index in range(1, 5)
    )
    cameras = "".join(
        f'<camera name="{name}" mode="fixed" pos="0.6 0 1.5" quat="0.638 0.305 0.305 0.638"/>'
        for name in _CAMERAS
    )
    floor, wall = (f"../textures/{name}" for name in _TEXTURES)
    return f"""<mujoco model="table_arena"><asset>
<texture name="texplane" type="2d" file="{floor}"/><material name="floorplane" texture="texplane"/>
<texture name="tex-wall" type="2d" file="{wall}"/><material name="walls_mat" texture="tex-wall"/></asset>
<worldbody><geom name="floor" condim="3" group="1" material="floorplane" size="3 3 .125" type="plane"/>
<body name="table" pos="0 0 0.4">
<geom name="table_collision" size="0.4 0.4 0.4" type="box" friction="1 0.005 0.0001" group="0"/>
<geom name="table_visual" size="0.4 0.4 0.4" type="box" conaffinity="0" contype="0" group="1"/>
<site name="table_top" pos="0 0 0.4" size="0.001 0.001 0.001" rgba="0 0 0 0"/>{legs}</body>
<light name="light1" diffuse=".8 .8 .8" dir="0 -.15 -1" pos="1 1 4.0" castshadow="false"/>
{cameras}</worldbody></mujoco>"""


def write_assets(folder: Path) -> None:
    """Write what the scenes of LIBERO-Goal need."""
    bottle = _geom("body", "cylinder", "0.03 0.07", "0 0 0.07") + _geom(
        "neck", "cylinder", "0.012 0.04", "0 0 0.18", 0.03
    )
    rack = _geom("base", "box", "0.08 0.08 0.05", "0 0 0.05") + _site(
        "top_region", "0 0 0.105", "0.07 0.07 0.005", "box"
    )
    plate, cheese = _geom("base", "box", "0.08 0.006 0.08"), _geom("box", "box", "0.045 0.02 0.012")
    scanned, bought = "stable_scanned_objects", "turbosquid_objects"
    files = {
        f"{scanned}/akita_black_bowl/akita_black_bowl.xml": _object("bowl", _bowl(), -0.003, 0.05, 0.06),
        f"{scanned}/plate/plate.xml": _object("plate", plate, -0.006, 0.006, 0.08),
        f"{bought}/wine_bottle/wine_bottle.xml": _object("bottle", bottle, 0.0, 0.22, 0.03),
        f"{bought}/wine_rack/wine_rack.xml": _object("rack", rack, 0.0, 0.1, 0.08),
        "stable_hope_objects/cream_cheese/cream_cheese.xml": _object("cheese", cheese, -0.012, 0.012, 0.045),
        "articulated_objects/wooden_cabinet.xml": _object("cabinet", _cabinet(), 0.0, 0.21, 0.1),
        "articulated_objects/flat_stove.xml": _object("stove", _stove(), 0.0, 0.03, 0.14),
        "scenes/libero_tabletop_base_style.xml": _scene(),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "textures").mkdir(exist_ok=True)
    for name in _TEXTURES:
        Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(folder / "textures" / name)


def shadow_package(installed: Path, folder: Path) -> dict[str, str]:
    """A package `libero` made of links to the installed one, which stays as it is, plus the stand-ins.

    Args:
        installed: folder libero/libero of the installed package.
        folder: empty folder; becomes an entry of PYTHONPATH.

    Returns:
        environment variables for a process that shall import it.
    """
    inner = folder / "libero" / "libero"
    inner.mkdir(parents=True)
    for path in installed.iterdir():
        if path.name not in ("assets", "__pycache__"):
            (inner / path.name).symlink_to(path)
    for path in installed.parent.glob("*.py"):
        (folder / "libero" / path.name).symlink_to(path)
    write_assets(inner / "assets")
    places = {"benchmark_root": ".", "bddl_files": "bddl_files", "init_states": "init_files"}
    places |= {"datasets": "../datasets", "assets": "assets"}
    config = "".join(f"{key}: {inner / place}\n" for key, place in places.items())
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(config)
    return {"LIBERO_CONFIG_PATH": str(folder / "config"), "MUJOCO_GL": "egl"}
