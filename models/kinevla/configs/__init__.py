"""Named configurations: model sizes, tokenisers, policy trainings.

    >>> from kinevla.configs import TRAININGS
    >>> TRAININGS.get("bi-rea").values()["coupling_weight"]
    0.0

Each registry maps a name to a frozen dataclass; an unknown name is refused with the known ones listed. On the
command line: `kinevla config list`, `kinevla config show NAME`, `kinevla train --preset NAME`.
"""

from __future__ import annotations

from kinevla.configs.models import MODELS
from kinevla.configs.registry import Entry, Registry, UnknownNameError
from kinevla.configs.tokenizers import TOKENIZERS, TokenizerPreset
from kinevla.configs.training import TRAININGS, TrainingPreset

__all__ = [
    "MODELS",
    "TOKENIZERS",
    "TRAININGS",
    "Entry",
    "Registry",
    "TokenizerPreset",
    "TrainingPreset",
    "UnknownNameError",
]
