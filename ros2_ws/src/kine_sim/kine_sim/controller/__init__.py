"""Emulated Realman RM75 controller: speaks the vendor's TCP and UDP protocol for any `ArmBackend`."""

from __future__ import annotations

from .backend import ArmBackend, KinematicArm
from .emulator import EmulatedController
from .faults import Faults
from .log import LogRecord, MessageLog
from .settings import PushSettings
from .world_backend import WorldBackend

__all__ = [
    "ArmBackend",
    "EmulatedController",
    "Faults",
    "KinematicArm",
    "LogRecord",
    "MessageLog",
    "PushSettings",
    "WorldBackend",
]
