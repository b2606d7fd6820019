"""Gymnasium environment of the seven Kine-Realman tasks.

Registered as `kine_sim/KineRealman-v0` when `kine_sim` is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from kine_sim import rm75
from kine_sim.judge import Judge
from kine_sim.scene import SceneConfig, sample_scene
from kine_sim.tasks import TASKS, Task, task_by_number
from kine_sim.variations import vary
from kine_sim.world import World

PERIOD_S = 0.1
SUBSTEP_S = 0.01
SUBSTEPS = 10
PHYSICS_STEPS_PER_SUBSTEP = 5
RETREAT_HEIGHT_M = 0.08

Observation = dict[str, np.ndarray]


class TableEnv(gymnasium.Env[dict[str, np.ndarray], np.ndarray]):
    """What both suites share: a world, its spaces, and what is seen of it.

    Args:
        world: what is simulated.
        images: False leaves the images out of the observation (physics only).
        render_mode: None or 'rgb_array' (the front camera).

    Raises:
        ValueError: unknown render mode.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (the base class declares it so)
        "render_modes": ["rgb_array"],
        "render_fps": 10,
    }

    def __init__(self, world: World, images: bool, render_mode: str | None) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode = {render_mode!r} is unknown: use None or 'rgb_array'")
        self.render_mode = render_mode
        self.world, self._images = world, images
        self._command = world.state
        self.action_space, self.observation_space = _spaces(images, world.camera_size)

    def render(self) -> np.ndarray | None:
        """The front image in render mode 'rgb_array', otherwise None."""
        return self.world.render("front") if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Free the renderer of the calling thread."""
        self.world.close_renderers()

    def _observation(self) -> Observation:
        observation: Observation = {"state": self.world.state}
        if self._images:
            for camera in ("front", "wrist"):
                observation[camera] = self.world.render(camera)
        return observation


class KineRealmanEnv(TableEnv):
    """One step is 0.1 s: the targets run on a straight line from the last command to the action.

    Observation: `front` and `wrist` images (H, W, 3) uint8, `state` (8,) measured joints in rad and
    gripper opening. Action (8,): absolute joint targets in rad and gripper opening 0..1. An action
    beyond the joint limits raises ValueError; it is not clipped. Reward is 1 on the step that completes
    the task as asked, which also ends the episode once the tool has moved away.

    Args:
        task: task number 1..7, or 'random' to draw one at every reset.
        images: False leaves the images out of the observation (physics only).
        camera_size: image height and width.
        randomise: vary light, colours, cameras, friction and start pose with the seed.
        render_mode: None or 'rgb_array' (the front camera).
    """

    def __init__(
        self,
        task: int | str = "random",
        images: bool = True,
        camera_size: tuple[int, int] = (256, 256),
        randomise: bool = True,
        render_mode: str | None = None,
    ) -> None:
        self._default_task, self._randomise = task, randomise
        self.task: Task = TASKS[0] if task == "random" else _as_task(task)
        super().__init__(World(sample_scene(self.task, 0, randomise), camera_size), images, render_mode)
        self.judge = Judge(self.task, self.world.scene)

    @property
    def scene(self) -> SceneConfig:
        """The scene of the running episode."""
        return self.world.scene

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: fixes the scene (and the task where it is random); None draws one.
            options: `task` (number, `Task` or 'random'), `friction` (overrides the scene's), `scene` (a whole
                `SceneConfig` instead of a drawn one) and `variation` (a name of `kine_sim.variations`).

        Raises:
            ValueError: unknown option or task, or a scene without the task's object.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        unknown = set(options) - {"task", "friction", "scene", "variation"}
        if unknown:
            raise ValueError(f"unknown options {sorted(unknown)}: known are task, friction, scene, variation")
        task = options.get("task", self._default_task)
        drawn = int(self.np_random.integers(len(TASKS)))
        self.task = TASKS[drawn] if isinstance(task, str) and task == "random" else _as_task(task)
        scene_seed = int(self.np_random.integers(2**31)) if seed is None else seed
        scene = options.get("scene") or sample_scene(self.task, scene_seed, self._randomise)
        if options.get("variation") is not None:
            scene = vary(scene, str(options["variation"]), scene_seed)
        if options.get("friction") is not None:
            scene = scene.with_friction(float(options["friction"]))
        self.judge = Judge(self.task, scene)
        self.world.reset(scene)
        self._command = self.world.state
        self.judge.observe(self.world)
        return self._observation(), self._info()

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Run 0.1 s towards an action (8,); ValueError for a shape, value or limit that is not allowed."""
        self._command = move_to(self.world, self._command, action)
        self.judge.observe(self.world)
        info = self._info()
        tool_height = self.world.object_pose("tool")[2, 3]
        done = info["verdict"].kinematics_success and tool_height > RETREAT_HEIGHT_M
        return self._observation(), float(done), bool(done), False, info

    def _info(self) -> dict[str, Any]:
        return {
            "task": self.task.number,
            "instruction": self.task.instruction,
            "coarse": self.task.coarse,
            "fine": self.task.fine,
            "verdict": self.judge.verdict(),
            "time_s": self.world.time_s,
        }


def _spaces(images: bool, camera_size: tuple[int, int]) -> tuple[spaces.Space[np.ndarray], spaces.Space[Any]]:
    """Action space and observation space, the latter with images (height, width) or without."""
    limits = np.append(rm75.POSITION_LIMIT_RAD, 1.0)
    space: dict[str, spaces.Space[Any]] = {"state": spaces.Box(-np.inf, np.inf, (8,), np.float64)}
    if images:
        for camera in ("front", "wrist"):
            space[camera] = spaces.Box(0, 255, (*camera_size, 3), np.uint8)
    return spaces.Box(np.append(-limits[:7], 0.0), limits, dtype=np.float64), spaces.Dict(space)


def move_to(
    world: World, start: np.ndarray, action: np.ndarray, after: Callable[[int], None] | None = None
) -> np.ndarray:
    """Run a world for 0.1 s on a straight line of targets, and return the last one (8,).

    Args:
        world: what moves.
        start: the last command (8,).
        action: the next one (8,).
        after: called after each substep with its number, from 1.

    Raises:
        ValueError: an action of a shape, value or limit that is not allowed; nothing has moved then.
    """
    target = np.array(action, dtype=np.float64)
    if target.shape != (8,):
        raise ValueError(f"action must have shape (8,), got {target.shape}")
    rm75.check_joints(target[:7], "action")
    rm75.check_opening(float(target[7]), "action: gripper")
    for k in range(1, SUBSTEPS + 1):
        point = start + (target - start) * (k / SUBSTEPS)
        world.set_joint_target_rad(point[:7])
        world.set_gripper_target(float(np.clip(point[7], 0.0, 1.0)))
        world.step(PHYSICS_STEPS_PER_SUBSTEP)
        if after is not None:
            after(k)
    return target


def _as_task(task: Any) -> Task:
    return task if isinstance(task, Task) else task_by_number(task)
