"""The policy training loop: one or several processes, bounded in time or steps, resumable to the step."""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from kinevla.backbone.lora import trainable_parameters
from kinevla.backbone.model import KineVLAModel
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.distributed import agree, join_processes, launched
from kinevla.training.export import export_policy
from kinevla.training.figure import draw_metrics
from kinevla.training.geometry_warmup import warm_up_geometry
from kinevla.training.inputs import on_device
from kinevla.training.launch import launch
from kinevla.training.loop import (
    Budget,
    MetricsLog,
    ResumeError,
    learning_rate,
    load_state,
    save_state,
    set_threads,
)
from kinevla.training.objective_module import Objective
from kinevla.training.policy_run import PolicyRun, prepare_run, taught_parameters
from kinevla.training.samples import Part, StepSamples, iterate_steps
from kinevla.training.shared_goal import share_goals, stage_shares
from kinevla.training.validation import validate

log = logging.getLogger(__name__)
_LOSS_COLUMNS = ("loss", "loss_reasoning", "loss_action", "loss_coupling", "loss_choice")
_VAL_COLUMNS = (
    "val_reasoning_accuracy",
    "val_joint_l1_mrad",
    "val_joint_l1_tokenizer_mrad",
    "val_gripper_l1",
)
_BETAS = (0.9, 0.95)


def train_policy(config: PolicyTrainConfig) -> dict[str, Any]:
    """Train until the budget is used up; writes `out/best` and `out/last` as loadable checkpoints.

    With `config.processes` above 1 this starts that many processes, unless a launcher has done so already.

    Returns:
        The last validation figures with step and minutes.

    Raises:
        ResumeError: `out` holds a run with other settings or of other inputs.
        ManifestError: a damaged input.
        DeviceError: no GPU where one is asked for.
    """
    if config.processes > 1 and not launched():
        return launch(config)
    set_threads(config.threads)
    accelerator = join_processes(config)
    run = prepare_run(config, accelerator.device, accelerator.main_process_first)
    return PolicyTrainer(run, accelerator).train()


