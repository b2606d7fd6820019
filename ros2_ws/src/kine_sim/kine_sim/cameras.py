"""Images and pixel positions from the two cameras of a world, without holding up its physics."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import threading
import weakref
from dataclasses import dataclass

import mujoco
import numpy as np

from kine_sim import rm75
from kine_sim.scene import SceneConfig
from kinevla.rendering import refusal

CAMERAS: tuple[str, str] = ("front", "wrist")
MAX_CAMERA_SIZE = (1024, 1280)
"""Largest image height and width."""

_renderers: weakref.WeakKeyDictionary[mujoco.Renderer, int] = weakref.WeakKeyDictionary()


def _free_renderers_of_this_thread() -> None:
    for renderer, thread in list(_renderers.items()):
        if thread == threading.get_ident():
            renderer.close()


def _load_triton() -> None:
    """Load Triton, where it is installed, before the first OpenGL context.

    It comes with a CUDA build of torch and has an LLVM of its own. Loaded after the LLVM of Mesa's software
    renderer, which shows its symbols to everybody, it crashes the process.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("triton")


def _free_at_exit(renderer: mujoco.Renderer) -> None:
    """Free a renderer before MuJoCo's own exit hook shuts OpenGL down: hooks run newest first."""
    if not _renderers:
        atexit.register(_free_renderers_of_this_thread)
    _renderers[renderer] = threading.get_ident()


def _new_renderer(model: mujoco.MjModel, size: tuple[int, int]) -> mujoco.Renderer:
    if not hasattr(mujoco, "GLContext"):
        raise refusal()
    try:
        # MuJoCo takes what it raises itself for a fault of the caller and tells it twice.
        mujoco.GLContext(*size).free()
        return mujoco.Renderer(model, *size)
    except Exception as error:  # each library has its own kind
        raise refusal(error) from error


@dataclass(frozen=True)
class Snapshot:
    """What an image depends on besides the scene: time and all positions."""

    time_s: float
    qpos: rm75.Array


def check_camera(camera: str) -> str:
    """Return the camera's name, or raise ValueError naming the known ones."""
    if camera not in CAMERAS:
        raise ValueError(f"camera {camera!r} is unknown: choose one of {CAMERAS}")
    return camera


def spoilt(image: np.ndarray, scene: SceneConfig, time_s: float) -> np.ndarray:
    """Return an image (H, W, 3) uint8 as the electronics of the scene's cameras give it.

    Noise is a function of the time, so a scene that is played again shows the same images.
    """
    if scene.white_balance == (1.0, 1.0, 1.0) and scene.image_noise == 0.0:
        return image
    changed = image * np.array(scene.white_balance, dtype=np.float32)
    if scene.image_noise > 0.0:
        rng = np.random.default_rng(round(time_s * 1e6))
        changed += scene.image_noise * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(changed + 0.5, 0.0, 255.0).astype(np.uint8)


class CameraRig:
    """Renders one model. An OpenGL context belongs to a thread, so every thread gets its own renderer.

    Args:
        model: the compiled model.
        size: image height and width in pixels.

    Raises:
        ValueError: size outside (16, 16) .. `MAX_CAMERA_SIZE`.
    """

    def __init__(self, model: mujoco.MjModel, size: tuple[int, int]) -> None:
        if len(size) != 2 or not all(16 <= s <= most for s, most in zip(size, MAX_CAMERA_SIZE, strict=True)):
            raise ValueError(f"camera_size = {size} is outside (16, 16) .. {MAX_CAMERA_SIZE}")
        self._model = model
        self.size = (int(size[0]), int(size[1]))
        self._local = threading.local()

    def render(self, camera: str, snapshot: Snapshot) -> np.ndarray:
        """Image (height, width, 3) uint8 RGB of a snapshot; takes no lock.

        Raises:
            RenderingError: this machine cannot draw.
        """
        check_camera(camera)
        renderer = getattr(self._local, "renderer", None)
        if renderer is None:
            _load_triton()
            renderer = _new_renderer(self._model, self.size)
            # Shadows and reflections cost several times the rest of the image.
            for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
                renderer.scene.flags[flag] = 0
            self._local.renderer = renderer
            self._local.data = mujoco.MjData(self._model)
            _free_at_exit(renderer)
        data = self._local.data
        data.time = snapshot.time_s
        data.qpos[:] = snapshot.qpos
        mujoco.mj_kinematics(self._model, data)
        mujoco.mj_camlight(self._model, data)
        renderer.update_scene(data, camera)
        return renderer.render()

    def close(self) -> None:
        """Free the calling thread's renderer; the next image makes a new one."""
        renderer = getattr(self._local, "renderer", None)
        if renderer is not None:
            renderer.close()
            self._local.renderer = None

    def fovy_deg(self, camera: str) -> float:
        """Vertical field of view of a camera in degrees."""
        return float(self._model.camera(check_camera(camera)).fovy[0])
