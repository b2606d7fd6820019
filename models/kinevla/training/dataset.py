"""What policy training knows of every frame but its images: state, codes of the chunk, texts of the task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.actions.tokenizer import ActionTokenizer
from kinevla.data.chunks import build_chunks, split_of
from kinevla.data.episodes import EpisodeReader
from kinevla.generation.sequence import SequenceBuilder
from kinevla.text.variants import instruction_variants


@dataclass(frozen=True)
class Template:
    """The sequence of one wording of one task with blank codes.

    Attributes:
        ids: (L,) prompt and answer.
        reasoning: (L,) bool, positions of the reasoning loss.
        span: (L,) bool, words of the reasoning.
        code_positions: (M,) positions of the codes.
        prompt_length: ids of the prompt.
    """

    ids: NDArray[np.int64]
    reasoning: NDArray[np.bool_]
    span: NDArray[np.bool_]
    code_positions: NDArray[np.int64]
    prompt_length: int


@dataclass(frozen=True)
class PolicyData:
    """All frames of a data set.

    Attributes:
        states: (N, D) float32 measured.
        chunks: (N, T, D) float32 relative chunks.
        normalised: (N, T, D) float32, the same scaled by the tokenizer's statistics.
        codes: (N, M) codes, goal levels first.
        task: (N,) index into `tasks`.
        tasks: task texts (instruction, coarse, fine), one per task.
        templates: for each task, one template per wording; the first is the wording of the data set.
        train: rows to learn from.
        val: rows held out (whole episodes).
    """

    states: NDArray[np.float32]
    chunks: NDArray[np.float32]
    normalised: NDArray[np.float32]
    codes: NDArray[np.int64]
    task: NDArray[np.int64]
    tasks: tuple[tuple[str, str, str], ...]
    templates: tuple[tuple[Template, ...], ...]
    train: NDArray[np.int64]
    val: NDArray[np.int64]

    def template(self, row: int, wording: int) -> Template:
        """Return the sequence of a row in one of its task's wordings, counted round."""
        own = self.templates[self.task[row]]
        return own[wording % len(own)]

    def reasoning_positions(self, rows: NDArray[np.int64], wording: NDArray[np.int64]) -> int:
        """Return at how many positions these rows carry the reasoning loss."""
        return sum(
            int(self.template(row, number).reasoning.sum()) for row, number in zip(rows, wording, strict=True)
        )


@dataclass(frozen=True)
class TokenBatch:
    """Sequences of B samples, padded on the right.

    Attributes:
        ids: (B, L).
        reasoning: (B, L) bool.
        span: (B, L) bool.
        code_positions: (B, M).
        code_labels: (B, M) ids to predict there.
        task: (B,) reasoning texts that are equal have equal numbers.
        chunks: (B, T, D) normalised chunks, what the flow head learns instead of codes.
    """

    ids: Tensor
    reasoning: Tensor
    span: Tensor
    code_positions: Tensor
    code_labels: Tensor
    task: Tensor
    chunks: Tensor


def load_policy_data(
    reader: EpisodeReader,
    tokenizer: ActionTokenizer,
    builder: SequenceBuilder,
    texts: tuple[tuple[str, str, str], ...],
) -> PolicyData:
    """Cut chunks, encode them and lay out the sequences of every task.

    Args:
        reader: demonstrations.
        tokenizer: action tokenizer.
        builder: sequence layout.
        texts: from `task_texts`.
    """
    episodes = [episode.without_images() for episode in reader]
    config = tokenizer.chunk_config
    chunks = build_chunks(episodes, config)
    number = {text: index for index, text in enumerate(texts)}
    of_episode = np.array([number[(e.instruction, e.coarse, e.fine)] for e in episodes])
    held_out = np.array([split_of(e.task, e.seed, config.val_percent) == "val" for e in episodes])
    rows = np.arange(len(chunks))
    is_val = held_out[chunks.episode]
    return PolicyData(
        states=chunks.states,
        chunks=chunks.chunks,
        normalised=tokenizer.normaliser.normalise(chunks.chunks).astype(np.float32),
        codes=tokenizer.encode(chunks.chunks),
        task=of_episode[chunks.episode],
        tasks=texts,
        templates=tuple(_templates(builder, *text) for text in texts),
        train=rows[~is_val],
        val=rows[is_val],
    )


def task_texts(reader: EpisodeReader) -> tuple[tuple[str, str, str], ...]:
    """Return the different (instruction, coarse, fine) of a data set in order of first appearance by task."""
    seen: dict[tuple[str, str, str], int] = {}
    for index, entry in enumerate(reader.entries):
        if entry.task in seen.values():
            continue
        episode = reader.read(index)
        seen.setdefault((episode.instruction, episode.coarse, episode.fine), entry.task)
    return tuple(seen)


def _templates(builder: SequenceBuilder, instruction: str, coarse: str, fine: str) -> tuple[Template, ...]:
    vocabulary = builder.vocabulary
    templates = []
    for wording in (instruction, *instruction_variants(instruction)):
        sequence = builder.build(
            wording, coarse, fine, [0] * vocabulary.goal_codes, [0] * vocabulary.kinematics_codes
        )
        templates.append(
            Template(
                ids=np.array(sequence.ids),
                reasoning=np.array(sequence.reasoning),
                span=np.array(sequence.reasoning_span),
                code_positions=np.flatnonzero(sequence.action),
                prompt_length=sequence.prompt_length,
            )
        )
    return tuple(templates)


def token_batch(
    data: PolicyData,
    builder: SequenceBuilder,
    rows: NDArray[np.int64],
    wording: NDArray[np.int64] | None = None,
    codes: tuple[Tensor, Tensor] | None = None,
) -> TokenBatch:
    """Lay out the sequences of some rows.

    Args:
        data: the data set.
        builder: sequence layout.
        rows: (B,) rows of the data set.
        wording: (B,) number of the wording, taken modulo the number there are; None for the data set's own.
        codes: (B, M) codes to put into the sequences and codes to predict; None for the exact ones.
    """
    vocabulary = builder.vocabulary
    choice = np.zeros(len(rows), dtype=np.int64) if wording is None else wording
    chosen = [data.template(row, number) for row, number in zip(rows, choice, strict=True)]
    length = max(len(template.ids) for template in chosen)
    ids = np.full((len(rows), length), vocabulary.pad)
    reasoning = np.zeros((len(rows), length), dtype=np.bool_)
    span = np.zeros_like(reasoning)
    for row, template in enumerate(chosen):
        size = len(template.ids)
        ids[row, :size], reasoning[row, :size], span[row, :size] = (
            template.ids,
            template.reasoning,
            template.span,
        )
    positions = np.stack([template.code_positions for template in chosen])
    blocks = np.array([vocabulary.block(level)[0] for level in vocabulary.levels()])
    exact = torch.from_numpy(data.codes[rows])
    context, labels = (exact, exact) if codes is None else codes
    if positions.shape[1]:  # With the flow head there are no codes in the sequence.
        np.put_along_axis(ids, positions, context.numpy() + blocks, axis=1)
    return TokenBatch(
        torch.from_numpy(ids),
        torch.from_numpy(reasoning),
        torch.from_numpy(span),
        torch.from_numpy(positions),
        labels + torch.from_numpy(blocks),
        torch.from_numpy(data.task[rows]),
        torch.from_numpy(data.normalised[rows]),
    )