class PolicyTrainer:
    """Does optimiser steps, and now and then reports, validates and saves.

    A run that `run.config.out` holds already is taken up where it was saved.

    Args:
        run: data and network.
        accelerator: the processes of the run.

    Raises:
        ResumeError: `out` holds a run with other settings or of other inputs.
    """

    def __init__(self, run: PolicyRun, accelerator: Accelerator) -> None:
        config = run.config
        self.run, self.config, self.accelerator = run, config, accelerator
        self.budget = Budget(config.max_minutes, config.max_steps)
        self.best = float("inf")
        self.warmup: dict[str, float] = {}
        self.figures: dict[str, float] = {}
        self._figures_step = -1
        self._frozen = bool(config.freeze_geometry and run.cache is not None and config.warmup.max_steps)
        self._shares: Tensor | None = None
        if self._frozen and run.model.code_readout is not None:
            self._shares = torch.zeros(len(run.data.tasks), run.model.observation.geometry_tokens)
        state = load_state(config.out, run.identity())
        run.model.to(accelerator.device)
        if state is None and run.cache is not None and accelerator.is_main_process:
            # The other processes get the result when they are joined below.
            minutes = None if config.max_minutes is None else config.max_minutes * config.warmup.max_share
            self.warmup, self._shares = warm_up_geometry(
                run.model, run.data, run.cache, run.tokenizer, config, minutes
            )
        if self._frozen:
            for parameter in taught_parameters(run.model).values():
                parameter.requires_grad_(False)
        run.model.zero_grad()  # Those of the warm-up would enter the first step.
        optimiser = torch.optim.AdamW(
            trainable_parameters(run.model).values(),
            lr=config.learning_rate,
            betas=_BETAS,
            weight_decay=config.weight_decay,
        )
        if state is not None:
            self._restore(state, optimiser)
        objective = Objective(run.model, run.builder.vocabulary, config, self._stage_shares())
        self.objective, self.optimiser = accelerator.prepare(objective, optimiser)
        # After the line above: only then all processes have what the first has learned so far.
        coarse = None
        if config.goal_motion == "shared":
            coarse = share_goals(run, accelerator.unwrap_model(self.objective).shares)
        self.samples = StepSamples(
            run.data,
            run.builder,
            run.inputs,
            run.code_noise,
            run.latents,
            config,
            accelerator.process_index,
            accelerator.num_processes,
            coarse,
        )
        self._sums, self._since, self._mark_s = self._no_losses(), 0, time.monotonic()

    def _stage_shares(self) -> Tensor | None:
        if self._shares is None:
            return None
        tokenizer, shared = self.run.tokenizer, self.config.goal_motion == "shared"
        codes = (tokenizer.goal_levels, tokenizer.codes_per_chunk)
        return stage_shares(self._shares, self.run.data.tasks, *codes, shared)

    def _no_losses(self) -> Tensor:
        return torch.zeros(len(_LOSS_COLUMNS), device=self.accelerator.device)

    def train(self) -> dict[str, Any]:
        """Run to the end of the budget and return the last figures."""
        config, budget, accelerator = self.config, self.budget, self.accelerator
        metrics = MetricsLog(config.out / "metrics.csv", self._columns(), budget.step)
        steps = iterate_steps(self.samples, budget.step, config.workers)
        shown = config.progress and accelerator.is_main_process
        set_training(self.run.model)
        progress = agree(accelerator, budget.progress)
        # `disable=None` shows the bar where there is a terminal.
        bar = tqdm(total=config.max_steps, initial=budget.step, unit="step", disable=None if shown else True)
        with bar, logging_redirect_tqdm():
            while progress < 1.0:
                rate = learning_rate(
                    config.learning_rate,
                    progress,
                    budget.step,
                    config.schedule,
                    config.warmup_steps,
                    config.final_rate,
                )
                self._sums += self.step(next(steps), rate)
                self._since += 1
                budget.step += 1
                bar.update()
                progress = agree(accelerator, budget.progress)
                last = progress >= 1.0
                if last or budget.step % config.val_every == 0:
                    self._validate()
                if last or budget.step % config.log_every == 0:
                    self._report(metrics, rate, bar)
                if last or budget.step % config.save_every == 0:
                    self._save()
        totals = {
            "step": budget.step,
            "minutes": budget.used_s / 60.0,
            "best_joint_l1_mrad": self.best,
        }
        # Only the first process has figures; the others wait here until it has written everything.
        result: dict[str, Any] = broadcast_object_list([totals | self.figures])[0]
        return result

    def step(self, parts: list[Part], rate: float) -> Tensor:
        """Do one optimiser step.

        Args:
            parts: this process's accumulation parts.
            rate: learning rate.

        Returns:
            This process's mean of total, reasoning, action, coupling and choice loss over the parts.
        """
        accelerator = self.accelerator
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        losses = []
        for part in parts:
            torch.manual_seed(part.seed)  # Dropout, where there is any.
            with accelerator.accumulate(self.objective):
                loss = self.objective(on_device(part, accelerator.device))
                accelerator.backward(loss.total)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(self.objective.parameters(), self.config.clip)
                self.optimiser.step()
                self.optimiser.zero_grad()
            losses.append(torch.stack([term.detach().float() for term in loss]))
        return torch.stack(losses).mean(0)

    def _columns(self) -> tuple[str, ...]:
        stages = self.run.tokenizer.codes_per_chunk if self.config.action_head == "codes" else 0
        codes = tuple(f"val_code{stage + 1}_accuracy" for stage in range(stages))
        return ("step", "elapsed_s", "learning_rate", *_LOSS_COLUMNS, "samples_per_s", *_VAL_COLUMNS, *codes)

    def _report(self, metrics: MetricsLog, rate: float, bar: tqdm[Any]) -> None:
        """Write a row of metrics: means of all processes since the row before."""
        means = self.accelerator.reduce(self._sums, "mean") / self._since
        losses = dict(zip(_LOSS_COLUMNS, means.tolist(), strict=True))
        speed = self._since * self.config.batch_size / (time.monotonic() - self._mark_s)
        if self.accelerator.is_main_process:
            figures = self._unreported()
            metrics.add(
                step=self.budget.step,
                elapsed_s=self.budget.used_s,
                learning_rate=rate,
                samples_per_s=speed,
                **losses,
                **figures,
            )
            if figures:
                draw_metrics(metrics.path)
            rounded = {key: round(value, 3) for key, value in losses.items()}
            bar.set_postfix(rounded)
            log.info("step %d %s %.0f samples/s", self.budget.step, rounded, speed)
        self._sums.zero_()
        self._since, self._mark_s = 0, time.monotonic()

    def _unreported(self) -> dict[str, float]:
        """Return the figures of a validation since the last row of metrics."""
        if self._figures_step <= self.budget.step - self._since:
            return {}
        return {f"val_{key}": value for key, value in self.figures.items()}

    def _validate(self) -> None:
        """Measure and export the policy; one process does it, the others wait at their next exchange."""
        if not self.accelerator.is_main_process:
            return
        run, step = self.run, self.budget.step
        rows = run.data.val if len(run.data.val) else run.data.train
        rng = np.random.default_rng([self.config.seed, 2])
        self.figures = validate(run, rng.permutation(rows)[: self.config.val_samples])
        set_training(run.model)
        self._figures_step = step
        log.info("validation at step %d: %s", step, self.figures)
        report = {"step": step, "minutes": self.budget.used_s / 60.0, "geometry": self.warmup} | self.figures
        export_policy(run, report, "last")
        if self.figures["joint_l1_mrad"] < self.best:
            self.best = self.figures["joint_l1_mrad"]
            export_policy(run, report, "best")

    def _save(self) -> None:
        """Write all that a continued run needs: what is trained, the optimiser, the step, the best so far."""
        if not self.accelerator.is_main_process:
            return
        save_state(
            self.config.out,
            {
                "identity": self.run.identity(),
                "model": {k: v.detach().cpu() for k, v in trainable_parameters(self.run.model).items()},
                "optimiser": self.optimiser.state_dict(),
                "step": self.budget.step,
                "used_s": self.budget.used_s,
                "best": self.best,
                "warmup": self.warmup,
                "taught": {
                    name: value.detach().cpu() for name, value in taught_parameters(self.run.model).items()
                },
                "shares": None if self._shares is None else self._shares.cpu(),
                "randomness": "a function of seed and step",
            },
        )

    def _restore(self, state: dict[str, Any], optimiser: torch.optim.Optimizer) -> None:
        own = trainable_parameters(self.run.model)
        if unlike := sorted(set(own) ^ set(state["model"])):
            raise ResumeError(
                f"{self.config.out} holds the state of another network: {', '.join(unlike[:3])}"
            )
        self.run.model.load_state_dict(state["taught"] | state["model"], strict=False)
        self._shares = state["shares"]
        optimiser.load_state_dict(state["optimiser"])
        self.budget.step, self.budget.before_s = state["step"], state["used_s"]
        self.best, self.warmup = state["best"], state["warmup"]


def set_training(model: KineVLAModel) -> None:
    """Switch to training, towers that are frozen staying in evaluation."""
    model.train()
    if not any(parameter.requires_grad for parameter in model.vision_backbone.parameters()):
        model.vision_backbone.eval()
