"""LIBERO as an environment with `reset` and `step`, judged like the project's own.

What is seen and done means the same as in imported demonstrations (`kinevla.data.libero_import`): the state
is the hand's position and axis-angle and the gripper's opening, an action six motions of the hand and the
gripper's target, 0 closed to 1 open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinevla.evaluation.libero.frames import LiberoFrame, LiberoTrace
from kinevla.evaluation.libero.installation import libero_root
from kinevla.evaluation.libero.judge import LiberoVerdict, judge
from kinevla.evaluation.libero.reader import LiberoReader
from kinevla.evaluation.libero.tasks import SUITE, LiberoTask, find_task
from kinevla.text import load_task_texts

ENVIRONMENT_PREFIX = "libero:"  # What stands before a table's name in an environment id
CONTROL_HZ = 20
ACTIONS = 7
SETTLE_STEPS = 10
"""Steps without motion after a reset, in which things fall the last millimetres onto the table."""
FINGER_SPAN_M = 0.08  # Distance of the fingers of an open Panda gripper
REST = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])


def make_libero(task: LiberoTask, size_px: int) -> Any:
    """Build LIBERO's own environment.

    Raises:
        LiberoMissingError: LIBERO or its assets are missing.
    """
    bddl = libero_root() / "bddl_files" / SUITE / f"{task.libero_task}.bddl"
    from libero.libero.envs import OffScreenRenderEnv

    return OffScreenRenderEnv(
        bddl_file_name=str(bddl), camera_heights=size_px, camera_widths=size_px, control_freq=CONTROL_HZ
    )


def start_states(task: LiberoTask) -> NDArray[np.float64]:
    """LIBERO's recorded start states (N, S) of a task, which come with its package.

    Raises:
        LiberoMissingError: LIBERO or its assets are missing.
    """
    import torch

    path = libero_root() / "init_files" / SUITE / f"{task.libero_task}.pruned_init"
    # Arrays pickled by LIBERO's authors, from the installed package.
    return np.asarray(torch.load(path, weights_only=False), dtype=np.float64)


class LiberoEnvironment:
    """One of the paper's LIBERO tables; which row of it is chosen at every reset.

    Args:
        table: 'libero_goal_relabeled' or 'kine_libero'.
        size_px: side of the images; the paper's are 256.
        make: builds LIBERO's environment; replaced in tests.
        read: builds the reader of states from LIBERO's inner environment.
        states: gives the start states of a task; replaced in tests.
    """

    task: LiberoTask | None = None

    def __init__(
        self,
        table: str,
        *,
        size_px: int = 256,
        make: Callable[[LiberoTask, int], Any] = make_libero,
        read: Callable[[Any], Any] = LiberoReader,
        states: Callable[[LiberoTask], NDArray[np.float64]] = start_states,
    ) -> None:
        self._table, self._size_px = table, size_px
        self._make, self._read, self._states = make, read, states
        self._libero: Any = None
        self._frames: list[LiberoFrame] = []

    @property
    def unwrapped(self) -> LiberoEnvironment:
        """Itself; for callers that know gymnasium's environments."""
        return self

    def reset(self, *, seed: int, options: dict[str, Any]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Start an episode of row `options["task"]` in LIBERO's start state `seed` modulo their number.

        Raises:
            LiberoMissingError: LIBERO or its assets are missing.
            ValueError: there is no such row, or another option.
        """
        if unknown := sorted(set(options) - {"task"}):
            raise ValueError(f"LIBERO's scenes have no option {unknown[0]!r}")
        task = find_task(self._table, int(options["task"]))
        if task != self.task:
            self.close()
            self.task, self._libero = task, self._make(task, self._size_px)
            self._texts = next(t for t in load_task_texts(self._table) if t.number == task.number)
        states = self._states(task)
        self._libero.seed(seed)
        self._libero.reset()
        raw = self._libero.set_init_state(states[seed % len(states)])
        for _ in range(SETTLE_STEPS):
            raw, _, _, _ = self._libero.step(to_libero(REST))
        self._reader = self._read(self._libero.env)
        self._frames = [self._reader.frame(0.0)]
        return observation_of(raw), self._info(raw)

    def step(
        self, action: NDArray[np.floating]
    ) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        """Apply one action (7,): six motions of the hand in -1..1 as LIBERO defines them, and the gripper's
        target, 0 closed to 1 open.

        Raises:
            ValueError: wrong shape or out of range.
            RuntimeError: before the first reset.
        """
        if not self._frames:
            raise RuntimeError("call reset before step")
        values = np.asarray(action, dtype=np.float64)
        if values.shape != (ACTIONS,):
            raise ValueError(f"an action has shape ({ACTIONS},), got {values.shape}")
        if not np.all(np.abs(values) <= 1.0) or values[6] < 0.0:
            raise ValueError(
                f"an action's motions must lie in -1..1, its gripper target in 0..1, got {values.tolist()}"
            )
        raw, _, _, _ = self._libero.step(to_libero(values))
        self._frames.append(self._reader.frame(len(self._frames) / CONTROL_HZ))
        info = self._info(raw)
        return observation_of(raw), float(info["verdict"].kinematics_success), False, False, info

    def verdict(self) -> LiberoVerdict | None:
        """Judge the episode so far; None before the first step."""
        if self.task is None or len(self._frames) < 2:
            return None
        return judge(self.task, LiberoTrace(tuple(self._frames)))

    def close(self) -> None:
        """Free the simulator."""
        if self.task is not None:
            self._libero.close()
            self.task, self._frames = None, []

    def _info(self, raw: dict[str, Any]) -> dict[str, Any]:
        return {
            "instruction": self._texts.instruction,
            "coarse": self._texts.coarse,
            "fine": self._texts.fine,
            "verdict": self.verdict(),
            "joints_rad": np.array(raw["robot0_joint_pos"], dtype=np.float64),
            "tool_m": np.array(raw["robot0_eef_pos"], dtype=np.float64),
        }


def to_libero(action: NDArray[np.float64]) -> NDArray[np.float64]:
    """LIBERO's own action (7,): it commands the gripper with -1 to open and +1 to close."""
    return np.append(action[:6], 1.0 - 2.0 * action[6])


def observation_of(raw: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Images (H, W, 3) turned by 180 degrees as the paper's are (upright, but mirrored), and state (7,)."""
    fingers = np.asarray(raw["robot0_gripper_qpos"], dtype=np.float64)
    return {
        "front": np.ascontiguousarray(raw["agentview_image"][::-1, ::-1]),
        "wrist": np.ascontiguousarray(raw["robot0_eye_in_hand_image"][::-1, ::-1]),
        "state": np.concatenate(
            [
                np.asarray(raw["robot0_eef_pos"], dtype=np.float64),
                axis_angle(np.asarray(raw["robot0_eef_quat"], dtype=np.float64)),
                [(fingers[0] - fingers[1]) / FINGER_SPAN_M],
            ]
        ),
    }


def axis_angle(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axis times angle (3,) rad, angle 0..2 pi, of a unit quaternion (x, y, z, w), as LIBERO records it."""
    angle = 2.0 * float(np.arccos(np.clip(quaternion[3], -1.0, 1.0)))
    sine = float(np.sin(angle / 2.0))
    return np.zeros(3) if abs(sine) < 1e-9 else quaternion[:3] * (angle / sine)
