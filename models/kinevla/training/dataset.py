"""What policy training knows of every frame but its images: state, chunk, codes, texts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.actions.base import ActionTokenizer
from kinevla.data.chunks import episode_chunks
from kinevla.data.episode import Episode
from kinevla.data.episodes import EpisodeReader
from kinevla.data.keyframes import next_keyframes
from kinevla.data.packing import DataError
from kinevla.data.split import read_split
from kinevla.generation.sequence import SequenceBuilder, TokenSequence
from kinevla.text.instruction import normalised
from kinevla.text.speech import Speech, speech_of
from kinevla.training.mapped import mapped_array, mapped_result

Texts = tuple[str, str, str]  # Instruction, goal text, kinematics text


@dataclass(frozen=True)
class PolicyData:
    """All frames of a data set."""

    states: NDArray[np.float32]  # (N, D) float32 measured
    chunks: NDArray[np.float32]  # (N, T, D) float32 relative chunks
    normalised: NDArray[np.float32]  # (N, T, D) float32, the same scaled by the tokenizer's statistics
    codes: NDArray[np.int64]  # (N, M) codes, goal levels first
    texts: tuple[Texts, ...]  # the different texts of the demonstrations
    # (N,) whose texts a frame has, so that equal ones are kept once; -1 where it is left out
    text: NDArray[np.int64]
    train: NDArray[np.int64]
    val: NDArray[np.int64]  # rows held out (whole episodes)
    first: NDArray[np.int64]  # (N,) row of the first frame of a frame's episode
    keyframe: NDArray[np.int64]  # (N,) row of a frame's next keyframe

    @property
    def instructions(self) -> tuple[str, ...]:
        """The different instructions."""
        return tuple(dict.fromkeys(text[0] for text in self.texts))

    def past(self, rows: NDArray[np.int64], frames: NDArray[np.int64], moments: int) -> NDArray[np.float32]:
        """Return what a policy that plans every so many frames remembers at some rows.

        Args:
            rows: (B,) rows.
            frames: (B,) frames between two plans.
            moments: H, how many are remembered.

        Returns:
            (B, H, D) earlier states, the latest first, NaN where the episode had not begun.
        """
        back = rows[:, None] - frames[:, None] * np.arange(1, moments + 1)
        states = np.asarray(self.states[np.maximum(back, 0)])
        return np.where((back >= self.first[rows][:, None])[..., None], states, np.float32(np.nan))

    @cached_property
    def speech(self) -> Speech:
        """How its instructions are said in other words."""
        return speech_of(self.texts)

    @cached_property
    def like_text(self) -> tuple[int | None, ...]:
        """Of each of the texts the one most like it that asks for the same goal otherwise; None for none."""
        words = [Counter(text[2].split()) for text in self.texts]
        found: list[int | None] = []
        for text, own in zip(self.texts, words, strict=True):
            unlike = {
                number: ((own - words[number]) + (words[number] - own)).total()
                for number, other in enumerate(self.texts)
                if other[1] == text[1] and other[2] != text[2]
            }
            found.append(min(unlike, key=lambda number: unlike[number], default=None))
        return tuple(found)

    @cached_property
    def by_thing(self) -> dict[str | None, tuple[str, ...]]:
        """The instructions by the thing that they are about."""
        found: dict[str | None, list[str]] = {}
        for instruction in self.instructions:
            found.setdefault(self.speech.thing(instruction), []).append(instruction)
        return {thing: tuple(said) for thing, said in found.items()}


@dataclass(frozen=True)
class TokenBatch:
    """Sequences of B samples, padded on the right."""

    # (B, L) prompt and answer, or the answer alone where the instruction is read by another encoder
    ids: Tensor
    reasoning: Tensor  # (B, L) bool, positions of the reasoning loss
    span: Tensor  # (B, L) bool, words of the reasoning
    code_positions: Tensor  # (B, M)
    code_labels: Tensor  # (B, M) ids to predict there
    text: Tensor  # (B,) equal numbers where the reasoning texts are equal
    chunks: Tensor  # (B, T, D) normalised chunks
    keyframes: Tensor  # (B, D) states at the next keyframe, in their own units


def load_policy_data(
    reader: EpisodeReader, tokenizer: ActionTokenizer, texts: tuple[Texts, ...], directory: Path
) -> PolicyData:
    """Cut chunks and encode them.

    One episode is in memory at a time; the arrays lie in nameless files, so that a set larger than memory can
    be trained on.

    Args:
        texts: from `demonstrated_texts`; frames of other texts are neither learned from nor held out.
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
    text = mapped_array(directory, (frames,), np.int64)
    held_out = np.zeros(frames, dtype=np.bool_)
    first = np.zeros(frames, dtype=np.int64)
    keyframe = np.zeros(frames, dtype=np.int64)
    grippers = np.flatnonzero(tokenizer.normaliser.keep).tolist()
    end = 0
    for episode in reader.motions():
        if episode.target.shape[1] != tokenizer.dimensions:
            raise DataError(
                f"episode {episode.name} has {episode.target.shape[1]} dimensions, "
                f"the tokenizer {tokenizer.dimensions}"
            )
        rows = slice(end, end := end + len(episode))
        first[rows] = rows.start
        keyframe[rows] = rows.start + next_keyframes(episode, grippers)
        states[rows], chunks[rows] = episode.state, episode_chunks(episode, config)
        text[rows] = number.get(_texts_of(episode), -1)
        held_out[rows] = parts[episode.name] == "val"
    used = np.asarray(text) >= 0
    if not (used & ~held_out).any():
        raise DataError(f"{reader.directory} holds no episode to learn from (see kinevla data split)")
    return PolicyData(
        states=states,
        chunks=chunks,
        normalised=mapped_result(directory, tokenizer.normaliser.normalise, chunks, np.float32),
        codes=mapped_result(directory, tokenizer.encode, chunks, np.int64),
        texts=texts,
        text=text,
        train=np.flatnonzero(used & ~held_out),
        val=np.flatnonzero(used & held_out),
        first=first,
        keyframe=keyframe,
    )


