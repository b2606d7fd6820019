"""What the writer learns from: sentences, what to write about them, and in front of which pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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
    rng = np.random.default_rng(seed)
    drawn: list[_Drawn] = []
    while (place := len(drawn)) < len(rows):
        drawn += _draw(layout, int(rows[place]), int(places[place]), config, rng)
    del drawn[len(rows) :]
    padded = np.full((len(rows), max(len(item.ids) for item in drawn)), layout.builder.vocabulary.pad)
    spoken = np.zeros_like(padded, dtype=np.bool_)
    for row, item in enumerate(drawn):
        padded[row, : len(item.ids)], spoken[row, : len(item.ids)] = item.ids, item.spoken
    return WriterBatch(
        torch.tensor([item.place for item in drawn]),
        tuple(item.sentence for item in drawn),
        torch.from_numpy(padded),
        torch.from_numpy(spoken),
    )


class _Drawn(NamedTuple):
    place: int  # whose picture stands before it
    sentence: str
    ids: NDArray[np.int64]
    spoken: NDArray[np.bool_]


def _draw(
    layout: Layout, row: int, place: int, config: PolicyTrainConfig, rng: np.random.Generator
) -> list[_Drawn]:
    """Draw a sentence to refuse, or an instruction and the one most like it where there is one."""
    data, builder = layout.data, layout.builder
    instructions, speech = data.instructions, data.speech
    own = int(data.text[row])
    kind, number = rng.random(), int(rng.integers(1, WORDINGS))
    others = _of_other_things(data.texts[own][0], data)
    if kind < config.unclear_share:
        pool = np.random.default_rng([number, int(rng.integers(len(instructions)))])
        sentence, refusal = speech.unclear(instructions, pool)
    elif kind < config.unclear_share + config.absent_share and others:
        sentence = speech.wording(others[int(rng.integers(len(others)))], number)
        refusal = UNCLEAR["absent"]
    else:
        number = number if rng.random() < config.variant_share else 0
        like = data.like_text[own]
        texts = [own] if like is None else [own, like]
        return [
            _Drawn(place, speech.wording(data.texts[text][0], number), *layout.written(row, text))
            for text in texts
        ]
    mark = builder.vocabulary.delimiter
    ids = np.array([mark("<goal>"), *builder.text(refusal), mark("</goal>")])
    return [_Drawn(place, sentence, ids, np.ones(len(ids), dtype=np.bool_))]


def _of_other_things(instruction: str, data: PolicyData) -> tuple[str, ...]:
    """Return the instructions about another thing than this one, which its scene does not show."""
    own = data.speech.thing(instruction)
    if own is None:
        return ()
    return tuple(said for thing, group in data.by_thing.items() if thing not in (None, own) for said in group)
