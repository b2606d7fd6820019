"""The tensors of a public OpenVLA checkpoint: compared by their headers first, then taken over one by one.

Every tensor of the public `openvla-7b` checkpoint has its place in this network under the same name and in
the same shape; what the network has besides (joint state, coupling projections) starts untrained.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from safetensors import safe_open
from torch import nn

from kinevla.backbone.openvla_format import PublicWeightsError, read_json
from kinevla.weights import Header, WeightsError, misfits, name_some, read_headers

INDEX_NAME, SINGLE_NAME = "model.safetensors.index.json", "model.safetensors"
PUBLIC_PARTS = (
    "vision_backbone.featurizer.", "vision_backbone.fused_featurizer.", "projector.", "language_model.",
)  # fmt: skip
_FLOATS = ("BF16", "F16", "F32", "F64")


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
    tensors_in = _tensors_in(directory)
    own = model.state_dict()
    expected = {name: value for name, value in own.items() if name.startswith(PUBLIC_PARTS)}
    stored: dict[str, Header] = {}
    unreadable: list[str] = []
    for file, count in tensors_in.items():
        try:
            if Path(file).name != file:
                raise WeightsError("outside the directory")
            if not (directory / file).is_file():
                raise WeightsError("missing")
            stored |= read_headers(directory / file)
        except WeightsError as error:
            reason = f"damaged, {error.__cause__}" if error.__cause__ else str(error)
            unreadable.append(f"{file} ({reason}; {count} tensors)" if count else f"{file} ({reason})")
    problems = [name_some("unreadable files", unreadable)] if unreadable else []
    if problems := problems + misfits(stored, expected, _FLOATS):
        raise PublicWeightsError(
            f"{directory} does not fit this network of {len(expected)} tensors: {'; '.join(problems)}"
        )
    for file in tensors_in:
        with safe_open(directory / file, framework="pt") as shard:
            names = shard.keys()
            tensors = {name: shard.get_tensor(name).to(expected[name].dtype) for name in names}
        model.load_state_dict(tensors, strict=False, assign=True)
    return tuple(sorted(set(own) - set(expected)))


def _tensors_in(directory: Path) -> dict[str, int]:
    """Return the weight files with the number of tensors the index promises of each, 0 without an index."""
    if (directory / INDEX_NAME).is_file():
        index = read_json(directory, INDEX_NAME).get("weight_map")
        if not isinstance(index, dict) or not index or not all(isinstance(v, str) for v in index.values()):
            raise PublicWeightsError(f"{directory / INDEX_NAME} holds no weight_map of file names")
        return dict(sorted(Counter(index.values()).items()))
    if (directory / SINGLE_NAME).is_file():
        return {SINGLE_NAME: 0}
    raise PublicWeightsError(
        f"{directory} is no OpenVLA checkpoint: it holds neither {INDEX_NAME} nor {SINGLE_NAME}"
    )
