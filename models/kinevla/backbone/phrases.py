"""What the words of a text ask of the motion, so that one word among fifty is heard.

In a decoder's state a word that decides on the motion is one of many that attention averages, and training
left it unheard. Here every word has a vector of its own that nothing dilutes; neighbours are read together,
so that a left end and a left side differ.
"""

from __future__ import annotations

from torch import Tensor, nn

_SPAN = 5
_SHARE = 0.25


class Phrases(nn.Module):
    """A sum over short phrases: embedding, one convolution over neighbours, sum (Kim 2014, arXiv:1408.5882).

    Args:
        vocabulary_size: ids.
        pad_id: id that says nothing.
        width: numbers per word.
        hidden: width of the result.
    """

    def __init__(self, vocabulary_size: int, pad_id: int, width: int, hidden: int) -> None:
        super().__init__()
        self.pad_id = pad_id
        self.words = nn.Embedding(vocabulary_size, width)
        self.neighbours = nn.Conv1d(width, width, _SPAN, padding=_SPAN // 2)
        self.out = nn.Linear(width, hidden)

    def forward(self, ids: Tensor) -> Tensor:
        """Read texts.

        Args:
            ids: (..., L) ids of a text, the pad id before, behind and where there is none.

        Returns:
            (..., hidden), independent of the padding; a constant without words.
        """
        flat = ids.flatten(0, -2)
        spoken = (flat != self.pad_id).unsqueeze(-1)
        words = self.words(flat) * spoken
        phrases = nn.functional.gelu(self.neighbours(words.transpose(1, 2)).transpose(1, 2)) + words
        told: Tensor = self.out((phrases * spoken).sum(1) * _SHARE)
        return told.unflatten(0, ids.shape[:-1])
