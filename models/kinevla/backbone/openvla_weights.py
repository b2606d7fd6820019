"""The tensors of a public OpenVLA checkpoint: compared by their headers first, then taken over one by one.

Every tensor of the public `openvla-7b` checkpoint has its place in this network under the same name and in
the same shape; what the network has besides (joint state, coupling projections) starts untrained.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import nn

from kinevla.backbone.openvla_format import PublicWeightsError, read_json

INDEX_NAME, SINGLE_NAME = "model.safetensors.index.json", "model.safetensors"
PUBLIC_PARTS = (
    "vision_backbone.featurizer.", "vision_backbone.fused_featurizer.", "projector.", "language_model.",
)  # fmt: skip
_FLOATS = ("BF16", "F16", "F32", "F64")
_SHOWN = 5


@dataclass
class _Stored:
    """What the headers say: file, shape and type per tensor, and the files that could not be read."""

    file: dict[str, str] = field(default_factory=dict)
    shape: dict[str, tuple[int, ...]] = field(default_factory=dict)
    kind: dict[str, str] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def load_public_weights(model: nn.Module, directory: Path) -> tuple[str, ...]:
    """Take the weights of a public checkpoint over into a network of the same sizes.

    Tensors are converted to the type the network has them in and take the place of its own, file by file, so
    the public parts may still be on the meta device and a 15 GB checkpoint is never in memory twice.

    Args:
        model: a `KineVLAModel`.
        directory: holds `model.safetensors`, or shards and `model.safetensors.index.json`.

    Returns:
        Names of this network's tensors that are not of the public part; they are left as they are.

    Raises:
        PublicWeightsError: missing or damaged files, missing, unknown or misshapen tensors, or types other
            than floating point; one text lists all of it. Nothing was taken over then.
    """
    directory = Path(directory)
    stored = _headers(directory)
    own = model.state_dict()
    expected = {name: value for name, value in own.items() if name.startswith(PUBLIC_PARTS)}
    known = [name for name in stored.file if name in expected]
    findings = [
        _listed("unreadable files", stored.unreadable),
        _listed("missing tensors", sorted(set(expected) - set(stored.file))),
        _listed("unexpected tensors", sorted(set(stored.file) - set(expected))),
        _listed(
            "misshapen tensors",
            [
                f"{name} {stored.shape[name]} instead of {tuple(expected[name].shape)}"
                for name in known
                if stored.shape[name] != tuple(expected[name].shape)
            ],
        ),
        _listed(
            "tensors that are not floating point",
            [f"{name} {stored.kind[name]}" for name in known if stored.kind[name] not in _FLOATS],
        ),
    ]
    if problems := [text for text in findings if text]:
        raise PublicWeightsError(
            f"{directory} does not fit this network of {len(expected)} tensors: {'; '.join(problems)}"
        )
    for file in sorted(set(stored.file.values())):
        with safe_open(directory / file, framework="pt") as shard:
            names = [name for name, where in stored.file.items() if where == file]
            tensors = {name: shard.get_tensor(name).to(expected[name].dtype) for name in names}
        model.load_state_dict(tensors, strict=False, assign=True)
    return tuple(sorted(set(own) - set(expected)))


def _headers(directory: Path) -> _Stored:
    """Read the headers of all weight files; the values stay on disk."""
    stored = _Stored()
    index: dict[str, str] = {}
    if (directory / INDEX_NAME).is_file():
        content = read_json(directory, INDEX_NAME).get("weight_map")
        if (
            not isinstance(content, dict)
            or not content
            or not all(isinstance(v, str) for v in content.values())
        ):
            raise PublicWeightsError(f"{directory / INDEX_NAME} holds no weight_map of file names")
        index = content
        files = sorted(set(index.values()))
    elif (directory / SINGLE_NAME).is_file():
        files = [SINGLE_NAME]
    else:
        raise PublicWeightsError(
            f"{directory} is no OpenVLA checkpoint: it holds neither {INDEX_NAME} nor {SINGLE_NAME}"
        )
    for file in files:
        if Path(file).name != file:
            stored.unreadable.append(f"{file} (outside the directory)")
            continue
        try:
            with safe_open(directory / file, framework="pt") as shard:
                for name in shard.keys():  # noqa: SIM118 (not a dictionary)
                    header = shard.get_slice(name)
                    stored.file[name] = file
                    stored.shape[name] = tuple(header.get_shape())
                    stored.kind[name] = str(header.get_dtype())
        except (OSError, SafetensorError) as error:
            lost = sum(where == file for where in index.values())
            reason = "missing" if not (directory / file).is_file() else f"damaged, {error}"
            stored.unreadable.append(f"{file} ({reason}; {lost} tensors)" if lost else f"{file} ({reason})")
    return stored


def _listed(what: str, names: list[str]) -> str:
    """Return 'missing tensors (7): a, b, c, d, e and 2 more', or '' for none."""
    if not names:
        return ""
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{what} ({len(names)}): {', '.join(names[:_SHOWN])}{rest}"
