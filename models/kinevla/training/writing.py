"""What the writer learns from: sentences, what to write about them, and in front of which pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinevla.text.unclear import UNCLEAR
from kinevla.text.wordings import WORDINGS
from kinevla.training.config import PolicyTrainConfig
from kinevla.training.dataset import Layout, PolicyData


@dataclass(frozen=True)
class WriterBatch:
    """Sentences in front of some samples of a batch, or of a part of it."""

    rows: Tensor  # (b,) which samples
    sentences: tuple[str, ...]
    ids: Tensor  # (b, L) what is written about them, padded on the right
    spoken: Tensor  # (b, L) bool, positions that are learned

    def within(self, part: slice) -> WriterBatch | None:
        """Return the sentences in front of the samples of a part; None where there are none."""
        inside = (self.rows >= part.start) & (self.rows < part.stop)
        if not bool(inside.any()):
            return None
        spoken = self.spoken[inside]
        length = int(spoken.any(0).nonzero().max()) + 1  # What is written ends with a spoken id.
        sentences = tuple(
            text for text, chosen in zip(self.sentences, inside.tolist(), strict=True) if chosen
        )
        return WriterBatch(
            self.rows[inside] - part.start, sentences, self.ids[inside, :length], spoken[:, :length]
        )


def writer_batch(
    layout: Layout, rows: NDArray[np.int64], places: NDArray[np.int64], config: PolicyTrainConfig, seed: int
) -> WriterBatch:
    """Draw sentences for some samples: their own instruction in other words, or one that must be refused.

    An own instruction is followed by the one most like it (see `PolicyData.like_text`), in the same wording
    and in front of the same picture: what two such sentences differ in is all that tells their texts apart.
    Drawn apart, a word like "lower" is lost among all the other words that differ, and for long goes unread.

    Args:
        rows: (b,) of the data set.
        places: (b,) of these rows in the batch.
    """
    data, builder = layout.data, layout.builder
    rng = np.random.default_rng(seed)
    instructions, speech = data.instructions, data.speech
    sentences, written = [], []
    pictures = places.copy()
    twin: tuple[int, int, int] | None = None  # Place in this batch, texts, wording
    for place, row in enumerate(rows):
        if twin is not None:
            (before, text, number), twin = twin, None
            pictures[place] = places[before]
            sentences.append(speech.wording(data.texts[text][0], number))
            written.append(layout.written(int(rows[before]), text))
            continue
        instruction = data.texts[int(data.text[row])][0]
        kind, number = rng.random(), int(rng.integers(1, WORDINGS))
        others = _of_other_things(instruction, data)
        if kind < config.unclear_share:
            pool = np.random.default_rng([number, int(rng.integers(len(instructions)))])
            sentence, refusal = speech.unclear(instructions, pool)
        elif kind < config.unclear_share + config.absent_share and others:
            sentence = speech.wording(others[int(rng.integers(len(others)))], number)
            refusal = UNCLEAR["absent"]
        else:
            number = number if rng.random() < config.variant_share else 0
            sentences.append(speech.wording(instruction, number))
            written.append(layout.written(int(row)))
            if (like := data.like_text[int(data.text[row])]) is not None:
                twin = (place, like, number)
            continue
        mark = builder.vocabulary.delimiter
        ids = np.array([mark("<goal>"), *builder.text(refusal), mark("</goal>")])
        sentences.append(sentence)
        written.append((ids, np.ones(len(ids), dtype=np.bool_)))
    length = max(len(ids) for ids, _ in written)
    padded = np.full((len(rows), length), builder.vocabulary.pad)
    spoken = np.zeros((len(rows), length), dtype=np.bool_)
    for place, (ids, said) in enumerate(written):
        padded[place, : len(ids)], spoken[place, : len(ids)] = ids, said
    return WriterBatch(
        torch.from_numpy(pictures), tuple(sentences), torch.from_numpy(padded), torch.from_numpy(spoken)
    )


def _of_other_things(instruction: str, data: PolicyData) -> tuple[str, ...]:
    """Return the instructions about another thing than this one, which its scene does not show."""
    own = data.speech.thing(instruction)
    if own is None:
        return ()
    return tuple(said for thing, group in data.by_thing.items() if thing not in (None, own) for said in group)
