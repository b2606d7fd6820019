"""Which samples a training step sees: a function of seed and step, whoever computes which part of them.

Everything random about step s (rows, wordings, noise) is drawn for its whole batch from (seed, s). The batch
is then cut into accumulation parts and each part into one slice per process, so the split changes nothing,
and a run continued at step s goes on as if it had never stopped: no random generator has a state to keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from kinevla.generation.sequence import SequenceBuilder
from kinevla.training.code_noise import CodeNoise
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.dataset import PolicyData, TokenBatch, token_batch
from kinevla.training.inputs import Inputs, InputSource
from kinevla.training.objective import Positions

_WORDINGS = 1000


@dataclass(frozen=True)
class Part:
    """What one process computes between two gradients: a slice of an accumulation part.

    Attributes:
        inputs: what the network sees, of b samples.
        state: (b, D) measured.
        tokens: sequences; `tokens.reasoning` is cleared where a sample does not carry the reasoning loss.
        positions: divisors that make the mean over all parts of the step the mean over its positions.
        seed: for what is random inside the network (dropout, noise of the flow head).
    """

    inputs: Inputs
    state: Tensor
    tokens: TokenBatch
    positions: Positions
    seed: int


def speaking_rows(size: int, fraction: float) -> NDArray[np.bool_]:
    """Return which samples of a batch carry the reasoning loss: evenly spread, at least one."""
    chosen = np.zeros(size, dtype=np.bool_)
    number = max(1, round(size * fraction))
    chosen[np.arange(number) * size // number] = True
    return chosen


@dataclass(frozen=True)
class StepSamples(Dataset[Part]):
    """The parts of all steps for one process; item i is part i % accumulation of step i // accumulation.

    Attributes:
        data: the data set.
        builder: sequence layout.
        inputs: images or features.
        code_noise: draws codes around the exact ones; None takes the exact ones.
        latents: (N, d) what `code_noise` starts from.
        coarse: (N, d) what the goal codes stand for; None for the latents.
        config: settings.
        process: number of this process.
        processes: how many there are.
    """

    data: PolicyData
    builder: SequenceBuilder
    inputs: InputSource
    code_noise: CodeNoise | None
    latents: Tensor | None
    config: PolicyTrainConfig
    process: int = 0
    processes: int = 1
    coarse: Tensor | None = None

    def __getitem__(self, index: int) -> Part:
        config, data = self.config, self.data
        step, part = divmod(index, config.accumulation)
        size = config.batch_size
        rng = np.random.default_rng([config.seed, 3, step])
        rows = data.train[rng.integers(len(data.train), size=size)]
        other = rng.random(size) < config.variant_share
        wording = np.where(other, rng.integers(1, _WORDINGS, size=size), 0)
        seeds = rng.integers(np.iinfo(np.int64).max, size=size)
        speaking = speaking_rows(size, config.reasoning_loss_fraction)
        exchanged = (rng.random(size) < config.prompt_exchange) & ~speaking
        prompts = np.where(exchanged, data.other_prompts(rows, rng), data.task[rows])
        parts = config.accumulation * self.processes
        own = slice(
            (part * self.processes + self.process) * (size // parts),
            (part * self.processes + self.process + 1) * (size // parts),
        )
        codes = self._codes(rows, step, own)
        tokens = token_batch(data, self.builder, rows[own], wording[own], codes, prompts[own])
        tokens.reasoning[~torch.from_numpy(speaking[own])] = False
        positions = Positions(
            reasoning=data.reasoning_positions(rows[speaking], wording[speaking]) / parts,
            # Codes, or chunks with the flow head, which has no codes in its sequence.
            action=size * max(1, tokens.code_positions.shape[1]) / parts,
        )
        return Part(
            inputs=self.inputs.read(rows[own], seeds[own]),
            state=torch.from_numpy(data.states[rows[own]]),
            tokens=tokens,
            positions=positions,
            seed=int(seeds[own][0]),
        )

    def _codes(self, rows: NDArray[np.int64], step: int, own: slice) -> tuple[Tensor, Tensor] | None:
        """Draw the codes of the whole step, so that a slice does not depend on how the step is cut."""
        if self.code_noise is None or self.latents is None:
            return None
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
        coarse = None if self.coarse is None else self.coarse[rows]
        context, labels = self.code_noise.draw(self.latents[rows], self.config.code_noise, generator, coarse)
        return context[own], labels[own]


class _From(Sampler[int]):
    def __init__(self, first: int) -> None:
        self._first = first

    def __iter__(self) -> Iterator[int]:
        return count(self._first)


def iterate_steps(samples: StepSamples, first: int, workers: int) -> Iterator[list[Part]]:
    """Yield the parts of step `first` and all steps after it, prepared ahead by `workers` processes."""
    size = samples.config.accumulation
    loader = DataLoader(samples, batch_size=None, sampler=_From(first * size), num_workers=workers)
    parts = iter(loader)
    while True:
        yield list(islice(parts, size))
