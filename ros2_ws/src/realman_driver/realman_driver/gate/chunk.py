"""What the gate looks at and what it answers: chunks, bounds, the situation, a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kine_nodes.texts import printable

from ..arm_model import Limits


@dataclass(frozen=True)
class ChunkPoint:
    """One point as received: positions (rad, gripper 0..1 last), time after execution starts, s."""

    positions: tuple[float, ...]
    time_s: float
    has_other_fields: bool = False


@dataclass(frozen=True)
class ReceivedChunk:
    """A chunk as received.

    Attributes:
        joint_names, points: as they came.
        stamp_s: ROS time of the observation it was computed from.
        frame_id: who made it, and for which grant of the arm; see `kine_nodes.motion_right`.
    """

    joint_names: tuple[str, ...]
    points: tuple[ChunkPoint, ...]
    stamp_s: float
    frame_id: str = ""


@dataclass(frozen=True)
class Chunk:
    """A chunk that kept every rule: K times (s, increasing) and K points of 8 values."""

    times_s: tuple[float, ...]
    points: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Refusal:
    """Why a chunk was refused: the rule, what broke it, the bound, and a text that says all of it.

    `joint` names the joint, link or part of the arm concerned; empty when the chunk as a whole is.
    """

    rule: str
    joint: str
    value: float | str
    bound: str
    text: str

    def __post_init__(self) -> None:
        """Names of a chunk are whatever somebody sent: they are shown printable and bounded."""
        for name in ("joint", "value", "bound", "text"):
            value = getattr(self, name)
            if isinstance(value, str):
                object.__setattr__(self, name, printable(value))


@dataclass(frozen=True)
class ChunkRules:
    """The bounds of the rules about a message. Angles rad, speeds rad/s, accelerations rad/s2, times s."""

    max_points: int = 50
    max_duration_s: float = 10.0
    max_age_s: float = 1.0
    max_future_s: float = 0.05
    max_rate_hz: float = 100.0
    joint_limit_margin_rad: float = 0.0175
    max_first_step_rad: float = 0.35
    max_start_jump_rad: float = 0.5
    max_velocity_rad_s: float = 2.5
    max_acceleration_rad_s2: float = 25.0


@dataclass(frozen=True)
class Situation:
    """What the rules compare a chunk with.

    Attributes:
        limits: 7 pairs of joint limits, rad, without the margin.
        setpoint: (8,) the target the arm follows at this moment.
        now_s: ROS time, s.
        measured_rad: (7,) where the arm is; None: not known, then the rules about it do not apply.
        chunks_last_second: chunks that were received within the last second.
    """

    limits: Limits
    setpoint: tuple[float, ...]
    now_s: float
    measured_rad: tuple[float, ...] | None = None
    chunks_last_second: int = 0


Rule = Callable[[ReceivedChunk, ChunkRules, Situation], Refusal | None]
