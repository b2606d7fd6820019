"""Word-level tokenizer of the nano model: small, exact, built from the task texts.

A token is a word or a punctuation mark together with the single space before it, so that joining tokens
gives the text back character for character. A model of full size uses its own (Llama) tokenizer instead;
everything downstream sees only `transformers.PreTrainedTokenizerFast`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinevla.text.corpus import FIELD_LABELS, PROMPT_HEAD, PROMPT_TAIL

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BOS, EOS, PAD, UNKNOWN = "<s>", "</s>", "<pad>", "<unk>"
_SPECIALS = (PAD, BOS, EOS, UNKNOWN)
_PHRASES = (PROMPT_HEAD.rstrip(), PROMPT_TAIL, *sorted(FIELD_LABELS, key=len, reverse=True))
_PATTERN = "|".join([re.escape(phrase) for phrase in _PHRASES] + [r" ?\w+", r" ?[^\w\s]", r"\s"])


def split_words(text: str) -> list[str]:
    """Split a text into the pieces that are tokens; ``"".join(split_words(x)) == x`` for every x."""
    return re.findall(_PATTERN, text)


def build_word_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Build the tokenizer whose vocabulary covers `texts`.

    Every word enters with and without a leading space, as written and in lower case. The order is
    alphabetical, so the same texts give the same ids on every machine.

    Returns:
        A fast tokenizer with `<pad> <s> </s> <unk>` at ids 0..3; it never adds special tokens itself.
    """
    # Imported here: who only reads texts, as the conversion of recordings does, need not wait for it.
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces: set[str] = {PROMPT_HEAD.rstrip(), PROMPT_TAIL, *FIELD_LABELS, " ", "\n"}
    for text in texts:
        for piece in split_words(text):
            word = piece.strip()
            if piece in FIELD_LABELS or not word:
                pieces.add(piece)
            else:
                pieces.update({word, f" {word}", word.lower(), f" {word.lower()}"})
    vocabulary = {token: index for index, token in enumerate((*_SPECIALS, *sorted(pieces)))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PATTERN), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )
