"""The bi-level tokeniser as the rest of the system sees it: numpy in, numpy out, one directory on disk."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from kinevla.actions.normaliser import ActionNormaliser, StatisticsError
from kinevla.actions.rvq_vae import RvqVae, RvqVaeConfig
from kinevla.actions.tokenizer import TokenizerError, check_chunks, check_codes
from kinevla.data.chunks import ChunkConfig, to_absolute, to_relative
from kinevla.manifest import read_manifest, verify_manifest, write_atomically, write_json, write_manifest

TOKENIZER_KIND = "tokenizer"
WEIGHTS_NAME = "weights.safetensors"
CONFIG_NAME = "tokenizer.json"
NORMALISER_NAME = "normaliser.json"


class BiLevelTokenizer:
    """Chunks of relative actions to goal and kinematics codes and back.

    A chunk (T, D) holds joints relative to the joints measured at the observation (rad) and the absolute
    gripper opening. Its codes are the goal levels first, then the kinematics levels, each 0..K-1.

    Args:
        network: the residual VQ-VAE; it is switched to evaluation.
        normaliser: statistics it was trained with.
        chunk_config: how chunks are cut and which dimensions are absolute.
        period_s: time between the frames of a chunk.

    Raises:
        StatisticsError: statistics of another number of dimensions than the network's.
    """

    def __init__(
        self, network: RvqVae, normaliser: ActionNormaliser, chunk_config: ChunkConfig, period_s: float
    ) -> None:
        if normaliser.dimensions != network.config.dimensions:
            raise StatisticsError(
                f"statistics have {normaliser.dimensions} dimensions, the network {network.config.dimensions}"
            )
        if chunk_config.horizon != network.config.horizon:
            raise TokenizerError(
                f"chunks have {chunk_config.horizon} frames, the network {network.config.horizon}"
            )
        self.network = network.eval()
        self.normaliser = normaliser
        self.chunk_config = chunk_config
        self.period_s = period_s

    @property
    def config(self) -> RvqVaeConfig:
        """Sizes of the network."""
        return self.network.config

    @property
    def horizon(self) -> int:
        """Frames per chunk T."""
        return self.config.horizon

    @property
    def dimensions(self) -> int:
        """Action dimensions D."""
        return self.config.dimensions

    @property
    def goal_levels(self) -> int:
        """Number of goal codes per chunk."""
        return self.config.goal_levels

    @property
    def kinematics_levels(self) -> int:
        """Number of kinematics codes per chunk."""
        return self.config.kinematics_levels

    @property
    def codes_per_chunk(self) -> int:
        """Goal and kinematics codes together."""
        return self.config.levels

    @property
    def codebook_size(self) -> int:
        """Codes per codebook K."""
        return self.config.codebook_size

    @torch.no_grad()
    def encode(self, chunks: NDArray[np.floating]) -> NDArray[np.int64]:
        """Map relative chunks (N, T, D) to codes (N, levels): goal levels first.

        Raises:
            TokenizerError: wrong shape or a value that is not finite.
        """
        values = check_chunks(chunks, self.horizon, self.dimensions)
        normalised = torch.from_numpy(self.normaliser.normalise(values)).float()
        codes = self.network.quantise(self.network.encode_latent(normalised)).codes
        return codes.numpy().astype(np.int64)

    @torch.no_grad()
    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Map codes to relative chunks (N, T, D).

        Args:
            codes: (N, levels), or (N, goal_levels) for the coarse motion the goal codes alone stand for.

        Raises:
            TokenizerError: wrong shape or a code outside 0..K-1.
        """
        values = check_codes(codes, (self.codes_per_chunk, self.goal_levels), self.codebook_size)
        chunks = self.network.decode_latent(self.network.latent_of_codes(torch.from_numpy(values)))
        return self.normaliser.denormalise(chunks.double().numpy())

    def encode_absolute(
        self, targets: NDArray[np.floating], states: NDArray[np.floating]
    ) -> NDArray[np.int64]:
        """Encode absolute targets (N, T, D) seen from measured states (N, D)."""
        return self.encode(to_relative(targets, states, self.chunk_config.absolute_dimensions))

    def decode_absolute(
        self, codes: NDArray[np.integer], states: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Decode codes to absolute targets (N, T, D) from measured states (N, D).

        Only the decoder's small overshoot of the gripper beyond fully open or closed is cut off. Joints are
        never clamped: the driver refuses what lies outside its limits.
        """
        targets = to_absolute(self.decode(codes), states, self.chunk_config.absolute_dimensions)
        keep = np.asarray(self.normaliser.keep)
        return np.where(keep, np.clip(targets, 0.0, 1.0), targets)

    def save(self, directory: Path, *, training: Any = None, summary: Any = None) -> None:
        """Write the tokeniser and its manifest.

        Args:
            directory: where to.
            training: the configuration it was trained with.
            summary: figures worth reading without loading it.
        """
        directory = Path(directory)
        self.normaliser.save(directory / NORMALISER_NAME)
        write_json(
            directory / CONFIG_NAME,
            {
                "network": asdict(self.config),
                "chunks": asdict(self.chunk_config),
                "period_s": self.period_s,
                "statistics_sha256": self.normaliser.sha256,
            },
        )
        state = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        write_atomically(directory / WEIGHTS_NAME, save_tensors(state))
        write_manifest(
            directory,
            kind=TOKENIZER_KIND,
            files=[NORMALISER_NAME, CONFIG_NAME, WEIGHTS_NAME],
            config=training,
            summary=summary,
        )

    @classmethod
    def load(cls, directory: Path) -> BiLevelTokenizer:
        """Read a tokeniser written by `save`.

        Raises:
            ManifestError: a file is missing or differs from the manifest (named).
            StatisticsError: the statistics are not the ones the network was trained with.
            TokenizerError: configuration and weights do not fit together.
        """
        directory = Path(directory)
        verify_manifest(directory, kind=TOKENIZER_KIND)
        content = json.loads((directory / CONFIG_NAME).read_text())
        normaliser = ActionNormaliser.load(directory / NORMALISER_NAME)
        normaliser.require(content["statistics_sha256"], str(directory / CONFIG_NAME))
        chunks = dict(content["chunks"])
        chunks["absolute_dimensions"] = tuple(chunks["absolute_dimensions"])
        network = RvqVae(RvqVaeConfig(**content["network"]))
        try:
            network.load_state_dict(load_tensors((directory / WEIGHTS_NAME).read_bytes()))
        except (RuntimeError, SafetensorError) as error:
            raise TokenizerError(f"{directory / WEIGHTS_NAME} does not fit {CONFIG_NAME}: {error}") from error
        return cls(network, normaliser, ChunkConfig(**chunks), float(content["period_s"]))

    @staticmethod
    def summary(directory: Path) -> Any:
        """Return the figures stored with a tokeniser."""
        return read_manifest(Path(directory), kind=TOKENIZER_KIND)["summary"]
