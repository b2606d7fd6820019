"""Several processes that train as one: what they share, agree on and exchange.

Each process computes its part of every batch and gradients are averaged (`accelerate` and torch's
`DistributedDataParallel` do that). The functions here are the rest; with one process they do nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
import torch.distributed.nn.functional
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import Tensor

from kinevla.safe_path import safe_path

if TYPE_CHECKING:
    from kinevla.training.config import PolicyTrainConfig

Value = TypeVar("Value")
# The others wait while the first process computes features, validates or writes a checkpoint.
_PATIENCE = timedelta(hours=6)


class DeviceError(RuntimeError):
    """The machine or the number of processes does not fit the settings."""


def join_processes(config: PolicyTrainConfig) -> Accelerator:
    """Join the processes of a run, or stand alone when there is one.

    Raises:
        DeviceError: no GPU where one is asked for, or another device in use by this program already.
        ValueError: a batch that cannot be divided among processes and accumulation steps.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device is cuda, but this machine has no usable CUDA device")
    accelerator = Accelerator(
        cpu=config.device == "cpu",
        mixed_precision="no",  # `Objective` switches autocast itself, around exactly the forward pass.
        gradient_accumulation_steps=config.accumulation,
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=_PATIENCE),
            DistributedDataParallelKwargs(find_unused_parameters=_some_unused(config)),
        ],
    )
    if accelerator.device.type != config.device:
        raise DeviceError(
            f"device is {config.device}, but this program works on {accelerator.device} already"
        )
    parts = accelerator.num_processes * config.accumulation
    if config.batch_size % parts:
        raise ValueError(
            f"batch_size {config.batch_size} is no multiple of {accelerator.num_processes} processes x "
            f"{config.accumulation} accumulation parts"
        )
    return accelerator


def _some_unused(config: PolicyTrainConfig) -> bool:
    """Say whether parameters get no gradient: blocks behind the features read, and terms that are off."""
    terms = config.reasoning and config.reasoning_loss and config.action_loss and config.coupling_weight > 0.0
    # Of a batch with fewer sentences than parts, some parts have none to read.
    parts = max(config.processes, int(os.environ.get("WORLD_SIZE", "1"))) * config.accumulation
    silent = round(config.batch_size * config.reasoning_loss_fraction) < parts
    return config.base is not None or config.action_head == "flow" or silent or not terms


def launched() -> bool:
    """Say whether a launcher (torchrun, accelerate launch, or `launch`) has started this process."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def launch(work: Callable[[PolicyTrainConfig], Value], config: PolicyTrainConfig) -> Value:
    """Run `work(config)` on `config.processes` processes of this machine and return the first one's result.

    Equivalent to starting the same command with torchrun; the children end with this process.

    Raises:
        ProcessRaisedException: a process failed; the text holds its traceback.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    results = torch.multiprocessing.get_context("spawn").SimpleQueue()
    with safe_path():
        torch.multiprocessing.spawn(_work, (work, config, port, results), nprocs=config.processes)
    result: Value = results.get()
    return result


def _work(
    rank: int, work: Callable[[PolicyTrainConfig], Any], config: PolicyTrainConfig, port: int, results: Any
) -> None:
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(config.processes),
        "LOCAL_WORLD_SIZE": str(config.processes),
    }
    os.environ.setdefault("OMP_NUM_THREADS", str(config.threads))
    result = work(config)
    if rank == 0:
        results.put(result)


def processes() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def first_process() -> bool:
    """Say whether this is the process that reports, measures and saves."""
    return processes() == 1 or dist.get_rank() == 0


def agree(value: Value) -> Value:
    """Return the first process's value in all of them: clocks differ, decisions must not."""
    if processes() == 1:
        return value
    shared = [value]
    dist.broadcast_object_list(shared, src=0)
    return shared[0]


def mean_of_processes(values: Tensor) -> Tensor:
    """Return the mean over the processes."""
    if processes() > 1:
        dist.all_reduce(values)
    return values / processes()


def all_gather_with_grad(rows: Tensor) -> Tensor:
    """Join the rows (B, ...) of all processes in order: (processes * B, ...); B is the same in all.

    Gradients flow back to the process a row came from, summed over the processes. So the mean over processes
    of a loss of the joined rows has exactly the gradient of that loss, which is what averaging the
    processes' gradients computes.
    """
    if processes() == 1:
        return rows
    return torch.cat(torch.distributed.nn.functional.all_gather(rows.contiguous()))
