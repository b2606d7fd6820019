"""A tokeniser after FAST (Pertsch et al. 2025, arXiv 2501.09747): cosine transform and byte-pair coding.

Each dimension of a chunk is transformed along time, the coefficients are scaled and rounded, low frequencies
of all dimensions come first, and byte-pair coding shortens the sequence of integers. The number of codes
therefore varies from chunk to chunk: good for comparing reconstruction and length, while this project's
policies, whose generation and action head rely on a fixed number of codes, refuse it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, idct
from tokenizers import Tokenizer, models, trainers

from kinevla.actions.base import FAST, ActionTokenizer
from kinevla.actions.normaliser import ActionNormaliser
from kinevla.actions.tokenizer import TokenizerError, check_chunks
from kinevla.data.chunks import ChunkConfig

BPE_NAME = "bpe.json"
PAD = -1
# Integers are spelled with letters from here on; a long, contiguous block without special characters.
_FIRST_LETTER = 0x4E00
_LETTERS = 20000
# Chunks may lie this many times further out than the training range before a coefficient has no letter.
_MARGIN = 2


class FastTokenizer(ActionTokenizer):
    """Chunks (T, D) to a variable number of codes and back.

    Args:
        scale: integer steps per unit of a normalised coefficient; more is finer and longer.
        bpe: trained byte-pair coder; see `fit`.

    Raises:
        TokenizerError: a scale that is not positive or needs too many letters.
    """

    kind = FAST
    file_names = (BPE_NAME,)
    shared_block = True

    def __init__(
        self,
        normaliser: ActionNormaliser,
        chunk_config: ChunkConfig,
        period_s: float,
        scale: float,
        bpe: Tokenizer,
    ) -> None:
        super().__init__(normaliser, chunk_config, period_s)
        self.scale = scale
        self._limit = largest_coefficient(chunk_config.horizon, scale)
        self._bpe = bpe

    @classmethod
    def fit(
        cls,
        chunks: NDArray[np.floating],
        normaliser: ActionNormaliser,
        chunk_config: ChunkConfig,
        period_s: float,
        *,
        scale: float = 10.0,
        vocabulary: int = 1024,
    ) -> FastTokenizer:
        """Train the byte-pair coder on chunks (N, T, D).

        Raises:
            TokenizerError: a vocabulary smaller than the number of integers to spell.
        """
        limit = largest_coefficient(chunk_config.horizon, scale)
        letters = [chr(_FIRST_LETTER + index) for index in range(2 * limit + 1)]
        if vocabulary < len(letters):
            raise TokenizerError(
                f"vocabulary {vocabulary} cannot spell the {len(letters)} integers that scale {scale} needs"
            )
        tokenizer = cls(normaliser, chunk_config, period_s, scale, Tokenizer(models.BPE()))
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary, initial_alphabet=letters, show_progress=False, special_tokens=[]
        )
        tokenizer._bpe.train_from_iterator(tokenizer._spell(chunks), trainer)
        return tokenizer

    @property
    def goal_levels(self) -> int:
        """Refused: there is no fixed number of codes per chunk.

        Raises:
            TokenizerError: always.
        """
        raise TokenizerError(
            "a FAST tokeniser gives every chunk another number of codes; a policy needs a fixed number: use "
            "bilevel_rvq, rvq or bins"
        )

    @property
    def codebook_size(self) -> int:
        """Size of the byte-pair vocabulary."""
        return int(self._bpe.get_vocab_size())

    def encode(self, chunks: NDArray[np.floating]) -> NDArray[np.int64]:
        """Map chunks (N, T, D) to codes (N, longest); shorter rows end in -1.

        Raises:
            TokenizerError: wrong shape, a value that is not finite, or one so far outside the training range
                that its coefficient cannot be spelled.
        """
        rows = [encoding.ids for encoding in self._bpe.encode_batch(self._spell(chunks))]
        codes = np.full((len(rows), max(map(len, rows), default=0)), PAD, dtype=np.int64)
        for row, ids in zip(codes, rows, strict=True):
            row[: len(ids)] = ids
        return codes

    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Map codes (N, any) as `encode` gives them to chunks (N, T, D).

        Raises:
            TokenizerError: a code outside 0..K-1, -1 before a code, or codes that spell another number of
                coefficients than a chunk has.
        """
        values = np.asarray(codes)
        if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer):
            raise TokenizerError(f"codes must be integers (N, L), got {values.dtype} of shape {values.shape}")
        flat = self.horizon * self.dimensions
        integers = np.zeros((len(values), flat))
        for sample, row in enumerate(values):
            length = int((row != PAD).sum())
            known = (row[:length] >= 0) & (row[:length] < self.codebook_size)
            if (row[length:] != PAD).any() or not known.all():
                raise TokenizerError(
                    f"codes of chunk {sample} must lie in 0..{self.codebook_size - 1}, followed by -1 only"
                )
            word = "".join(self._bpe.id_to_token(int(code)) or "" for code in row[:length])
            if len(word) != flat:
                raise TokenizerError(
                    f"codes of chunk {sample} spell {len(word)} coefficients, a chunk has {flat}"
                )
            integers[sample] = [ord(letter) - _FIRST_LETTER - self._limit for letter in word]
        coefficients = integers.reshape(len(values), self.horizon, self.dimensions) / self.scale
        centred = idct(coefficients, axis=1, norm="ortho")
        keep = np.asarray(self.normaliser.keep)
        return self.normaliser.denormalise(np.where(keep, (centred + 1.0) / 2.0, centred))

    def _spell(self, chunks: NDArray[np.floating]) -> list[str]:
        """Write each chunk's rounded coefficients as a word, lowest frequency of all dimensions first."""
        normalised = self.normaliser.normalise(check_chunks(chunks, self.horizon, self.dimensions))
        centred = np.where(self.normaliser.keep, 2.0 * normalised - 1.0, normalised)
        integers = np.rint(dct(centred, axis=1, norm="ortho") * self.scale)
        if (np.abs(integers) > self._limit).any():
            sample, frequency, dimension = np.argwhere(np.abs(integers) > self._limit)[0]
            raise TokenizerError(
                f"chunk {sample} lies too far outside the training range: coefficient {frequency} of "
                f"dimension {dimension} is {integers[sample, frequency, dimension]:.0f}, "
                f"the limit is {self._limit}"
            )
        letters = integers.astype(np.int64).reshape(len(chunks), -1) + self._limit + _FIRST_LETTER
        return ["".join(map(chr, row)) for row in letters.tolist()]

    def _settings(self) -> dict[str, Any]:
        return {"scale": self.scale}

    def _files(self) -> dict[str, bytes]:
        return {BPE_NAME: self._bpe.to_str().encode()}

    @classmethod
    def _restore(
        cls, directory: Path, settings: dict[str, Any], normaliser: ActionNormaliser, chunks: ChunkConfig
    ) -> Self:
        try:
            bpe = Tokenizer.from_str((directory / BPE_NAME).read_text())
        except Exception as error:  # The library raises plain exceptions.
            raise TokenizerError(f"{directory / BPE_NAME} is no byte-pair coder: {error}") from error
        return cls(normaliser, chunks, float(settings["period_s"]), float(settings["scale"]), bpe)


def largest_coefficient(horizon: int, scale: float) -> int:
    """Return the largest integer a coefficient may become: values of -1..1 give at most sqrt(T) * scale.

    Raises:
        TokenizerError: a scale that is not positive or needs more than 20000 integers.
    """
    limit = int(np.ceil(_MARGIN * scale * np.sqrt(horizon))) if scale > 0.0 else 0
    if not 0 < 2 * limit + 1 <= _LETTERS:
        raise TokenizerError(f"scale must be positive and at most {_LETTERS} integers wide, got {scale}")
    return limit
