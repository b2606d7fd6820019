"""Starts a training run on several processes of this machine."""

from __future__ import annotations

import os
import socket
from typing import Any

import torch

from kinevla.safe_path import safe_path
from kinevla.training.config import PolicyTrainConfig


def launch(config: PolicyTrainConfig) -> dict[str, Any]:
    """Run `train_policy` on `config.processes` processes and return the first one's result.

    Equivalent to starting the same command with torchrun; the children end with this process.

    Raises:
        ProcessRaisedException: a process failed; the text holds its traceback.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = torch.multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    with safe_path():
        torch.multiprocessing.spawn(_work, (config, port, results), nprocs=config.processes)
    result: dict[str, Any] = results.get()
    return result


def _work(rank: int, config: PolicyTrainConfig, port: int, results: Any) -> None:
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(config.processes),
        "LOCAL_WORLD_SIZE": str(config.processes),
    }
    os.environ.setdefault("OMP_NUM_THREADS", str(config.threads))
    from kinevla.training.policy_trainer import train_policy

    result = train_policy(config)
    if rank == 0:
        results.put(result)
