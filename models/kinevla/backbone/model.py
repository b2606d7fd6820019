"""The whole network: towers, projector, observation tokens, Llama-type decoder with one output head."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.cache_utils import Cache

from kinevla.backbone.code_readout import CodeReadout
from kinevla.backbone.config import ModelConfig
from kinevla.backbone.features import VisualFeatures
from kinevla.backbone.projectors import ObservationProjector, Projector
from kinevla.backbone.vision_backbone import VisionBackbone
from kinevla.backbone.vit_tower import VitTower

if TYPE_CHECKING:
    from kinevla.flow.head import FlowHead


class KineVLAModel(nn.Module):
    """Vision-language-action network of §3.3: one sequence ``BOS | observation tokens | text and codes``.

    The names `vision_backbone.featurizer`, `vision_backbone.fused_featurizer`, `projector.fc1..3` and
    `language_model` are those of the public OpenVLA weights; `observation`, `state_*`, `coupling_*` and, as a
    baseline's action head, `flow_head` are ours.

    Args:
        config: all sizes.
        pad_id: id of the padding token.
        public_on_meta: parts with public names get no memory yet, because stored weights will take their
            place (`restore_buffers` belongs after that); what is ours is initialised as usual.
    """

    state_offset: Tensor
    state_scale: Tensor

    def __init__(self, config: ModelConfig, pad_id: int = 0, *, public_on_meta: bool = False) -> None:
        super().__init__()
        self.config = config
        self.pad_id = pad_id
        decoder = config.decoder
        with torch.device("meta") if public_on_meta else nullcontext():
            self.vision_backbone = VisionBackbone(config.vision, config.geometry, config.state_dim)
            self.projector = Projector(config.vision.patch_width, decoder.hidden_size)
        self.observation = ObservationProjector(config)
        settings: dict[str, Any] = {
            "vocab_size": config.vocabulary_size,
            "hidden_size": decoder.hidden_size,
            "intermediate_size": decoder.intermediate_size,
            "num_hidden_layers": decoder.layers,
            "num_attention_heads": decoder.heads,
            "num_key_value_heads": decoder.heads,
            "max_position_embeddings": decoder.max_positions,
            "rope_theta": decoder.rope_theta,
            "rms_norm_eps": decoder.norm_eps,
            "pad_token_id": pad_id,
            "tie_word_embeddings": False,
            "attn_implementation": "sdpa",
        }
        with torch.device("meta") if public_on_meta else nullcontext():
            self.language_model = LlamaForCausalLM(LlamaConfig(**settings))
        self.coupling_reasoning = nn.Linear(decoder.hidden_size, config.coupling_width)
        self.coupling_action = nn.Linear(decoder.hidden_size, config.coupling_width)
        self.flow_head: FlowHead | None = None
        if config.flow is not None:
            # Imported here because the head takes its sizes from this package.
            from kinevla.flow.head import FlowHead

            self.flow_head = FlowHead(config.flow, decoder.hidden_size)
        self.code_readout = (
            CodeReadout(config.readout, decoder.hidden_size, config.geometry.tokens)
            if config.readout is not None
            else None
        )
        self.register_buffer("state_offset", torch.zeros(config.state_dim))
        self.register_buffer("state_scale", torch.ones(config.state_dim))

    def restore_buffers(self) -> None:
        """Compute what the configuration implies and no checkpoint holds: pixel statistics, rotations."""
        for tower in (self.vision_backbone.featurizer, self.vision_backbone.fused_featurizer):
            if isinstance(tower, VitTower):
                tower.reset_pixel_statistics()
        decoder = self.language_model.model
        decoder.rotary_emb = type(decoder.rotary_emb)(config=self.language_model.config)

    def set_state_range(self, low: Tensor, high: Tensor) -> None:
        """Set the state values that map to -1 and 1; a dimension that never moved maps to 0."""
        span = (high - low).float()
        self.state_offset.copy_(((low + high) / 2).float())
        self.state_scale.copy_(torch.where(span > 1e-6, 2.0 / span.clamp_min(1e-6), torch.zeros_like(span)))

    def normalise_state(self, state: Tensor) -> Tensor:
        """Map a state (B, D) in its own units to about -1..1."""
        return (state.float() - self.state_offset) * self.state_scale

    def observe(self, features: VisualFeatures, state: Tensor) -> Tensor:
        """Return observation tokens (B, V, hidden) of visual features and a state (B, D) in its own units."""
        state = state.float()
        return self.observation(self.projector, features, state, self.normalise_state(state))

    def code_scores(self, hidden: Tensor, observation: Tensor, codes: Tensor) -> Tensor | None:
        """Score codes by the motion read from the geometry tokens, None without a readout.

        Args:
            hidden: (B, P, hidden) states that predict the last P of the code positions 1 .. n + 1.
            observation: (B, V, hidden) from `observe`.
            codes: (B, n) code indices before the last of these positions.

        Returns:
            (B, P, K), to be added to the output head's scores.
        """
        if self.code_readout is None:
            return None
        scores: Tensor = self.code_readout(hidden, observation[:, self.observation.geometry_span], codes)
        return scores

    def embed_ids(self, ids: Tensor) -> Tensor:
        """Embed token ids (B, L) -> (B, L, hidden)."""
        return self.language_model.model.embed_tokens(ids)

    def hidden_states(self, embeddings: Tensor, cache: Cache | None = None) -> Tensor:
        """Run the decoder over embeddings (B, L, hidden).

        A cache that is given is continued and grows in place. Rows must be padded on the right only:
        attention is causal, so padding never reaches a real token.
        """
        past = cache.get_seq_length() if cache is not None else 0
        positions = torch.arange(past, past + embeddings.shape[1], device=embeddings.device)
        return self.language_model.model(
            inputs_embeds=embeddings,
            past_key_values=cache,
            position_ids=positions.unsqueeze(0),
            use_cache=cache is not None,
        ).last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        """Map hidden states (..., hidden) to scores over text and codes (..., vocabulary)."""
        return self.language_model.lm_head(hidden)
