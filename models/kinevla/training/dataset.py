"""What policy training knows of every frame but its images: state, codes of the chunk, texts of the task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.actions.tokenizer import ActionTokenizer
from kinevla.data.chunks import episode_chunks
from kinevla.data.episodes import EpisodeReader
from kinevla.data.packing import DataError
from kinevla.data.split import read_split
from kinevla.generation.sequence import SequenceBuilder
from kinevla.text.variants import instruction_variants
from kinevla.training.mapped import mapped_array, mapped_result


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
        exchanged: for each task, the templates of its answer under the instructions of the tasks with the
            same goal, by number of that task.
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
    exchanged: tuple[dict[int, tuple[Template, ...]], ...] = ()

    def template(self, row: int, wording: int, prompt: int | None = None) -> Template:
        """Return the sequence of a row.

        Args:
            row: row of the data set.
            wording: number of the wording of the instruction, counted round.
            prompt: task whose instruction it is; None for the row's own.
        """
        task = int(self.task[row])
        own = self.templates[task] if prompt in (None, task) else self.exchanged[task][int(prompt or 0)]
        return own[wording % len(own)]

    def other_prompts(self, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw for each row another task with the same goal, its own where there is none: (B,)."""
        drawn = rng.random(len(rows))
        choices = [sorted(self.exchanged[task]) or [task] for task in self.task[rows]]
        return np.array([own[int(x * len(own))] for own, x in zip(choices, drawn, strict=True)])

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
    directory: Path,
) -> PolicyData:
    """Cut chunks, encode them and lay out the sequences of every task.

    One episode is in memory at a time; the arrays lie in nameless files, so that a set larger than memory can
    be trained on.

    Args:
        reader: demonstrations.
        tokenizer: action tokenizer.
        builder: sequence layout.
        texts: from `task_texts`.
        directory: where the files go, on a disk with a few hundred bytes free per frame.

    Raises:
        DataError: a damaged episode, episodes of different dimensions, or a split that does not fit the set.
        OSError: not enough room in `directory`.
    """
    config, frames = tokenizer.chunk_config, sum(entry.frames for entry in reader.entries)
    parts = read_split(reader, config.val_percent).parts()
    number = {text: index for index, text in enumerate(texts)}
    states = mapped_array(directory, (frames, tokenizer.dimensions), np.float32)
    chunks = mapped_array(directory, (frames, tokenizer.horizon, tokenizer.dimensions), np.float32)
    task = mapped_array(directory, (frames,), np.int64)
    held_out = np.zeros(frames, dtype=np.bool_)
    end = 0
    for episode in reader.motions():
        if episode.target.shape[1] != tokenizer.dimensions:
            raise DataError(
                f"episode {episode.name} has {episode.target.shape[1]} dimensions, "
                f"the tokenizer {tokenizer.dimensions}"
            )
        rows = slice(end, end := end + len(episode))
        states[rows], chunks[rows] = episode.state, episode_chunks(episode, config)
        task[rows] = number[(episode.instruction, episode.coarse, episode.fine)]
        held_out[rows] = parts[episode.name] == "val"
    if held_out.all():
        raise DataError(f"{reader.directory} holds no episode to learn from")
    return PolicyData(
        states=states,
        chunks=chunks,
        normalised=mapped_result(directory, tokenizer.normaliser.normalise, chunks, np.float32),
        codes=mapped_result(directory, tokenizer.encode, chunks, np.int64),
        task=task,
        tasks=texts,
        templates=tuple(_templates(builder, *text) for text in texts),
        exchanged=_exchanged(builder, texts),
        train=np.flatnonzero(~held_out),
        val=np.flatnonzero(held_out),
    )


def task_texts(reader: EpisodeReader) -> tuple[tuple[str, str, str], ...]:
    """Return the different (instruction, coarse, fine) of a data set in order of first appearance by task."""
    seen: dict[tuple[str, str, str], int] = {}
    for index, entry in enumerate(reader.entries):
        if entry.task in seen.values():
            continue
        episode = reader.read(index, motion_only=True)
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


def _exchanged(
    builder: SequenceBuilder, texts: tuple[tuple[str, str, str], ...]
) -> tuple[dict[int, tuple[Template, ...]], ...]:
    """Return each task's answer under the instructions of the other tasks with the same goal text."""
    return tuple(
        {
            other: _templates(builder, prompt, coarse, fine)
            for other, (prompt, goal, _) in enumerate(texts)
            if goal == coarse and other != number
        }
        for number, (_, coarse, fine) in enumerate(texts)
    )


def token_batch(
    data: PolicyData,
    builder: SequenceBuilder,
    rows: NDArray[np.int64],
    wording: NDArray[np.int64] | None = None,
    codes: tuple[Tensor, Tensor] | None = None,
    prompts: NDArray[np.int64] | None = None,
) -> TokenBatch:
    """Lay out the sequences of some rows.

    Args:
        data: the data set.
        builder: sequence layout.
        rows: (B,) rows of the data set.
        wording: (B,) number of the wording, taken modulo the number there are; None for the data set's own.
        codes: (B, M) codes to put into the sequences and codes to predict; None for the exact ones.
        prompts: (B,) tasks whose instructions the rows get; None for their own.
    """
    vocabulary = builder.vocabulary
    choice = np.zeros(len(rows), dtype=np.int64) if wording is None else wording
    asked = data.task[rows] if prompts is None else prompts
    chosen = [data.template(*which) for which in zip(rows, choice, asked, strict=True)]
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
