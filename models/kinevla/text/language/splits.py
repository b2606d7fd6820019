"""The splits of KineBench: what is trained, and what is only ever tested.

Training says pairs of attribute values and distances that `splits.json` does not hold out. The sentences that
are tested are written there, frozen, as `python -m kinevla.text.language.splits` prints it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from kinevla.bounded import MIB, printable, read_bounded
from kinevla.text.language.draw import draw_instruction
from kinevla.text.language.instruction import CATALOGUE, Instruction, LanguageError
from kinevla.text.language.pairs import Pair, held_pairs, pairs_of, possible_pairs
from kinevla.text.language.parse import parse_sentence
from kinevla.text.language.say import say

Split = Literal["seen", "composition", "number"]
_Meaning = TypeVar("_Meaning")
SEED = 26
HELD_DISTANCES_CM = (6, 9, 13, 16, 18)
"""Never trained; their neighbours on both sides are."""
SIZES: dict[Split, int] = {"seen": 200, "composition": 200, "number": 100}
VARIATIONS = ("clutter", "look")
"""Splits that say the sentences of `seen` in scenes with an unknown thing, or that look otherwise."""


class SplitError(ValueError):
    """Frozen sentences that cannot be used; the text names file and line."""


@cache
def load_splits() -> dict[str, Any]:
    """Return what `splits.json` holds: 'possible_pairs' (how many), 'held_pairs', 'held_distances_cm',
    'sentences' by split, 'seed' and 'sha256'.

    Raises:
        SplitError: it is not the file that was frozen.
    """
    text = resources.files("kinevla.text.language").joinpath("splits.json").read_text(encoding="utf-8")
    splits: dict[str, Any] = json.loads(text)
    if (found := digest(splits)) != splits["sha256"]:
        raise SplitError(f"splits.json has the hash {found}, but was frozen with {splits['sha256']}")
    return splits


def digest(splits: dict[str, Any]) -> str:
    """Return the SHA-256 of splits, but for the one that they state."""
    stated = {name: value for name, value in splits.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()


def split_of(instruction: Instruction) -> Split | None:
    """Return the split of an instruction, None where both a pair and its distance are held out."""
    splits = load_splits()
    return _split(instruction, _frozen_pairs(), splits["held_distances_cm"])


def split_instructions(split: Split) -> tuple[Instruction, ...]:
    """Return the frozen instructions of a split, all different."""
    return tuple(parse_sentence(sentence) for sentence in load_splits()["sentences"][split])


def draw_seen(
    rng: np.random.Generator, things: Sequence[str] = tuple(CATALOGUE), *, attribute_share: float = 0.4
) -> Instruction:
    """Draw an instruction that may be trained; see `draw_instruction`."""
    while split_of(instruction := draw_instruction(rng, things, attribute_share=attribute_share)) != "seen":
        pass
    return instruction


def make_splits(seed: int = SEED) -> dict[str, Any]:
    """Draw what is held out and the sentences of each split, with their hash."""
    rng = np.random.default_rng(seed)
    held = held_pairs(rng)
    found: dict[Split, dict[Instruction, None]] = {split: {} for split in SIZES}
    while any(len(found[split]) < size for split, size in SIZES.items()):
        instruction = draw_instruction(rng, attribute_share=0.4)
        split = _split(instruction, held, HELD_DISTANCES_CM)
        if split is not None and len(found[split]) < SIZES[split]:
            found[split][instruction] = None
    splits: dict[str, Any] = {
        "seed": seed,
        "possible_pairs": len(possible_pairs()),
        "held_pairs": sorted(sorted(pair) for pair in held),
        "held_distances_cm": list(HELD_DISTANCES_CM),
        "sentences": {split: [say(instruction) for instruction in drawn] for split, drawn in found.items()},
    }
    return {**splits, "sha256": digest(splits)}


def written(splits: dict[str, Any]) -> str:
    """Return the text of `splits.json`, a line for each pair and sentence."""
    text = json.dumps(splits, indent=1)
    return re.sub(r'\[\s+("[^"]+"),\s+("[^"]+")\s+\]', r"[\1, \2]", text) + "\n"


def read_meant(path: Path) -> tuple[tuple[Instruction, str], ...]:
    """Read sentences with what they mean: a line `plain sentence of the language<TAB>sentence` each.

    Raises:
        SplitError: unreadable, no sentence, one that is there twice, or a line of another form (named).
    """
    return _read(path, parse_sentence, "plain sentence<TAB>sentence")


def read_refused(path: Path) -> tuple[tuple[str, str], ...]:
    """Read sentences that must be refused, each after the kind of it: a line `kind<TAB>sentence` each.

    Raises:
        SplitError: as of `read_meant`.
    """
    return _read(path, str, "kind<TAB>sentence")


def _read(path: Path, meaning: Callable[[str], _Meaning], form: str) -> tuple[tuple[_Meaning, str], ...]:
    try:
        text = read_bounded(path, MIB).decode()
    except (OSError, ValueError) as error:
        raise SplitError(f"{path} cannot be read: {error}") from error
    found: dict[str, _Meaning] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        meant, _, sentence = (piece.strip() for piece in line.partition("\t"))
        if not meant or not sentence:
            raise SplitError(f"{path}, line {number}: need {form}, got {printable(line)!r}")
        if sentence in found:
            raise SplitError(f"{path}, line {number}: {printable(sentence)!r} is there already")
        try:
            found[sentence] = meaning(meant)
        except LanguageError as error:
            raise SplitError(f"{path}, line {number}: {error}") from error
    if not found:
        raise SplitError(f"{path} holds no sentence")
    return tuple((meant, sentence) for sentence, meant in found.items())


def _split(instruction: Instruction, held: frozenset[Pair], distances_cm: Sequence[int]) -> Split | None:
    moved = instruction.displacement
    number = moved is not None and moved.distance_cm in distances_cm
    composition = not held.isdisjoint(pairs_of(instruction))
    if number and composition:
        return None
    return "number" if number else "composition" if composition else "seen"


@cache
def _frozen_pairs() -> frozenset[Pair]:
    return frozenset(frozenset(pair) for pair in load_splits()["held_pairs"])


if __name__ == "__main__":
    print(written(make_splits()), end="")
