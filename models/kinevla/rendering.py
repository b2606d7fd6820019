"""Which library draws pictures without a screen: EGL, else OSMesa, else none.

MuJoCo takes the library from the variable `MUJOCO_GL` when it is imported, and finds out that it does not
work when the first picture is drawn, in whatever thread that is.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

VARIABLE = "MUJOCO_GL"
NONE = "disable"  # MuJoCo's word for no drawing at all: physics and kinematics still work

PROBE_TIMEOUT_S = 60.0
OSMESA_NAMES = ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")
# As MuJoCo does it: a device with a display that can be initialised. In a process of its own, since what is
# loaded here (LLVM among it) stays loaded, and a driver that is broken may crash.
_EGL_PROBE = """
import ctypes as c, sys
egl = c.CDLL("libEGL.so.1")
egl.eglGetProcAddress.restype, egl.eglGetProcAddress.argtypes = c.c_void_p, [c.c_char_p]
egl.eglInitialize.argtypes = [c.c_void_p] * 3
query, display = map(egl.eglGetProcAddress, (b"eglQueryDevicesEXT", b"eglGetPlatformDisplayEXT"))
if not query or not display:
    sys.exit(1)
devices, count = (c.c_void_p * 32)(), c.c_int()
c.CFUNCTYPE(c.c_uint, c.c_int, c.c_void_p, c.c_void_p)(query)(32, devices, c.addressof(count))
open_display = c.CFUNCTYPE(c.c_void_p, c.c_uint, c.c_void_p, c.c_void_p)(display)
found = (open_display(0x313F, device, None) for device in devices[: count.value])
sys.exit(not any(one and egl.eglInitialize(one, None, None) for one in found))
"""


class RenderingError(RuntimeError):
    """No picture can be drawn on this machine; the text says what to install."""


def choose_library() -> str:
    """Set `MUJOCO_GL` for this program and its children, unless somebody has; returns what it is."""
    if sys.platform == "linux" and not os.environ.get(VARIABLE):
        # PyOpenGL has one for itself: where it was told one, MuJoCo fails with another.
        told = os.environ.get("PYOPENGL_PLATFORM", "")
        os.environ[VARIABLE] = told if told in ("egl", "osmesa") else _found()
    return os.environ.get(VARIABLE, "")


def refusal(error: object = "") -> RenderingError:
    """The error to raise when nothing can be drawn; `error` is what the library said."""
    library = os.environ.get(VARIABLE, "")
    tried = "neither EGL nor OSMesa works" if library == NONE else f"{VARIABLE}={library} does not work"
    said = " ".join(f"{error}".split())
    return RenderingError(
        f"no picture can be drawn on this machine, {tried}{f' ({said})' if said else ''}: install libegl1, "
        f"libegl-mesa0 and libgl1-mesa-dri, or libosmesa6, or set {VARIABLE} to a library that is there"
    )


def _found() -> str:
    return "egl" if _egl_works() else "osmesa" if _osmesa_is_there() else NONE


def _egl_works() -> bool:
    line = [sys.executable, "-I", "-S", "-c", _EGL_PROBE]
    try:
        done = subprocess.run(line, capture_output=True, timeout=PROBE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _osmesa_is_there() -> bool:
    for name in OSMESA_NAMES:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False
