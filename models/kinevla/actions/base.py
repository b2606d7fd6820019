"""What every action tokeniser offers, so that policy and ablation swap them by configuration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from kinevla.actions.normaliser import ActionNormaliser
from kinevla.actions.report import TokenizerReport, measure_tokenizer
from kinevla.actions.tokenizer import TokenizerError, check_chunks
from kinevla.bounded import read_json
from kinevla.data.chunks import ChunkConfig, ChunkSet, all_but, to_absolute, to_relative
from kinevla.manifest import (
    read_manifest,
    require_listed,
    verify_manifest,
    write_atomically,
    write_json,
    write_manifest,
)

TOKENIZER_KIND = "tokenizer"
CONFIG_NAME = "tokenizer.json"
NORMALISER_NAME = "normaliser.json"
BILEVEL, SINGLE_LEVEL, BINS, FAST = "bilevel_rvq", "rvq", "bins", "fast"


class ActionTokenizer(ABC):
    """Chunks of actions to integer codes and back.

    A chunk (T, D) is what the chunk configuration cuts: joint targets relative to the measured joints or
    absolute (rad), end-effector deltas, and a gripper opening of 0..1. The `_absolute` pair works with
    absolute targets and the measured state instead.

    Args:
        normaliser: statistics of the chunks; their hash says whether two models understand the same codes.
        chunk_config: how chunks are cut and which dimensions are absolute.

    Raises:
        TokenizerError: a period that is not positive.
    """

    kind: ClassVar[str]  # Name of the kind: 'bilevel_rvq', 'rvq', 'bins' or 'fast'
    # Code k means the same at every place, so that all places can share one block of ids
    shared_block: ClassVar[bool] = False
    file_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, normaliser: ActionNormaliser, chunk_config: ChunkConfig, period_s: float) -> None:
        if not period_s > 0.0:
            raise TokenizerError(f"period_s must be positive, got {period_s}")
        self.normaliser = normaliser
        self.chunk_config = chunk_config
        self.period_s = period_s

    @property
    def horizon(self) -> int:
        """Frames per chunk T."""
        return self.chunk_config.horizon

    @property
    def dimensions(self) -> int:
        """Action dimensions D."""
        return self.normaliser.dimensions

    @property
    @abstractmethod
    def goal_levels(self) -> int:
        """Goal codes per chunk; all codes where there is only one level."""

    @property
    def kinematics_levels(self) -> int:
        """Kinematics codes per chunk; 0 where there is only one level."""
        return 0

    @property
    def codes_per_chunk(self) -> int:
        """Number of codes one chunk becomes.

        Raises:
            TokenizerError: the number varies from chunk to chunk (FAST).
        """
        return self.goal_levels + self.kinematics_levels

    @property
    @abstractmethod
    def codebook_size(self) -> int:
        """Codes run from 0 to this number minus one."""

    @abstractmethod
    def encode(self, chunks: NDArray[np.floating]) -> NDArray[np.int64]:
        """Map chunks (N, T, D) to codes (N, codes_per_chunk); a variable length is filled up with -1.

        Raises:
            TokenizerError: wrong shape or a value that is not finite.
        """

    @abstractmethod
    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Map codes (N, codes_per_chunk), or the goal codes alone (N, goal_levels), to chunks (N, T, D).

        Raises:
            TokenizerError: wrong shape or a code outside 0..K-1.
        """

    def encode_absolute(
        self, targets: NDArray[np.floating], states: NDArray[np.floating]
    ) -> NDArray[np.int64]:
        """Encode absolute targets (N, T, D) seen from measured states (N, D).

        Raises:
            TokenizerError: arrays of other shapes.
        """
        check_chunks(targets, self.horizon, self.dimensions)
        self._check_states(states, len(targets))
        return self.encode(to_relative(targets, states, self._absolute))

    def decode_absolute(
        self, codes: NDArray[np.integer], states: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Decode codes to absolute targets (N, T, D) from measured states (N, D); see `absolute_targets`.

        Raises:
            TokenizerError: impossible codes, or states of another shape.
        """
        self._check_states(states, len(codes))
        return self.absolute_targets(self.decode(codes), states)

    def absolute_targets(
        self, chunks: NDArray[np.floating], states: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Turn chunks (N, T, D) in action units into absolute targets seen from measured states (N, D).

        Only the decoder's small overshoot of the gripper beyond fully open or closed is cut off. Joints are
        never clamped: the driver refuses what lies outside its limits.
        """
        targets = to_absolute(chunks, states, self._absolute)
        keep = np.asarray(self.normaliser.keep)
        return np.where(keep, np.clip(targets, 0.0, 1.0), targets)

    @property
    def _absolute(self) -> tuple[int, ...]:
        return self.chunk_config.absolute_in(self.dimensions)

    def _check_states(self, states: NDArray[np.floating], count: int) -> None:
        if not all_but(self.dimensions, self._absolute).any():
            return  # Nothing is relative to the state: its size does not matter.
        if states.shape != (count, self.dimensions):
            raise TokenizerError(f"states must have shape ({count}, {self.dimensions}), got {states.shape}")
        if not np.isfinite(states).all():
            sample, dimension = np.argwhere(~np.isfinite(states))[0]
            raise TokenizerError(f"state {sample} is not finite in dimension {dimension}")

    def code_vectors(self) -> tuple[NDArray[np.float32], ...] | None:
        """Return, per place in a chunk, (K, d) vectors that are close where codes mean similar motion."""
        return None

    def latents(self, chunks: NDArray[np.floating]) -> NDArray[np.float32] | None:
        """Return latents (N, d) that the codes' vectors sum up to; None where codes are no such sum."""
        return None

    def report(self, held_out: ChunkSet, train: ChunkSet | None = None) -> TokenizerReport:
        """Measure this tokeniser on held-out chunks and, for the use of its codes, on training chunks."""
        return measure_tokenizer(self, held_out, train)

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """Return what tokenizer.json holds beyond chunks, period and statistics."""

    def _files(self) -> dict[str, bytes]:
        """Return the further files by name, those of `file_names`."""
        return {}

    @classmethod
    @abstractmethod
    def _restore(
        cls, directory: Path, settings: dict[str, Any], normaliser: ActionNormaliser, chunks: ChunkConfig
    ) -> Self:
        """Build the tokeniser from the files of a directory that agrees with its manifest."""

    def save(
        self,
        directory: Path,
        *,
        training: Any = None,
        summary: Any = None,
        inputs: Mapping[str, Path] | None = None,
    ) -> None:
        """Write the tokeniser and its manifest.

        Args:
            training: the configuration it was trained with.
            summary: figures worth reading without loading it.
            inputs: results it was trained on by role ('data'); the manifest names them by hash.
        """
        directory = Path(directory)
        self.normaliser.save(directory / NORMALISER_NAME)
        content = self._settings() | {
            "kind": self.kind,
            "chunks": asdict(self.chunk_config),
            "period_s": self.period_s,
            "statistics_sha256": self.normaliser.sha256,
        }
        write_json(directory / CONFIG_NAME, content)
        files = self._files()
        for name, value in files.items():
            write_atomically(directory / name, value)
        write_manifest(
            directory,
            kind=TOKENIZER_KIND,
            files=[NORMALISER_NAME, CONFIG_NAME, *files],
            config=training,
            summary=summary,
            inputs=inputs,
        )

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a tokeniser written by `save`.

        Raises:
            ManifestError: a file is missing or differs from the manifest (named).
            StatisticsError: the statistics are not the ones the tokeniser was trained with.
            TokenizerError: a tokeniser of another kind, or files that do not fit together.
        """
        directory = Path(directory)
        manifest = verify_manifest(directory, kind=TOKENIZER_KIND, needs=(CONFIG_NAME, NORMALISER_NAME))
        settings = read_settings(directory)
        if (found := kind_of(settings)) != cls.kind:
            raise TokenizerError(f"{directory} holds a tokeniser of kind {found!r}, expected {cls.kind!r}")
        require_listed(manifest, directory, cls.file_names)
        normaliser = ActionNormaliser.load(directory / NORMALISER_NAME)
        try:
            normaliser.require(settings["statistics_sha256"], str(directory / CONFIG_NAME))
            chunks = dict(settings["chunks"])
            for name in ("absolute_dimensions", "sharp_dimensions"):
                if name in chunks:
                    chunks[name] = tuple(chunks[name])
            return cls._restore(directory, settings, normaliser, ChunkConfig(**chunks))
        except (KeyError, TypeError) as error:
            raise TokenizerError(f"{directory / CONFIG_NAME} is incomplete or damaged: {error!r}") from error

    @staticmethod
    def summary(directory: Path) -> Any:
        """Return the figures stored with a tokeniser."""
        return read_manifest(Path(directory), kind=TOKENIZER_KIND)["summary"]


def read_settings(directory: Path) -> dict[str, Any]:
    """Return the content of tokenizer.json.

    Raises:
        TokenizerError: it is missing or no JSON object.
    """
    path = Path(directory) / CONFIG_NAME
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise TokenizerError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise TokenizerError(f"{path} holds a {type(content).__name__}, expected an object")
    return content


def kind_of(settings: dict[str, Any]) -> str:
    """Return the kind of tokeniser; files of version 0.1.0 carry none and hold a residual VQ-VAE."""
    if "kind" in settings:
        return str(settings["kind"])
    levels = settings.get("network", {}).get("kinematics_levels", 2)
    return BILEVEL if levels else SINGLE_LEVEL
