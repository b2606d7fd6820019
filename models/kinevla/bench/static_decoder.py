"""The decoder with shapes that never change, so that a GPU can replay its work instead of being told anew.

At batch 1 a decoder of 32 layers spends much of a pass on launching hundreds of small kernels. Recorded once
as a CUDA graph, a pass is one launch. Recording needs fixed addresses and shapes: keys and values live in one
window of fixed length, and the new tokens are padded to a few lengths ("buckets"). A padded token writes keys
and values behind the last real one; attention never looks ahead, and the next real token overwrites them, so
padding changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from kinevla.backbone.model import KineVLAModel
from kinevla.generation.decoder import CachedDecoder

DEFAULT_BUCKETS = (1, 2, 4, 8, 64)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate pairs (i, i + half) of (1, heads, L, width) by each position's angles."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


class StaticDecoder(CachedDecoder):
    """Computes what `CachedDecoder` does, over a window of fixed length.

    Args:
        model: network without adapters; its decoder's weights are used in place.
        buckets: lengths new tokens are padded to; longer inputs (the prefill) run as they are.
        graphs: record a CUDA graph per bucket; needs a network on a GPU.

    Raises:
        ValueError: graphs without a GPU, a window no longer than the largest bucket, or longer than the
            decoder's positions.
    """

    length: int

    def __init__(
        self,
        model: KineVLAModel,
        max_length: int,
        buckets: Sequence[int] = DEFAULT_BUCKETS,
        *,
        graphs: bool = False,
    ) -> None:
        super().__init__(model)
        weight = self._decoder.embed_tokens.weight
        if graphs and weight.device.type != "cuda":
            raise ValueError(f"CUDA graphs need a network on a GPU, this one is on {weight.device}")
        sizes = model.config.decoder
        if not max(buckets) < max_length <= sizes.max_positions:
            raise ValueError(
                f"max_length must lie above the largest bucket {max(buckets)} and within the decoder's "
                f"{sizes.max_positions} positions, got {max_length}"
            )
        self.max_length, self.buckets, self.graphs = max_length, tuple(sorted(buckets)), graphs
        with torch.inference_mode():
            shape = (sizes.layers, 1, sizes.heads, max_length, sizes.hidden_size // sizes.heads)
            self._keys, self._values = weight.new_zeros(shape), weight.new_zeros(shape)
            self._slots = torch.arange(max_length, device=weight.device)
            cos, sin = self._decoder.rotary_emb(weight[:1, None], self._slots.unsqueeze(0))
            self._cos, self._sin = cos[0].contiguous(), sin[0].contiguous()
        self._recorded: dict[int, tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor]] = {}

    def extend(self, embeddings: Tensor, wanted: int | None = None) -> Tensor:
        """Append positions (L, hidden) and return the last `wanted` hidden states, all for None.

        The result is valid until the next call.

        Raises:
            ValueError: the sequence would become longer than the window.
        """
        start, count = self.length, len(embeddings)
        if start + count > self.max_length:
            raise ValueError(
                f"a sequence of {start + count} positions exceeds the window of {self.max_length}"
            )
        self.length = start + count
        bucket = next((size for size in self.buckets if size >= count), count)
        if start + bucket > self.max_length:
            bucket = count
        positions = self._slots[start : start + bucket]
        padded = F.pad(embeddings, (0, 0, 0, bucket - count)).unsqueeze(0)
        run = self._replay if self.graphs and bucket in self.buckets else self._forward
        states = run(padded, positions)[0, :count]
        return states if wanted is None else states[-wanted:]

    def _forward(self, x: Tensor, positions: Tensor) -> Tensor:
        cos, sin = self._cos[positions], self._sin[positions]
        seen = self._slots.unsqueeze(0) <= positions.unsqueeze(1)
        split = (1, x.shape[1], self._heads, -1)
        for index, layer in enumerate(self._decoder.layers):
            attention = layer.self_attn
            normed = layer.input_layernorm(x)
            query = _rotate(attention.q_proj(normed).view(split).transpose(1, 2), cos, sin)
            key = _rotate(attention.k_proj(normed).view(split).transpose(1, 2), cos, sin)
            value = attention.v_proj(normed).view(split).transpose(1, 2)
            self._keys[index].index_copy_(2, positions, key)
            self._values[index].index_copy_(2, positions, value)
            mixed = F.scaled_dot_product_attention(
                query, self._keys[index], self._values[index], attn_mask=seen
            )
            x = x + attention.o_proj(mixed.transpose(1, 2).flatten(2))
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return self._decoder.norm(x)

    def _replay(self, x: Tensor, positions: Tensor) -> Tensor:
        bucket = len(positions)
        if bucket not in self._recorded:
            self._recorded[bucket] = self._record(x, positions)
        graph, held_x, held_positions, out = self._recorded[bucket]
        held_x.copy_(x)
        held_positions.copy_(positions)
        graph.replay()
        return out

    def _record(self, x: Tensor, positions: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor]:
        held_x, held_positions = x.clone(), positions.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            # Libraries choose their kernels and allocate work space at first use, which cannot be recorded.
            for _ in range(3):
                self._forward(held_x, held_positions)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = self._forward(held_x, held_positions)
        return graph, held_x, held_positions, out
