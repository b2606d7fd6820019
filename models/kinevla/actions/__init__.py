"""Actions as numbers and as codes: scaling, tokenisers, their training and their report.

`BiLevelTokenizer` is the tokeniser of the method, `BinTokenizer` the 256-bin baseline; both follow the
`ActionTokenizer` protocol. Names are loaded on first use, so `normaliser` and `robot` stay free of torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinevla.actions.bilevel import BiLevelTokenizer
    from kinevla.actions.bins import BinTokenizer
    from kinevla.actions.normaliser import ActionNormaliser, StatisticsError
    from kinevla.actions.tokenizer import ActionTokenizer, TokenizerError

__all__ = [
    "ActionNormaliser",
    "ActionTokenizer",
    "BiLevelTokenizer",
    "BinTokenizer",
    "StatisticsError",
    "TokenizerError",
]

_HOME = {
    "ActionNormaliser": "normaliser",
    "ActionTokenizer": "tokenizer",
    "BiLevelTokenizer": "bilevel",
    "BinTokenizer": "bins",
    "StatisticsError": "normaliser",
    "TokenizerError": "tokenizer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
