"""Reading a tokeniser of any kind from its directory."""

from __future__ import annotations

from pathlib import Path

from kinevla.actions.base import CONFIG_NAME, TOKENIZER_KIND, ActionTokenizer, kind_of, read_settings
from kinevla.actions.bins import BinTokenizer
from kinevla.actions.fast import FastTokenizer
from kinevla.actions.residual import BiLevelTokenizer, SingleLevelTokenizer
from kinevla.actions.tokenizer import TokenizerError
from kinevla.manifest import verify_manifest

_KINDS: dict[str, type[ActionTokenizer]] = {
    cls.kind: cls for cls in (BiLevelTokenizer, SingleLevelTokenizer, BinTokenizer, FastTokenizer)
}


def load_tokenizer(directory: Path) -> ActionTokenizer:
    """Read a tokeniser of any kind written by its `save`.

    Raises:
        ManifestError: a file is missing or differs from the manifest (named).
        StatisticsError: the statistics are not the ones the tokeniser was trained with.
        TokenizerError: an unknown kind, or files that do not fit together.
    """
    directory = Path(directory)
    verify_manifest(directory, kind=TOKENIZER_KIND, needs=(CONFIG_NAME,))
    kind = kind_of(read_settings(directory))
    if kind not in _KINDS:
        raise TokenizerError(f"{directory} holds a tokeniser of kind {kind!r}, known: {', '.join(_KINDS)}")
    return _KINDS[kind].load(directory)


def load_policy_tokenizer(directory: Path) -> ActionTokenizer:
    """Read a tokeniser a policy can be trained with: one that gives every chunk the same number of codes.

    Raises:
        TokenizerError: a tokeniser of variable length (FAST).
    """
    tokenizer = load_tokenizer(directory)
    _ = tokenizer.codes_per_chunk  # A tokeniser of variable length says so here.
    return tokenizer
