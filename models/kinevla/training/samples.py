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

from kinevla.text.wordings import WORDINGS
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.dataset import Layout, TokenBatch
from kinevla.training.inputs import Inputs, InputSource
from kinevla.training.objective import Positions
from kinevla.training.writing import WriterBatch, writer_batch

_FRAMES_BETWEEN_PLANS = (3, 8)


@dataclass(frozen=True)
class Part:
    """What one process computes between two gradients: a slice of an accumulation part."""

    rows: Tensor  # (b,) rows of the data set
    inputs: Inputs  # what the network sees, of b samples
    state: Tensor  # (b, D) measured
    # sequences; `tokens.reasoning` is cleared where a sample does not carry the reasoning loss
    tokens: TokenBatch
    positions: Positions  # divisors that make the mean over all parts of the step the mean over its positions
    seed: int  # for what is random inside the network (dropout, noise of the flow head)
    # sentences for the writer, of a network that reads instructions apart from the codes
    writing: WriterBatch | None = None
    # what the samples are told, of such a network without reasoning: its codes then see it
    sentences: tuple[str, ...] | None = None
    # (b, H, D) at earlier moments (see `PolicyData.past`), None for a network that forgets
    past: Tensor | None = None


def speaking_rows(size: int, fraction: float) -> NDArray[np.bool_]:
    """Return which samples of a batch carry the reasoning loss: evenly spread, at least one."""
    chosen = np.zeros(size, dtype=np.bool_)
    number = max(1, round(size * fraction))
    chosen[np.arange(number) * size // number] = True
    return chosen


@dataclass(frozen=True)
class StepSamples(Dataset[Part]):
    """The parts of all steps for one process; item i is part i % accumulation of step i // accumulation."""

    layout: Layout  # of the sequences, with the data set
    inputs: InputSource
    config: PolicyTrainConfig
    process: int = 0
    processes: int = 1

    def __getitem__(self, index: int) -> Part:
        config, layout = self.config, self.layout
        data = layout.data
        step, part = divmod(index, config.accumulation)
        size = config.batch_size
        rng = np.random.default_rng([config.seed, 3, step])
        rows = data.train[rng.integers(len(data.train), size=size)]
        other = rng.random(size) < config.variant_share
        wording = np.where(other, rng.integers(1, WORDINGS, size=size), 0)
        seeds = rng.integers(np.iinfo(np.int64).max, size=size)
        noise = rng.normal(size=(size, data.states.shape[1])).astype(np.float32)
        speaking = speaking_rows(size, config.reasoning_loss_fraction)
        parts = config.accumulation * self.processes
        own = slice(
            (part * self.processes + self.process) * (size // parts),
            (part * self.processes + self.process + 1) * (size // parts),
        )
        state = data.states[rows[own]]
        writing = sentences = None
        told: list[str] = []
        if config.base is not None or not config.reasoning:
            told = [
                data.speech.wording(data.texts[int(data.text[row])][0], int(number))
                for row, number in zip(rows, wording, strict=True)
            ]
        if config.base is None:
            tokens = layout.batch(rows[own])
            state = state + config.state_noise * noise[own]
            words = 1.0
            sentences = None if config.reasoning else tuple(told[own])
            if config.reasoning and config.reasoning_loss:
                places = np.flatnonzero(speaking)
                whole = writer_batch(layout, rows[places], places, config, int(seeds[0]))
                writing, words = whole.within(own), len(whole.sentences) / parts
        else:
            tokens = layout.batch(rows[own], tuple(told[own]))
            tokens.reasoning[~torch.from_numpy(speaking[own])] = False
            spoken = (
                sum(layout.sequence(int(row), sentence).reasoning)
                for row, sentence, speaks in zip(rows, told, speaking, strict=True)
                if speaks
            )
            words = sum(spoken) / parts
        past = None
        if config.base is None and (moments := config.sight.moments):
            # A robot does not plan as evenly as a clock.
            frames = rng.integers(*_FRAMES_BETWEEN_PLANS, size=size)
            past = torch.from_numpy(data.past(rows[own], frames[own], moments))
        positions = Positions(
            reasoning=words,
            # Codes, or chunks with the flow head, which has no codes in its sequence.
            action=size * max(1, tokens.code_positions.shape[1]) / parts,
        )
        return Part(
            rows=torch.from_numpy(rows[own]),
            inputs=self.inputs.read(rows[own], seeds[own]),
            state=torch.from_numpy(state),
            tokens=tokens,
            positions=positions,
            seed=int(seeds[own][0]),
            writing=writing,
            sentences=sentences,
            past=past,
        )


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
