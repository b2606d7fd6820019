"""A generator that computes everything and writes what it is told: timing with a known share of kept ids.

A network with random weights never ends its text, and how much of a draft it confirms is chance. What a plan
costs depends only on how many ids are drafted, confirmed and written, so the answer is dictated: the scores
of every position are computed and compared as always, then the dictated id takes the place of the best one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from kinevla.backbone.model import KineVLAModel, Seen
from kinevla.generation.answer import Generation
from kinevla.generation.decoder import CachedDecoder
from kinevla.generation.draft import Draft
from kinevla.generation.generator import Generator
from kinevla.generation.grammar import Choice, Cursor, Grammar
from kinevla.generation.spelling import Spelling


class BenchGenerator(Generator):
    """A generator whose answer can be dictated and whose passes can be read afterwards.

    Its decoders may be others than the usual ones, the writer's first.
    """

    def __init__(
        self,
        model: KineVLAModel,
        grammar: Grammar,
        spelling: Spelling | None = None,
        decoders: Sequence[CachedDecoder] = (),
    ) -> None:
        super().__init__(model, grammar, spelling)
        self.last: Generation | None = None
        self._dictated: tuple[int, ...] | None = None
        if decoders:
            self._decoder, *readers = decoders
            self._reader = readers[0] if self._reader is not None else None

    def dictate(self, ids: Sequence[int]) -> None:
        """Fix all ids of the next answers."""
        self._dictated = tuple(ids)

    def generate(
        self,
        seen: Seen,
        prompt: Tensor,
        draft: Draft | None = None,
        forced: Mapping[str, Sequence[int]] | None = None,
    ) -> Generation:
        """As `Generator.generate`."""
        self.last = super().generate(seen, prompt, draft, forced)
        return self.last

    def _choose(
        self, hidden: Tensor, choices: Sequence[Choice | None], place: int
    ) -> tuple[list[int | None], list[float]]:
        best, doubts = super()._choose(hidden, choices, place)
        if self._dictated is None:
            return best, doubts
        told = self._dictated[place : place + len(choices)]
        return [
            None if choice is None else token for choice, token in zip(choices, told, strict=True)
        ], doubts


def made_up_answer(
    grammar: Grammar, text_tokens: Mapping[str, int], text_ids: range, rng: np.random.Generator
) -> tuple[tuple[int, ...], Draft]:
    """Draw an answer with so many ids in the text of each level; returns all its ids, and it as a draft."""
    texts = {
        name: tuple(int(i) for i in rng.integers(text_ids.start, text_ids.stop, count))
        for name, count in text_tokens.items()
    }
    cursor = Cursor(grammar, texts)
    while not cursor.done:
        token = cursor.determined()
        if token is None:
            choices, _ = cursor.admissible()
            token = int(rng.integers(choices.start, choices.stop))
        cursor.advance(token)
    draft = Draft(
        cursor.text("goal"), cursor.codes("goal"), cursor.text("kinematics"), cursor.codes("kinematics")
    )
    return tuple(cursor.written), draft


def corrupt(draft: Draft, share: float, text_ids: range) -> Draft:
    """Return a draft of which the leading `share` of each text is right and every later id is wrong."""

    def wrong(ids: tuple[int, ...]) -> tuple[int, ...]:
        right = math.floor(share * len(ids) + 0.5)
        other = (text_ids.start + (i - text_ids.start + 1) % len(text_ids) for i in ids[right:])
        return (*ids[:right], *other)

    return Draft(
        wrong(draft.goal_text), draft.goal_codes, wrong(draft.kinematics_text), draft.kinematics_codes
    )


def count_positions(model: KineVLAModel) -> int:
    """Return the number of observation tokens of a network."""
    size, cameras = model.config.vision.image_size, len(model.config.vision.cameras)
    device = model.state_scale.device
    with torch.inference_mode():
        images = torch.zeros(1, cameras, size, size, 3, dtype=torch.uint8, device=device)
        state = torch.zeros(1, model.config.state_dim, device=device)
        past = torch.full((1, model.config.moments, model.config.state_dim), torch.nan, device=device)
        return model.observe(model.features(images), state, past).tokens.shape[1]
