"""The frozen reader of sentences: all-MiniLM-L6-v2, as it comes by pip.

It has read a large part of what people write, so an instruction may use words that no demonstration came
with. Its states of the single tokens go into the prompt; the vector of a whole sentence does not tell left
from right.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from kinevla.backbone.pretrained import LANGUAGE

SENTENCE_WIDTH = 384
MAX_SENTENCE_TOKENS = 256
_BATCH = 32


class SentenceEncoder(nn.Module):
    """Sentences to token states; it has no parameters that are trained or stored with a policy.

    Raises:
        PretrainedError: the package is not installed, or another version.
    """

    def __init__(self) -> None:
        super().__init__()
        directory = LANGUAGE.path().parent
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_SENTENCE_TOKENS)
        transformers_logging.disable_progress_bar()  # a fifth of a second of bars in every node's log
        self.encoder = (
            AutoModel.from_pretrained(directory, attn_implementation="sdpa").eval().requires_grad_(False)
        )

    def train(self, mode: bool = True) -> SentenceEncoder:
        """Stay in evaluation: it is frozen."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, sentences: Sequence[str]) -> list[Tensor]:
        """Return the token states (L, 384) of each sentence, without those of the marks at its ends."""
        coded = [self.tokenizer.encode(sentence).ids for sentence in sentences]
        found: list[Tensor] = [torch.empty(0)] * len(coded)
        # Sentences of like length share a pass, so that little of it is padding.
        order = sorted(range(len(coded)), key=lambda index: len(coded[index]))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            ids = nn.utils.rnn.pad_sequence([torch.tensor(coded[row]) for row in rows], batch_first=True)
            lengths = torch.tensor([len(coded[row]) for row in rows])
            mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
            device = self.encoder.device
            states = self.encoder(input_ids=ids.to(device), attention_mask=mask.to(device)).last_hidden_state
            for place, row in enumerate(rows):
                found[row] = states[place, 1 : len(coded[row]) - 1]
        return found


@lru_cache(maxsize=2)
def sentence_encoder(device: torch.device) -> SentenceEncoder:
    """Return the encoder on a device; all networks of a process share it."""
    return SentenceEncoder().to(device)
