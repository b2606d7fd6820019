"""Training of the policy, on one or several processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from kinevla.backbone.lora import trainable_parameters
from kinevla.backbone.model import KineVLAModel
from kinevla.manifest import refuse_other_result
from kinevla.out_folder import refuse_inputs
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.course import Schedule
from kinevla.training.distributed import join_processes, launch, launched
from kinevla.training.engine import Engine, EngineConfig, Stage
from kinevla.training.export import export_policy
from kinevla.training.inputs import on_device
from kinevla.training.losses import motion_weights
from kinevla.training.objective_module import Objective
from kinevla.training.policy_run import PolicyRun, prepare_run
from kinevla.training.samples import Part, StepSamples, iterate_steps
from kinevla.training.state import ResumeError
from kinevla.training.validation import validate
from kinevla.training.weight_average import WeightAverage

RUN_KIND = "policy_run"  # Its folder has no manifest of its own: any that lies there is another result's.
_LOSSES = ("loss", "loss_reasoning", "loss_action", "loss_coupling")
_COLUMNS = (
    "step", "elapsed_s", "learning_rate", *_LOSSES, "samples_per_s",
    "val_reasoning_accuracy", "val_texts_right",
    "val_joint_l1_mrad", "val_joint_l1_tokenizer_mrad", "val_gripper_l1",
    "val_words_moved_mrad", "val_words_nearer",
)  # fmt: skip


def train_policy(config: PolicyTrainConfig) -> dict[str, Any]:
    """Train until the budget is used up; writes `out/best` and `out/last` as loadable checkpoints.

    With `config.processes` above 1 this starts that many processes, unless a launcher has done so already.

    Returns:
        The last validation figures with step and minutes.

    Raises:
        ResumeError: `out` holds a run with other settings or of other inputs.
        ManifestError: a damaged input, or `out` is the folder of an input, of recordings or another result.
        DeviceError: no GPU where one is asked for.
    """
    inputs = {"data": config.data, "tokenizer": config.tokenizer, "base": config.base, "start": config.start}
    refuse_inputs(config.out, {f"--{name}": folder for name, folder in inputs.items()})
    refuse_other_result(config.out, RUN_KIND)
    if config.processes > 1 and not launched():
        return launch(train_policy, config)
    torch.set_num_threads(config.threads)
    accelerator = join_processes(config)
    run = prepare_run(config, accelerator.device, accelerator.main_process_first)
    codes = run.tokenizer.codes_per_chunk if config.action_head == "codes" else 0
    settings = EngineConfig(
        out=config.out,
        identity=run.identity(),
        columns=(*_COLUMNS, *(f"val_code{place + 1}_accuracy" for place in range(codes))),
        schedule=Schedule(config.learning_rate, config.schedule, config.warmup_steps, config.final_rate),
        seed=config.seed,
        batch_size=config.batch_size,
        max_minutes=config.max_minutes,
        log_every=config.log_every,
        save_every=config.save_every,
        val_every=config.val_every,
        best_by="joint_l1_mrad",
        progress=config.progress,
    )
    engine = Engine([PolicyStage(run, accelerator)], settings)
    engine.train()
    step, minutes = engine.budget.step, engine.budget.used_s / 60.0
    return {"step": step, "minutes": minutes, "best_joint_l1_mrad": engine.best} | engine.figures


class PolicyStage(Stage):
    """The policy: network, data and the processes that share the work."""

    def __init__(self, run: PolicyRun, accelerator: Accelerator) -> None:
        self.run, self.config, self.accelerator = run, run.config, accelerator
        self.max_steps = run.config.max_steps
        self._steps: Iterator[list[Part]] | None = None

    def start(self, state: dict[str, Any] | None) -> None:
        """Move the network to its device, let it begin or take it up, and join the processes.

        Raises:
            ResumeError: the state of another network.
        """
        run, config, accelerator = self.run, self.config, self.accelerator
        model = run.model.to(accelerator.device)
        optimiser = torch.optim.AdamW(
            trainable_parameters(model).values(),
            lr=config.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=config.weight_decay,
            fused=True,
        )
        if state is not None:
            if unlike := sorted(set(trainable_parameters(model)) ^ set(state["model"])):
                raise ResumeError(f"{config.out} holds the state of another network: {', '.join(unlike[:3])}")
            model.load_state_dict(state["model"], strict=False)
            optimiser.load_state_dict(state["optimiser"])
        self.average = WeightAverage(trainable_parameters(model), config.average_decay)
        if state is not None:
            self.average.load(state["average"])
        normaliser = run.tokenizer.normaliser
        weight = motion_weights(normaliser.scale.tolist(), list(normaliser.keep))
        objective = Objective(model, run.builder.vocabulary, config, weight.to(accelerator.device))
        self.objective, self.optimiser = accelerator.prepare(objective, optimiser)
        self.samples = StepSamples(
            run.layout, run.inputs, config, accelerator.process_index, accelerator.num_processes
        )
        _set_training(model)

    def step(self, number: int, rate: float) -> Mapping[str, Tensor]:
        """Do one optimiser step on this process's parts of the batch; losses are means over them."""
        accelerator = self.accelerator
        if self._steps is None:
            self._steps = iterate_steps(self.samples, number, self.config.workers)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        losses = []
        for part in next(self._steps):
            torch.manual_seed(part.seed)  # Dropout, where there is any, differs from part to part.
            with accelerator.accumulate(self.objective):
                loss = self.objective(on_device(part, accelerator.device))
                accelerator.backward(loss.total)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(self.objective.parameters(), self.config.clip)
                self.optimiser.step()
                self.optimiser.zero_grad()
            losses.append(torch.stack([term.detach().float() for term in loss]))
        self.average.update(number)
        return dict(zip(_LOSSES, torch.stack(losses).mean(0), strict=True))

    def state(self) -> dict[str, Any]:
        """Return what is trained, its running mean, and the optimiser."""
        model = self.run.model
        return {
            "model": {name: value.detach().cpu() for name, value in trainable_parameters(model).items()},
            "average": self.average.state(),
            "optimiser": self.optimiser.state_dict(),
        }

    def validate(self) -> dict[str, float]:
        """Measure the policy on held-out frames, always the same ones."""
        run, config = self.run, self.config
        rows = run.data.val if len(run.data.val) else run.data.train
        rng = np.random.default_rng([config.seed, 2])
        with self.average.in_place():
            figures = validate(run, rng.permutation(rows)[: config.val_samples])
        _set_training(run.model)
        return figures

    def export(self, name: str, report: dict[str, Any]) -> None:
        """Write a loadable checkpoint."""
        with self.average.in_place():
            export_policy(self.run, report, name)


def _set_training(model: KineVLAModel) -> None:
    """Switch to training, towers that are frozen staying in evaluation."""
    model.train()
    if not model.config.reads_alone:
        towers = model.vision_backbone
        towers.train(any(parameter.requires_grad for parameter in towers.parameters()))
