"""The training engine: one loop, with budget, schedule, seeds, metrics and resumable state.

What is trained is a `Stage`; a run has one or several, one after the other. Everything random about a step is
a function of (seed, stage, step), so a run that was stopped and continued ends with the weights of one that
never stopped.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from kinevla.training.course import Budget, Schedule
from kinevla.training.distributed import agree, first_process, mean_of_processes
from kinevla.training.metrics import METRICS_NAME, MetricsLog, draw_metrics
from kinevla.training.state import load_state, save_state

log = logging.getLogger(__name__)


def step_seed(seed: int, stage: int, step: int) -> int:
    """Return the seed of everything random about a step."""
    return int(
        np.random.SeedSequence((seed, stage, step)).generate_state(1, dtype=np.uint64)[0] >> np.uint64(1)
    )


class Stage(Protocol):
    """What the engine trains: a step, its validation, and what is kept of it."""

    max_steps: int | None  # length of the stage over all continuations; None where only minutes bound it

    def start(self, state: dict[str, Any] | None) -> None:
        """Get ready for the first step, or for the step after the one at which `state` was taken."""

    def step(self, number: int, rate: float) -> Mapping[str, Tensor]:
        """Do one optimiser step; torch's random numbers are seeded for it.

        Args:
            number: of the step, from 0; the numbers come in order.

        Returns:
            This process's losses, scalars, by column of the metrics; the same names in every step.
        """

    def state(self) -> dict[str, Any]:
        """Return all that `start` needs to continue: what is trained, the optimiser."""

    def validate(self) -> dict[str, float]:
        """Measure on held-out data; by column of the metrics without 'val_'."""
        return {}

    def export(self, name: str, report: dict[str, Any]) -> None:
        """Write what is trained under `name` ('best' or 'last'); `report` has step, minutes and figures."""
        return


@dataclass(frozen=True)
class EngineConfig:
    """How a run is done."""

    out: Path | None  # where state and metrics go; a run found there is continued. None keeps nothing
    identity: dict[str, Any]  # settings and inputs that a continued run must share with the one it continues
    # of the metrics: 'stage', 'step', 'elapsed_s', 'learning_rate', 'samples_per_s', losses, and figures of
    # the validation behind 'val_'
    columns: tuple[str, ...]
    schedule: Schedule  # learning rate of every stage
    seed: int  # of everything random
    batch_size: int  # samples per step over all processes
    max_minutes: float | None  # time of this call, None for no bound
    log_every: int  # steps between rows of metrics
    save_every: int  # steps between states
    val_every: int | None = None  # steps between validations; None for none
    best_by: str = ""  # figure of the validation whose lowest value makes an export the 'best'
    progress: bool = True  # show a progress bar


class Engine:
    """Trains the stages of a run, and now and then reports, validates and saves.

    A run that `config.out` holds already is taken up where it was saved. Of several processes all step, and
    the first one does the rest.

    Attributes:
        number: stage that is trained now, from 1.
        budget: steps of this stage and minutes of the run.
        best: lowest value of the figure `best_by`.
        figures: of the last validation.

    Raises:
        ResumeError: `out` holds a run with other settings or of other inputs, or a damaged state.
        ValueError: neither steps nor minutes bound the run.
    """

    def __init__(self, stages: Sequence[Stage], config: EngineConfig) -> None:
        self.stages, self.config = stages, config
        self.number, self.best, self.figures = 1, math.inf, dict[str, float]()
        self._figures_new = False
        self.budget = Budget(config.max_minutes, stages[0].max_steps)
        state = None if config.out is None else load_state(config.out, config.identity)
        if state is not None:
            self.number, self.best = state["stage"], state["best"]
            self.budget.step, self.budget.before_s = state["step"], state["used_s"]
            self.budget.max_steps = self.stage.max_steps
        self.stage.start(None if state is None else state["content"])
        self.metrics = None
        if config.out is not None:
            path = config.out / METRICS_NAME
            self.metrics = MetricsLog(path, config.columns, self.budget.step, self.number)
        self._begin_row()

    @property
    def stage(self) -> Stage:
        """The stage that is trained now."""
        return self.stages[self.number - 1]

    @property
    def complete(self) -> bool:
        """The last stage has all its steps; without a number of steps it has as many as it ever will."""
        last = self.number == len(self.stages)
        return last and (self.stage.max_steps is None or self.budget.steps_done)

    def train(self) -> None:
        """Run until all stages are done or the time is up; at least one step where any is left."""
        budget, steps = self.budget, [stage.max_steps for stage in self.stages]
        shown = self.config.progress and first_process()
        bar = tqdm(
            total=None if None in steps else sum(filter(None, steps)),
            initial=sum(filter(None, steps[: self.number - 1])) + budget.step,
            unit="step",
            disable=None if shown else True,  # None shows the bar where there is a terminal.
        )
        with torch.random.fork_rng(devices=[]), bar, logging_redirect_tqdm():
            while self._train_stage(bar) and self.number < len(self.stages):
                self.number += 1
                budget.step, budget.max_steps = 0, self.stage.max_steps
                self.stage.start(None)
        # Only the first process has figures; the others wait here until it has written everything.
        self.best, self.figures = agree((self.best, self.figures))

    def _train_stage(self, bar: tqdm[Any]) -> bool:
        """Do the steps of the present stage; returns whether there is time for another."""
        config, budget = self.config, self.budget
        progress, time_up, last = agree(budget.progress), False, budget.steps_done
        while not last:
            rate = config.schedule.rate(budget.step, progress)
            torch.manual_seed(step_seed(config.seed, self.number, budget.step))
            self._count(self.stage.step(budget.step, rate))
            budget.step += 1
            bar.update()
            progress, time_up = agree((budget.progress, budget.time_up))
            last = time_up or budget.steps_done
            if config.val_every is not None and (last or budget.step % config.val_every == 0):
                self._validate()
            if last or budget.step % config.log_every == 0:
                self._report(rate, bar)
            if last or budget.step % config.save_every == 0:
                self._save()
        return not time_up

    def _begin_row(self) -> None:
        self._losses: dict[str, Tensor] = {}
        self._since, self._mark_s = 0, time.monotonic()

    def _count(self, losses: Mapping[str, Tensor]) -> None:
        self._losses = {
            name: self._losses[name] + value if self._since else value for name, value in losses.items()
        }
        self._since += 1

    def _report(self, rate: float, bar: tqdm[Any]) -> None:
        """Write a row of metrics: mean losses of all processes since the row before."""
        means = mean_of_processes(torch.stack(list(self._losses.values()))) / self._since
        losses = dict(zip(self._losses, means.tolist(), strict=True))
        speed = self._since * self.config.batch_size / (time.monotonic() - self._mark_s)
        rounded = {name: round(value, 3) for name, value in losses.items()}
        bar.set_postfix(rounded)
        if self.metrics is not None and first_process():
            figures = {f"val_{name}": value for name, value in self.figures.items() if self._figures_new}
            self.metrics.add(
                stage=self.number,
                step=self.budget.step,
                elapsed_s=self.budget.used_s,
                learning_rate=rate,
                samples_per_s=speed,
                **losses,
                **figures,
            )
            if figures:
                draw_metrics(self.metrics.path)
            log.info("step %d %s %.0f samples/s", self.budget.step, rounded, speed)
        self._figures_new = False
        self._begin_row()

    def _validate(self) -> None:
        """Measure and export; one process does it, the others wait at their next exchange."""
        if not first_process():
            return
        self.figures, self._figures_new = self.stage.validate(), True
        log.info("validation at step %d: %s", self.budget.step, self.figures)
        report = {"step": self.budget.step, "minutes": self.budget.used_s / 60.0} | self.figures
        self.stage.export("last", report)
        if self.figures.get(self.config.best_by, math.inf) < self.best:
            self.best = self.figures[self.config.best_by]
            self.stage.export("best", report)

    def _save(self) -> None:
        if self.config.out is None or not first_process():
            return
        save_state(
            self.config.out,
            {
                "identity": self.config.identity,
                "stage": self.number,
                "step": self.budget.step,
                "used_s": self.budget.used_s,
                "best": self.best,
                "content": self.stage.state(),
            },
        )
