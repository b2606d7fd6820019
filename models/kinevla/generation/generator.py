"""Greedy bi-level generation (Algorithm 1) that checks the previous answer instead of writing it again.

The previous texts and codes are a draft. One forward pass over prompt and draft tells what greedy decoding
would have chosen at every position; the draft is kept up to the first difference and decoding goes on from
there. The result is therefore the same, id for id, as decoding one id at a time, at a fraction of the passes:
an unchanged answer text costs two passes per level instead of one per word.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from kinevla.backbone.model import KineVLAModel
from kinevla.generation.grammar import Cursor, Fixed, Grammar, Text


@dataclass(frozen=True)
class GeneratorConfig:
    """How drafts are used.

    Attributes:
        draft_codes: also propose the previous codes. They change with nearly every chunk, and a wrong one
            makes the text after it be checked twice, so the default leaves them out.
    """

    draft_codes: bool = False


@dataclass(frozen=True)
class Draft:
    """A previous answer.

    Attributes:
        goal_text: ids of the coarse reasoning, without delimiters.
        goal_codes: code indices of the goal level.
        kinematics_text: ids of the fine reasoning.
        kinematics_codes: code indices of the kinematics level.
    """

    goal_text: tuple[int, ...] = ()
    goal_codes: tuple[int, ...] = ()
    kinematics_text: tuple[int, ...] = ()
    kinematics_codes: tuple[int, ...] = ()

    def of(self, kind: str, name: str) -> tuple[int, ...]:
        """Return a part by kind ('text' or 'codes') and level name."""
        return tuple(getattr(self, f"{name}_{kind}"))


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
        forward_passes: decoder passes, the first included.
        first_pass_s: seconds of the first pass (prefill and verification).
        decode_s: seconds of all later passes.
    """

    ids: tuple[int, ...]
    goal_text: tuple[int, ...]
    goal_codes: tuple[int, ...]
    kinematics_text: tuple[int, ...]
    kinematics_codes: tuple[int, ...]
    goal_text_reused: bool
    kinematics_text_reused: bool
    accepted: int
    forward_passes: int
    first_pass_s: float
    decode_s: float

    @property
    def draft(self) -> Draft:
        """This answer as the draft of the next one."""
        return Draft(self.goal_text, self.goal_codes, self.kinematics_text, self.kinematics_codes)


