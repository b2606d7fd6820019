"""Turns the state of a running LIBERO environment into frames, through its public names and MuJoCo's arrays.

`environment` is LIBERO's `ControlEnv.env` or anything with the same names: `sim` (`model`, `data`),
`objects_dict`, `fixtures_dict`, `object_sites_dict`, `obj_body_id`, `robots[0].gripper`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kinevla.evaluation.libero.frames import Array, Body, Joint, LiberoFrame, Pose, Site

DRAWER_OPENED_M = -0.16  # Fully open drawer of the wooden cabinet, the end of LIBERO's own open range
KNOB_ON_RAD = 2.1  # End of LIBERO's own turned-on range of the stove


class LiberoReader:
    """Reads frames of one environment after a reset."""

    def __init__(self, environment: Any) -> None:
        self._env = environment
        model = environment.sim.model
        self._bounds = {name: self._bounding_box(name) for name in environment.objects_dict}
        owners: dict[int, str] = {}
        for group in (environment.objects_dict, environment.fixtures_dict):
            for name, thing in group.items():
                for geom in getattr(thing, "contact_geoms", ()):
                    owners[model.geom_name2id(geom)] = name
        self._owner = owners
        gripper = environment.robots[0].gripper
        self._fingers = {model.geom_name2id(geom) for geom in gripper.contact_geoms}
        self._tool_site = model.site_name2id(gripper.important_sites["grip_site"])
        # A drawer's region belongs to the body that slides: contacts with that body are the handle's.
        self._drawer_joint = {
            name: site.joints[0]
            for name, site in environment.object_sites_dict.items()
            if getattr(site, "joints", None)
            and name.endswith(("top_region", "middle_region", "bottom_region"))
        }
        self._sliding = {
            int(model.jnt_bodyid[model.joint_name2id(joint)]): name
            for name, joint in self._drawer_joint.items()
        }

    def frame(self, time_s: float) -> LiberoFrame:
        """Read the scene as it is now."""
        env, data = self._env, self._env.sim.data
        bodies = {}
        for name, (low, high) in self._bounds.items():
            bodies[name] = Body(self._body_pose(env.obj_body_id[name]), low, high)
        contacts, touching = self._contacts(bodies)
        joints = {
            name: Joint(float(data.get_joint_qpos(joint)), 0.0, DRAWER_OPENED_M)
            for name, joint in self._drawer_joint.items()
        }
        for name, fixture in env.fixtures_dict.items():
            if hasattr(fixture, "turn_on") and getattr(fixture, "joints", None):
                joints[name] = Joint(float(data.get_joint_qpos(fixture.joints[0])), 0.0, KNOB_ON_RAD)
        sites = {
            name: Site(
                Pose(np.array(data.get_site_xpos(name)), np.array(data.get_site_xmat(name)).reshape(3, 3)),
                np.asarray(site.size, dtype=np.float64),
            )
            for name, site in env.object_sites_dict.items()
        }
        tool = Pose(
            np.array(data.site_xpos[self._tool_site]), np.array(data.site_xmat[self._tool_site]).reshape(3, 3)
        )
        return LiberoFrame(time_s, bodies, contacts, joints, sites, frozenset(touching), tool)

    def _body_pose(self, body: int) -> Pose:
        data = self._env.sim.data
        return Pose(np.array(data.body_xpos[body]), np.array(data.body_xmat[body]).reshape(3, 3))

    def _bounding_box(self, name: str) -> tuple[Array, Array]:
        """Bounds of an object's collision geoms in its frame, from MuJoCo's box of each geom."""
        env, model, data = self._env, self._env.sim.model, self._env.sim.data
        body = self._body_pose(env.obj_body_id[name])
        corners = []
        for geom_name in env.objects_dict[name].contact_geoms:
            geom = model.geom_name2id(geom_name)
            centre, half = np.split(np.asarray(model.geom_aabb[geom], dtype=np.float64), 2)
            signs = np.array(np.meshgrid(*[(-1.0, 1.0)] * 3)).reshape(3, -1).T
            world = (centre + signs * half) @ np.array(data.geom_xmat[geom]).reshape(3, 3).T
            corners.append((world + data.geom_xpos[geom] - body.position_m) @ body.rotation)
        if not corners:
            raise ValueError(f"{name} has no collision geoms, its size is unknown")
        every = np.concatenate(corners)
        return every.min(0), every.max(0)

    def _contacts(self, bodies: dict[str, Body]) -> tuple[dict[str, tuple[Array, ...]], set[tuple[str, str]]]:
        data, model = self._env.sim.data, self._env.sim.model
        points: dict[str, tuple[Array, ...]] = {}
        touching: set[tuple[str, str]] = set()
        for contact in data.contact[: data.ncon]:
            pair = (int(contact.geom1), int(contact.geom2))
            names = [self._owner.get(geom) for geom in pair]
            if names[0] and names[1] and names[0] != names[1]:
                touching.add((min(names[0], names[1]), max(names[0], names[1])))
            for geom, other in (pair, pair[::-1]):
                if geom not in self._fingers or other in self._fingers:
                    continue
                point = np.array(contact.pos)
                name = self._owner.get(other)
                if name in bodies:
                    pose = bodies[name].pose
                    point = (point - pose.position_m) @ pose.rotation
                else:
                    name = self._sliding.get(int(model.geom_bodyid[other]), name)
                if name is not None:
                    points[name] = (*points.get(name, ()), point)
        return points, touching
