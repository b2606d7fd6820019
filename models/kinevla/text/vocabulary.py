"""Which id means what: text, delimiters, and action codes at the tail of one shared vocabulary.

Ids are always computed, never obtained by decoding to text and tokenising again: no text could spell a
code. Each quantiser stage of each level has its own block of K ids, so a code says by its id where in the
sequence it may stand (§3.2 of the paper offsets the indices to the tail; the separate blocks are ours). The
baseline with one bin per action value has as many codes as a chunk has values, and bins mean the same in each
of them, so there all codes share one block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

DELIMITERS: tuple[str, ...] = (
    "<goal>", "</goal>", "<goal_act>", "</goal_act>", "<kin>", "</kin>", "<kin_act>", "</kin_act>",
)  # fmt: skip
_BLOCK = 64
_LLAMA_TEXT_SIZE = 32000
_LLAMA_PADDED_SIZE = 32064
_LLAMA_MAX_CODES = 1024


class CodeLevel(NamedTuple):
    """One quantiser stage: 'goal' or 'kinematics', and its stage within that level from 0."""

    level: str
    stage: int


@dataclass(frozen=True)
class Vocabulary:
    """The id layout.

    Raises:
        ValueError: blocks that overlap or do not fit.
    """

    text_size: int  # ids 0..text_size-1 belong to the tokenizer (specials included)
    delimiter_start: int  # first of the eight delimiter ids, in the order of `DELIMITERS`
    code_start: int  # first action code id
    padded_size: int  # rows of the embedding and of the output head
    codebook_size: int  # K, codes per stage
    goal_codes: int  # M of the goal level
    kinematics_codes: int  # M of the kinematics level
    text_ids_end: int  # text may be generated only with ids below this (codes may overlay rare text ids)
    bos: int  # id that begins a sequence
    eos: int  # id that ends a sequence
    pad: int  # id that fills the rest of a row
    shared_block: bool = False  # all stages use the same K ids instead of K ids each

    def __post_init__(self) -> None:
        code_end = self.code_start + self.code_ids
        delimiter_end = self.delimiter_start + len(DELIMITERS)
        if self.goal_codes < 1 or self.kinematics_codes < 0 or self.codebook_size < 1:
            raise ValueError(
                f"need goal_codes >= 1, kinematics_codes >= 0, codebook_size >= 1, got {self.goal_codes}, "
                f"{self.kinematics_codes}, {self.codebook_size}"
            )
        if code_end > self.padded_size or delimiter_end > self.padded_size:
            raise ValueError(
                f"codes end at {code_end}, delimiters at {delimiter_end}, padded size {self.padded_size}"
            )
        if self.delimiter_start < code_end and self.code_start < delimiter_end:
            raise ValueError("delimiter ids and code ids overlap")
        if self.text_ids_end > min(self.code_start, self.delimiter_start, self.text_size):
            raise ValueError(f"text ids up to {self.text_ids_end} would reach into delimiters or codes")

    @classmethod
    def after_text(
        cls,
        text_size: int,
        *,
        codebook_size: int,
        goal_codes: int,
        kinematics_codes: int,
        bos: int,
        eos: int,
        pad: int,
        shared_block: bool = False,
    ) -> Vocabulary:
        """Lay out text, then delimiters, then padding, then codes ending exactly at a multiple of 64."""
        codes = codebook_size * (1 if shared_block else goal_codes + kinematics_codes)
        used = text_size + len(DELIMITERS) + codes
        padded = -(-used // _BLOCK) * _BLOCK
        return cls(
            text_size=text_size, delimiter_start=text_size, code_start=padded - codes, padded_size=padded,
            codebook_size=codebook_size, goal_codes=goal_codes, kinematics_codes=kinematics_codes,
            text_ids_end=text_size, bos=bos, eos=eos, pad=pad, shared_block=shared_block,
        )  # fmt: skip

    @classmethod
    def llama(
        cls,
        *,
        codebook_size: int = 256,
        goal_codes: int = 2,
        kinematics_codes: int = 2,
        shared_block: bool = False,
    ) -> Vocabulary:
        """Lay out over the Llama-2 vocabulary of OpenVLA: codes on the last text ids, delimiters in padding.

        Raises:
            ValueError: codes that need more than 1024 ids; ids further down spell characters of prompts.
        """
        codes = codebook_size * (1 if shared_block else goal_codes + kinematics_codes)
        if codes > _LLAMA_MAX_CODES:
            raise ValueError(
                f"{codes} code ids would overwrite letters, the Llama layout holds at most {_LLAMA_MAX_CODES}"
            )
        start = _LLAMA_TEXT_SIZE - codes
        return cls(
            text_size=_LLAMA_TEXT_SIZE, delimiter_start=_LLAMA_TEXT_SIZE + 1, code_start=start,
            padded_size=_LLAMA_PADDED_SIZE, codebook_size=codebook_size, goal_codes=goal_codes,
            kinematics_codes=kinematics_codes, text_ids_end=start, bos=1, eos=2, pad=_LLAMA_TEXT_SIZE,
            shared_block=shared_block,
        )  # fmt: skip

    @property
    def stages(self) -> int:
        """Quantiser stages of both levels together."""
        return self.goal_codes + self.kinematics_codes

    @property
    def code_ids(self) -> int:
        """Ids taken by action codes."""
        return self.codebook_size * (1 if self.shared_block else self.stages)

    def block(self, level: CodeLevel) -> range:
        """Return the ids of one stage (the same for every stage when the block is shared).

        Raises:
            ValueError: no such level or stage.
        """
        limit = {"goal": self.goal_codes, "kinematics": self.kinematics_codes}.get(level.level)
        if limit is None or not 0 <= level.stage < limit:
            raise ValueError(f"no code level {level.level!r} stage {level.stage}")
        stage = level.stage + (self.goal_codes if level.level == "kinematics" else 0)
        start = self.code_start + (0 if self.shared_block else stage) * self.codebook_size
        return range(start, start + self.codebook_size)

    def code_id(self, level: CodeLevel, code: int) -> int:
        """Return the id of a code index.

        Raises:
            ValueError: the index is outside 0..K-1.
        """
        if not 0 <= code < self.codebook_size:
            raise ValueError(
                f"code {code} of {level.level} stage {level.stage} is outside 0..{self.codebook_size - 1}"
            )
        return self.block(level)[code]

    def delimiter(self, name: str) -> int:
        """Return the id of a delimiter such as '<goal>'.

        Raises:
            ValueError: no such delimiter.
        """
        if name not in DELIMITERS:
            raise ValueError(f"{name!r} is no delimiter, choose from {' '.join(DELIMITERS)}")
        return self.delimiter_start + DELIMITERS.index(name)

    def levels(self) -> tuple[CodeLevel, ...]:
        """Return all stages in sequence order."""
        goal = tuple(CodeLevel("goal", stage) for stage in range(self.goal_codes))
        return goal + tuple(CodeLevel("kinematics", stage) for stage in range(self.kinematics_codes))
