"""What training runs share: a budget of time or steps, a learning rate schedule, metrics, resumable state."""

from __future__ import annotations

import csv
import io
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from kinevla.manifest import write_atomically

STATE_NAME = "trainer.pt"


class ResumeError(RuntimeError):
    """A directory holds a run that cannot be continued as asked."""


@dataclass
class Budget:
    """How far a run may go, in minutes or in steps over all its continuations.

    Progress follows whichever bound is nearer, so a learning rate schedule ends with the run. With
    `max_steps` alone progress depends on the step only and a continued run equals an uninterrupted one.

    Attributes:
        max_minutes: minutes this process may use; None for no bound.
        max_steps: steps over all continuations; None for no bound.
        step: steps done.
        before_s: seconds used by earlier continuations.
    """

    max_minutes: float | None
    max_steps: int | None
    step: int = 0
    before_s: float = 0.0
    _started_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if self.max_minutes is None and self.max_steps is None:
            raise ValueError("a training run needs max_minutes or max_steps")
        if self.max_minutes is not None and not self.max_minutes > 0.0:
            raise ValueError(f"max_minutes must be positive, got {self.max_minutes}")
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError(f"max_steps must be at least 1, got {self.max_steps}")

    @property
    def used_s(self) -> float:
        """Seconds over all continuations."""
        return self.before_s + time.monotonic() - self._started_s

    @property
    def progress(self) -> float:
        """Share of the budget used, 0..1."""
        shares = [0.0]
        if self.max_steps is not None:
            shares.append(self.step / self.max_steps)
        if self.max_minutes is not None:
            shares.append(self.used_s / (self.before_s + 60.0 * self.max_minutes))
        return min(1.0, max(shares))

    @property
    def finished(self) -> bool:
        """The budget is used up."""
        return self.progress >= 1.0


def learning_rate(
    base: float, progress: float, step: int, schedule: str, warmup_steps: int, final: float
) -> float:
    """Return the learning rate: linear warm-up, then constant or cosine down to `final` times the base.

    Raises:
        ValueError: unknown schedule.
    """
    if schedule not in ("constant", "cosine"):
        raise ValueError(f"schedule {schedule!r} is unknown, choose constant or cosine")
    rate = base * min(1.0, (step + 1) / max(1, warmup_steps))
    if schedule == "cosine":
        rate *= final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))
    return rate


class MetricsLog:
    """A CSV file with one row per report; on continuation, rows after the resumed step are dropped.

    Args:
        path: the file.
        columns: names; the first is 'step'.
        resume_step: step the run continues from, 0 for a fresh run.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], resume_step: int) -> None:
        self.path, self.columns = path, columns
        self._rows: list[dict[str, Any]] = []
        if resume_step and path.is_file():
            with path.open(newline="") as stream:
                self._rows = [row for row in csv.DictReader(stream) if int(row["step"]) <= resume_step]

    def add(self, **values: Any) -> None:
        """Append a row; columns not given stay empty."""
        row = {name: values.get(name, "") for name in self.columns}
        self._rows.append({name: f"{v:.6g}" if isinstance(v, float) else v for name, v in row.items()})
        stream = io.StringIO()
        writer = csv.DictWriter(stream, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomically(self.path, stream.getvalue().encode())


def save_state(directory: Path, state: dict[str, Any]) -> None:
    """Write the state of a run atomically: a process killed while writing leaves the state before.

    The state goes to the disk as it is packed: a second copy of a large network may not fit in memory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{STATE_NAME}.tmp"
    with temporary.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, directory / STATE_NAME)


def load_state(directory: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Read the state of a run, None when there is none.

    Args:
        directory: the run's directory.
        identity: settings that a continued run must share with the stored one.

    Raises:
        ResumeError: the stored run has other settings, or its state is damaged.
    """
    path = directory / STATE_NAME
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise ResumeError(f"{path} is damaged: {error}") from error
    stored, asked = _flat(state["identity"]), _flat(identity)
    for key in sorted(set(stored) | set(asked)):
        if stored.get(key) != asked.get(key):
            raise ResumeError(
                f"{directory} holds a run with {key} = {stored.get(key)!r}, asked for {asked.get(key)!r}: "
                "use another --out"
            )
    return state


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings under dotted names."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def set_threads(threads: int) -> None:
    """Set the CPU threads of tensor operations."""
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    torch.set_num_threads(threads)
