"""Bi-level generation (Algorithm 1) that checks the previous answer instead of writing it again.

The previous texts and codes are a draft. One forward pass over prompt and draft tells what greedy decoding
would have chosen at every position; the draft is kept up to the first difference and decoding goes on from
there. The result is therefore the same, id for id, as decoding one id at a time, at a fraction of the passes:
an unchanged answer text costs a pass or two per level instead of one per word. (The same up to rounding: two
ids whose scores differ by less than a matrix product's rounding have no defined order in either case.)
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from kinevla.backbone.model import KineVLAModel, Seen
from kinevla.generation.answer import Generation, PassKind, PassTiming
from kinevla.generation.decoder import CachedDecoder
from kinevla.generation.draft import Draft, Drafter
from kinevla.generation.grammar import Choice, Codes, Cursor, Grammar, Text
from kinevla.generation.spelling import Spelling


class Generator:
    """Generates answers for single observations, one at a time (it holds the caches).

    The codes of a network with a readout spell the motion that is read as the level's words ask for it. Where
    codes are chosen by the decoder and follow from what is written alone (`ModelConfig.reads_alone`), there
    is a second sequence, the first without the instruction: the writer's states choose texts, the reader's
    choose codes. Without reasoning there is nothing written, and the codes see the instruction.

    Args:
        model: the network, on any device and of any floating-point type.
        spelling: how motions become codes; needed with a readout.
    """

    def __init__(self, model: KineVLAModel, grammar: Grammar, spelling: Spelling | None = None) -> None:
        if model.readout is not None and grammar.codes and spelling is None:
            raise ValueError("a network with a readout needs the spelling of its action tokenizer")
        if model.readout is not None and grammar.codes and not grammar.reasoning:
            raise ValueError("a readout needs reasoning: its motions follow from what is written")
        self.model = model
        self.grammar = grammar
        self._spelling = spelling
        self._decoder = CachedDecoder(model)
        alone = model.config.reads_alone and grammar.reasoning and spelling is None
        self._reader = CachedDecoder(model) if alone else None

    @torch.inference_mode()
    def generate(
        self,
        seen: Seen,
        prompt: Tensor,
        draft: Draft | None = None,
        forced: Mapping[str, Sequence[int]] | None = None,
    ) -> Generation:
        """Answer one observation.

        Args:
            prompt: (P, hidden) embedded instruction.
            forced: reasoning ids to use instead of generated ones, by level ('goal', 'kinematics', or only
                one of them); for tests of what the action codes make of other reasoning.

        Raises:
            ValueError: forced reasoning that the grammar does not allow, or more positions than the
                decoder has.
        """
        self._check_forced(forced or {})
        self._mark = time.perf_counter()
        self._passes: list[PassTiming] = []
        self._surprise = {"goal": 0.0, "kinematics": 0.0}
        cursor = Cursor(self.grammar, forced)
        drafter = Drafter(draft)
        start = torch.cat([self._embed([self.grammar.vocabulary.bos]), seen.tokens[0]])
        # What was decided but not yet read by the decoder, which reads a sequence piece by piece.
        pending = torch.cat([start, prompt.to(start)])
        self._decoder.reset()
        if self._reader is not None:
            self._reader.reset()
        accepted, read = 0, 0
        apart = self._reader is not None or self._spelling is not None
        while True:
            fixed = _take_determined(cursor)
            if cursor.done:
                break
            if apart and isinstance(cursor.segment, Codes):
                before = len(cursor.written)
                if self._spelling is not None:
                    self._spell_codes(cursor, seen, self._spelling)
                else:
                    start = self._read_codes(cursor, torch.cat([start, self._embed(cursor.written[read:])]))
                    read = len(cursor.written)
                pending = torch.cat([pending, self._embed([*fixed, *cursor.written[before:]])])
                continue
            proposal = drafter.propose(cursor, texts_only=apart)
            drafted = len(proposal.ids)
            embeddings = torch.cat([pending, self._embed([*fixed, *proposal.ids])])
            hidden = self._decoder.extend(embeddings, wanted=drafted + 1)
            chosen, doubts = self._choose(hidden, proposal.choices, len(cursor.written))
            kept = _agreement(proposal.ids, chosen)
            for place, token in enumerate(proposal.ids[:kept]):
                self._note(cursor, doubts[place])
                cursor.advance(token)
            accepted += kept
            drafter.learn(cursor, agreed=kept == drafted)
            self._decoder.crop(self._decoder.length - (drafted - kept))
            choice = chosen[kept]
            assert choice is not None, "an id without alternative cannot differ from the proposed one"
            self._note(cursor, doubts[kept])
            cursor.advance(choice)
            pending = self._embed([choice])
            first = not self._decoder_passes()
            self._count("prefill" if first else "verify" if drafted else "decode", len(embeddings), drafted)
        return Generation(
            ids=tuple(cursor.written),
            goal_text=cursor.text("goal"),
            goal_codes=cursor.codes("goal"),
            kinematics_text=cursor.text("kinematics"),
            kinematics_codes=cursor.codes("kinematics"),
            goal_text_reused=_reused("goal", cursor, draft, forced),
            kinematics_text_reused=_reused("kinematics", cursor, draft, forced),
            accepted=accepted,
            passes=tuple(self._passes),
            surprise=(self._surprise["goal"], self._surprise["kinematics"]),
        )

    def _spell_codes(self, cursor: Cursor, seen: Seen, spelling: Spelling) -> None:
        """Write the codes of a level: those of the motion that its words ask for."""
        segment = cursor.segment
        assert isinstance(segment, Codes)
        text = list(cursor.text(segment.name)) or [self.model.pad_id]
        words = torch.tensor([text], device=self.model.device)
        motion = self.model.read(words, seen, 0 if segment.name == "goal" else 1).motion
        written = torch.tensor([cursor.all_codes()], dtype=torch.long)
        codes = spelling.spell(motion, written, len(segment.stages))[0].tolist()
        self._count("read", 0)
        for stage, code in zip(segment.stages, codes, strict=True):
            cursor.advance(self.grammar.vocabulary.code_id(stage, code))

    def _read_codes(self, cursor: Cursor, pending: Tensor) -> Tensor:
        """Let the reader choose the codes of a level.

        Args:
            cursor: at the first of them; it is moved behind the last.
            pending: embeddings of what the reader has not read yet, the delimiter in front of the codes last.

        Returns:
            Embeddings of what the reader has not read afterwards.
        """
        assert self._reader is not None and isinstance(cursor.segment, Codes)
        for _ in cursor.segment.stages:
            choices = [cursor.admissible()]
            hidden = self._reader.extend(pending, wanted=1)
            choice = self._choose(hidden, choices, len(cursor.written))[0][0]
            assert choice is not None
            self._count("read", len(pending))
            cursor.advance(choice)
            pending = self._embed([choice])
        return pending

    def _decoder_passes(self) -> bool:
        return any(item.kind != "read" for item in self._passes)

    def _count(self, kind: PassKind, positions: int, drafted: int = 0) -> None:
        if self.model.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        self._passes.append(PassTiming(kind, positions, now - self._mark, drafted))
        self._mark = now

    def _note(self, cursor: Cursor, doubt: float) -> None:
        """Keep how unlikely the least likely id of a text was."""
        if isinstance(cursor.segment, Text) and cursor.determined() is None:
            name = cursor.segment.name
            self._surprise[name] = max(self._surprise[name], doubt)

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
        return self.model.embed_ids(torch.tensor(list(ids), dtype=torch.long, device=self.model.device))

    def _choose(
        self, hidden: Tensor, choices: Sequence[Choice | None], place: int
    ) -> tuple[list[int | None], list[float]]:
        """Choose the best admissible id at each row of hidden (n, hidden); None where there is no choice.

        Rows with the same alternatives are scored together, and only for these alternatives.

        Args:
            hidden: states, each in front of the id to be chosen.
            place: where in the answer the first of these ids stands.

        Returns:
            The ids and how unlikely each is among its alternatives, nat.
        """
        chosen: list[int | None] = [None] * len(choices)
        doubts = [0.0] * len(choices)
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
            best = scores.argmax(1).tolist()
            doubt = (scores.logsumexp(1) - scores.amax(1)).tolist()
            for row, index, value in zip(rows, best, doubt, strict=True):
                chosen[row] = extra if index == len(ids) else ids[index]
                doubts[row] = value
        return chosen, doubts


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
