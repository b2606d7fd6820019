"""Bi-level generation (Algorithm 1) that checks the previous answer instead of writing it again.

The previous texts and codes are a draft. One forward pass over prompt and draft tells what greedy decoding
would have chosen at every position; the draft is kept up to the first difference and decoding goes on from
there. The result is therefore the same, id for id, as decoding one id at a time, at a fraction of the passes:
an unchanged answer text costs two passes per level instead of one per word. (The same up to rounding: two
ids whose scores differ by less than a matrix product's rounding have no defined order in either case.)
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from kinevla.backbone.model import KineVLAModel
from kinevla.generation.decoder import CachedDecoder
from kinevla.generation.draft import Draft, Drafter, Proposal
from kinevla.generation.grammar import Choice, Cursor, Grammar, Text
from kinevla.generation.sampling import Sampler, SamplingConfig

PassKind = Literal["prefill", "verify", "decode"]


@dataclass(frozen=True)
class GeneratorConfig:
    """How drafts are used.

    Attributes:
        draft_codes: also propose the previous codes. They change with nearly every chunk, and a wrong one
            makes the text after it be checked twice, so the default leaves them out.
    """

    draft_codes: bool = False


@dataclass(frozen=True)
class PassTiming:
    """One pass of the decoder.

    Attributes:
        kind: 'prefill' is the first pass, over observation and prompt (it checks the first text of a draft as
            well), 'verify' a later one that checks ids of a draft, 'decode' a later one without any.
        new_tokens: positions computed.
        seconds: time since the pass before, the choice of ids included.
        drafted: proposed ids among these positions.
    """

    kind: PassKind
    new_tokens: int
    seconds: float
    drafted: int = 0


@dataclass(frozen=True)
class Generation:
    """A finished answer.

    Attributes:
        ids: the whole answer with delimiters and eos.
        goal_text: ids of the coarse reasoning.
        goal_codes: code indices.
        kinematics_text: ids of the fine reasoning.
        kinematics_codes: code indices.
        goal_text_reused: the draft's coarse text was confirmed as it stood.
        kinematics_text_reused: likewise for the fine text.
        accepted: draft ids confirmed.
        passes: every pass of the decoder in order.
    """

    ids: tuple[int, ...]
    goal_text: tuple[int, ...]
    goal_codes: tuple[int, ...]
    kinematics_text: tuple[int, ...]
    kinematics_codes: tuple[int, ...]
    goal_text_reused: bool
    kinematics_text_reused: bool
    accepted: int
    passes: tuple[PassTiming, ...]

    @property
    def forward_passes(self) -> int:
        """Decoder passes, the first included."""
        return len(self.passes)

    @property
    def first_pass_s(self) -> float:
        """Seconds of the first pass (prefill and verification of the first text)."""
        return self.passes[0].seconds if self.passes else 0.0

    @property
    def decode_s(self) -> float:
        """Seconds of all later passes."""
        return sum(item.seconds for item in self.passes[1:])

    @property
    def draft(self) -> Draft:
        """This answer as the draft of the next one."""
        return Draft(self.goal_text, self.goal_codes, self.kinematics_text, self.kinematics_codes)


class Generator:
    """Generates answers for single observations, one at a time (it holds one cache).

    Args:
        model: the network, on any device and of any floating-point type.
        grammar: admissible answers.
        config: use of drafts.
    """

    def __init__(self, model: KineVLAModel, grammar: Grammar, config: GeneratorConfig | None = None) -> None:
        self.model = model
        self.grammar = grammar
        self.config = config or GeneratorConfig()
        self._decoder = CachedDecoder(model)

    @torch.inference_mode()
    def generate(
        self,
        observation: Tensor,
        prompt_ids: Sequence[int],
        draft: Draft | None = None,
        forced: Mapping[str, Sequence[int]] | None = None,
        sampling: SamplingConfig | None = None,
    ) -> Generation:
        """Answer one observation.

        Args:
            observation: (1, V, hidden) observation tokens.
            prompt_ids: ids of the prompt.
            draft: a previous answer to verify, or None.
            forced: reasoning ids to use instead of generated ones, by level ('goal', 'kinematics', or only
                one of them); for tests of what the action codes make of other reasoning.
            sampling: draw ids at random instead of taking the best.

        Raises:
            ValueError: forced reasoning that the grammar does not allow, a draft together with sampling (a
                drawn answer cannot be checked against another one), or more positions than the decoder has.
        """
        if sampling is not None and draft is not None:
            raise ValueError("a draft cannot be verified when ids are drawn at random: leave one of them out")
        self._check_forced(forced or {})
        sampler = None if sampling is None else Sampler(sampling)
        mark = time.perf_counter()
        cursor = Cursor(self.grammar, forced)
        drafter = Drafter(draft, self.config.draft_codes)
        decoder = self._decoder
        decoder.reset()
        bos = self._embed([self.grammar.vocabulary.bos])
        # What was decided but not yet read by the decoder.
        pending = torch.cat([bos, observation[0].to(bos), self._embed(prompt_ids)])
        passes: list[PassTiming] = []
        accepted = 0
        while True:
            fixed = _take_determined(cursor)
            if cursor.done:
                break
            proposal = drafter.propose(cursor)
            drafted = len(proposal.ids)
            embeddings = torch.cat([pending, self._embed([*fixed, *proposal.ids])])
            hidden = decoder.extend(embeddings, wanted=drafted + 1)
            motion = self._motion_scores(hidden, observation, cursor, proposal)
            chosen = self._choose(hidden, proposal.choices, sampler, motion)
            kept = _agreement(proposal.ids, chosen)
            for token in proposal.ids[:kept]:
                cursor.advance(token)
            accepted += kept
            drafter.learn(cursor, agreed=kept == drafted)
            decoder.crop(decoder.length - (drafted - kept))
            choice = chosen[kept]
            assert choice is not None, "an id without alternative cannot differ from the proposed one"
            cursor.advance(choice)
            pending = self._embed([choice])
            self._synchronise()
            now = time.perf_counter()
            kind: PassKind = "decode" if passes and not drafted else "verify" if passes else "prefill"
            passes.append(PassTiming(kind, len(embeddings), now - mark, drafted))
            mark = now
        return Generation(
            ids=tuple(cursor.written),
            goal_text=cursor.text("goal"),
            goal_codes=cursor.codes("goal"),
            kinematics_text=cursor.text("kinematics"),
            kinematics_codes=cursor.codes("kinematics"),
            goal_text_reused=_reused("goal", cursor, draft, forced),
            kinematics_text_reused=_reused("kinematics", cursor, draft, forced),
            accepted=accepted,
            passes=tuple(passes),
        )

    def _check_forced(self, forced: Mapping[str, Sequence[int]]) -> None:
        """Refuse reasoning that could not stand in an answer."""
        grammar = self.grammar
        texts = {part.name: part for part in grammar.segments() if isinstance(part, Text)}
        for name, ids in forced.items():
            if name not in texts:
                raise ValueError(
                    f"no reasoning of level {name!r} can be forced, this model has {sorted(texts) or 'none'}"
                )
            if len(ids) > texts[name].max_tokens:
                raise ValueError(
                    f"the forced {name} reasoning has {len(ids)} ids, the grammar allows "
                    f"{texts[name].max_tokens}"
                )
            grammar.check_text(ids)

    def _embed(self, ids: Sequence[int]) -> Tensor:
        """Embed ids: (L, hidden)."""
        device = self.model.state_scale.device
        return self.model.embed_ids(torch.tensor(list(ids), dtype=torch.long, device=device))

    def _choose(
        self,
        hidden: Tensor,
        choices: Sequence[Choice | None],
        sampler: Sampler | None,
        motion: Mapping[int, Tensor],
    ) -> list[int | None]:
        """Choose an admissible id at each row of hidden (n, hidden); None where there is no choice.

        Rows with the same alternatives are scored together, and only for these alternatives. `motion` holds
        what the readout adds to the scores of a row.
        """
        chosen: list[int | None] = [None] * len(choices)
        weight = self.model.language_model.get_output_embeddings().weight
        for choice in dict.fromkeys(choices):
            if choice is None:
                continue
            rows = [index for index, item in enumerate(choices) if item == choice]
            ids, extra = choice
            # Consecutive rows, as a text gives, need no copy.
            together = rows[-1] - rows[0] + 1 == len(rows)
            states = hidden[rows[0] : rows[-1] + 1] if together else hidden[rows]
            scores = functional.linear(states, weight[ids.start : ids.stop]).float()
            if extra is not None:
                scores = torch.cat([scores, functional.linear(states, weight[extra, None]).float()], dim=1)
            for place, row in enumerate(rows):
                if row in motion:
                    scores[place] += motion[row]
            best = scores.argmax(1).tolist() if sampler is None else [sampler.draw(row) for row in scores]
            for row, index in zip(rows, best, strict=True):
                chosen[row] = extra if index == len(ids) else ids[index]
        return chosen

    def _motion_scores(
        self, hidden: Tensor, observation: Tensor, cursor: Cursor, proposal: Proposal
    ) -> dict[int, Tensor]:
        """Return what the readout adds to the scores (K,) of each row that chooses a code."""
        if self.model.code_readout is None:
            return {}
        codes = list(cursor.all_codes())
        found: dict[int, Tensor] = {}
        for row, choice in enumerate(proposal.choices):
            if choice is None or choice[0].start < self.grammar.vocabulary.code_start:
                continue
            written = torch.tensor([codes], dtype=torch.long, device=hidden.device)
            scores = self.model.code_scores(hidden[None, row, None], observation, written)
            assert scores is not None
            found[row] = scores[0, 0]
            if row < len(proposal.ids):
                codes.append(proposal.ids[row] - choice[0].start)
        return found

    def _synchronise(self) -> None:
        if self.model.state_scale.is_cuda:
            torch.cuda.synchronize()


def _take_determined(cursor: Cursor) -> list[int]:
    """Write all ids that allow no choice; they ride along with the next pass."""
    taken: list[int] = []
    while not cursor.done and (token := cursor.determined()) is not None:
        cursor.advance(token)
        taken.append(token)
    return taken


def _agreement(proposed: Sequence[int], chosen: Sequence[int | None]) -> int:
    """Return how many proposed ids stand before the first that was chosen otherwise."""
    for index, token in enumerate(proposed):
        if chosen[index] is not None and chosen[index] != token:
            return index
    return len(proposed)


def _reused(
    name: str, cursor: Cursor, draft: Draft | None, forced: Mapping[str, Sequence[int]] | None
) -> bool:
    """Tell whether the draft's text was confirmed as it stood."""
    if draft is None or (forced and name in forced):
        return False
    return bool(draft.of("text", name)) and draft.of("text", name) == cursor.text(name)
