"""Actions as numbers and as codes: scaling, tokenisers and their report.

`BiLevelTokenizer` is the tokeniser of the method; `SingleLevelTokenizer`, `BinTokenizer` and `FastTokenizer`
are what it is compared with. All are an `ActionTokenizer`; `load_tokenizer` reads any of them.
Names are loaded on first use, so `normaliser` and `robot` stay free of torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinevla.actions.base import ActionTokenizer
    from kinevla.actions.bins import BinTokenizer
    from kinevla.actions.fast import FastTokenizer
    from kinevla.actions.loading import load_policy_tokenizer, load_tokenizer
    from kinevla.actions.normaliser import ActionNormaliser, StatisticsError
    from kinevla.actions.residual import BiLevelTokenizer, SingleLevelTokenizer
from kinevla.actions.tokenizer import TokenizerError

__all__ = [
    "ActionNormaliser",
    "ActionTokenizer",
    "BiLevelTokenizer",
    "BinTokenizer",
    "FastTokenizer",
    "SingleLevelTokenizer",
    "StatisticsError",
    "TokenizerError",
    "load_policy_tokenizer",
    "load_tokenizer",
]

_HOME = {
    "ActionNormaliser": "normaliser",
    "ActionTokenizer": "base",
    "BiLevelTokenizer": "residual",
    "BinTokenizer": "bins",
    "FastTokenizer": "fast",
    "SingleLevelTokenizer": "residual",
    "StatisticsError": "normaliser",
    "TokenizerError": "tokenizer",
    "load_policy_tokenizer": "loading",
    "load_tokenizer": "loading",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
