"""Which of some known sentences is nearest to another one, by their words alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from math import log

from kinevla.text.instruction import normalised

_WORD = re.compile(r"\w+")


def nearest_sentence(sentence: str, known: Sequence[str]) -> str:
    """Return the known sentence that shares most words with a sentence.

    Both are compared as sets of words, a word weighing the more the fewer known sentences hold it (shared
    weight of the weight of all words); of equally near ones the one in the more similar order wins, then the
    first. The same arguments always give the same answer.
    """
    wanted = _words(sentence)
    choices = [_words(text) for text in known]
    spread = Counter(word for words in choices for word in set(words))

    def weight(words: set[str]) -> float:
        # Summed in a fixed order: a set's own order changes from process to process.
        return sum(log(1.0 + len(known) / max(1, spread[word])) for word in sorted(words))

    def nearness(index: int) -> tuple[float, float]:
        words = choices[index]
        union = weight(set(wanted) | set(words))
        shared = weight(set(wanted) & set(words)) / union if union else 0.0
        return shared, SequenceMatcher(None, wanted, words, autojunk=False).ratio()

    return known[max(range(len(known)), key=lambda index: (*nearness(index), -index))]


def _words(text: str) -> list[str]:
    return _WORD.findall(normalised(text))
