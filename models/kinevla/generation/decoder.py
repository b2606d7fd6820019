"""The decoder's forward pass with a key-value cache, over the network's own layers.

`KineVLAModel.hidden_states` is the same computation for training and for whole batches. Decoding one id at a
time spends most of a small network's time on what surrounds the matrix products there (cache objects, mask
construction, position handling), so it is written out here for one row: the cache is one block of memory, the
rotations are a table, and the last layer is computed for the wanted rows only. Layers are called as modules,
so adapters inside them are part of the result and weights are never copied.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinevla.backbone.model import KineVLAModel

_GROWTH = 128


class CachedDecoder:
    """One sequence in the decoder of a network: it can be extended and cut back, but only at its end.

    The weights are read at every call, so they may change between sequences.
    """

    def __init__(self, model: KineVLAModel) -> None:
        config = model.config.decoder
        # The text model of `LlamaForCausalLM`; its layers are plain modules without a common type.
        self._decoder: Any = model.language_model.model
        self._heads = config.heads
        self._limit = config.max_positions
        self._epsilon = float(model.language_model.config.rms_norm_eps)
        self._memory = torch.empty(0)
        self._rotation = torch.empty(0)
        self.length = 0

    def reset(self) -> None:
        """Begin a new sequence."""
        self.length = 0

    def crop(self, length: int) -> None:
        """Forget all positions from `length` on."""
        self.length = length

    def extend(self, embeddings: Tensor, wanted: int | None = None) -> Tensor:
        """Append positions and return their hidden states.

        Args:
            embeddings: (L, hidden), L >= 1.
            wanted: only the last so many states are needed, None for all.

        Returns:
            (wanted, hidden), what `KineVLAModel.hidden_states` gives for these positions.

        Raises:
            ValueError: the sequence would become longer than the decoder's positions.
        """
        count, hidden = embeddings.shape
        begin, end = self.length, self.length + count
        if end > self._limit:
            raise ValueError(f"a sequence of {end} positions exceeds the decoder's {self._limit}")
        self._reserve(end, embeddings)
        cosine, sine = self._rotation[0, begin:end], self._rotation[1, begin:end]
        mask = torch.ones(count, end, dtype=torch.bool, device=embeddings.device).tril(begin)
        rows = count if wanted is None else wanted
        states = embeddings
        for index, layer in enumerate(self._decoder.layers):
            attention = layer.self_attn
            normed = self._norm(states, layer.input_layernorm)
            keys, values = self._memory[index]
            keys[:, begin:end] = _rotate(self._split(attention.k_proj(normed)), cosine, sine)
            values[:, begin:end] = self._split(attention.v_proj(normed))
            if index == len(self._decoder.layers) - 1:
                # Nothing reads the other rows any more.
                normed, states, mask = normed[-rows:], states[-rows:], mask[-rows:]
                cosine, sine = cosine[-rows:], sine[-rows:]
            queries = _rotate(self._split(attention.q_proj(normed)), cosine, sine)
            read = functional.scaled_dot_product_attention(
                queries.unsqueeze(0), keys[None, :, :end], values[None, :, :end],
                attn_mask=mask if len(mask) > 1 else None,
            )  # fmt: skip
            states = states + attention.o_proj(read[0].transpose(0, 1).reshape(len(mask), hidden))
            states = states + layer.mlp(self._norm(states, layer.post_attention_layernorm))
        self.length = end
        return self._norm(states, self._decoder.norm)

    def _norm(self, states: Tensor, norm: nn.Module) -> Tensor:
        weight: Any = norm.weight
        return functional.rms_norm(states, weight.shape, weight, self._epsilon)

    def _split(self, states: Tensor) -> Tensor:
        """(L, hidden) -> (heads, L, hidden / heads)."""
        return states.unflatten(-1, (self._heads, -1)).transpose(0, 1)

    def _reserve(self, positions: int, like: Tensor) -> None:
        """Make room for so many positions, keeping what is there."""
        old = self._memory
        known = old.dtype == like.dtype and old.device == like.device
        if known and old.dim() > 1 and old.shape[3] >= positions:
            return
        room = min(self._limit, -(-positions // _GROWTH) * _GROWTH)
        width = like.shape[-1] // self._heads
        shape = (len(self._decoder.layers), 2, self._heads, room, width)
        self._memory = torch.empty(shape, dtype=like.dtype, device=like.device)
        if self.length:
            self._memory[:, :, :, : self.length] = old[:, :, :, : self.length]
        cosine, sine = self._decoder.rotary_emb(like, torch.arange(room, device=like.device)[None])
        half = width // 2
        # The sign of the rotation is kept in the table, see `_rotate`.
        signed = torch.cat([-sine[..., :half], sine[..., half:]], dim=-1)
        self._rotation = torch.cat([cosine, signed])


def _rotate(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate pairs (i, i + half) of (heads, L, width) by each position's angles."""
    return states * cosine + states.roll(states.shape[-1] // 2, -1) * sine