class Generator:
    """Generates answers for single observations.

    Args:
        model: the network.
        grammar: admissible answers.
        config: use of drafts.
    """

    def __init__(self, model: KineVLAModel, grammar: Grammar, config: GeneratorConfig | None = None) -> None:
        self.model = model
        self.grammar = grammar
        self.config = config or GeneratorConfig()

    @torch.inference_mode()
    def generate(
        self,
        observation: Tensor,
        prompt_ids: Sequence[int],
        draft: Draft | None = None,
        forced: Mapping[str, Sequence[int]] | None = None,
    ) -> Generation:
        """Answer one observation.

        Args:
            observation: (1, V, hidden) observation tokens.
            prompt_ids: ids of the prompt.
            draft: a previous answer to verify, or None.
            forced: reasoning ids to use instead of generated ones, by level ('goal', 'kinematics'); for
                tests of what the action codes make of other reasoning.
        """
        begin = time.perf_counter()
        cursor = Cursor(self.grammar, forced)
        cache = DynamicCache()
        bos = self._embed([self.grammar.vocabulary.bos])
        pending = torch.cat([bos, observation, self._embed(prompt_ids)], dim=1)
        passes, accepted, first_pass_s = 0, 0, 0.0
        while True:
            fixed = self._take_determined(cursor)
            if cursor.done:
                break
            proposal = self._propose(cursor, draft)
            embeddings = torch.cat([pending, self._embed([*fixed, *proposal])], dim=1)
            scores = self._scores(embeddings, cache, len(proposal) + 1)
            passes += 1
            kept, choice = self._verify(cursor, proposal, scores)
            accepted += kept
            if kept < len(proposal):
                # A negative length removes from the end, in every release of the library.
                cache.crop(kept - len(proposal))
            if choice is not None:
                cursor.advance(choice)
                pending = self._embed([choice])
            else:
                pending = self._embed([])
            if passes == 1:
                self._synchronise()
                first_pass_s = time.perf_counter() - begin
        self._synchronise()
        reused = {
            name: draft is not None
            and not (forced and name in forced)
            and bool(draft.of("text", name))
            and draft.of("text", name) == cursor.text(name)
            for name in ("goal", "kinematics")
        }
        return Generation(
            ids=tuple(cursor.written),
            goal_text=cursor.text("goal"),
            goal_codes=cursor.codes("goal"),
            kinematics_text=cursor.text("kinematics"),
            kinematics_codes=cursor.codes("kinematics"),
            goal_text_reused=reused["goal"],
            kinematics_text_reused=reused["kinematics"],
            accepted=accepted,
            forward_passes=passes,
            first_pass_s=first_pass_s,
            decode_s=time.perf_counter() - begin - first_pass_s,
        )

    def _embed(self, ids: Sequence[int]) -> Tensor:
        device = self.model.state_scale.device
        return self.model.embed_ids(torch.tensor(list(ids), dtype=torch.long, device=device).unsqueeze(0))

    def _scores(self, embeddings: Tensor, cache: DynamicCache, wanted: int) -> Tensor:
        hidden = self.model.hidden_states(embeddings, cache)
        return self.model.logits(hidden[0, -wanted:]).float()

    def _synchronise(self) -> None:
        if self.model.state_scale.is_cuda:
            torch.cuda.synchronize()

    @staticmethod
    def _take_determined(cursor: Cursor) -> list[int]:
        """Write all ids that allow no choice; they ride along with the next pass."""
        taken: list[int] = []
        while not cursor.done and (token := cursor.determined()) is not None:
            cursor.advance(token)
            taken.append(token)
        return taken

    def _propose(self, cursor: Cursor, draft: Draft | None) -> list[int]:
        """Return the draft's ids from here to the next place where the draft has nothing to say."""
        if draft is None:
            return []
        ahead = cursor.copy()
        proposal: list[int] = []
        while not ahead.done:
            token = ahead.determined()
            if token is None:
                token = self._drafted(ahead, draft)
            if token is None:
                return proposal
            ahead.advance(token)
            proposal.append(token)
        # Nothing is decided after the last choice, so what follows it need not be computed.
        while proposal and self._trailing(proposal[-1]):
            proposal.pop()
        return proposal

    def _trailing(self, token: int) -> bool:
        vocabulary = self.grammar.vocabulary
        return token == vocabulary.eos or vocabulary.delimiter_start <= token < vocabulary.delimiter_start + 8

    def _drafted(self, cursor: Cursor, draft: Draft) -> int | None:
        """Return the draft's id at the cursor if the answer has agreed with the draft within this segment."""
        segment, offset = cursor.segment, cursor.offset
        if isinstance(segment, Text):
            words = (*draft.of("text", segment.name), segment.end)
            agrees = len(words) > 1 and cursor.text(segment.name)[:offset] == words[:offset]
            return words[offset] if agrees and offset < len(words) else None
        assert not isinstance(segment, Fixed)
        codes = draft.of("codes", segment.name)
        if (
            not self.config.draft_codes
            or offset >= len(codes)
            or cursor.codes(segment.name) != codes[:offset]
        ):
            return None
        return self.grammar.vocabulary.code_id(segment.stages[offset], codes[offset])

    def _verify(self, cursor: Cursor, proposal: Sequence[int], scores: Tensor) -> tuple[int, int | None]:
        """Walk along a proposal as far as greedy decoding agrees.

        Returns:
            The number of ids kept and the id chosen after them, None where that position allows no choice.
        """
        for index, proposed in enumerate(proposal):
            choice = cursor.determined()
            if choice is None:
                choice = self._choose(cursor, scores[index])
            if choice != proposed:
                return index, choice
            cursor.advance(choice)
        if cursor.done or cursor.determined() is not None:
            return len(proposal), None
        return len(proposal), self._choose(cursor, scores[-1])

    @staticmethod
    def _choose(cursor: Cursor, scores: Tensor) -> int:
        """Return the best admissible id."""
        ids, extra = cursor.admissible()
        best = int(scores[ids.start : ids.stop].argmax()) + ids.start
        if extra is not None and bool(scores[extra] > scores[best]):
            return extra
        return best