def demonstrated_texts(reader: EpisodeReader, without: tuple[str, ...] = ()) -> tuple[Texts, ...]:
    """Return the different texts of a data set in order of first appearance.

    Raises:
        DataError: the set has no such instruction.
    """
    found = tuple(dict.fromkeys(_texts_of(item) for item in reader.motions()))
    left_out = {normalised(instruction) for instruction in without}
    if unknown := sorted(left_out - {text[0] for text in found}):
        raise DataError(f"{reader.directory} has no instruction {unknown[0]!r} to leave out")
    return tuple(text for text in found if text[0] not in left_out)


def _texts_of(episode: Episode) -> Texts:
    """Return an episode's texts, the instruction as it is prompted: one sentence is one task."""
    return (normalised(episode.instruction), episode.coarse, episode.fine)


class Layout:
    """Lays out the sequences of rows.

    Args:
        prompted: sequences hold the instruction as text; otherwise the answer alone.
    """

    def __init__(self, data: PolicyData, builder: SequenceBuilder, prompted: bool) -> None:
        self.data, self.builder, self._prompted = data, builder, prompted
        vocabulary = builder.vocabulary
        self._blank = ([0] * vocabulary.goal_codes, [0] * vocabulary.kinematics_codes)
        self._blocks = np.array([vocabulary.block(level)[0] for level in vocabulary.levels()])
        self._laid_out = lru_cache(maxsize=4096)(self._lay_out)

    def _lay_out(self, text: int, sentence: str) -> TokenSequence:
        _, coarse, fine = self.data.texts[text]
        if self._prompted:
            return self.builder.build(sentence, coarse, fine, *self._blank)
        return self.builder.answer(coarse, fine, *self._blank)

    def sequence(self, row: int, sentence: str | None = None, text: int | None = None) -> TokenSequence:
        """Return the sequence of a row with blank codes, under its own or another instruction and texts."""
        text = int(self.data.text[row]) if text is None else text
        own = (sentence or self.data.texts[text][0]) if self._prompted else ""
        return self._laid_out(text, own)

    def written(self, row: int, text: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the ids of a row with the codes of its demonstration, and which of them are reasoning.

        Args:
            text: number of the texts to write instead of the row's own.
        """
        sequence = self.sequence(row, text=text)
        ids, action = np.array(sequence.ids), np.array(sequence.action)
        if action.any():  # With the flow head there are no codes in the sequence.
            ids[action] = self.data.codes[row] + self._blocks
        return ids, np.array(sequence.reasoning)

    def batch(self, rows: NDArray[np.int64], sentences: tuple[str, ...] | None = None) -> TokenBatch:
        """Lay out some rows.

        Args:
            rows: (B,) rows of the data set.
            sentences: what they are told, where that stands in the sequence; None for their own instructions.
        """
        data, vocabulary = self.data, self.builder.vocabulary
        told = sentences or (None,) * len(rows)
        chosen = [self.sequence(int(row), sentence) for row, sentence in zip(rows, told, strict=True)]
        length = max(len(sequence.ids) for sequence in chosen)
        ids = np.full((len(rows), length), vocabulary.pad)
        reasoning = np.zeros((len(rows), length), dtype=np.bool_)
        span = np.zeros_like(reasoning)
        for row, sequence in enumerate(chosen):
            size = len(sequence.ids)
            ids[row, :size], reasoning[row, :size] = sequence.ids, sequence.reasoning
            span[row, :size] = sequence.reasoning_span
        positions = np.stack([np.flatnonzero(sequence.action) for sequence in chosen])
        labels = data.codes[rows] + self._blocks
        if positions.shape[1]:  # With the flow head there are no codes in the sequence.
            np.put_along_axis(ids, positions, labels, axis=1)
        return TokenBatch(
            torch.from_numpy(ids),
            torch.from_numpy(reasoning),
            torch.from_numpy(span),
            torch.from_numpy(positions),
            torch.from_numpy(labels),
            torch.from_numpy(data.text[rows]),
            torch.from_numpy(data.normalised[rows]),
            torch.from_numpy(data.states[data.keyframe[rows]]),
        )
