"""Public OpenVLA checkpoints as they are: one directory in, network and text tokenizer out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedTokenizerFast

from kinevla.backbone.model import KineVLAModel
from kinevla.backbone.openvla_format import (
    PublicConfig,
    PublicWeightsError,
    read_config,
    read_tokenizer,
)
from kinevla.backbone.openvla_weights import load_public_weights


@dataclass(frozen=True)
class OpenVLAParts:
    """What a public checkpoint holds."""

    model: KineVLAModel  # the network in evaluation mode; its public parts have the checkpoint's weights
    text_tokenizer: PreTrainedTokenizerFast  # the Llama tokenizer with its special tokens
    config: PublicConfig  # what the checkpoint says about itself
    untrained: tuple[str, ...]  # names of this network's tensors that the checkpoint does not have


def load_openvla(
    directory: Path | str,
    cameras: tuple[str, ...] = ("front", "wrist"),
    *,
    state_dim: int = 8,
    state_token: bool = True,
    dtype: torch.dtype = torch.bfloat16,
) -> OpenVLAParts:
    """Load a public checkpoint directory unchanged.

    With one camera and without state token the logits are those of the public model over
    ``BOS | patches | text``. A second camera's patches follow the first's, as OpenVLA-OFT has them; the state
    token comes after all patches.

    Args:
        directory: `config.json`, tokenizer files, weights in one file or in shards with an index, and where
            present `preprocessor_config.json`.
        state_token: give the joint state to the decoder as one more token (its projection starts untrained).
        dtype: type of the public weights; what is not public stays in single precision.

    Raises:
        PublicWeightsError: the directory is no checkpoint of this architecture, or a damaged one.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise PublicWeightsError(f"{directory} is no directory")
    config = read_config(directory)
    try:
        sizes = config.model_config(cameras, state_dim=state_dim, state_token=state_token)
    except ValueError as error:
        raise PublicWeightsError(f"{directory}: {error}") from error
    tokenizer = read_tokenizer(directory, config)
    model = KineVLAModel(sizes, pad_id=config.pad_id, public_on_meta=True)
    public: tuple[nn.Module, ...] = (model.vision_backbone, model.projector, model.language_model)
    for part in public:
        part.to(dtype)
    untrained = load_public_weights(model, directory)
    # Only now: buffers must keep single precision whatever the weights have.
    model.restore_buffers()
    return OpenVLAParts(model.eval(), tokenizer, config, untrained)
