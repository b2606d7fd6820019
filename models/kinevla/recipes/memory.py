"""Memory of one GPU in training, from sizes alone.

Bytes kept for the backward pass are counted for bfloat16 activations and fused attention (no attention matrix
is kept); libraries keep a little more or less. The formulas are meant to be within some 20 %.
"""

from __future__ import annotations

from dataclasses import dataclass

from kinevla.backbone.config import DecoderConfig, VitTowerConfig

_BF16, _FP32 = 2, 4


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on one GPU."""

    weights: int  # frozen weights in their type, trained ones in single precision
    gradients: int  # of what is trained, single precision
    optimiser: int  # two moments of AdamW per trained weight, single precision
    activations: int  # kept for the backward pass, nothing computed again
    activations_checkpointed: int  # the same when each block keeps only its input
    logits: int  # scores and their gradient, see `logit_bytes`

    def total(self, *, checkpointing: bool) -> int:
        """Return the sum with or without gradient checkpointing."""
        kept = self.activations_checkpointed if checkpointing else self.activations
        return self.weights + self.gradients + self.optimiser + kept + self.logits


def state_bytes(total: int, trained: int, weight_bytes: int) -> tuple[int, int, int]:
    """Return bytes of weights, gradients and optimiser.

    weights = (total - trained) * weight_bytes + 4 trained, gradients = 4 trained, AdamW = 8 trained.
    """
    return (total - trained) * weight_bytes + _FP32 * trained, _FP32 * trained, 2 * _FP32 * trained


def decoder_layer_bytes(config: DecoderConfig) -> int:
    """Bytes one token keeps in one decoder layer: 24 h + 8 f.

    Eight tensors of width h in bfloat16 (both norms' inputs and outputs, query, key, value, attention
    output), single-precision copies in the two norms, four tensors of width f (gate, up, SiLU(gate),
    product).
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    return _BF16 * 8 * hidden + _FP32 * 2 * hidden + _BF16 * 4 * inner


def tower_block_bytes(config: VitTowerConfig) -> int:
    """Bytes one patch keeps in one block of a vision transformer: 16 w + 4 m.

    Eight tensors of width w as in the decoder, two of the perceptron's width m (before and after GELU).
    """
    return _BF16 * 8 * config.width + _BF16 * 2 * config.mlp_hidden


def decoder_bytes(config: DecoderConfig, tokens: int, *, checkpointing: bool) -> int:
    """Bytes of the decoder for `tokens` tokens over the batch; checkpointing keeps inputs and one layer."""
    layer = decoder_layer_bytes(config) * tokens
    return (
        config.layers * _BF16 * config.hidden_size * tokens + layer
        if checkpointing
        else config.layers * layer
    )


def tower_bytes(config: VitTowerConfig, tokens: int, *, checkpointing: bool) -> int:
    """Bytes of a tower for `tokens` tokens over all images; its last block is not computed."""
    block, blocks = tower_block_bytes(config) * tokens, config.depth - 1
    return blocks * _BF16 * config.width * tokens + block if checkpointing else blocks * block


def logit_bytes(rows: int, vocabulary: int) -> int:
    """Bytes of scores: bfloat16, a single-precision copy for the softmax, and its gradient."""
    return rows * vocabulary * (_BF16 + 2 * _FP32)
