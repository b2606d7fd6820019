"""Tokenisers that quantise a latent by stacks of residual codebooks: two, as the method has them, or one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from kinevla.actions.base import BILEVEL, CONFIG_NAME, SINGLE_LEVEL, ActionTokenizer
from kinevla.actions.normaliser import ActionNormaliser, StatisticsError
from kinevla.actions.rvq_config import RvqVaeConfig
from kinevla.actions.rvq_vae import RvqVae
from kinevla.actions.tokenizer import TokenizerError, check_chunks, check_codes
from kinevla.data.chunks import ChunkConfig

WEIGHTS_NAME = "weights.safetensors"
_BATCH = 4096


class ResidualTokenizer(ActionTokenizer):
    """A residual VQ-VAE as the rest of the system sees it: numpy in, numpy out, one directory on disk.

    `kind` says whether its network has kinematics levels.

    Args:
        network: the residual VQ-VAE; it is switched to evaluation.

    Raises:
        StatisticsError: statistics of another number of dimensions than the network's.
        TokenizerError: chunks of another horizon, or levels that are not of this kind.
    """

    file_names = (WEIGHTS_NAME,)

    def __init__(
        self, network: RvqVae, normaliser: ActionNormaliser, chunk_config: ChunkConfig, period_s: float
    ) -> None:
        super().__init__(normaliser, chunk_config, period_s)
        if normaliser.dimensions != network.config.dimensions:
            raise StatisticsError(
                f"statistics have {normaliser.dimensions} dimensions, the network {network.config.dimensions}"
            )
        if chunk_config.horizon != network.config.horizon:
            raise TokenizerError(
                f"chunks have {chunk_config.horizon} frames, the network {network.config.horizon}"
            )
        levels = network.config.kinematics_levels
        if self.kind == BILEVEL and levels == 0:
            raise TokenizerError("a bi-level tokeniser needs kinematics_levels >= 1, got 0")
        if self.kind == SINGLE_LEVEL and levels > 0:
            raise TokenizerError(f"a single-level tokeniser has no kinematics levels, got {levels}")
        self.network = network.eval()

    @property
    def config(self) -> RvqVaeConfig:
        """Sizes of the network."""
        return self.network.config

    @property
    def goal_levels(self) -> int:
        """Number of goal codes per chunk; all of them for a single level."""
        return self.config.goal_levels

    @property
    def kinematics_levels(self) -> int:
        """Number of kinematics codes per chunk."""
        return self.config.kinematics_levels

    @property
    def codebook_size(self) -> int:
        """Codes per codebook K."""
        return self.config.codebook_size

    @torch.no_grad()
    def latents(self, chunks: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return what the codebooks quantise, (N, d), for chunks (N, T, D)."""
        values = check_chunks(chunks, self.horizon, self.dimensions)
        normalised = torch.from_numpy(self.normaliser.normalise(values)).float()
        parts = [self.network.encode_latent(part) for part in normalised.split(_BATCH)]
        return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)

    @torch.no_grad()
    def encode(self, chunks: NDArray[np.floating]) -> NDArray[np.int64]:
        """Map chunks (N, T, D) to codes (N, levels): goal levels first, each code 0..K-1."""
        latents = torch.from_numpy(self.latents(chunks))
        parts = [self.network.quantise(part).codes for part in latents.split(_BATCH)]
        return np.asarray(torch.cat(parts).numpy(), dtype=np.int64)

    @torch.no_grad()
    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Map codes (N, levels), or (N, goal_levels) for the coarse motion, to chunks (N, T, D)."""
        widths = tuple(dict.fromkeys((self.codes_per_chunk, self.goal_levels)))
        values = check_codes(codes, widths, self.codebook_size)
        chunks = self.network.decode_latent(self.network.latent_of_codes(torch.from_numpy(values)))
        return self.normaliser.denormalise(chunks.double().numpy())

    def code_vectors(self) -> tuple[NDArray[np.float32], ...]:
        """Return the codebooks (K, d), one per place in a chunk, goal levels first."""
        books = self.network.codebooks()
        stacks = [books[name] for name in ("goal", "kinematics") if name in books]
        return tuple(np.asarray(book.float().cpu().numpy()) for stack in stacks for book in stack)

    def _settings(self) -> dict[str, Any]:
        return {"network": asdict(self.config)}

    def _files(self) -> dict[str, bytes]:
        state = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        return {WEIGHTS_NAME: save_tensors(state)}

    @classmethod
    def _restore(
        cls, directory: Path, settings: dict[str, Any], normaliser: ActionNormaliser, chunks: ChunkConfig
    ) -> Self:
        network = RvqVae(RvqVaeConfig(**settings["network"]))
        _load_weights(network, directory / WEIGHTS_NAME)
        return cls(network, normaliser, chunks, float(settings["period_s"]))


def _load_weights(network: RvqVae, path: Path) -> None:
    """Fill a network from a file, refusing other tensors, other types and values that are not finite."""
    try:
        state = load_tensors(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise TokenizerError(f"{path} is truncated or damaged: {error}") from error
    for name, wanted in network.state_dict().items():
        found = state.get(name)
        if found is not None and found.dtype != wanted.dtype:
            raise TokenizerError(f"{path}: {name} has type {found.dtype}, expected {wanted.dtype}")
        if found is not None and not bool(torch.isfinite(found).all()):
            raise TokenizerError(f"{path}: {name} holds a value that is not finite")
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise TokenizerError(f"{path} does not fit {CONFIG_NAME}: {error}") from error


class BiLevelTokenizer(ResidualTokenizer):
    """Chunks to goal and kinematics codes and back (KineVLA, section 3.1).

    The codes of a chunk are the goal levels first, then the kinematics levels, which quantise what the goal
    levels left. The goal codes alone decode to a coarse motion. Arguments as `ResidualTokenizer`.
    """

    kind = BILEVEL


class SingleLevelTokenizer(ResidualTokenizer):
    """Chunks to the codes of one residual stack and back; they all count as goal codes.

    Arguments as `ResidualTokenizer`.
    """

    kind = SINGLE_LEVEL
