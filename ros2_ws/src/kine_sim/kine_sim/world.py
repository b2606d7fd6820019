"""The simulated tabletop: physics, joint and gripper commands, measurements, cameras, contacts."""

from __future__ import annotations

import threading

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from kine_sim import contacts, rm75
from kine_sim.cameras import CameraRig, Snapshot, spoilt
from kine_sim.contacts import GripContact
from kine_sim.mjcf import TIMESTEP_S, build_model
from kine_sim.scene import SceneConfig
from kine_sim.stage import Stage, set_object_pose

GRIPPER_SPEED_M_S = 0.12
"""Speed of each finger at full speed: 0.3 s from open to closed."""

TORQUE_CONSTANT_NM_A = np.array([10.0, 10.0, 8.0, 8.0, 5.0, 5.0, 5.0])
"""Joint torque per motor current behind the gear: round figures of a model; the vendor publishes none."""


class World:
    """One simulated robot on its table. Every method takes `lock`; hold it yourself for several in one.

    Time advances only in `step`. Any thread may render; each gets a renderer of its own, and only the
    copy of the positions holds the lock.

    Args:
        scene: how the episode starts.
        camera_size: image height and width in pixels.
        model: a model of `build_model` that has all things of the scenes; None compiles the seven tasks'.
    """

    def __init__(
        self,
        scene: SceneConfig,
        camera_size: tuple[int, int] = (256, 256),
        model: mujoco.MjModel | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.model = model or build_model()
        self._rig = CameraRig(self.model, camera_size)
        self.camera_size = self._rig.size
        self.data = mujoco.MjData(self.model)
        self._stage = Stage(self.model)
        joints = [self.model.joint(name) for name in rm75.JOINT_NAMES]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._dof = np.array([joint.dofadr[0] for joint in joints])
        self._fingers = np.array([self.model.joint(f"finger_{s}").qposadr[0] for s in ("left", "right")])
        self._motors = np.array([self.model.actuator(name).id for name in rm75.JOINT_NAMES])
        self._gripper = self.model.actuator("gripper").id
        self.reset(scene)

    def reset(self, scene: SceneConfig) -> None:
        """Start over with a scene; time goes back to zero, all joints are enabled."""
        with self.lock:
            self._stage.apply(scene, self.data)
            self.scene = scene
            self._target = np.array(scene.start_joints_rad, dtype=float)
            self._gripper_target_m = rm75.FINGER_TRAVEL_M
            self._gripper_rate_m_s = GRIPPER_SPEED_M_S
            self._enabled = np.ones(rm75.JOINT_COUNT, dtype=bool)
            self.model.actuator_forcerange[self._gripper] = (-rm75.GRIPPER_FORCE_N, rm75.GRIPPER_FORCE_N)

    def step(self, n: int = 1) -> None:
        """Advance by `n` physics steps of 2 ms. Motors follow their targets at no more than rated speed."""
        with self.lock:
            control = self.data.ctrl
            for _ in range(n):
                error = self._target - control[self._motors]
                gripper_error = self._gripper_target_m - control[self._gripper]
                limit = rm75.VELOCITY_LIMIT_RAD_S * TIMESTEP_S
                gripper_limit = self._gripper_rate_m_s * TIMESTEP_S
                control[self._motors] += np.minimum(np.maximum(error, -limit), limit)
                control[self._gripper] += min(max(gripper_error, -gripper_limit), gripper_limit)
                mujoco.mj_step(self.model, self.data)

    def place(
        self, joints_rad: ArrayLike, opening: float, object_pose: tuple[ArrayLike, ArrayLike] | None = None
    ) -> None:
        """Put arm, gripper and optionally the object (position, quaternion wxyz) somewhere, without physics.

        Raises:
            ValueError: joints beyond a limit or opening outside 0..1.
        """
        joints, opening = rm75.check_joints(joints_rad, "arm pose"), rm75.check_opening(opening)
        with self.lock:
            self.data.qvel[:] = 0.0
            self.data.qpos[self._qpos] = joints
            self.data.ctrl[self._motors] = joints
            self._target = joints.copy()
            self._gripper_target_m = rm75.FINGER_TRAVEL_M * opening
            self.data.qpos[self._fingers] = self._gripper_target_m
            self.data.ctrl[self._gripper] = self._gripper_target_m
            if object_pose is not None:
                set_object_pose(self.data, self.scene.object, *object_pose)
            mujoco.mj_forward(self.model, self.data)

    @property
    def timestep_s(self) -> float:
        """Length of one physics step."""
        return TIMESTEP_S

    @property
    def time_s(self) -> float:
        """Simulated time since the last reset."""
        return float(self.data.time)

    @property
    def measured_rad(self) -> rm75.Array:
        """Joint positions (7,) in rad."""
        with self.lock:
            return self.data.qpos[self._qpos].copy()

    @property
    def measured_velocity_rad_s(self) -> rm75.Array:
        """Joint velocities (7,) in rad/s."""
        with self.lock:
            return self.data.qvel[self._dof].copy()

    @property
    def gripper_opening(self) -> float:
        """Measured opening, 0 closed .. 1 open."""
        with self.lock:
            return float(np.clip(self.data.qpos[self._fingers].mean() / rm75.FINGER_TRAVEL_M, 0.0, 1.0))

    @property
    def state(self) -> rm75.Array:
        """Measured joints and gripper opening, (8,)."""
        with self.lock:
            return np.append(self.measured_rad, self.gripper_opening)

    @property
    def motor_current_a(self) -> rm75.Array:
        """Motor currents (7,) in A, from the torque each joint gives including that against gravity."""
        with self.lock:
            torque = self.data.qfrc_actuator[self._dof] + self.data.qfrc_gravcomp[self._dof]
            return torque / TORQUE_CONSTANT_NM_A

    def set_joint_target_rad(self, target_rad: ArrayLike) -> None:
        """Set all joint targets (7,). A disabled joint keeps its brake on and ignores its target.

        Raises:
            ValueError: wrong shape, not finite, or beyond a joint limit.
        """
        target = rm75.check_joints(target_rad)
        with self.lock:
            self._target = np.where(self._enabled, target, self._target)

    def set_gripper_target(
        self, opening: float, force_n: float = rm75.GRIPPER_FORCE_N, speed: float = 1.0
    ) -> None:
        """Move the fingers to an opening (0..1) with at most `force_n` in total, at a share of full speed.

        Raises:
            ValueError: opening outside 0..1, force outside (0, 30] N, speed outside (0, 1].
        """
        opening = rm75.check_opening(opening)
        if not 0.0 < force_n <= rm75.GRIPPER_FORCE_N:
            raise ValueError(f"gripper force = {force_n} N is outside (0, {rm75.GRIPPER_FORCE_N}] N")
        if not 0.0 < speed <= 1.0:
            raise ValueError(f"gripper speed = {speed} is outside (0, 1]")
        with self.lock:
            self._gripper_target_m = rm75.FINGER_TRAVEL_M * opening
            self._gripper_rate_m_s = GRIPPER_SPEED_M_S * speed
            self.model.actuator_forcerange[self._gripper] = (-force_n, force_n)

    def set_joint_enabled(self, index: int, enabled: bool) -> None:
        """Power a joint (index 0..6) on or off. Switching off sets its brake where it stands.

        Raises:
            ValueError: no such joint.
        """
        if not 0 <= index < rm75.JOINT_COUNT:
            raise ValueError(f"joint index {index} is outside 0..{rm75.JOINT_COUNT - 1}")
        with self.lock:
            if self._enabled[index] and not enabled:
                held = float(self.data.qpos[self._qpos[index]])
                self._target[index] = held
                self.data.ctrl[self._motors[index]] = held
            self._enabled[index] = enabled

    @property
    def joint_enabled(self) -> np.ndarray:
        """Which joints are powered, (7,) bool."""
        with self.lock:
            return self._enabled.copy()

    def object_pose(self, name: str) -> rm75.Array:
        """Pose (4, 4) in the base frame of a thing ('bread', 'carrot'), 'plate', 'tool' or 'flange'.

        Raises:
            ValueError: unknown name, or a thing that this scene does not have.
        """
        known = (*self._stage.free, "plate", "tool", "flange")
        if name not in known:
            raise ValueError(f"object {name!r} is unknown: choose one of {known}")
        present = {"tool", "flange", *(thing.name for thing in self.scene.placed)}
        if name not in present and not (name == "plate" and self.scene.plate_xy_m):
            raise ValueError(f"this scene has no {name}")
        with self.lock:
            pose = np.eye(4)
            frame = self.data.site(name) if name in ("tool", "flange") else self.data.body(name)
            pose[:3, :3] = frame.xmat.reshape(3, 3)
            pose[:3, 3] = frame.xpos
            return pose

    def object_speed_m_s(self) -> float:
        """Speed of the scene's object."""
        with self.lock:
            return float(np.linalg.norm(self.data.joint(self.scene.object).qvel[:3]))

    def grip_contact(self) -> GripContact:
        """Where the fingers touch the scene's object now."""
        with self.lock:
            return contacts.grip_contact(self.model, self.data, self.scene.object)

    def grip_contacts(self) -> dict[str, GripContact]:
        """Where the fingers touch each thing of the scene now."""
        with self.lock:
            return contacts.grip_contacts(self.model, self.data, [t.name for t in self.scene.placed])

    def arm_contacts(self) -> tuple[str, ...]:
        """Contacts that should not be: arm or gripper against table, plate, object or itself.

        Fingers on the object are meant and are left out. Entries read like 'link_6 - table'.
        """
        with self.lock:
            return contacts.unwanted_arm_contacts(self.model, self.data, self.scene.object)

    def snapshot(self) -> Snapshot:
        """A cheap copy of all positions, to render from later."""
        with self.lock:
            return Snapshot(float(self.data.time), self.data.qpos.copy())

    def render_snapshot(self, camera: str, snapshot: Snapshot) -> np.ndarray:
        """Image (height, width, 3) uint8 RGB of 'front' or 'wrist' at a snapshot; takes no lock."""
        image = self._rig.render(camera, snapshot)
        return spoilt(image, self.scene, snapshot.time_s)

    def render(self, camera: str) -> np.ndarray:
        """Image (height, width, 3) uint8 RGB of 'front' or 'wrist' now."""
        return self.render_snapshot(camera, self.snapshot())

    def camera_fovy_deg(self, camera: str) -> float:
        """Vertical field of view of a camera in degrees."""
        return self._rig.fovy_deg(camera)

    def close_renderers(self) -> None:
        """Free the calling thread's renderer. Call it at the end of every thread that rendered."""
        self._rig.close()
