"""Writes a scene into a compiled model: poses, presence, colours, light, cameras, friction."""

from __future__ import annotations

from math import cos, sin

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from kine_sim import mjcf_arm, rm75
from kine_sim.layout import FRONT_CAMERA_M, FRONT_CAMERA_TARGET_M
from kine_sim.scene import SceneConfig

_FIRST = ("bread", "carrot", "plate", "distractor")
_LAMP_TARGET_M = np.array([0.32, 0.0, 0.0])


class Stage:
    """Owns the compiled values of one model and applies scenes to it.

    Attributes:
        free: names of the bodies that lie loose on the table.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._contype = model.geom_contype.copy()
        self._conaffinity = model.geom_conaffinity.copy()
        self._size, self._at = model.geom_size.copy(), model.geom_pos.copy()
        joints = (model.joint(i) for i in range(model.njnt))
        self.free = tuple(j.name for j in joints if j.type[0] == mujoco.mjtJoint.mjJNT_FREE)
        names = (*_FIRST, *(name for name in self.free if name not in _FIRST))
        self._parked_m = {name: (0.0, 1.0 + k, -3.0) for k, name in enumerate(names)}
        self._geoms = {name: np.flatnonzero(model.geom_bodyid == model.body(name).id) for name in names}
        self._grip_geoms = [model.geom(name).id for name in ("pad_left", "pad_right")]
        for name in self.free:
            self._grip_geoms += [g for g in self._geoms[name] if self._contype[g]]

    def apply(self, scene: SceneConfig, data: mujoco.MjData) -> None:
        """Reset `data` to the start of `scene`, gripper open, and write the looks into the model."""
        model = self._model
        mujoco.mj_resetData(model, data)
        self._apply_looks(scene)
        placed = {thing.name: thing for thing in scene.placed}
        for name in self.free:
            self._show(name, name in placed)
            self._scale(name, placed[name].scale if name in placed else 1.0)
        for name, xy in (("plate", scene.plate_xy_m), ("distractor", scene.distractor_xy_m)):
            self._show(name, xy is not None)
            model.body_pos[model.body(name).id] = self._parked_m[name] if xy is None else (*xy, 0.0)
        model.geom_friction[self._grip_geoms, 0] = scene.friction
        for i, name in enumerate(rm75.JOINT_NAMES):
            data.joint(name).qpos[0] = scene.start_joints_rad[i]
            data.actuator(name).ctrl[0] = scene.start_joints_rad[i]
        for side in ("left", "right"):
            data.joint(f"finger_{side}").qpos[0] = rm75.FINGER_TRAVEL_M
        data.actuator("gripper").ctrl[0] = rm75.FINGER_TRAVEL_M
        for name in self.free:
            if (thing := placed.get(name)) is not None:
                set_object(data, name, (*thing.xy_m, thing.height_m), thing.yaw_rad)
            else:
                set_object(data, name, self._parked_m[name], 0.0)
        mujoco.mj_forward(model, data)

    def _show(self, name: str, present: bool) -> None:
        """Absent things are parked below the floor, weightless, and touch nothing."""
        geoms = self._geoms[name]
        self._model.geom_contype[geoms] = self._contype[geoms] if present else 0
        self._model.geom_conaffinity[geoms] = self._conaffinity[geoms] if present else 0
        self._model.body_gravcomp[self._model.body(name).id] = 0.0 if present else 1.0

    def _scale(self, name: str, scale: float) -> None:
        """Sizes of primitives only: meshes and masses stay, and bounds stay those of the full size."""
        geoms = self._geoms[name]
        self._model.geom_size[geoms] = self._size[geoms] * scale
        self._model.geom_pos[geoms] = self._at[geoms] * scale

    def _apply_looks(self, scene: SceneConfig) -> None:
        model = self._model
        for material, rgb in scene.colours.items():
            model.material(material).rgba[:3] = rgb
        lamp = model.light("lamp")
        lamp.pos[:] = scene.light_position_m
        direction = _LAMP_TARGET_M - np.asarray(scene.light_position_m)
        lamp.dir[:] = direction / np.linalg.norm(direction)
        lamp.diffuse[:] = scene.light_level
        model.vis.headlight.ambient[:] = scene.ambient_level
        front_axes = mjcf_arm.look_at_axes(FRONT_CAMERA_M, FRONT_CAMERA_TARGET_M, (0.0, 0.0, 1.0))
        wrist_axes = mjcf_arm.look_at_axes(
            mjcf_arm.WRIST_CAMERA_M, mjcf_arm.WRIST_CAMERA_TARGET_M, (-1.0, 0.0, 0.0)
        )
        self._move_camera("front", FRONT_CAMERA_M, front_axes, scene.front_shift_m, scene.front_turn_rad)
        self._move_camera(
            "wrist", mjcf_arm.WRIST_CAMERA_M, wrist_axes, scene.wrist_shift_m, scene.wrist_turn_rad
        )

    def _move_camera(
        self, name: str, position: ArrayLike, axes: rm75.Array, shift: ArrayLike, turn: ArrayLike
    ) -> None:
        x, y = axes[:3], axes[3:]
        nominal, error, result = np.zeros(4), np.zeros(4), np.zeros(4)
        mujoco.mju_mat2Quat(nominal, np.stack([x, y, np.cross(x, y)], axis=1).ravel())
        turn = np.asarray(turn, float)
        angle = float(np.linalg.norm(turn))
        mujoco.mju_axisAngle2Quat(error, turn / angle if angle > 0 else np.array([1.0, 0, 0]), angle)
        mujoco.mju_mulQuat(result, nominal, error)  # the error turns about the camera's own axes
        camera = self._model.camera(name)
        camera.pos[:] = np.asarray(position) + np.asarray(shift)
        camera.quat[:] = result


def set_object(data: mujoco.MjData, name: str, position_m: ArrayLike, yaw_rad: float) -> None:
    """Put a free object upright at a position with a yaw, at rest. Call mj_forward afterwards."""
    set_object_pose(data, name, position_m, (cos(yaw_rad / 2), 0.0, 0.0, sin(yaw_rad / 2)))


def set_object_pose(
    data: mujoco.MjData, name: str, position_m: ArrayLike, quaternion_wxyz: ArrayLike
) -> None:
    """Put a free object at a pose, at rest. Call mj_forward afterwards."""
    joint = data.joint(name)
    joint.qpos[:3] = position_m
    joint.qpos[3:] = quaternion_wxyz
    joint.qvel[:] = 0.0
