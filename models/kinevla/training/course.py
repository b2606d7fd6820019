"""How far a training run may go, and how fast it learns on the way."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field


@dataclass
class Budget:
    """How far a run may go: steps over all its continuations, minutes for this one.

    Where steps are given they set the course, and with it the learning rate; the minutes then only interrupt
    it. So what a step computes depends on the clock only in a run that minutes alone bound.
    """

    max_minutes: float | None  # minutes this process may use; None for no bound
    max_steps: int | None  # steps over all continuations; None for no bound
    step: int = 0
    before_s: float = 0.0  # seconds used by earlier continuations
    _started_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._started_s = time.monotonic()
        if self.max_minutes is None and self.max_steps is None:
            raise ValueError("a training run needs max_minutes or max_steps")
        if self.max_minutes is not None and not self.max_minutes > 0.0:
            raise ValueError(f"max_minutes must be positive, got {self.max_minutes}")

    @property
    def used_s(self) -> float:
        """Seconds over all continuations."""
        return self.before_s + time.monotonic() - self._started_s

    @property
    def progress(self) -> float:
        """Share of the course that is done, 0..1."""
        if self.max_steps is not None:
            return min(1.0, self.step / self.max_steps)
        assert self.max_minutes is not None
        return min(1.0, self.used_s / (self.before_s + 60.0 * self.max_minutes))

    @property
    def steps_done(self) -> bool:
        """All steps are done."""
        return self.max_steps is not None and self.step >= self.max_steps

    @property
    def time_up(self) -> bool:
        """The minutes are used up."""
        return self.max_minutes is not None and self.used_s - self.before_s >= 60.0 * self.max_minutes

    @property
    def finished(self) -> bool:
        """There is nothing more to do for this process."""
        return self.steps_done or self.time_up


@dataclass(frozen=True)
class Schedule:
    """Learning rate: linear warm-up, then constant or cosine."""

    peak: float
    shape: str = "cosine"  # 'constant' or 'cosine'
    warmup_steps: int = 0
    final: float = 0.0  # the cosine ends at this share of the peak

    def rate(self, step: int, progress: float) -> float:
        """Return the learning rate of a step, with this share (0..1) of the budget used."""
        rate = self.peak * min(1.0, (step + 1) / max(1, self.warmup_steps))
        if self.shape == "cosine":
            rate *= self.final + (1.0 - self.final) * 0.5 * (1.0 + math.cos(math.pi * progress))
        return rate
